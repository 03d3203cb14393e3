/** The page cache: bytes of files in memory, filled from the device and written out to it. */
import type {BlockDevice} from '../../../ext4/index.ts';
import {addressOf, endOf, type Found, type Mappings} from './mappings.ts';
import type {Node, Page} from './node.ts';
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

/** What is read ahead at once, in bytes. */
const readAheadBytes = {least: 16 * 1024, most: 128 * 1024} as const;
/** What requests that come from the page cache are rounded up to. */
const pageBytes = 4096;

/** Blocks that were written out one after the other, and are told of together. */
type Run = {
	readonly start: number;
	end: number;
	readonly isUnwritten: boolean;
	readonly isShared: boolean;
	readonly address: number;
	/** What the device gets, and where. */
	readonly writes: {readonly address: number; readonly bytes: Uint8Array}[];
};

export type PageCacheOptions = {
	readonly requests: Requests;
	readonly mappings: Mappings;
	readonly device: BlockDevice;
	readonly deviceNumber: number;
};

export class PageCache {
	/** Called before each page that a write fills: for what may happen in between. */
	beforePage: () => void = () => {};
	readonly #requests: Requests;
	readonly #mappings: Mappings;
	readonly #device: BlockDevice;
	readonly #deviceNumber: number;
	readonly #unit: number;
	/** What is being written out: the device has it, and the server is told, when it is waited for. */
	readonly #underWay = new Map<Node, Run[]>();

	constructor({requests, mappings, device, deviceNumber}: PageCacheOptions) {
		this.#requests = requests;
		this.#mappings = mappings;
		this.#device = device;
		this.#deviceNumber = deviceNumber;
		this.#unit = mappings.blockSize;
	}

