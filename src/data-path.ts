/** Which way data takes: the kernel moves it itself, or it passes through this server; and why. */
import type {AlignedDevice} from '../images/index.ts';
import {type Dialect, v7} from '../iomap/index.ts';
import type {IomapLink} from './filesystem/iomap.ts';
import type {Grant} from './grant.ts';
import {type ServerConfig, whyIomapUnwanted} from './mount/server-config.ts';
import {ioctl, makeDirect} from './syscalls.ts';

/** BLKSSZGET, for an int. */
const sectorBytesIoctl = 0x1268;

/** The dialect that the kernel is to be asked for; else why it is not asked. */
export type DataPathPlan = {readonly dialect: Dialect} | {readonly reason: string};

/** What of the image decides. */
export type ImageFacts = {
	readonly isBlockDevice: boolean;
	/** In bytes. */
	readonly blockSize: number;
	/** What transfers past the page cache are multiples of; of a file, without a meaning. */
	readonly sectorBytes: number;
	/** What is read is not what lies on the device. */
	readonly isReplayedInMemory: boolean;
};

/** Logical sectors of a block device, in bytes. Throws `SystemError`; no sandbox lets it through. */
export function sectorBytesOf(imageDescriptor: number): number {
	const answer = new Int32Array(1);
	ioctl(imageDescriptor, sectorBytesIoctl, new Uint8Array(answer.buffer));
	return answer[0] ?? 0;
}

/** `pageBytes`: the kernel's page. Blocks larger than that can crash a kernel. */
export function planDataPath(
	config: ServerConfig,
	grant: Grant,
	image: ImageFacts,
	pageBytes: number,
): DataPathPlan {
	const reason =
		whyIomapUnwanted(config) ?? whyNotGranted(grant) ?? whyUnfit(grant, image, pageBytes);
	return reason === undefined ? {dialect: v7} : {reason};
}

function whyNotGranted(grant: Grant): string | undefined {
	const {answer, detail} = grant.iomap;
	switch (answer) {
		case 'granted':
			return undefined;
		case 'kernel':
			return 'this kernel has no FUSE iomap';
		case 'switch':
			return 'FUSE iomap is off in this kernel (as root, "echo 1 >/sys/module/fuse/parameters/enable_iomap")';
		case 'policy':
			return '/etc/ext4box.conf forbids FUSE iomap ("iomap no")';
		case 'withheld':
			return onFile(grant);
		case 'permission':
			return 'who mounted had no right to FUSE iomap: the installed helper has it, and root';
		case 'unasked':
			return 'FUSE iomap was not asked for';
		case 'failed':
			return `the kernel did not grant FUSE iomap: ${detail}`;
	}
}

/** Why there is no loop device where it takes one. */
function whyNoLoop({loop}: Grant): string {
	switch (loop.kind) {
		case 'policy':
			return '/etc/ext4box.conf permits no loop device ("loop no")';
		case 'failed':
			return `no loop device could be had: ${loop.reason}`;
		case 'permission':
			return 'who mounted had no right to a loop device: the installed helper has it, and root';
		case 'none':
		case 'attached':
			return 'it was not attached to a loop device';
	}
}

function onFile(grant: Grant): string {
	return `the image is a file, and the kernel moves data on block devices alone; ${whyNoLoop(grant)}`;
}

function whyUnfit(grant: Grant, image: ImageFacts, pageBytes: number): string | undefined {
	const {isBlockDevice, blockSize, sectorBytes, isReplayedInMemory} = image;
	if (!isBlockDevice) return onFile(grant);
	if (blockSize > pageBytes) return `blocks of ${blockSize} bytes are larger than a page`;
	if (sectorBytes > blockSize) {
		return `the device's sectors of ${sectorBytes} bytes are larger than blocks of ${blockSize}`;
	}
	if (isReplayedInMemory) return 'its journal is replayed in memory alone';
	return undefined;
}

/** The ioctls on /dev/fuse that serving may come to need: none where the kernel moves no data. */
export function ioctlsFor(config: ServerConfig, grant: Grant, isBlockDevice: boolean): number[] {
	const isWanted = whyIomapUnwanted(config) === undefined;
	const isPossible = isWanted && grant.iomap.answer === 'granted' && isBlockDevice;
	return isPossible ? Object.values(v7.ioctls) : [];
}

export type LinkOptions = {
	readonly dialect: Dialect;
	readonly fuseDescriptor: number;
	readonly imageDescriptor: number;
	readonly device: AlignedDevice;
	readonly sectorBytes: number;
	/** Where on the device the file system begins, in bytes. */
	readonly startBytes: number;
	readonly notify: IomapLink['notify'];
	readonly malformed: (problem: string) => void;
};

export function makeIomapLink(options: LinkOptions): IomapLink {
	const {dialect, fuseDescriptor, imageDescriptor, device, sectorBytes} = options;
	const {startBytes, notify, malformed} = options;
	return {
		dialect,
		startBytes,
		notify,
		malformed,
		registerDevice() {
			// The kernel goes past the page cache of the device, and so must what is read here.
			device.flush();
			device.align(sectorBytes);
			makeDirect(imageDescriptor);
			const argument = dialect.openDevice(imageDescriptor);
			const number = ioctl(fuseDescriptor, dialect.ioctls.openDevice, argument);
			// Memory that this thread wants must not be made by writing out pages of its own mount.
			ioctl(fuseDescriptor, dialect.ioctls.setNoFs, dialect.setNoFs(true));
			return number;
		},
	};
}
