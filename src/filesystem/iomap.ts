/** The requests of FUSE iomap: where data lies, for a kernel that moves it itself. */
import {FileError, type Inode, inodeFlags, linksMax, sizeBytesMax} from '../../ext4/index.ts';
import {
	type Config,
	type Dialect,
	IomapServer,
	isIomapFile,
	type Mapping,
	type Notification,
} from '../../iomap/index.ts';
import {inodeOfNode, nodeOfInode, rootInode} from '../attributes.ts';
import {errno} from '../errno.ts';
import type {Handlers} from '../fuse/connection.ts';
import {inHeader} from '../fuse/layout.ts';
import {payloadAt} from '../fuse/message.ts';
import type {Served} from './served.ts';

/** What the service needs of /dev/fuse and the device. */
export type IomapLink = {
	readonly dialect: Dialect;
	/** Where on the device the file system begins, in bytes. */
	readonly startBytes: number;
	/** Tells the kernel of the device, after INIT; returns its number. Throws `SystemError`. */
	registerDevice(): number;
	notify(notification: Notification): 'sent' | 'gone' | 'refused';
	/** A message of ours was refused. */
	malformed(problem: string): void;
};

/** Bound of the kernel's memory for mappings of one file: the most that it takes. */
const cacheBytes = 2 * 1024 * 1024;
/** In bytes; nanoseconds, and the bits for times past 2038, lie behind. */
const inodeSizeWithoutFineTimes = 128;
const timeMin = -(2 ** 31);
const coarseTimeMax = 2 ** 31 - 1;
const fineTimeMax = 2 ** 34 - 2 ** 31 - 1;

export class IomapService {
	readonly handlers: Handlers;
	readonly #served: Served;
	readonly #link: IomapLink;
	readonly #server: IomapServer;
	/**
	 * Files whose data lay in the inode when the kernel first heard of them: it goes on asking for
	 * it, wherever it lies by now.
	 */
	readonly #passedThrough = new Set<number>();
	#device = 0;
	#isOn = false;

	constructor(served: Served, link: IomapLink) {
		this.#served = served;
		this.#link = link;
		const {dialect} = link;
		const cache = {
			upsert: (inode: number, mapping: Mapping) =>
				this.#notify(
					dialect.upsert(nodeOfInode(inode), inode, this.#placed(mapping), this.#device),
				),
			invalidate: (inode: number, from: number, to: number | 'end') =>
				this.#notify(dialect.invalidate(nodeOfInode(inode), inode, from, to)),
		};
		this.#server = new IomapServer(served.mapper, cache, number => served.nodes.read(number));
		this.handlers = this.#makeHandlers();
	}

	/** The kernel has agreed to it. */
	start(): void {
		this.#isOn = true;
		this.#served.mapper.isMovedByKernel = number => this.isMoved(this.#served.nodes.read(number));
	}

	get isOn(): boolean {
		return this.#isOn;
	}

	/** Whether the kernel moves the data of that inode. */
	isMoved(inode: Inode): boolean {
		return this.#isOn && isIomapFile(inode) && !this.#passedThrough.has(inode.number);
	}

