/**
 * The server's side of iomap: the kernel asks where a range of a file lies, moves the data itself,
 * and says when it has reached the device. Positions and lengths are in bytes of the file.
 *
 * Space is given unwritten: it reads as zeros until `ioend` says that it was written to, so what
 * lay there before is never shown, whenever the machine stops. A file that grows is given more than
 * was asked for, so that the kernel need not come back for every piece; `released` takes back what
 * is left of that when the last who had the file open has gone.
 */
import {
	FileError,
	type Handle,
	type Inode,
	inodeFlags,
	type MutableInode,
	mapForWriting,
	removeBlocks,
	touchedBlocksMax,
} from '../ext4/index.ts';
import type {Mapper} from './mapper.ts';
import type {Mapping} from './mapping.ts';
import type {BeginQuestion, IoendNotice} from './protocol/dialect.ts';
import {growTo} from './size.ts';
import {type ChangeOptions, inSteps} from './steps.ts';

/** The kernel's cache of mappings. In whole blocks. */
export type MappingCache = {
	upsert(inode: number, mapping: Mapping): void;
	/** Takes the range `[from, to)` out. */
	invalidate(inode: number, from: number, to: number | 'end'): void;
};

/** What is written at once and is shorter is most likely a whole file: it gets no more than that. */
const aheadFileMin = 256 * 1024;
const aheadMax = 128 * 1024 * 1024;
/** Ahead of one file goes at most this part of what is free. */
const aheadShare = 16;
/** Mappings that are told when a file is opened. */
const toldAtOpenMax = 8;

/** Space given ahead, in bytes of the file: whole blocks that nobody has asked for yet. */
type Ahead = {readonly from: number; readonly to: number};

export class IomapServer {
	readonly #mapper: Mapper;
	readonly #cache: MappingCache;
	readonly #read: (inode: number) => Inode;
	/** Files that the kernel has mappings of in its cache. */
	readonly #cached = new Set<number>();
	readonly #ahead = new Map<number, Ahead>();
	readonly #openCounts = new Map<number, number>();
	/** Why the end of a write could not be recorded, until somebody has been told. */
	readonly #failures = new Map<number, unknown>();

	/** `read` gives the inode of a number, were it without a name. */
	constructor(mapper: Mapper, cache: MappingCache, read: (inode: number) => Inode) {
		this.#mapper = mapper;
		this.#cache = cache;
		this.#read = read;
	}

	/**
	 * The mapping that covers `question.position`, with space where something is to be written.
	 *
	 * Throws `FileError` (EAGAIN where there is no space and none may be given; ENOSPC, EDQUOT,
	 * EFBIG, EOPNOTSUPP for what is to be written all or nothing), `CorruptError`, `DeviceError`.
	 */
	begin(question: BeginQuestion, options: ChangeOptions = {}): Mapping {
		const {inode: number, position, purpose} = question;
		if (question.isAtomic) {
			throw new FileError('EOPNOTSUPP', 'writing all or nothing is not supported');
		}
		const found = this.#map(number, position);
		const mapping =
			found.kind === 'hole' && wantsSpace(question)
				? this.#allocate(question, options)
				: this.#checked(number, found, question);
		if (purpose !== 'report' && purpose !== 'swap') this.#tell(question, mapping);
		return mapping;
	}

	/**
	 * What was written has reached the device: space that was unwritten is written, and the file at
	 * least as long. Returns the size that is recorded now.
	 *
	 * What it throws the kernel may pass on to nobody: it is kept for `takeFailure`.
	 */
	ioend(notice: IoendNotice): number {
		const {inode: number} = notice;
		try {
			if (notice.isShared) throw new FileError('EOPNOTSUPP', 'no block of ours is shared');
			const isRecorded = notice.error !== 0 || notice.written === 0;
			if (!isRecorded && (notice.isUnwritten || notice.isAppend)) this.#record(notice);
			return this.#read(number).sizeBytes;
		} catch (error) {
			this.#failures.set(number, error);
			throw error;
		}
	}

