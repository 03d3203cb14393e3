/** System calls on what files hold, of files whose data the kernel moves. */
import type {BlockDevice} from '../../../ext4/index.ts';
import {addressOf, endOf, type Found, type Mappings} from './mappings.ts';
import type {Clock, Node, Time} from './node.ts';
import type {PageCache} from './page-cache.ts';
import type {Requests} from './requests.ts';
import {
	beginOps,
	errnos,
	ioendFlags,
	KernelError,
	recordFlags,
	types,
	type WireRecord,
} from './wire.ts';

const sectorBytes = 512;
const secondsOfADay = 24 * 60 * 60;

/** In the order in which traces name them. */
const setattrBits = {
	mode: 0x1,
	uid: 0x2,
	gid: 0x4,
	size: 0x8,
	atime: 0x10,
	mtime: 0x20,
	lockOwner: 0x200,
	ctime: 0x400,
} as const;
const {mode: modeBit, size: sizeBit, atime, mtime, lockOwner, ctime} = setattrBits;
const allTimes = atime | mtime | ctime;
const fallocateBits = {keepSize: 1, punchHole: 2, zeroRange: 16} as const;
const privilegeBits = 0o6000;

export type WriteOptions = {
	/** O_DSYNC: it is on the medium when the call returns. */
	readonly isSynchronous?: boolean;
	/** RWF_ATOMIC. */
	readonly isAtomic?: boolean;
};

export type FilesOptions = {
	readonly requests: Requests;
	readonly mappings: Mappings;
	readonly pages: PageCache;
	readonly device: BlockDevice;
	readonly clock: Clock;
	readonly maxBytes: bigint;
	/** The server takes privileges away where the kernel does not know of any. */
	readonly killsPrivileges: boolean;
	/** In nanoseconds. */
	readonly timeGranularity: number;
};

export class Files {
	/** noatime. */
	keepsAccessTimes = true;
	/** A user who is not root loses the privileges of a file that he writes to. */
	callerIsRoot = true;
	readonly #o: FilesOptions;
	readonly #unit: number;
	#hasXattrs = true;

	constructor(options: FilesOptions) {
		this.#o = options;
		this.#unit = options.mappings.blockSize;
	}

	/** As finely as the file system keeps it. */
	get #now(): Time {
		const {now} = this.#o.clock;
		return {...now, nanoseconds: now.nanoseconds - (now.nanoseconds % this.#o.timeGranularity)};
	}

	/** write(2) through the page cache. Returns the bytes written, at least one. */
	write(node: Node, position: number, bytes: Uint8Array, options: WriteOptions = {}): number {
		const wanted = this.#beforeWriting(node, position, bytes);
		if (position > node.size) this.#o.pages.zero(node, node.size, position);
		let done = 0;
		while (done < wanted.length) {
			const at = position + done;
			const rest = wanted.subarray(done);
			const found = this.#o.mappings.find(node, at, rest.length, beginOps.write);
			const count = Math.min(rest.length, endOf(found.target) - at);
			const written = this.#o.pages.write(node, at, rest.subarray(0, count), found);
			const isLonger = at + written > node.size;
			if (isLonger) node.size = at + written;
			if (isLonger || written < count) {
				this.#o.mappings.end(node, {position: at, length: count, written}, found, isLonger);
			}
			done += written;
		}
		this.#afterWriting(node, options);
		return done;
	}

	/** What is cut off, and why nothing may be written at all. */
	#beforeWriting(node: Node, position: number, bytes: Uint8Array): Uint8Array {
		assertIomap(node);
		const left = Number(this.#o.maxBytes) - position;
		if (left <= 0) throw new KernelError(errnos.EFBIG, `byte ${position}`);
		this.#dropPrivileges(node);
		this.#noteTimes(node, 'changed');
		return left < bytes.length ? bytes.subarray(0, left) : bytes;
	}

	#afterWriting(node: Node, {isSynchronous = false}: WriteOptions): void {
		if (isSynchronous || node.isSynchronous) this.fsync(node, true);
	}

	/** Asks for capabilities: once of an inode where the server takes them away, else every time. */
	#dropPrivileges(node: Node): void {
		const isPrivileged = (node.mode & privilegeBits) !== 0 && !this.callerIsRoot;
		if (isPrivileged) {
			node.mode &= ~privilegeBits;
			this.#setattr(node, {valid: modeBit | ctime, mode: node.mode}, this.#now);
		}
		if (!this.#hasXattrs || node.hasNoCapabilities) return;
		const {error} = this.#o.requests.send(
			'GETXATTR',
			{nodeId: node.id, fields: {size: 0}, names: ['security.capability']},
			'GETXATTR(security.capability)',
		);
		if (error === errnos.ENOSYS) this.#hasXattrs = false;
		if (error !== 0 && this.#o.killsPrivileges) node.hasNoCapabilities = true;
	}