	/** `fuse_attr.flags`, which the kernel takes when it first hears of an inode. */
	flagsOf(inode: Inode): number {
		if (!this.#isOn) return 0;
		if (inode.type === 'file' && (inode.flags & inodeFlags.inlineData) !== 0) {
			this.#passedThrough.add(inode.number);
		}
		const {exclusive, iomap, synchronous, immutable, appendOnly} =
			this.#link.dialect.attributeFlags;
		const isMoved = this.isMoved(inode);
		let flags = isMoved ? exclusive | iomap : 0;
		// Where it checks permissions it may go by what it has cached, of every kind of file.
		if (this.#served.has('POSIX_ACL')) flags |= exclusive;
		if (!isMoved) return flags;
		if ((inode.flags & inodeFlags.synchronous) !== 0) flags |= synchronous;
		if ((inode.flags & inodeFlags.immutable) !== 0) flags |= immutable;
		if ((inode.flags & inodeFlags.appendOnly) !== 0) flags |= appendOnly;
		return flags;
	}

	opened(inode: Inode, isWriter: boolean): void {
		if (this.isMoved(inode)) this.#server.opened(inode.number, isWriter);
	}

	/** Throws as `IomapServer.giveBack`. */
	released(inode: Inode): void {
		if (this.isMoved(inode)) this.#server.released(inode.number);
	}

	/** Before the file is cut. Throws as `IomapServer.giveBack`. */
	giveBack(inode: number): void {
		this.#server.giveBack(inode);
	}

	/** Before a range in bytes is given space by other ways. */
	claimed(inode: number, position: number, length: number): void {
		this.#server.claimed(inode, position, length);
	}

	/** From now on nothing may be written, until `restore`. */
	withdraw(): void {
		this.#server.withdraw();
	}

	restore(): void {
		this.#server.restore();
	}

	/** The end of the mount, or of writing. */
	giveBackAll(): void {
		this.#server.giveBackAll();
	}

	forgotten(inode: number): void {
		this.#server.forgotten(inode);
		this.#passedThrough.delete(inode);
	}

	/** Throws what could not be recorded of `inode`, or of any file, once. */
	throwFailure(inode?: number): void {
		const failure =
			inode === undefined ? this.#server.takeAnyFailure() : this.#server.takeFailure(inode);
		if (failure !== undefined) throw failure;
	}

	#makeHandlers(): Handlers {
		const {dialect} = this.#link;
		const bodyAt = inHeader.sizeBytes;
		return {
			iomapConfig: (_request, reply) => {
				this.#device = this.#link.registerDevice();
				return dialect.writeConfig(reply.view, payloadAt, this.#config());
			},

			iomapBegin: (request, reply) => {
				const question = dialect.readBegin(request.view, bodyAt);
				if (question.inode !== inodeOfNode(request.nodeId)) return -errno.EINVAL;
				if (!this.#served.nodes.isKnown(question.inode)) return -errno.ESTALE;
				const inode = this.#served.nodes.read(question.inode);
				if (!this.isMoved(inode)) return -errno.EINVAL;
				// Nobody knows whose data the page cache writes out: it counts as the owner's.
				const uid = question.purpose === 'write' ? request.uid : inode.uid;
				const options = {mayUseReserved: this.#served.mayUseReserved(uid)};
				const begin = () => this.#server.begin(question, options);
				const mapping = question.purpose === 'writeback' ? this.#takingIn(begin) : begin();
				return dialect.writeBegin(reply.view, payloadAt, this.#placed(mapping), this.#device);
			},

			// Refused once: nothing is kept from `begin` that would have to be settled.
			iomapEnd: () => -errno.ENOSYS,

			iomapIoend: (request, reply) => {
				const notice = dialect.readIoend(request.view, bodyAt);
				if (notice.inode !== inodeOfNode(request.nodeId)) return -errno.EINVAL;
				if (!this.#served.nodes.isKnown(notice.inode)) return -errno.ESTALE;
				const sizeBytes = this.#takingIn(() => this.#server.ioend(notice));
				this.#served.settle(this.#served.nodes.read(notice.inode));
				return dialect.writeIoend(reply.view, payloadAt, sizeBytes);
			},

			freeze: () => {
				this.#served.sync();
				this.#server.freeze();
				this.#served.nodes.freeze();
				return 0;
			},
			unfreeze: () => {
				this.#server.thaw();
				this.#served.nodes.thaw();
				return 0;
			},

			// The device has gone: nothing can be written any more.
			shutdown: () => {
				this.withdraw();
				this.#served.volume.transactions?.abort(
					new FileError('EROFS', 'the kernel has shut the file system down'),
				);
				return 0;
			},
		};
	}

	/** For data that the kernel has called written. */
	#takingIn<T>(action: () => T): T {
		try {
			return action();
		} catch (error) {
			this.#served.noteRefusedData(error);
			throw error;
		}
	}

	#config(): Config {
		const {volume} = this.#served;
		const {geometry, superblock} = volume;
		const isFine = geometry.inodeSize > inodeSizeWithoutFineTimes;
		return {
			name: this.#served.config.imageName,
			uuid: superblock.uuid,
			blockSize: geometry.blockSize,
			sizeBytesMax: sizeBytesMax(volume, volume.readReservedInode(rootInode)),
			linksMax,
			timeGranularity: isFine ? 1 : 1e9,
			timeMin,
			timeMax: isFine ? fineTimeMax : coarseTimeMax,
			cacheBytes,
		};
	}

	/** From the start of the file system to the start of the device. */
	#placed(mapping: Mapping): Mapping {
		if (mapping.kind !== 'mapped' && mapping.kind !== 'unwritten') return mapping;
		return {...mapping, address: mapping.address + this.#link.startBytes};
	}

	#notify(notification: Notification): void {
		// `gone`: the kernel does not know the inode (any more), and so has nothing cached of it.
		if (this.#link.notify(notification) !== 'refused') return;
		this.#link.malformed(`the kernel refuses the notification ${notification.code}`);
	}
}