	/** What `ioend` has failed with for that file since this was last asked; undefined: nothing. */
	takeFailure(inode: number): unknown {
		const failure = this.#failures.get(inode);
		this.#failures.delete(inode);
		return failure;
	}

	/** The same for any file. */
	takeAnyFailure(): unknown {
		const [first] = this.#failures.values();
		this.#failures.clear();
		return first;
	}

	/** Somebody has opened a file. */
	opened(number: number): void {
		this.#openCounts.set(number, (this.#openCounts.get(number) ?? 0) + 1);
		if (!this.#cached.has(number)) this.#tellAll(number);
	}

	/** Somebody has let go of it. Throws as `giveBack`. */
	released(number: number): void {
		const count = (this.#openCounts.get(number) ?? 0) - 1;
		if (count > 0) {
			this.#openCounts.set(number, count);
			return;
		}
		this.#openCounts.delete(number);
		this.giveBack(number);
	}

	/**
	 * Takes back what was given ahead and is not used, which is safe while nobody writes: the kernel
	 * waits for what it has under way before it closes a file, cuts it or allocates for it. Throws
	 * `CorruptError`, `DeviceError`, `FileError` EROFS.
	 */
	giveBack(number: number): void {
		const ahead = this.#ahead.get(number);
		if (ahead === undefined) return;
		this.#ahead.delete(number);
		const {volume} = this.#mapper;
		const {blockSize} = volume.geometry;
		const end = Math.ceil(this.#read(number).sizeBytes / blockSize) * blockSize;
		const from = Math.max(ahead.from, end);
		if (from >= ahead.to) return;
		this.#cache.invalidate(number, from, ahead.to);
		inSteps(volume, number, {}, 0, (handle, inode) =>
			removeBlocks(handle, inode, from / blockSize, ahead.to / blockSize) ? 'done' : {next: 0},
		);
	}

	/** The end of the mount: nobody has anything open. Throws as `giveBack`. */
	giveBackAll(): void {
		for (const number of this.#ahead.keys()) this.giveBack(number);
	}

	/** The kernel has dropped what it had cached from there on, and the space is gone. */
	truncated(number: number): void {
		this.#ahead.delete(number);
	}

	/** The kernel knows nothing of that inode any more. */
	forgotten(number: number): void {
		this.#cached.delete(number);
		this.#ahead.delete(number);
		this.#failures.delete(number);
		this.#openCounts.delete(number);
	}

	#map(number: number, position: number): Mapping {
		return this.#mapper.begin(this.#read(number), position, 'report');
	}

	/** Throws `CorruptError` where something is to be written to what is no file's to hold. */
	#checked(number: number, mapping: Mapping, {purpose}: BeginQuestion): Mapping {
		const isPlaced = mapping.kind === 'mapped' || mapping.kind === 'unwritten';
		const isRead = purpose === 'read' || purpose === 'report';
		if (isPlaced && !isRead) this.#mapper.assertData(this.#read(number), mapping);
		return mapping;
	}

	#allocate(question: BeginQuestion, options: ChangeOptions): Mapping {
		const {inode: number, position, length, mustNotWait, isOverwriteOnly} = question;
		if (mustNotWait || isOverwriteOnly) {
			throw new FileError('EAGAIN', 'there is no space yet where this is to be written');
		}
		const {volume} = this.#mapper;
		const ahead = this.#aheadOf(question);
		const given = volume.transact(
			handle => {
				const inode = volume.readReservedInode(number);
				return this.#mapper.beginWrite(handle, inode, position, length + ahead, 'unwritten');
			},
			{...options},
		);
		const {blockSize} = volume.geometry;
		const from = Math.ceil((position + length) / blockSize) * blockSize;
		const to = given.offset + given.length;
		if (to > from) this.#ahead.set(number, {from, to});
		// As the tree has it now: what was given may continue what lay there.
		return this.#map(number, position);
	}

	/**
	 * Bytes to give beyond what is asked for: as many again as the file has, where it grows piece
	 * after piece.
	 */
	#aheadOf({inode: number, position, length, purpose}: BeginQuestion): number {
		const end = position + length;
		if (purpose !== 'write' || end <= this.#read(number).sizeBytes) return 0;
		const isNext = position > 0 && this.#map(number, position - 1).kind !== 'hole';
		if (!isNext && (position > 0 || length < aheadFileMin)) return 0;
		const {superblock, geometry} = this.#mapper.volume;
		const free = superblock.freeBlockCount * geometry.blockSize;
		return Math.min(end, aheadMax, Math.floor(free / aheadShare));
	}

	/**
	 * Puts a mapping into the kernel's cache where it says more than was asked for, or will be asked
	 * for again: what goes into the page cache is written out later.
	 */
	#tell(question: BeginQuestion, mapping: Mapping): void {
		const {inode: number, position, length, purpose, isDirect} = question;
		const isMore = mapping.offset + mapping.length > position + length;
		const isWrittenOut = purpose === 'write' && !isDirect;
		// What the kernel has cached stays as it is until it is told otherwise.
		if (!isMore && !isWrittenOut && !this.#cached.has(number)) return;
		this.#cached.add(number);
		this.#cache.upsert(number, mapping);
	}

	#tellAll(number: number): void {
		const inode = this.#read(number);
		for (let position = 0, told = 0; position < inode.sizeBytes && told < toldAtOpenMax; told++) {
			const mapping = this.#mapper.begin(inode, position, 'report');
			this.#cached.add(number);
			this.#cache.upsert(number, mapping);
			position = mapping.offset + mapping.length;
		}
	}