	/** The page to read from. `end`: up to which byte the file is about to be read. */
	forRead(node: Node, index: number, end: number): Page {
		const known = node.pages.get(index);
		if (known !== undefined) return known;
		const position = index * this.#unit;
		const {least, most} = readAheadBytes;
		const wanted = Math.min(most, Math.max(least, end - position));
		const behind = Math.ceil(node.size / pageBytes) * pageBytes;
		const length = Math.max(pageBytes, Math.min(wanted, behind - position));
		const {source} = this.#findForRead(node, position, length);
		const last = Math.min(Math.ceil(end / this.#unit), Math.ceil(endOf(source) / this.#unit));
		for (let at = index; at < last; at++) {
			if (!node.pages.has(at)) this.#fill(node, at, source);
		}
		const page = node.pages.get(index);
		if (page === undefined) throw new Error('a mapping that does not cover what was asked for');
		return page;
	}

	/** Whatever the server says, who reads through the page cache hears EIO. */
	#findForRead(node: Node, position: number, length: number): Found {
		try {
			return this.#mappings.find(node, position, length, 0);
		} catch (error) {
			if (!(error instanceof KernelError)) throw error;
			throw new KernelError(errnos.EIO, error.message);
		}
	}

	#fill(node: Node, index: number, record: WireRecord): Page {
		const page = {bytes: this.#contents(node, index, record), isDirty: false};
		// What lies behind the end of the file is shown to nobody.
		const behind = node.size - index * this.#unit;
		if (behind < this.#unit) page.bytes.fill(0, Math.max(0, behind));
		node.pages.set(index, page);
		return page;
	}

	#contents(node: Node, index: number, record: WireRecord): Uint8Array {
		const bytes = new Uint8Array(this.#unit);
		const position = index * this.#unit;
		if (record.type === types.mapped && (record.flags & recordFlags.new) === 0) {
			this.#device.read(addressOf(record, position), bytes);
		} else if (record.type === types.inline) {
			bytes.set(this.#readInline(node, position));
		}
		return bytes;
	}

	/** Data that lies in the metadata comes by a request. */
	#readInline(node: Node, position: number): Uint8Array {
		const {error, payload} = this.#requests.send('READ', {
			nodeId: node.id,
			fields: {fh: 0, offset: position, size: this.#unit},
		});
		if (error !== 0) throw new KernelError(error, 'READ of inline data');
		if (payload.length === 0) throw new KernelError(errnos.EIO, 'READ of inline data is empty');
		return payload;
	}

	#writeInline(node: Node, position: number, bytes: Uint8Array): void {
		const view = this.#requests.ask('WRITE', {
			nodeId: node.id,
			fields: {fh: 0, offset: position, size: bytes.length},
			data: bytes,
		});
		const written = view.getUint32(0, true);
		if (written !== bytes.length)
			throw new KernelError(errnos.EIO, 'WRITE of inline data is short');
	}

	/**
	 * Puts bytes into pages and makes them dirty, as far as the mapping is valid; returns how many.
	 */
	write(node: Node, position: number, bytes: Uint8Array, found: Found): number {
		if (found.target.type === types.inline) {
			// Where both halves lie in the metadata, what is written over is read first.
			if (found.source.type === types.inline && found.source !== found.target) {
				this.#readInline(node, position);
			}
			this.#writeInline(node, position, bytes);
			this.drop(node, position, position + bytes.length);
			return bytes.length;
		}
		let done = 0;
		while (done < bytes.length) {
			const at = position + done;
			this.beforePage();
			if (!this.#mappings.isValid(node, found)) break;
			const index = Math.floor(at / this.#unit);
			const within = at % this.#unit;
			const count = Math.min(bytes.length - done, this.#unit - within);
			const page = node.pages.get(index) ?? this.#fill(node, index, found.source);
			page.bytes.set(bytes.subarray(done, done + count), within);
			page.isDirty = true;
			done += count;
		}
		return done;
	}

	/** Takes pages out, and waits for those that are being written. What is dirty must have been written out, or lie behind a new end. */
	drop(node: Node, from: number, to = Number.POSITIVE_INFINITY): void {
		this.wait(node, from, to);
		for (const [index, page] of node.pages) {
			const start = index * this.#unit;
			if (start + this.#unit <= from || start >= to) continue;
			if (page.isDirty && to !== Number.POSITIVE_INFINITY) {
				throw new Error('a dirty page is dropped');
			}
			node.pages.delete(index);
		}
	}

	/** Makes a range zeros: holes and unwritten space are that already, but for pages in memory. */
	zero(node: Node, from: number, to: number): void {
		for (let at = from; at < to; ) {
			const {source, target} = this.#mappings.find(node, at, to - at, beginOps.zero);
			const end = Math.min(to, endOf(target));
			for (const index of this.#toZero(node, source, at, end)) {
				const from = Math.max(at, index * this.#unit);
				const count = Math.min(end, (index + 1) * this.#unit) - from;
				this.#zeroInPage(node, index, from % this.#unit, count, source);
			}
			at = end;
		}
	}

	/** Pages to make zeros: where there is no data on the device, those in memory alone. */
	#toZero(node: Node, source: WireRecord, from: number, to: number): number[] {
		const first = Math.floor(from / this.#unit);
		const end = Math.ceil(to / this.#unit);
		if (source.type !== types.mapped) {
			return [...node.pages.keys()].filter(index => index >= first && index < end);
		}
		return Array.from({length: end - first}, (_, index) => first + index);
	}

	#zeroInPage(node: Node, index: number, within: number, count: number, source: WireRecord): void {
		const known = node.pages.get(index);
		const isData = source.type === types.mapped;
		if (!isData && known === undefined) return;
		const page = known ?? this.#fill(node, index, source);
		page.bytes.fill(0, within, within + count);
		if (isData) page.isDirty = true;
	}

	/** Writes dirty pages out, in order, and tells the server where its metadata must change. */
	writeBack(node: Node, from = 0, to = Number.POSITIVE_INFINITY): void {
		this.startWriteBack(node, from, to);
		this.wait(node, from, to);
	}

	/** The same, but nothing has reached the device yet, and nobody has been told of it. */
	startWriteBack(node: Node, from = 0, to = Number.POSITIVE_INFINITY): void {
		// A page that is dirty again is not written before it has been.
		this.wait(node, from, to);
		const dirty = [...node.pages]
			.filter(([index, page]) => {
				const start = index * this.#unit;
				return page.isDirty && start < to && start + this.#unit > from;
			})
			.sort(([a], [b]) => a - b);
		const underWay = this.#underWay.get(node) ?? [];
		if (dirty.length > 0) this.#underWay.set(node, underWay);
		let run: Run | undefined;
		let found: Found | undefined;
		for (const [index, page] of dirty) {
			const position = index * this.#unit;
			page.isDirty = false;
			// What was written and then cut off is nobody's any more.
			if (position >= node.size) continue;
			if (found === undefined || !this.#covers(node, found, position)) {
				found = this.#findForWriteBack(node, position);
			}
			const {target} = found;
			if (target.type === types.hole) continue;
			const end = Math.min(position + this.#unit, node.size);
			const next = runFrom(position, end, target, this.#bytesOf(page, end - position));
			if (run !== undefined && follows(run, next)) {
				run.end = end;
				run.writes.push(...next.writes);
			} else {
				run = next;
				underWay.push(run);
				this.#requests.trace.push('device write');
			}
		}
	}

	/** Until nothing of a range is being written any more. */
	wait(node: Node, from = 0, to = Number.POSITIVE_INFINITY): void {
		const runs = this.#underWay.get(node) ?? [];
		// Whole pages are waited for, although a file may end inside the last.
		const isMeant = ({start, end}: Run) =>
			start < to && Math.ceil(end / this.#unit) * this.#unit > from;
		const rest = runs.filter(run => !isMeant(run));
		if (rest.length > 0) this.#underWay.set(node, rest);
		else this.#underWay.delete(node);
		for (const run of runs.filter(isMeant)) this.#written(node, run);
	}

	#covers(node: Node, found: Found, position: number): boolean {
		const {offset} = found.target;
		return (
			Number(offset) <= position &&
			position < endOf(found.target) &&
			this.#mappings.isValid(node, found)
		);
	}

	#findForWriteBack(node: Node, position: number): Found {
		const found = this.#mappings.find(node, position, this.#unit, beginOps.writeback);
		const {type} = found.target;
		if (type === types.inline || type === types.delalloc) {
			throw new KernelError(errnos.EIO, 'writing out wants a place on a device');
		}
		return found;
	}

	#bytesOf(page: Page, bytesInFile: number): Uint8Array {
		const bytes = page.bytes.slice();
		bytes.fill(0, bytesInFile);
		return bytes;
	}

	#written(node: Node, run: Run): void {
		for (const {address, bytes} of run.writes) this.#device.write(address, bytes);
		const {start, end, isUnwritten, isShared, address} = run;
		const isAppend = end > node.recordedSize;
		const flags =
			ioendFlags.writeback |
			(isUnwritten ? ioendFlags.unwritten : 0) |
			(isShared ? ioendFlags.shared : 0) |
			(isAppend ? ioendFlags.append : 0);
		if (isUnwritten || isAppend || isShared) {
			try {
				// Sectors, not the bytes that the header promises.
				const place = {address: address / 512, device: this.#deviceNumber};
				this.#mappings.ioend(node, start, end - start, flags, place);
			} catch (error) {
				// Dropped: a server must say it at the next fsync.
				if (!(error instanceof KernelError)) throw error;
			}
		}
		this.#mappings.drop(node, start, end);
	}
}

function runFrom(start: number, end: number, target: WireRecord, bytes: Uint8Array): Run {
	const address = addressOf(target, start);
	return {
		start,
		end,
		isUnwritten: target.type === types.unwritten,
		isShared: (target.flags & recordFlags.shared) !== 0,
		address,
		writes: [{address, bytes}],
	};
}

function follows(run: Run, next: Run): boolean {
	return (
		run.end === next.start &&
		run.address + run.end - run.start === next.address &&
		run.isUnwritten === next.isUnwritten &&
		run.isShared === next.isShared
	);
}
