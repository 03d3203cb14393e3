/**
 * A kernel with FUSE iomap, in memory: it asks the server where data lies, checks every answer as
 * the real one does, and moves the data itself, through a page cache or past it. One file system,
 * one process; what a real kernel does in the background happens here at once or when it must.
 */
import type {BlockDevice} from '../../../ext4/index.ts';
import type {Connection} from '../../../src/fuse/connection.ts';
import type {Operation} from '../../../src/fuse/operations.ts';
import {type Ask, FakeKernel} from '../fake-kernel.ts';
import {RecordCache} from './cache.ts';
import {checkBegin, checkUpsert, type Geometry} from './validate.ts';
import {
	beginOps,
	errnos,
	ioendFlags,
	KernelError,
	noAddress,
	readRecord,
	types,
	type WireRecord,
} from './wire.ts';

const rootNode = 1;
const bytesBlock = 512;
const allInitFlags = 2 ** 32 - 1;
const iomapInitBit = 1 << 11;
const experimentalMinor = 99;
const attributeFlags = {exclusive: 0x4, iomap: 0x8} as const;
const setattrBits = {
	mode: 1,
	size: 8,
	atime: 16,
	mtime: 32,
	lockOwner: 0x200,
	ctime: 0x400,
} as const;
const fallocateBits = {keepSize: 1, punchHole: 2, zeroRange: 16} as const;

type Page = {readonly bytes: Uint8Array; isDirty: boolean};

/** An inode of the kernel's. */
export type Node = {
	readonly id: number;
	readonly inode: number;
	readonly isIomap: boolean;
	lookups: number;
	/** What a program sees. */
	size: number;
	/** What the server has recorded, as far as the kernel knows. */
	recordedSize: number;
	readonly pages: Map<number, Page>;
	readonly readCache: RecordCache;
	readonly writeCache: RecordCache;
	hasCache: boolean;
	timesAreDirty: boolean;
};

type Run = {
	readonly start: number;
	end: number;
	readonly isUnwritten: boolean;
};

export type KernelOptions = {
	/** The file system's device, which kernel and server write to. */
	readonly device: BlockDevice;
	readonly table: readonly Operation[];
	/** The number that the server's device gets. */
	readonly deviceNumber?: number;
};

export class IomapKernel {
	readonly wire: FakeKernel;
	readonly counts: {[operation: string]: number} = {};
	/** Notifications that were accepted, by code. */
	readonly notifications: {[code: number]: number} = {};
	/** Each request with what of it counts, for golden traces. */
	readonly trace: string[] = [];
	readonly nodes = new Map<number, Node>();
	readonly deviceNumber: number;
	readonly #device: BlockDevice;
	readonly #refused = new Set<string>();
	#geometry: Geometry | undefined;
	#blockSize = 0;

	constructor({device, table, deviceNumber = 1}: KernelOptions) {
		this.#device = device;
		this.deviceNumber = deviceNumber;
		this.wire = new FakeKernel(table);
		this.wire.onNotification = message => this.#notified(message);
	}

	attach(connection: Connection): void {
		this.wire.connection = connection;
	}

	get blockSize(): number {
		return this.#blockSize;
	}

	/** INIT and CONFIG. Returns whether the server takes part. */
	mount(): boolean {
		const init = this.wire.ask('INIT', {
			fields: {
				major: 7,
				minor: experimentalMinor,
				max_readahead: 131_072,
				flags: allInitFlags,
				flags2: allInitFlags,
			},
		});
		const {view} = init;
		const minor = view.getUint32(4, true);
		const isExtended = (view.getUint32(12, true) & (1 << 30)) !== 0;
		const flags2 = view.getUint32(32, true);
		if (!isExtended || (flags2 & iomapInitBit) === 0 || minor < experimentalMinor) return false;
		this.#configure();
		this.#learn(rootNode, {inode: 2, size: 0, flags: 0});
		return true;
	}

