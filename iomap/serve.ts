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
	sizeBytesMax,
	touchedBlocksMax,
} from '../ext4/index.ts';
import type {Mapper} from './mapper.ts';
import type {Mapping} from './mapping.ts';
import type {BeginQuestion, IoendNotice} from './protocol/dialect.ts';
import {assertSize, growTo} from './size.ts';
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

/** What is left of them without the range `[from, to)`. */
function without(aheads: readonly Ahead[], from: number, to: number): Ahead[] {
	return aheads.flatMap(ahead => {
		const before = {from: ahead.from, to: Math.min(ahead.to, from)};
		const behind = {from: Math.max(ahead.from, to), to: ahead.to};
		return [before, behind].filter(part => part.from < part.to);
	});
}

export class IomapServer {
	readonly #mapper: Mapper;
	readonly #cache: MappingCache;
	readonly #read: (inode: number) => Inode;
	/** Files that the kernel has mappings of in its cache. */
	readonly #cached = new Set<number>();
	readonly #ahead = new Map<number, readonly Ahead[]>();
	readonly #openCounts = new Map<number, number>();
	/** Of those that are open, the ones that may be written to. */
	readonly #writable = new Set<number>();
	/** Nothing may be written for now: the kernel is to ask each time, and be refused. */
	#isWithdrawn = false;
	/** Nothing may be changed here for now, by nobody's request. */
	#isFrozen = false;
	/** Why the end of a write could not be recorded, until somebody has been told. */
	readonly #failures = new Map<number, unknown>();
	/** The same of a file that the kernel has forgotten since: only a sync can tell of it. */
	#failureOfForgotten: unknown;

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
	 * EFBIG, EOPNOTSUPP for what is to be written all or nothing; EROFS for all that is to be written
	 * while nothing may be; EINVAL for nothing), `CorruptError`, `DeviceError`.
	 */
	begin(question: BeginQuestion, options: ChangeOptions = {}): Mapping {
		const {inode: number, position, length, purpose} = question;
		if (length < 1) throw new FileError('EINVAL', 'nothing is asked for');
		if (position >= sizeBytesMax(this.#mapper.volume, this.#read(number))) {
			throw new FileError('EFBIG', `no file reaches byte ${position}`);
		}
		if (question.isAtomic) {
			throw new FileError('EOPNOTSUPP', 'writing all or nothing is not supported');
		}
		if (!isReading(question) && this.#mapper.volume.transactions?.isWritable !== true) {
			throw new FileError('EROFS', 'the file system is open for reading only');
		}
		const found = this.#map(number, position);
		const mapping =
			found.kind === 'hole' && wantsSpace(question)
				? this.#allocate(question, options)
				: this.#checked(number, found, question);
		if (purpose !== 'report' && purpose !== 'swap') this.#tell(question, mapping);
		return purpose === 'writeback' ? this.#writtenOut(question, mapping) : mapping;
	}

	/**
	 * What was written has reached the device: space that was unwritten is written, and the file at
	 * least as long. Returns the size that is recorded now.
	 *
	 * What it throws the kernel may pass on to nobody: it is kept for `takeFailure`. `FileError` EFBIG and
	 * EINVAL for what nobody can have written, ENOSPC; `CorruptError`, `DeviceError`.
	 */
	ioend(notice: IoendNotice): number {
		const {inode: number} = notice;
		try {
			// Longer or not, by what is recorded here: the kernel's idea of that may be too large.
			const isLonger = notice.position + notice.written > this.#read(number).sizeBytes;
			const isDone = notice.error === 0 && notice.written > 0;
			if (isDone && (notice.isUnwritten || isLonger)) this.#record(notice);
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
		const [first = this.#failureOfForgotten] = this.#failures.values();
		this.#failures.clear();
		this.#failureOfForgotten = undefined;
		return first;
	}

	/** Somebody has opened a file. */
	opened(number: number, isWriter: boolean): void {
		this.#openCounts.set(number, (this.#openCounts.get(number) ?? 0) + 1);
		if (isWriter && !this.#writable.has(number)) {
			this.#writable.add(number);
			if (this.#cached.has(number)) this.#untellEnd(number);
		}
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
		this.#writable.delete(number);
		if (!this.#isFrozen) this.giveBack(number);
	}

	/**
	 * Takes back what was given ahead and is not used, which is safe while nobody writes: the kernel
	 * waits for what it has under way before it closes a file or cuts it. Throws `CorruptError`,
	 * `DeviceError`, `FileError` EROFS.
	 */
	giveBack(number: number): void {
		const aheads = this.#ahead.get(number);
		if (aheads === undefined) return;
		this.#ahead.delete(number);
		const {volume} = this.#mapper;
		const {blockSize} = volume.geometry;
		const end = Math.ceil(this.#read(number).sizeBytes / blockSize) * blockSize;
		for (const {from, to} of without(aheads, 0, end)) {
			this.#cache.invalidate(number, from, to);
			inSteps(volume, number, {}, 0, (handle, inode) =>
				removeBlocks(handle, inode, from / blockSize, to / blockSize) ? 'done' : {next: 0},
			);
		}
	}

	/**
	 * Somebody asks for the space of a range in bytes, which is his from now on, were it given ahead. The
	 * rest stays: the kernel waits for no more than the range, and may be writing there.
	 */
	claimed(number: number, position: number, length: number): void {
		const {blockSize} = this.#mapper.volume.geometry;
		const end = Math.ceil((position + length) / blockSize) * blockSize;
		this.#use(number, position - (position % blockSize), end);
	}

	/**
	 * Nothing may be written any more: what the kernel keeps it would write to all the same. Until
	 * `restore` it keeps nothing.
	 */
	withdraw(): void {
		this.#isWithdrawn = true;
		for (const number of this.#cached) this.#cache.invalidate(number, 0, 'end');
		this.#cached.clear();
	}

	restore(): void {
		this.#isWithdrawn = false;
	}

	/**
	 * The end of the mount: nobody has anything open. Or of writing, after `withdraw`, when the kernel has
	 * written out what it kept: who still writes then is refused. Throws as `giveBack`.
	 */
	giveBackAll(): void {
		for (const number of [...this.#ahead.keys()]) this.giveBack(number);
	}

	/** Until `thaw` what is closed keeps what it was given ahead. */
	freeze(): void {
		this.#isFrozen = true;
	}

	/** Throws as `giveBack`. */
	thaw(): void {
		this.#isFrozen = false;
		const closed = [...this.#ahead.keys()].filter(number => !this.#openCounts.has(number));
		for (const number of closed) this.giveBack(number);
	}

	/** The kernel knows nothing of that inode any more. */
	forgotten(number: number): void {
		this.#cached.delete(number);
		if (!this.#isFrozen) this.#ahead.delete(number);
		this.#failureOfForgotten ??= this.takeFailure(number);
		this.#openCounts.delete(number);
		this.#writable.delete(number);
	}

	/** The range `[from, to)` is no space given ahead any more. */
	#use(number: number, from: number, to: number): void {
		const aheads = this.#ahead.get(number);
		if (aheads === undefined) return;
		const left = without(aheads, from, to);
		if (left.length > 0) this.#ahead.set(number, left);
		else this.#ahead.delete(number);
	}

	#map(number: number, position: number): Mapping {
		return this.#mapper.begin(this.#read(number), position, 'report');
	}

	/** Throws `CorruptError` where something is to be written to what is no file's to hold. */
	#checked(number: number, mapping: Mapping, question: BeginQuestion): Mapping {
		const isPlaced = mapping.kind === 'mapped' || mapping.kind === 'unwritten';
		if (isPlaced && !isReading(question)) this.#mapper.assertData(this.#read(number), mapping);
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
		if (to > from) this.#ahead.set(number, [...(this.#ahead.get(number) ?? []), {from, to}]);
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
		const {volume} = this.#mapper;
		const free = volume.superblock.freeBlockCount * volume.geometry.blockSize;
		const left = sizeBytesMax(volume, this.#read(number)) - end;
		return Math.max(0, Math.min(end, aheadMax, Math.floor(free / aheadShare), left));
	}

	/**
	 * Puts a mapping into the kernel's cache where it says more than was asked for, or will be asked
	 * for again: what goes into the page cache is written out later.
	 */
	#tell(question: BeginQuestion, mapping: Mapping): void {
		const {inode: number, position, length, purpose, isDirect} = question;
		const kept = this.#toKeep(number, mapping);
		if (kept === undefined) return;
		const isMore = kept.offset + kept.length > position + length;
		const isWrittenOut = purpose === 'write' && !isDirect;
		// What the kernel has cached stays as it is until it is told otherwise.
		if (!isMore && !isWrittenOut && !this.#cached.has(number)) return;
		this.#cached.add(number);
		this.#cache.upsert(number, kept);
	}

	#tellAll(number: number): void {
		const inode = this.#read(number);
		for (let position = 0, told = 0; position < inode.sizeBytes && told < toldAtOpenMax; told++) {
			const mapping = this.#mapper.begin(inode, position, 'report');
			position = mapping.offset + mapping.length;
			const kept = this.#toKeep(number, mapping);
			if (kept === undefined) continue;
			this.#cached.add(number);
			this.#cache.upsert(number, kept);
		}
	}

	/** The end of the blocks that lie wholly inside the file, in bytes. */
	#wholeEnd(number: number): number {
		const {sizeBytes} = this.#read(number);
		return sizeBytes - (sizeBytes % this.#mapper.volume.geometry.blockSize);
	}

	/**
	 * What of a mapping the kernel may keep. Where it has data already, the end of a file that may
	 * grow is asked for each time: see `#writtenOut`. So is what a damaged map puts into the file
	 * system's own blocks: what is kept is written to without a question, were it told to be read.
	 * (Which those are is not found out where nothing is ever written.)
	 */
	#toKeep(number: number, mapping: Mapping): Mapping | undefined {
		if (this.#isWithdrawn) return undefined;
		const isPlaced = mapping.kind === 'mapped' || mapping.kind === 'unwritten';
		const isWritable = this.#mapper.volume.transactions !== undefined;
		if (isPlaced && isWritable && !this.#mapper.isData(mapping)) return undefined;
		if (mapping.kind !== 'mapped') return mapping;
		const wholeEnd = this.#wholeEnd(number);
		const isPart = wholeEnd < this.#read(number).sizeBytes && !this.#writable.has(number);
		const end = wholeEnd + (isPart ? this.#mapper.volume.geometry.blockSize : 0);
		const length = Math.min(mapping.length, end - mapping.offset);
		return length > 0 ? {...mapping, length} : undefined;
	}

	/** A file that was only read may grow from now on. */
	#untellEnd(number: number): void {
		const wholeEnd = this.#wholeEnd(number);
		if (wholeEnd === this.#read(number).sizeBytes) return;
		this.#cache.invalidate(number, wholeEnd, wholeEnd + this.#mapper.volume.geometry.blockSize);
	}

	/**
	 * Whenever the kernel hears of a file's attributes it takes the size that a program sees, with
	 * what is not written out yet, for the one that is recorded here. It then says nothing of what it
	 * writes to space that has data already: that the file has grown in its last block would be lost.
	 * So it is told to say it.
	 */
	#writtenOut({inode: number, position}: BeginQuestion, mapping: Mapping): Mapping {
		if (mapping.kind !== 'mapped') return mapping;
		const end = mapping.offset + mapping.length;
		const wholeEnd = this.#wholeEnd(number);
		if (position < wholeEnd) {
			return {...mapping, length: Math.min(end, wholeEnd) - mapping.offset};
		}
		const offset = Math.max(mapping.offset, wholeEnd);
		const address = mapping.address + offset - mapping.offset;
		return {...mapping, offset, length: end - offset, address, isToBeTold: true};
	}

	/** Converts and grows, in as many transactions as that takes. */
	#record({inode: number, position, written, isUnwritten}: IoendNotice): void {
		const {volume} = this.#mapper;
		const {blockSize} = volume.geometry;
		const end = position + written;
		assertSize(volume, this.#read(number), end);
		// The kernel has written zeros to what else lies in the blocks that it touched.
		const lastEnd = Math.ceil(end / blockSize);
		const first = isUnwritten ? Math.floor(position / blockSize) : lastEnd;
		inSteps(volume, number, {mayUseReserved: true}, first, (handle, inode, start) => {
			const at = this.#convert(handle, inode, start, lastEnd);
			if (at < lastEnd) return {next: at};
			growTo(handle, inode, end);
			return 'done';
		});
		// What lies before it is never taken back.
		this.#use(number, 0, lastEnd * blockSize);
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

function isReading({purpose}: BeginQuestion): boolean {
	return purpose === 'read' || purpose === 'report';
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
