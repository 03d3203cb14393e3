/** What the operations of one mount share. */
import {
	FileError,
	type Handle,
	type Inode,
	inodeFlags,
	readSymlink,
	type Timestamp,
	type Volume,
} from '../../ext4/index.ts';
import {Mapper} from '../../iomap/index.ts';
import {inodeOfNode, nameBytesMax, type Shown} from '../attributes.ts';
import type {Agreement} from '../fuse/init.ts';
import {type InitFlag, openFlags} from '../fuse/layout.ts';
import type {Request} from '../fuse/message.ts';
import type {ServerConfig} from '../mount/server-config.ts';
import {type Owners, ownersOf} from '../owners.ts';
import {type IomapLink, IomapService} from './iomap.ts';
import {type FaultNoticed, Nodes} from './nodes.ts';
import {ShutDown} from './shut-down.ts';

export type FileSystemOptions = {
	readonly config: ServerConfig;
	/** The bytes of the status, for the ioctl. */
	readonly status: () => Uint8Array;
	/** Tells the kernel that a node's attributes have changed by other ways than it knows of. */
	readonly invalidateAttributes?: (nodeId: number) => void;
	/** The volume takes changes again. */
	readonly remounted?: () => void;
	readonly faultNoticed?: FaultNoticed;
	/** Where the kernel may be asked to move data itself. */
	readonly iomap?: IomapLink;
};

export class Served {
	readonly volume: Volume;
	readonly mapper: Mapper;
	readonly config: ServerConfig;
	readonly owners: Owners;
	readonly shown: Shown;
	readonly nodes: Nodes;
	readonly status: () => Uint8Array;
	readonly invalidateAttributes: (nodeId: number) => void;
	readonly remounted: () => void;
	readonly shutDown = new ShutDown();
	/** Undefined where it is not even offered to the kernel. */
	readonly iomap: IomapService | undefined;
	#agreed: ReadonlySet<InitFlag> = new Set();
	#hasRefusedData = false;

	constructor(volume: Volume, options: FileSystemOptions) {
		this.volume = volume;
		this.mapper = new Mapper(volume);
		this.config = options.config;
		this.owners = ownersOf(options.config.map);
		this.nodes = new Nodes(volume, !options.config.readOnly, options.faultNoticed ?? (() => {}));
		this.status = options.status;
		this.invalidateAttributes = options.invalidateAttributes ?? (() => {});
		this.remounted = options.remounted ?? (() => {});
		this.shown = {
			owners: this.owners,
			blockSize: volume.geometry.blockSize,
			sizeOf: inode => shownSize(volume, inode),
			flagsOf: inode => this.iomap?.flagsOf(inode) ?? 0,
		};
		this.iomap = options.iomap === undefined ? undefined : new IomapService(this, options.iomap);
	}

	agree(agreement: Agreement): void {
		this.#agreed = agreement.flags;
		if (agreement.isExperimental) this.iomap?.start();
	}

	has(flag: InitFlag): boolean {
		return this.#agreed.has(flag);
	}

	/** The inode that a request is about. */
	inode(request: Request): Inode {
		return this.nodes.read(inodeOfNode(request.nodeId));
	}

	/** As `inode`, where the request is about a name in it. Throws `FileError` ENOTDIR. */
	directory(request: Request): Inode {
		const inode = this.inode(request);
		if (inode.type !== 'directory') throw new FileError('ENOTDIR', 'this is no directory');
		return inode;
	}

	/** Runs an operation that changes the file system, for whom the request comes from. */
	transact<T>(request: Request, operation: (handle: Handle) => T): T {
		return this.volume.transact(operation, {mayUseReserved: this.mayUseReserved(request.uid)});
	}

	/**
	 * Whether blocks kept for root may be taken and quotas passed over. A lone mounter may: all of
	 * the image is his.
	 */
	mayUseReserved(uid: number): boolean {
		return uid === 0 || !this.config.allowOther;
	}

	/** The running transaction is made durable where the mount, or `inode`, asks for that. */
	settle(...inodes: readonly (Inode | undefined)[]): void {
		if (this.config.isSync || inodes.some(isSynchronous)) this.sync();
	}

	/** As `settle`, after a change of names in a directory. */
	settleNames(directory: Inode, other?: Inode): void {
		if (this.config.isDirSync || isDirSync(directory) || isDirSync(other)) this.sync();
		else this.settle();
	}

	/** All that was acknowledged is on the medium. Throws `DeviceError`. */
	sync(): void {
		this.volume.transactions?.sync();
		// What the kernel has written itself may need no transaction.
		if (this.iomap?.isOn === true) this.volume.device.flush();
	}

	/** Data was refused that the kernel had taken in and called written. */
	get hasRefusedData(): boolean {
		return this.#hasRefusedData;
	}

	/** `error` kept data from the image that the kernel has called written. */
	noteRefusedData(error: unknown): void {
		// A full disk, a quota, a file's limits: the file system itself has lost nothing.
		const isLimit = error instanceof FileError && error.code !== 'EROFS';
		if (!isLimit) this.#hasRefusedData = true;
	}

	/** The kernel forgets `count` of the times that it was told of `inode`. */
	forget(inode: number, count: number): void {
		if (this.nodes.forget(inode, count)) this.iomap?.forgotten(inode);
	}

	/** The kernel says in SETATTR when a file's contents have changed. */
	kernelKeepsTimes(file: Inode): boolean {
		return this.has('WRITEBACK_CACHE') || this.iomap?.isMoved(file) === true;
	}

	/** `fuse_open_out.open_flags`. */
	get openFlags(): number {
		// Only the kernel's own way past the page cache knows of the alignment that a device wants.
		if (this.isIomap) return openFlags.keepCache;
		return this.config.direct ? openFlags.directIo : 0;
	}

	/** The kernel moves data itself, and asks when files are opened and closed. */
	get isIomap(): boolean {
		return this.iomap?.isOn === true;
	}
}

function isSynchronous(inode: Inode | undefined): boolean {
	return inode !== undefined && (inode.flags & inodeFlags.synchronous) !== 0;
}

function isDirSync(directory: Inode | undefined): boolean {
	const bits = inodeFlags.synchronous | inodeFlags.directorySync;
	return directory !== undefined && (directory.flags & bits) !== 0;
}

function shownSize(volume: Volume, inode: Inode): number {
	// An encrypted link shows another target than the one that is stored.
	if (inode.type === 'symlink' && (inode.flags & inodeFlags.encrypted) !== 0) {
		return readSymlink(volume, inode).length;
	}
	return inode.sizeBytes;
}

/** The name a request brings. Throws `FileError` ENAMETOOLONG. */
export function nameOf(request: Request, index: 0 | 1 = 0): Uint8Array {
	const name = request.name(index);
	if (name.length > nameBytesMax) throw new FileError('ENAMETOOLONG', 'the name is too long');
	return name;
}

/** Signed seconds and nanoseconds, as requests have them. */
export function timeAt(request: Request, secondsAt: number, nanosecondsAt: number): Timestamp {
	const high = request.u32(secondsAt + 4) | 0;
	return {
		seconds: high * 2 ** 32 + request.u32(secondsAt),
		nanoseconds: request.u32(nanosecondsAt),
	};
}