	#configure(): void {
		const config = this.wire.ask('IOMAP_CONFIG', {
			nodeId: 0,
			fields: {flags: 0x7f, cache_maxbytes: 262_144},
		});
		this.#count('IOMAP_CONFIG');
		if (config.error !== 0) throw new KernelError(config.error, 'CONFIG');
		const {view, payload} = config;
		if (payload.length > 104) throw new KernelError(errnos.EINVAL, 'CONFIG is too long');
		if (view.getBigUint64(0, true) > 0x7fn) throw new KernelError(errnos.EINVAL, 'CONFIG flags');
		if (view.getUint8(56) > 16) throw new KernelError(errnos.EINVAL, 'a uuid of that length');
		if (payload.subarray(57, 60).some(byte => byte !== 0)) {
			throw new KernelError(errnos.EINVAL, 'padding');
		}
		this.#blockSize = view.getUint32(60, true);
		if (this.#blockSize < 512 || this.#blockSize > 4096) {
			throw new KernelError(errnos.EINVAL, `blocks of ${this.#blockSize} bytes`);
		}
		this.#geometry = {
			blockSize: this.#blockSize,
			maxBytes: view.getBigUint64(88, true),
			devices: new Set([this.deviceNumber]),
			deviceBytes: this.#device.sizeBytes,
		};
	}

	/** DESTROY, as at an unmount: everything is written out and forgotten before. */
	unmount(): void {
		for (const node of this.nodes.values()) this.#writeBack(node, 0, Number.POSITIVE_INFINITY);
		for (const node of [...this.nodes.values()]) {
			if (node.id !== rootNode) this.evict(node);
		}
		this.#ask('DESTROY');
	}

	// Names.

	lookup(parent: Node, name: string): Node | undefined {
		const answer = this.wire.ask('LOOKUP', {nodeId: parent.id, names: [name]});
		this.#count('LOOKUP');
		if (answer.error !== 0) throw new KernelError(answer.error, `lookup ${name}`);
		const node = Number(answer.view.getBigUint64(0, true));
		return node === 0 ? undefined : this.#learnEntry(answer.view);
	}

	root(): Node {
		const root = this.nodes.get(rootNode);
		if (root === undefined) throw new Error('not mounted');
		return root;
	}

	/** open(2) with O_CREAT | O_EXCL. */
	create(parent: Node, name: string, mode = 0o100644): Node {
		if (this.lookup(parent, name) !== undefined) throw new KernelError(17, 'it exists');
		const view = this.#ask('CREATE', {
			nodeId: parent.id,
			fields: {flags: 0o301, mode, umask: 0},
			names: [name],
		});
		return this.#learnEntry(view);
	}

	mkdir(parent: Node, name: string): Node {
		return this.#learnEntry(
			this.#ask('MKDIR', {nodeId: parent.id, fields: {mode: 0o755, umask: 0}, names: [name]}),
		);
	}

	open(node: Node): void {
		const view = this.#ask('OPEN', {nodeId: node.id, fields: {flags: 2}});
		const flags = view.getUint32(8, true);
		const allowed = 0x2; // KEEP_CACHE
		if ((flags & ~allowed) !== 0) throw new KernelError(errnos.EINVAL, `open flags ${flags}`);
		if ((flags & allowed) === 0) this.#dropPages(node, 0, Number.POSITIVE_INFINITY);
	}

	close(node: Node): void {
		this.#writeBack(node, 0, Number.POSITIVE_INFINITY);
		this.#askUnlessRefused('FLUSH', {nodeId: node.id});
		this.#ask('RELEASE', {nodeId: node.id, fields: {flags: 2}});
	}

	unlink(parent: Node, name: string): void {
		this.#ask('UNLINK', {nodeId: parent.id, names: [name]});
	}

	rename(parent: Node, name: string, newParent: Node, newName: string): void {
		this.#ask('RENAME', {
			nodeId: parent.id,
			fields: {newdir: newParent.id},
			names: [name, newName],
		});
	}

	/** The inode leaves the kernel's memory. */
	evict(node: Node): void {
		this.#writeBack(node, 0, Number.POSITIVE_INFINITY);
		this.#syncTimes(node);
		this.nodes.delete(node.id);
		this.wire.tell('FORGET', {nodeId: node.id, fields: {nlookup: node.lookups}});
	}

	// Data.

	/** write(2) through the page cache; returns the bytes written. */
	write(node: Node, position: number, bytes: Uint8Array): number {
		this.#assertIomap(node);
		const sizeBefore = node.size;
		if (position > node.size) this.#zeroRange(node, node.size, position);
		let done = 0;
		while (done < bytes.length) {
			const at = position + done;
			const record = this.#mapForWrite(node, at, bytes.length - done, beginOps.write);
			const reach = Number(record.offset + record.length) - at;
			const count = Math.min(bytes.length - done, reach);
			this.#fillPages(node, at, bytes.subarray(done, done + count), record);
			done += count;
		}
		const end = position + bytes.length;
		node.size = Math.max(node.size, end);
		node.timesAreDirty = true;
		if (node.size !== sizeBefore) this.#end(node, position, bytes.length, bytes.length);
		return done;
	}

	/** read(2) through the page cache. */
	read(node: Node, position: number, length: number): Uint8Array {
		this.#assertIomap(node);
		const wanted = Math.max(0, Math.min(length, node.size - position));
		const result = new Uint8Array(wanted);
		for (let done = 0; done < wanted; ) {
			const at = position + done;
			const index = Math.floor(at / this.#blockSize);
			const page = this.#pageForRead(node, index, Math.ceil((position + wanted) / this.#blockSize));
			const within = at - index * this.#blockSize;
			const count = Math.min(wanted - done, this.#blockSize - within);
			result.set(page.bytes.subarray(within, within + count), done);
			done += count;
		}
		return result;
	}

	/** A store through a mapping of the file; inside its size. */
	store(node: Node, position: number, byte: number): void {
		this.#assertIomap(node);
		const index = Math.floor(position / this.#blockSize);
		const page = this.#pageForRead(node, index, index + 1);
		this.#mapForWrite(
			node,
			index * this.#blockSize,
			Math.min(this.#blockSize, node.size - index * this.#blockSize),
			beginOps.write | beginOps.fault,
		);
		page.bytes[position % this.#blockSize] = byte;
		page.isDirty = true;
		node.timesAreDirty = true;
	}

	/** write(2) with O_DIRECT: whole sectors. */
	writeDirect(node: Node, position: number, bytes: Uint8Array): void {
		this.#assertIomap(node);
		assertSectors(position, bytes.length);
		const sizeBefore = node.size;
		if (position > node.size) this.#zeroRange(node, node.size, position);
		this.#writeBack(node, position, position + bytes.length);
		this.#dropPages(node, position, position + bytes.length);
		for (let done = 0; done < bytes.length; ) {
			const at = position + done;
			const flags = beginOps.write | beginOps.direct;
			const record = this.#mapForWrite(node, at, bytes.length - done, flags);
			const count = Math.min(bytes.length - done, Number(record.offset + record.length) - at);
			const isUnwritten = record.type === types.unwritten;
			if (isUnwritten) this.#zeroEdges(record, at, at + count);
			this.#device.write(addressOf(record, at), bytes.subarray(done, done + count));
			const isAppend = at + count > node.recordedSize;
			const ioend =
				ioendFlags.direct |
				(isUnwritten ? ioendFlags.unwritten : 0) |
				(isAppend ? ioendFlags.append : 0);
			if (isUnwritten || isAppend) this.#ioend(node, at, count, ioend);
			this.#dropCached(node, at, at + count);
			done += count;
		}
		node.size = Math.max(node.size, position + bytes.length);
		node.timesAreDirty = true;
		if (node.size !== sizeBefore) this.#end(node, position, bytes.length, bytes.length);
	}

	/** read(2) with O_DIRECT: whole sectors. */
	readDirect(node: Node, position: number, length: number): Uint8Array {
		this.#assertIomap(node);
		assertSectors(position, length);
		this.#writeBack(node, position, position + length);
		const wanted = Math.max(0, Math.min(length, node.size - position));
		const result = new Uint8Array(wanted);
		for (let done = 0; done < wanted; ) {
			const at = position + done;
			const record = this.#mapForRead(node, at, wanted - done, beginOps.direct);
			const count = Math.min(wanted - done, Number(record.offset + record.length) - at);
			if (record.type === types.mapped) {
				this.#device.read(addressOf(record, at), result.subarray(done, done + count));
			}
			done += count;
		}
		return result;
	}

	/** SEEK_DATA and SEEK_HOLE, FIEMAP: the mappings of a range as they are reported. */
	report(node: Node, position: number, length: number): WireRecord[] {
		this.#assertIomap(node);
		this.#writeBack(node, 0, Number.POSITIVE_INFINITY);
		const records: WireRecord[] = [];
		for (let at = position; at < position + length; ) {
			const record = this.#mapForRead(node, at, position + length - at, beginOps.report);
			records.push(record);
			at = Number(record.offset + record.length);
		}
		return records;
	}

	fsync(node: Node, isDataOnly = false): void {
		this.#writeBack(node, 0, Number.POSITIVE_INFINITY);
		this.#syncTimes(node);
		this.#ask('FSYNC', {nodeId: node.id, fields: {fsync_flags: isDataOnly ? 1 : 0}});
	}

	/** Writes out dirty pages, as memory pressure does. */
	writeBack(node: Node): void {
		this.#writeBack(node, 0, Number.POSITIVE_INFINITY);
	}

	truncate(node: Node, size: number): void {
		if (!node.isIomap) {
			node.size = size;
			this.#ask('SETATTR', {nodeId: node.id, fields: {valid: setattrBits.size, size}});
			return;
		}
		if (size > node.size) this.#zeroRange(node, node.size, size);
		else this.#zeroRange(node, size, Math.ceil(size / this.#blockSize) * this.#blockSize);
		// What is behind the new end is dropped, all else is written out first.
		if (size < node.size)
			this.#dropPages(node, Math.ceil(size / this.#blockSize) * this.#blockSize);
		node.size = size;
		this.#writeBack(node, 0, Number.POSITIVE_INFINITY);
		const view = this.#ask('SETATTR', {
			nodeId: node.id,
			fields: {
				valid: setattrBits.size | setattrBits.mtime | setattrBits.lockOwner | setattrBits.ctime,
				size,
				mtime: 1_700_000_000,
				ctime: 1_700_000_000,
			},
		});
		const told = Number(view.getBigUint64(16 + 8, true));
		if (told !== size) throw new Error(`SETATTR answers with the size ${told}, not ${size}`);
		node.recordedSize = size;
		this.#dropCached(node, size, Number.POSITIVE_INFINITY);
	}

	fallocate(node: Node, mode: number, position: number, length: number): void {
		this.#assertIomap(node);
		const known = fallocateBits.keepSize | fallocateBits.punchHole | fallocateBits.zeroRange;
		if ((mode & ~known) !== 0) throw new KernelError(errnos.EOPNOTSUPP, `mode ${mode}`);
		const end = position + length;
		this.#writeBack(node, 0, Number.POSITIVE_INFINITY);
		this.#dropPages(node, position, end);
		const sizeBefore = node.size;
		this.#ask('FALLOCATE', {nodeId: node.id, fields: {mode, offset: position, length}});
		this.#dropCached(node, position, end);
		const isZeroing = (mode & (fallocateBits.punchHole | fallocateBits.zeroRange)) !== 0;
		if (isZeroing) this.#zeroRange(node, position, Math.min(end, Math.max(node.size, position)));
		if ((mode & fallocateBits.keepSize) === 0 && end > sizeBefore) {
			this.#zeroRange(node, sizeBefore, end);
			node.size = end;
			node.recordedSize = Math.max(node.recordedSize, end);
		}
		node.timesAreDirty = true;
	}

	freeze(): void {
		for (const node of this.nodes.values()) this.#writeBack(node, 0, Number.POSITIVE_INFINITY);
		this.#ask('SYNCFS', {nodeId: rootNode});
		this.#ask('FREEZE_FS', {nodeId: rootNode});
		this.#ask('UNFREEZE_FS', {nodeId: rootNode});
	}

	/** IOMAP_BEGIN as it is, past the cache; for cases of its own. */
	begin(node: Node, position: number, length: number, flags: number): WireRecord {
		return this.#begin(node, position, length, flags);
	}

	/** IOMAP_IOEND as it is. Returns the size that the server says. */
	ioend(node: Node, position: number, written: number, flags: number, error = 0): number {
		return this.#ioend(node, position, written, flags, error);
	}

	#assertIomap(node: Node): void {
		if (!node.isIomap) throw new Error(`node ${node.id} is no iomap file`);
	}

	// Pages.

	#pageForRead(node: Node, index: number, end: number): Page {
		const known = node.pages.get(index);
		if (known !== undefined) return known;
		const position = index * this.#blockSize;
		const record = this.#mapForRead(node, position, (end - index) * this.#blockSize, 0);
		const last = Math.min(end, Math.ceil(Number(record.offset + record.length) / this.#blockSize));
		for (let at = index; at < last; at++) {
			if (!node.pages.has(at)) this.#readPage(node, at, record);
		}
		const page = node.pages.get(index);
		if (page === undefined) throw new Error('a mapping that does not cover what was asked for');
		return page;
	}

	#readPage(node: Node, index: number, record: WireRecord): Page {
		const bytes = new Uint8Array(this.#blockSize);
		if (record.type === types.mapped) {
			this.#device.read(addressOf(record, index * this.#blockSize), bytes);
		}
		// What lies behind the end of the file is shown to nobody.
		const behind = node.size - index * this.#blockSize;
		if (behind < this.#blockSize) bytes.fill(0, Math.max(0, behind));
		const page = {bytes, isDirty: false};
		node.pages.set(index, page);
		return page;
	}

	#fillPages(node: Node, position: number, bytes: Uint8Array, record: WireRecord): void {
		for (let done = 0; done < bytes.length; ) {
			const at = position + done;
			const index = Math.floor(at / this.#blockSize);
			const within = at % this.#blockSize;
			const count = Math.min(bytes.length - done, this.#blockSize - within);
			const page = node.pages.get(index) ?? this.#readPage(node, index, record);
			page.bytes.set(bytes.subarray(done, done + count), within);
			page.isDirty = true;
			done += count;
		}
	}

	#dropPages(node: Node, from: number, to = Number.POSITIVE_INFINITY): void {
		for (const [index, page] of node.pages) {
			const start = index * this.#blockSize;
			if (start + this.#blockSize <= from || start >= to) continue;
			if (page.isDirty && to !== Number.POSITIVE_INFINITY)
				throw new Error('a dirty page is dropped');
			node.pages.delete(index);
		}
	}

	/** iomap_zero_range: holes and unwritten space are zeros already, unless a page says otherwise. */
	#zeroRange(node: Node, from: number, to: number): void {
		for (let at = from; at < to; ) {
			const record = this.#mapForWrite(node, at, to - at, beginOps.zero);
			const end = Math.min(to, Number(record.offset + record.length));
			for (let position = at; position < end; ) {
				const index = Math.floor(position / this.#blockSize);
				const count = Math.min(end, (index + 1) * this.#blockSize) - position;
				const known = node.pages.get(index);
				if (record.type === types.mapped || known !== undefined) {
					const page = known ?? this.#readPage(node, index, record);
					const within = position % this.#blockSize;
					page.bytes.fill(0, within, within + count);
					if (record.type === types.mapped) page.isDirty = true;
				}
				position += count;
			}
			at = end;
		}
	}

	#zeroEdges(record: WireRecord, from: number, to: number): void {
		const start = from - (from % this.#blockSize);
		const end = Math.ceil(to / this.#blockSize) * this.#blockSize;
		if (start < from) this.#device.write(addressOf(record, start), new Uint8Array(from - start));
		if (to < end) this.#device.write(addressOf(record, to), new Uint8Array(end - to));
	}

	// Writing out.

	#writeBack(node: Node, from: number, to: number): void {
		const dirty = [...node.pages]
			.filter(([index, page]) => {
				const start = index * this.#blockSize;
				return page.isDirty && start < to && start + this.#blockSize > from;
			})
			.sort(([a], [b]) => a - b);
		let run: Run | undefined;
		for (const [index, page] of dirty) {
			const position = index * this.#blockSize;
			page.isDirty = false;
			// What was written and then cut off is nobody's any more.
			if (position >= node.size) continue;
			const record = this.#mapForWrite(node, position, this.#blockSize, beginOps.writeback);
			if (record.type === types.hole) continue;
			const end = Math.min(position + this.#blockSize, node.size);
			const bytes = page.bytes.slice();
			bytes.fill(0, end - position);
			this.#device.write(addressOf(record, position), bytes);
			const isUnwritten = record.type === types.unwritten;
			if (run !== undefined && run.end === position && run.isUnwritten === isUnwritten) {
				run.end = end;
			} else {
				this.#written(node, run);
				run = {start: position, end, isUnwritten};
			}
		}
		this.#written(node, run);
	}

	#written(node: Node, run: Run | undefined): void {
		if (run === undefined) return;
		const isAppend = run.end > node.recordedSize;
		const flags =
			ioendFlags.writeback |
			(run.isUnwritten ? ioendFlags.unwritten : 0) |
			(isAppend ? ioendFlags.append : 0);
		if (run.isUnwritten || isAppend) {
			try {
				this.#ioend(node, run.start, run.end - run.start, flags);
			} catch (error) {
				// Dropped: a server must say it at the next fsync.
				if (!(error instanceof KernelError)) throw error;
			}
		}
		this.#dropCached(node, run.start, run.end);
	}

	#syncTimes(node: Node): void {
		if (!node.timesAreDirty) return;
		node.timesAreDirty = false;
		this.#ask('SETATTR', {
			nodeId: node.id,
			fields: {
				valid: setattrBits.atime | setattrBits.mtime | setattrBits.ctime,
				atime: 1_700_000_000,
				mtime: 1_700_000_000,
				ctime: 1_700_000_000,
			},
		});
	}

	// Mappings.

	#mapForRead(node: Node, position: number, length: number, flags: number): WireRecord {
		const mayUseCache = (flags & (beginOps.atomic | beginOps.swapFile)) === 0;
		const cached = mayUseCache && node.hasCache ? node.readCache.find(position) : undefined;
		return cached ?? this.#begin(node, position, length, flags);
	}

	#mapForWrite(node: Node, position: number, length: number, flags: number): WireRecord {
		const cached = node.hasCache ? this.#cachedForWrite(node, position) : undefined;
		const isZero = (flags & beginOps.zero) !== 0;
		const isUsable = cached !== undefined && (cached.type !== types.hole || isZero);
		const record = isUsable ? cached : this.#begin(node, position, length, flags);
		const mayBeHole = isZero || (flags & beginOps.writeback) >>> 0 === beginOps.writeback;
		if (record.type === types.hole && !mayBeHole) {
			throw new KernelError(errnos.EIO, 'a write into a hole was not given space');
		}
		return record;
	}

	#cachedForWrite(node: Node, position: number): WireRecord | undefined {
		if (node.writeCache.size > 0) {
			const record = node.writeCache.find(position);
			if (record === undefined) return undefined;
			if (record.type !== types.pureOverwrite) return record;
		}
		return node.readCache.find(position);
	}

	#begin(node: Node, position: number, length: number, flags: number): WireRecord {
		const name = `BEGIN ${(flags >>> 0).toString(16)}`;
		this.trace.push(`${name} ${position}+${length}`);
		const answer = this.wire.ask('IOMAP_BEGIN', {
			nodeId: node.id,
			fields: {opflags: flags >>> 0, attr_ino: node.inode, pos: position, count: length},
		});
		this.#count('IOMAP_BEGIN');
		if (answer.error === errnos.ENOSYS) throw new Error('ENOSYS to BEGIN may crash a kernel');
		if (answer.error !== 0) throw new KernelError(answer.error, name);
		if (answer.payload.length !== 64) throw new KernelError(errnos.EIO, 'an answer of that length');
		const read = readRecord(answer.view, 0);
		const write = readRecord(answer.view, 32);
		checkBegin(read, write, position, this.#theGeometry());
		const isWrite =
			(flags & (beginOps.write | beginOps.zero)) !== 0 || flags >>> 0 === beginOps.writeback;
		return isWrite && write.type !== types.pureOverwrite ? write : read;
	}

	#end(node: Node, position: number, length: number, written: number): void {
		this.#askUnlessRefused('IOMAP_END', {
			nodeId: node.id,
			fields: {opflags: 1, attr_ino: node.inode, pos: position, count: length, written},
		});
	}

	#ioend(node: Node, position: number, written: number, flags: number, error = 0): number {
		this.trace.push(`IOEND ${flags.toString(16)} ${position}+${written}`);
		const answer = this.wire.ask('IOMAP_IOEND', {
			nodeId: node.id,
			fields: {
				flags,
				error: error === 0 ? 0 : 2 ** 32 - error,
				attr_ino: node.inode,
				pos: position,
				new_addr: 0,
				written,
				dev: this.deviceNumber,
			},
		});
		this.#count('IOMAP_IOEND');
		if (answer.error !== 0) throw new KernelError(answer.error, 'IOEND');
		if (answer.payload.length !== 8) throw new KernelError(errnos.EIO, 'IOEND: a wrong length');
		node.recordedSize = Number(answer.view.getBigUint64(0, true));
		return node.recordedSize;
	}

	#dropCached(node: Node, from: number, to: number): void {
		const unit = this.#blockSize;
		const start = BigInt(Math.floor(from / unit) * unit);
		const end = to === Number.POSITIVE_INFINITY ? 1n << 64n : BigInt(Math.ceil(to / unit) * unit);
		node.readCache.remove(start, end);
		node.writeCache.remove(start, end);
	}

	// Messages of the server's own.

	#notified(message: Uint8Array): 'sent' | 'gone' | 'refused' {
		const view = new DataView(message.buffer, message.byteOffset + 16, message.byteLength - 16);
		const code = new DataView(message.buffer, message.byteOffset).getInt32(4, true);
		try {
			this.#take(code, view);
		} catch (error) {
			if (!(error instanceof KernelError)) throw error;
			this.trace.push(`NOTIFY ${code} refused: ${error.message}`);
			return error.errno === errnos.ESTALE ? 'gone' : 'refused';
		}
		this.notifications[code] = (this.notifications[code] ?? 0) + 1;
		return 'sent';
	}

	#take(code: number, view: DataView): void {
		switch (code) {
			case 2: // FUSE_NOTIFY_INVAL_INODE
				return;
			case 100:
				this.#upsert(view);
				return;
			case 101:
				this.#invalidate(view);
				return;
			default:
				throw new KernelError(errnos.EINVAL, `notification ${code}`);
		}
	}

	#nodeOf(view: DataView): Node {
		const node = this.nodes.get(Number(view.getBigUint64(0, true)));
		if (node === undefined) throw new KernelError(errnos.ESTALE, 'no such node');
		if (BigInt(node.inode) !== view.getBigUint64(8, true)) {
			throw new KernelError(errnos.EINVAL, 'the inode is another');
		}
		return node;
	}

	#upsert(view: DataView): void {
		if (view.byteLength !== 80) throw new KernelError(errnos.EINVAL, 'a wrong size');
		const node = this.#nodeOf(view);
		const read = readRecord(view, 16);
		const write = readRecord(view, 48);
		for (const record of [read, write]) checkUpsert(record, this.#theGeometry());
		node.hasCache = true;
		if (read.type !== types.noCache) node.readCache.upsert(read);
		const isFirstOverwrite = write.type === types.pureOverwrite && node.writeCache.size === 0;
		if (write.type !== types.noCache && !isFirstOverwrite) node.writeCache.upsert(write);
	}

	#invalidate(view: DataView): void {
		if (view.byteLength !== 48) throw new KernelError(errnos.EINVAL, 'a wrong size');
		const node = this.#nodeOf(view);
		for (const [at, cache] of [
			[16, node.readCache],
			[32, node.writeCache],
		] as const) {
			const offset = view.getBigUint64(at, true);
			const length = view.getBigUint64(at + 8, true);
			const unit = BigInt(this.#blockSize);
			if (length === 0n) continue;
			if (offset % unit !== 0n || (length !== noAddress && length % unit !== 0n)) {
				throw new KernelError(errnos.EUCLEAN, 'a range of parts of blocks');
			}
			cache.remove(offset, length === noAddress ? 1n << 64n : offset + length);
		}
	}

	// Requests.

	#theGeometry(): Geometry {
		if (this.#geometry === undefined) throw new Error('not configured');
		return this.#geometry;
	}

	#count(name: string): void {
		this.counts[name] = (this.counts[name] ?? 0) + 1;
	}

	#ask(name: string, ask: Ask = {}): DataView {
		this.trace.push(name);
		const answer = this.wire.ask(name, ask);
		this.#count(name);
		if (answer.error !== 0) throw new KernelError(answer.error, name);
		return answer.view;
	}

	/** What is refused with ENOSYS is never asked again. */
	#askUnlessRefused(name: string, ask: Ask): void {
		if (this.#refused.has(name)) return;
		const answer = this.wire.ask(name, ask);
		this.#count(name);
		this.trace.push(name);
		if (answer.error === errnos.ENOSYS) this.#refused.add(name);
		else if (answer.error !== 0) throw new KernelError(answer.error, name);
	}

	#learnEntry(view: DataView): Node {
		const id = Number(view.getBigUint64(0, true));
		const attributes = 40;
		return this.#learn(id, {
			inode: Number(view.getBigUint64(attributes, true)),
			size: Number(view.getBigUint64(attributes + 8, true)),
			flags: view.getUint32(attributes + 84, true),
			mode: view.getUint32(attributes + 60, true),
		});
	}

	#learn(
		id: number,
		told: {readonly inode: number; readonly size: number; readonly flags: number; mode?: number},
	): Node {
		const known = this.nodes.get(id);
		if (known !== undefined) {
			known.lookups++;
			return known;
		}
		const isRegular = ((told.mode ?? 0) & 0o170000) === 0o100000;
		const both = attributeFlags.exclusive | attributeFlags.iomap;
		const node: Node = {
			id,
			inode: told.inode,
			isIomap: isRegular && (told.flags & both) === both,
			lookups: 1,
			size: told.size,
			recordedSize: told.size,
			pages: new Map(),
			readCache: new RecordCache(),
			writeCache: new RecordCache(),
			hasCache: false,
			timesAreDirty: false,
		};
		this.nodes.set(id, node);
		return node;
	}
}

function assertSectors(position: number, length: number): void {
	if (position % bytesBlock !== 0 || length % bytesBlock !== 0) {
		throw new KernelError(errnos.EINVAL, 'direct I/O of parts of sectors');
	}
}

function addressOf(record: WireRecord, position: number): number {
	if (record.address === noAddress) throw new Error('a mapping without an address');
	return Number(record.address) + position - Number(record.offset);
}