	/** Converts and grows, in as many transactions as that takes. */
	#record({inode: number, position, written, isUnwritten, isAppend}: IoendNotice): void {
		const {volume} = this.#mapper;
		const {blockSize} = volume.geometry;
		const end = position + written;
		// The kernel has written zeros to what else lies in the blocks that it touched.
		const lastEnd = Math.ceil(end / blockSize);
		const first = isUnwritten ? Math.floor(position / blockSize) : lastEnd;
		inSteps(volume, number, {mayUseReserved: true}, first, (handle, inode, start) => {
			const at = this.#convert(handle, inode, start, lastEnd);
			if (at < lastEnd) return {next: at};
			if (isAppend) growTo(handle, inode, end);
			return 'done';
		});
		const ahead = this.#ahead.get(number);
		const used = lastEnd * blockSize;
		if (ahead !== undefined && used > ahead.from) {
			if (used < ahead.to) this.#ahead.set(number, {from: used, to: ahead.to});
			else this.#ahead.delete(number);
		}
	}

	/** Converts blocks from `start` on, up to `end`; returns how far it came. */
	#convert(handle: Handle, inode: MutableInode, start: number, end: number): number {
		const {blockSize} = this.#mapper.volume.geometry;
		let at = start;
		while (at < end && handle.touchedBlocks <= touchedBlocksMax) {
			if (this.#mapper.begin(inode, at * blockSize, 'report').kind === 'hole') {
				// The kernel waits for what it writes before it has space taken away.
				throw new FileError('EINVAL', 'something was written to where there is no space');
			}
			const run = mapForWriting(handle, inode, at, end - at, 'written');
			at = run.logical + run.length;
		}
		return at;
	}
}

function wantsSpace({purpose}: BeginQuestion): boolean {
	// What was written into the page cache and then lost its space gets it anew.
	return purpose === 'write' || purpose === 'writeback';
}

/**
 * Whether the kernel is to move the data of `inode`: that of regular files in extents, which alone
 * can be unwritten. Contents that are encrypted, verified or lie in the inode pass through here.
 */
export function isIomapFile(inode: Inode): boolean {
	const {extents, inlineData, encrypted, verity} = inodeFlags;
	const others = inlineData | encrypted | verity;
	return inode.type === 'file' && (inode.flags & (extents | others)) === extents;
}