	/** read(2) through the page cache. */
	read(node: Node, position: number, length: number): Uint8Array {
		assertIomap(node);
		const wanted = Math.max(0, Math.min(length, node.size - position));
		const result = new Uint8Array(wanted);
		for (let done = 0; done < wanted; ) {
			const at = position + done;
			const index = Math.floor(at / this.#unit);
			const page = this.#o.pages.forRead(node, index, position + wanted);
			const within = at - index * this.#unit;
			const count = Math.min(wanted - done, this.#unit - within);
			result.set(page.bytes.subarray(within, within + count), done);
			done += count;
		}
		this.#noteTimes(node, 'read');
		return result;
	}

	/** A store through a mapping of the file; inside its size. */
	store(node: Node, position: number, bytes: Uint8Array): void {
		assertIomap(node);
		for (let done = 0; done < bytes.length; ) {
			const at = position + done;
			const index = Math.floor(at / this.#unit);
			const start = index * this.#unit;
			const count = Math.min(bytes.length - done, start + this.#unit - at);
			const page = this.#o.pages.forRead(node, index, start + this.#unit);
			if (!page.isDirty) {
				const length = Math.min(this.#unit, node.size - start);
				this.#o.mappings.find(node, start, length, beginOps.write | beginOps.fault);
			}
			page.bytes.set(bytes.subarray(done, done + count), at - start);
			page.isDirty = true;
			done += count;
		}
		this.#noteTimes(node, 'changed');
	}

	/** write(2) with O_DIRECT: whole sectors. */
	writeDirect(node: Node, position: number, bytes: Uint8Array, options: WriteOptions = {}): void {
		assertSectors(position, bytes.length);
		const wanted = this.#beforeWriting(node, position, bytes);
		const {pages, mappings} = this.#o;
		if (position > node.size) pages.zero(node, node.size, position);
		pages.writeBack(node, position, position + wanted.length);
		pages.drop(node, position, position + wanted.length);
		const flags = beginOps.write | beginOps.direct | (options.isAtomic ? beginOps.atomic : 0);
		for (let done = 0; done < wanted.length; ) {
			const at = position + done;
			const rest = wanted.subarray(done);
			let found: Found;
			try {
				found = mappings.find(node, at, rest.length, flags);
			} catch (error) {
				if (!(error instanceof KernelError) || error.errno !== errnos.ENOSYS) throw error;
				this.#writeAfterRefusal(node, at, rest);
				return;
			}
			const count = Math.min(rest.length, endOf(found.target) - at);
			this.#transfer(node, at, rest.subarray(0, count), found.target);
			done += count;
		}
		node.size = Math.max(node.size, position + wanted.length);
		this.#afterWriting(node, options);
	}

	/** The server wants it to go through the page cache. */
	#writeAfterRefusal(node: Node, position: number, bytes: Uint8Array): void {
		this.#o.mappings.ioend(node, position, 0, ioendFlags.direct, {error: errnos.ENOSYS});
		this.write(node, position, bytes, {isSynchronous: true});
	}

	#transfer(node: Node, position: number, bytes: Uint8Array, target: WireRecord): void {
		const {device, mappings} = this.#o;
		const end = position + bytes.length;
		const isUnwritten = target.type === types.unwritten;
		const isShared = (target.flags & recordFlags.shared) !== 0;
		const isNew = (target.flags & recordFlags.new) !== 0;
		if (isUnwritten || isNew) this.#zeroEdges(target, position, end);
		device.write(addressOf(target, position), bytes);
		this.#o.requests.trace.push('device write');
		const isAppend = end > node.recordedSize;
		const flags =
			ioendFlags.direct |
			(isUnwritten ? ioendFlags.unwritten : 0) |
			(isShared ? ioendFlags.shared : 0) |
			(isAppend ? ioendFlags.append : 0);
		if (isUnwritten || isShared || isAppend) mappings.ioend(node, position, bytes.length, flags);
		mappings.drop(node, position, end);
	}

	#zeroEdges(target: WireRecord, from: number, to: number): void {
		const {device} = this.#o;
		const start = from - (from % this.#unit);
		const end = Math.ceil(to / this.#unit) * this.#unit;
		if (start < from) device.write(addressOf(target, start), new Uint8Array(from - start));
		if (to < end) device.write(addressOf(target, to), new Uint8Array(end - to));
	}

	/** read(2) with O_DIRECT: whole sectors. */
	readDirect(node: Node, position: number, length: number): Uint8Array {
		assertIomap(node);
		assertSectors(position, length);
		const {pages, mappings, device} = this.#o;
		pages.writeBack(node, position, position + length);
		const wanted = Math.max(0, Math.min(length, node.size - position));
		const result = new Uint8Array(wanted);
		for (let done = 0; done < wanted; ) {
			const at = position + done;
			const {source} = mappings.find(node, at, length - done, beginOps.direct);
			const count = Math.min(wanted - done, endOf(source) - at);
			if (source.type === types.mapped) {
				device.read(addressOf(source, at), result.subarray(done, done + count));
			}
			done += count;
		}
		this.#noteTimes(node, 'read');
		return result;
	}

	/** copy_file_range(2), which the server has refused: through the page cache. */
	copy(from: Node, at: number, to: Node, position: number, length: number): number {
		const bytes = this.read(from, at, length);
		return bytes.length === 0 ? 0 : this.write(to, position, bytes);
	}

	/** SEEK_DATA and SEEK_HOLE, FIEMAP: the mappings of a range as they are reported. */
	report(node: Node, position: number, length: number): WireRecord[] {
		assertIomap(node);
		this.#o.pages.writeBack(node);
		const records: WireRecord[] = [];
		for (let at = position; at < position + length; ) {
			const {source} = this.#o.mappings.find(node, at, position + length - at, beginOps.report);
			records.push(source);
			at = endOf(source);
		}
		return records;
	}

	/** lseek(2) with SEEK_DATA; undefined where no data follows. */
	seekData(node: Node, position: number): number | undefined {
		for (let at = position; at < node.size; ) {
			const {source} = this.#o.mappings.find(node, at, node.size - at, beginOps.report);
			if (source.type === types.mapped) return at;
			at = endOf(source);
		}
		return undefined;
	}

	fsync(node: Node, isDataOnly = false): void {
		this.#o.pages.writeBack(node);
		this.syncTimes(node);
		const fields = {fsync_flags: isDataOnly ? 1 : 0};
		const shown = isDataOnly ? 'FSYNC(datasync=1)' : 'FSYNC';
		this.#o.requests.ask('FSYNC', {nodeId: node.id, fields}, shown);
	}

	truncate(node: Node, size: number): void {
		if (BigInt(size) > this.#o.maxBytes) throw new KernelError(errnos.EFBIG, `${size} bytes`);
		const {pages, mappings} = this.#o;
		if (node.isIomap) {
			const blockEnd = Math.ceil(size / this.#unit) * this.#unit;
			if (size > node.size) pages.zero(node, node.size, size);
			else if (size < node.size) pages.zero(node, size, blockEnd);
			// What is behind the new end is dropped, all else is written out first.
			if (size < node.size) pages.drop(node, blockEnd);
			node.size = size;
			pages.writeBack(node);
		}
		const now = this.#now;
		const view = this.#setattr(node, {valid: sizeBit | mtime | lockOwner | ctime, size}, now);
		const told = Number(view.getBigUint64(16 + 8, true));
		if (told !== size) throw new Error(`SETATTR answers with the size ${told}, not ${size}`);
		node.modificationTime = now;
		node.changeTime = now;
		node.size = size;
		node.recordedSize = size;
		mappings.drop(node, size, Number.POSITIVE_INFINITY);
	}

	fallocate(node: Node, mode: number, position: number, length: number): void {
		assertIomap(node);
		const known = fallocateBits.keepSize | fallocateBits.punchHole | fallocateBits.zeroRange;
		if ((mode & ~known) !== 0) throw new KernelError(errnos.EOPNOTSUPP, `mode ${mode}`);
		const {pages, mappings, requests} = this.#o;
		const end = position + length;
		this.#dropPrivileges(node);
		this.#noteTimes(node, 'changed');
		// Of the range alone: the rest may be dirty, or being written.
		pages.writeBack(node, position, end);
		pages.drop(node, position, end);
		const sizeBefore = node.size;
		requests.ask('FALLOCATE', {nodeId: node.id, fields: {mode, offset: position, length}});
		mappings.drop(node, position, end);
		const isZeroing = (mode & (fallocateBits.punchHole | fallocateBits.zeroRange)) !== 0;
		if (isZeroing) pages.zero(node, position, Math.min(end, Math.max(node.size, position)));
		if ((mode & fallocateBits.keepSize) === 0 && end > sizeBefore) {
			pages.zero(node, sizeBefore, end);
			node.size = end;
			node.recordedSize = Math.max(node.recordedSize, end);
		}
	}

	chmod(node: Node, mode: number): void {
		if (node.isImmutable) throw new KernelError(errnos.EPERM, 'the file is immutable');
		const now = this.#now;
		this.#setattr(node, {valid: modeBit | ctime, mode}, now);
		node.mode = (node.mode & 0o170000) | mode;
		node.changeTime = now;
	}

	chown(node: Node, uid: number, gid: number): void {
		const now = this.#now;
		const valid = setattrBits.uid | setattrBits.gid | ctime;
		this.#setattr(node, {valid, uid, gid}, now);
		node.changeTime = now;
	}

	/** utimensat(2). */
	setTimes(node: Node, accessTime: Time, modificationTime: Time): void {
		const now = this.#now;
		node.accessTime = accessTime;
		node.modificationTime = modificationTime;
		node.changeTime = now;
		node.timesAreDirty = true;
		this.syncTimes(node);
	}

	/** swapon(2): the layout of the whole file. */
	swapOn(node: Node): WireRecord[] {
		const records: WireRecord[] = [];
		for (let at = 0; at < node.size; ) {
			const {source} = this.#o.mappings.find(node, at, node.size - at, beginOps.swapFile);
			if (source.type !== types.mapped && source.type !== types.unwritten) {
				throw new KernelError(errnos.EINVAL, 'a swap file has holes');
			}
			records.push(source);
			at = endOf(source);
		}
		return records;
	}

	swapOff(node: Node): void {
		this.#o.mappings.ioend(node, 0, 0, ioendFlags.swapOff);
	}

	/** Something else than the contents has changed: a name, an attribute. */
	noteChange(node: Node): void {
		if (!node.isIomap || isSame(node.changeTime, this.#now)) return;
		node.changeTime = this.#now;
		node.timesAreDirty = true;
	}

	/** Sends times that the kernel has kept for itself. */
	syncTimes(node: Node): void {
		if (!node.timesAreDirty) return;
		node.timesAreDirty = false;
		this.#setattr(node, {valid: allTimes}, node.changeTime);
	}

	/** The kernel keeps the times of its files; the clock stands still within a tick. */
	#noteTimes(node: Node, what: 'read' | 'changed'): void {
		const now = this.#now;
		if (what === 'changed') {
			if (isSame(node.modificationTime, now) && isSame(node.changeTime, now)) return;
			node.modificationTime = now;
			node.changeTime = now;
		} else {
			if (!this.keepsAccessTimes) return;
			// relatime.
			const {accessTime, modificationTime, changeTime} = node;
			const isDue =
				!isLater(accessTime, modificationTime) ||
				!isLater(accessTime, changeTime) ||
				now.seconds - accessTime.seconds >= secondsOfADay;
			if (!isDue || isSame(accessTime, now)) return;
			node.accessTime = now;
		}
		node.timesAreDirty = true;
	}

	#setattr(
		node: Node,
		what: {readonly valid: number; readonly [field: string]: number},
		changeTime: Time,
	): DataView {
		const {accessTime} = node;
		const modificationTime = (what.valid & sizeBit) !== 0 ? changeTime : node.modificationTime;
		const fields = {
			...what,
			...timeFields('atime', (what.valid & atime) !== 0 ? accessTime : undefined),
			...timeFields('mtime', (what.valid & mtime) !== 0 ? modificationTime : undefined),
			...timeFields('ctime', changeTime),
		};
		const isTimes = what.valid === allTimes;
		const shown = isTimes ? 'SETATTR(times)' : `SETATTR(0x${what.valid.toString(16)})`;
		return this.#o.requests.ask('SETATTR', {nodeId: node.id, fields}, shown);
	}
}

function timeFields(name: string, time: Time | undefined): {readonly [field: string]: number} {
	return time === undefined ? {} : {[name]: time.seconds, [`${name}nsec`]: time.nanoseconds};
}

function isSame(a: Time, b: Time): boolean {
	return a.seconds === b.seconds && a.nanoseconds === b.nanoseconds;
}

function isLater(a: Time, b: Time): boolean {
	return a.seconds > b.seconds || (a.seconds === b.seconds && a.nanoseconds > b.nanoseconds);
}

function assertIomap(node: Node): void {
	if (!node.isIomap) throw new Error(`node ${node.id} is no iomap file`);
}

function assertSectors(position: number, length: number): void {
	if (position % sectorBytes !== 0 || length % sectorBytes !== 0) {
		throw new KernelError(errnos.EINVAL, 'direct I/O of parts of sectors');
	}
}
