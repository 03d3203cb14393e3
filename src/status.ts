/**
 * What a server tells of itself, and the ioctl on the mount's root by which it is asked: the one
 * way that needs no path, no socket and no second descriptor in the server.
 */
import type {Fault} from './faults.ts';
import type {SandboxState} from './sandbox/levels.ts';

/** Kept below 2^14, the field for the size in an ioctl's number. */
export const statusBytesMax = 16_376;

/**
 * _IOR('E', 0x42, 16376 bytes): JSON, filled up with zeros. FUSE passes it on without a list of
 * buffers because the number itself says direction and size. ioctl returns the length of the JSON.
 */
export const statusIoctl = ((2 << 30) | (statusBytesMax << 16) | (0x45 << 8) | 0x42) >>> 0;

/** What the probe prints when it has started and is about to ask: white space before the JSON. */
export const probeStarted = '\n';

/** _IOW('E', 0x43, int): 1 makes the mount read-only, 0 writable again. Answered as `statusIoctl`. */
export const remountIoctl = ((1 << 30) | (4 << 16) | (0x45 << 8) | 0x43) >>> 0;

/** What `remountIoctl` is given. */
export function remountRequest(isReadOnly: boolean): Uint8Array {
	return Uint8Array.of(isReadOnly ? 1 : 0, 0, 0, 0);
}

export type Status = {
	readonly ext4box: 1;
	readonly image: string;
	/** As things are now: `remount,ro` and `errors=remount-ro` make it true. */
	readonly readOnly: boolean;
	readonly allowOther: boolean;
	/** What stands between the server and the machine. */
	readonly sandbox: SandboxState;
	/** Who moves the data: `fuse` is this server, `iomap` the kernel; and why. */
	readonly dataPath: {readonly kind: 'fuse' | 'iomap'; readonly reason: string};
	/** In the place of an image that is a file; null where there is none. */
	readonly loop: {readonly device: string; readonly isDirect: boolean} | null;
	readonly protocol: {
		readonly minor: number;
		readonly kernelMinor: number;
		readonly flags: readonly string[];
	};
	readonly uptimeSeconds: number;
	readonly cpuSeconds: {readonly user: number; readonly system: number};
	/** What is resident now only /proc could say. */
	readonly memoryBytes: {readonly residentPeak: number; readonly heap: number};
	readonly requests: {readonly [operation: string]: number};
	readonly errors: {readonly [errno: string]: number};
	readonly receivedBytes: number;
	readonly sentBytes: number;
	readonly deviceReads: {readonly count: number; readonly bytes: number};
	readonly deviceWrites: {readonly count: number; readonly bytes: number};
	readonly deviceFlushes: number;
	/** Null where the mount was made read-only. */
	readonly writing: Writing | null;
	readonly blockCache: {readonly hits: number; readonly misses: number};
	readonly volume: {
		readonly label: string;
		readonly uuid: string;
		readonly blockSize: number;
		readonly blockCount: number;
		readonly features: readonly string[];
		/** Transactions of the journal that were replayed in memory. */
		readonly replayed: number;
	};
	/** Of what requests cost in blocks of metadata, by docs/decisions/budgets.md. */
	readonly budget: {
		/** Requests that were refused because they cost too much. */
		readonly exceeded: number;
		/** The most that one has looked at, and read. */
		readonly mostAccesses: number;
		readonly mostReadBytes: number;
	};
	readonly faultCount: number;
	readonly lastFaults: readonly Fault[];
};

export type Writing = {
	/** How changes become durable: a journal, or in place. */
	readonly commits: number;
	readonly checkpoints: number;
	readonly blocksCommitted: number;
	/** Operations that failed and left nothing behind. */
	readonly rollbacks: number;
	/** Something waits for a commit, which comes after `commitSeconds` at the latest. */
	readonly isDirty: boolean;
	readonly commitSeconds: number;
	/** Why no more changes are taken, or null. */
	readonly failure: string | null;
	/** By EXT4_IOC_SHUTDOWN: that is the failure then, and all that was written before it is there. */
	readonly isShutDown: boolean;
	/** Because of the failure something that was called written is not in the image. */
	readonly hasLoss: boolean;
	/** Inodes that the kernel knows, and of those the ones that have no name any more. */
	readonly knownInodes: number;
	readonly linklessInodes: number;
};

const encoder = new TextEncoder();

/** The status as JSON of at most `statusBytesMax` bytes; the oldest faults go first. Throws `RangeError`. */
export function encodeStatus(status: Status): Uint8Array {
	let current = status;
	for (;;) {
		const bytes = encoder.encode(JSON.stringify(current));
		if (bytes.length <= statusBytesMax) return bytes;
		if (current.lastFaults.length === 0) {
			throw new RangeError(`a status of ${bytes.length} bytes; the ioctl holds ${statusBytesMax}`);
		}
		current = {...current, lastFaults: current.lastFaults.slice(1)};
	}
}
