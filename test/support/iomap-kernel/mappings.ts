/**
 * Where a range of a file lies, from the cache of mappings or from the server, and what the server is
 * told of it afterwards.
 */
import type {Node} from './node.ts';
import type {Requests} from './requests.ts';
import {checkBegin, type Geometry} from './validate.ts';
import {
	beginOps,
	endFlags,
	errnos,
	ioendFlags,
	KernelError,
	namesOf,
	noAddress,
	readRecord,
	types,
	type WireRecord,
	writeRecord,
} from './wire.ts';

/** A mapping to use. */
export type Found = {
	/** Where the old contents are. */
	readonly source: WireRecord;
	/** Where to read from, or to write to. */
	readonly target: WireRecord;
	/** Of the cache that it was taken from; undefined of an answer, which always holds. */
	readonly sequence: number | undefined;
};

/** How often a server may say that it has put something into the cache that is not there. */
const retriesMax = 8;

/** Bits of the request, as an unsigned number. */
export type Flags = number;

function has(flags: Flags, bits: number): boolean {
	return (flags & bits) !== 0;
}

export function isWrite(flags: Flags): boolean {
	return has(flags, beginOps.write | beginOps.zero | beginOps.unshare | beginOps.writeback);
}

export class Mappings {
	readonly #requests: Requests;
	readonly #geometry: Geometry;

	constructor(requests: Requests, geometry: Geometry) {
		this.#requests = requests;
		this.#geometry = geometry;
	}

	get blockSize(): number {
		return this.#geometry.blockSize;
	}

	/** Looks into the cache first. Throws `KernelError` as the caller of a write would see it. */
	find(node: Node, position: number, length: number, flags: Flags): Found {
		const found = this.#cached(node, position, flags) ?? this.begin(node, position, length, flags);
		const mayBeHole = !isWrite(flags) || has(flags, beginOps.zero | beginOps.writeback);
		if (found.target.type === types.hole && !mayBeHole) {
			throw new KernelError(errnos.EIO, 'a write into a hole was not given space');
		}
		return found;
	}

	/** Whether a mapping that was found a while ago may be used yet. */
	isValid(node: Node, {sequence}: Found): boolean {
		return sequence === undefined || sequence === node.sequence;
	}

	#cached(node: Node, position: number, flags: Flags): Found | undefined {
		if (!node.hasCache || has(flags, beginOps.atomic | beginOps.swapFile)) return undefined;
		const {sequence} = node;
		const read = node.readCache.find(position);
		if (read === undefined) return undefined;
		if (!isWrite(flags)) return {source: read, target: read, sequence};
		const write = node.hasWriteRecords ? node.writeCache.find(position) : read;
		if (write === undefined) return undefined;
		const target = write.type === types.pureOverwrite ? read : write;
		return satisfies(target, flags) ? {source: read, target, sequence} : undefined;
	}

	/** Asks the server, past the cache. */
	begin(node: Node, position: number, length: number, flags: Flags): Found {
		for (let tries = 0; tries < retriesMax; tries++) {
			const [read, write] = this.#ask(node, position, length, flags);
			if (read.type === types.retryCache) {
				const cached = this.#cached(node, position, flags);
				if (cached !== undefined) return cached;
				continue;
			}
			const isOther = isWrite(flags) && write.type !== types.pureOverwrite;
			return {source: read, target: isOther ? write : read, sequence: undefined};
		}
		throw new Error(`RETRY_CACHE ${retriesMax} times, and nothing in the cache`);
	}

	#ask(node: Node, position: number, length: number, flags: Flags): [WireRecord, WireRecord] {
		const shown = `(B,${(flags >>> 0).toString(16)}) ${position}+${length}`;
		const {error, payload, view} = this.#requests.send(
			'IOMAP_BEGIN',
			{
				nodeId: node.id,
				fields: {opflags: flags >>> 0, attr_ino: node.inode, pos: position, count: length},
			},
			shown,
		);
		if (error === errnos.ENOSYS && has(flags, beginOps.direct) && !isWrite(flags)) {
			throw new Error('ENOSYS to BEGIN of a direct read crashes a kernel');
		}
		if (error !== 0) throw new KernelError(error, shown);
		if (payload.length !== 64) throw new KernelError(errnos.EIO, 'an answer of that length');
		const read = readRecord(view, 0);
		const write = readRecord(view, 32);
		checkBegin(read, write, position, {...this.#geometry, hasCache: node.hasCache});
		return [read, write];
	}

	/** The kernel is done with a range that it has extended the file with, or written in part. */
	end(
		node: Node,
		{position, length, written}: {position: number; length: number; written: number},
		{target}: Found,
		isLonger: boolean,
	): void {
		const flags = target.flags | (isLonger ? endFlags.sizeChanged : 0);
		const ask = {
			nodeId: node.id,
			fields: {
				opflags: beginOps.write,
				attr_ino: node.inode,
				pos: position,
				count: length,
				written,
			},
			fill: (body: DataView) => writeRecord(body, 40, {...target, flags}),
		};
		const shown = isLonger ? 'END(SIZE_CHANGED)' : 'END';
		try {
			this.#requests.askUnlessRefused('IOMAP_END', ask, `${shown} ${position}+${length}`);
		} catch (error) {
			// The writer does not see it: what was written was written.
			if (!(error instanceof KernelError)) throw error;
		}
	}

	/** Returns the size that the server says is recorded. */
	ioend(
		node: Node,
		position: number,
		written: number,
		flags: Flags,
		{error = 0, address = -1, device = 0} = {},
	): number {
		const shown = `IOEND(${namesOf(ioendFlags, flags)}) ${position}+${written}`;
		const answer = this.#requests.send(
			'IOMAP_IOEND',
			{
				nodeId: node.id,
				fields: {
					flags,
					error: -error,
					attr_ino: node.inode,
					pos: position,
					new_addr: address,
					written,
					dev: device,
				},
			},
			error === 0 ? shown : `${shown} error ${-error}`,
		);
		if (answer.error !== 0) throw new KernelError(answer.error, shown);
		if (answer.payload.length !== 8) throw new KernelError(errnos.EIO, 'IOEND: a wrong length');
		node.recordedSize = Number(answer.view.getBigUint64(0, true));
		return node.recordedSize;
	}

	/** What the kernel drops by itself, of whole blocks. */
	drop(node: Node, from: number, to: number): void {
		const unit = this.blockSize;
		const start = BigInt(Math.floor(from / unit) * unit);
		const end = to === Number.POSITIVE_INFINITY ? 1n << 64n : BigInt(Math.ceil(to / unit) * unit);
		node.readCache.remove(start, end);
		node.writeCache.remove(start, end);
		node.sequence++;
	}
}

/** Whether what is cached will do for a write, or the server is asked. */
function satisfies({type}: WireRecord, flags: Flags): boolean {
	if (type === types.hole) return has(flags, beginOps.zero);
	// Promised space is no place for who wants to write there now.
	if (type === types.delalloc) return !has(flags, beginOps.direct | beginOps.writeback);
	return true;
}

/** The byte of the device at which byte `position` of the file lies. */
export function addressOf(record: WireRecord, position: number): number {
	if (record.address === noAddress) throw new Error('a mapping without an address');
	return Number(record.address) + position - Number(record.offset);
}

/** The first byte of the file behind the mapping. */
export function endOf({offset, length}: WireRecord): number {
	return Number(offset + length);
}
