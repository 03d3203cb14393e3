/**
 * A small server of one file, which answers as the one did that traces of a running kernel were taken
 * with: no cache of mappings, END and FLUSH taken, space given in the way that a trace is about. By it
 * the kernel in memory is held against those traces; it shares no file system with the real server.
 */

import {v7} from '../../../iomap/index.ts';
import {Connection, type Handlers} from '../../../src/fuse/connection.ts';
import {iomapExperiment} from '../../../src/fuse/iomap-operations.ts';
import {
	attrOut,
	createOut,
	entryOut,
	fallocateIn,
	inHeader,
	openOut,
	readIn,
	setattrIn,
	setattrValid,
	writeIn,
	writeOut,
	writeU64,
} from '../../../src/fuse/layout.ts';
import {payloadAt, type Reply, type Request} from '../../../src/fuse/message.ts';
import type {FakeKernel} from '../fake-kernel.ts';
import type {Clock} from './node.ts';
import {deviceNumber, iomapTable} from './server.ts';
import {
	beginOps,
	errnos,
	ioendFlags,
	noAddress,
	recordFlags,
	types,
	type WireRecord,
	writeRecord,
} from './wire.ts';

export type Script = {
	/** How a hole that is written to is given space; or where the data is instead. */
	readonly space: 'mapped' | 'unwritten' | 'delalloc' | 'shared' | 'inline' | 'inline both';
	/** An answer covers a whole extent, not what was asked for alone. */
	readonly hasWholeExtents: boolean;
	/** Space behind the end is there, and said to be data. */
	readonly isMappedBehindEnd?: boolean;
	/** ENOSYS to a direct write. */
	readonly refusesDirect?: boolean;
};

export const unit = 4096;
const fileNode = 2;
/** Not the node's number: what the kernel asks with is the inode's. */
const fileInode = 1234;
const regular = 0o100644;
const dataAt = 1024 * 1024;
const sharedAt = 4 * 1024 * 1024;
const blocksMax = 512;
const enodata = 61;

type State = 'hole' | 'mapped' | 'unwritten' | 'delalloc';

/** Where the two halves of an answer lead. */
type Halves = {readonly read: WireRecord; readonly write: WireRecord};

export class ScriptedServer {
	readonly connection: Connection;
	readonly #clock: Clock;
	readonly #script: Script;
	readonly #blocks = new Map<number, State>();
	/** Blocks that were written to out of place. */
	readonly #moved = new Set<number>();
	#size = 0;
	#inline = new Uint8Array(0);
	#isThere = false;

	constructor(wire: FakeKernel, clock: Clock, script: Script) {
		this.#clock = clock;
		this.#script = script;
		this.connection = new Connection(
			wire,
			this.#handlers(),
			{
				flags: ['INIT_EXT', 'HANDLE_KILLPRIV_V2'],
				minor: 46,
				maxTransferBytes: 1 << 20,
				pageBytes: 4096,
				maxBackground: 16,
				experiment: iomapExperiment(v7),
			},
			{
				failed(error) {
					throw error;
				},
				malformed(problem) {
					throw new Error(problem);
				},
			},
			iomapTable,
		);
		wire.connection = this.connection;
	}

	#handlers(): Handlers {
		const at = inHeader.sizeBytes;
		return {
			lookup: (_request, reply) => (this.#isThere ? this.#entry(reply) : -errnos.ENOENT),
			create: (_request, reply) => {
				this.#isThere = true;
				this.#entry(reply);
				reply.view.setUint32(payloadAt + createOut.at.open + openOut.at.open_flags, 2, true);
				return createOut.sizeBytes;
			},
			open: (_request, reply) => {
				reply.view.setUint32(payloadAt + openOut.at.open_flags, 2, true);
				return openOut.sizeBytes;
			},
			release: () => 0,
			flush: () => 0,
			fsync: () => 0,
			syncfs: () => 0,
			freeze: () => 0,
			unfreeze: () => 0,
			destroy: () => {},
			forget: () => {},
			getxattr: () => -enodata,
			setattr: (request, reply) => this.#setattr(request, reply),
			fallocate: request => this.#fallocate(request),
			read: (request, reply) => {
				const bytes = this.#inline.subarray(request.u64(readIn.at.offset));
				reply.bytes.set(bytes, payloadAt);
				return bytes.length;
			},
			write: (request, reply) => {
				const position = request.u64(writeIn.at.offset);
				const bytes = request.data();
				const whole = new Uint8Array(Math.max(this.#inline.length, position + bytes.length));
				whole.set(this.#inline);
				whole.set(bytes, position);
				this.#inline = whole;
				this.#size = whole.length;
				reply.view.setUint32(payloadAt + writeOut.at.size, bytes.length, true);
				return writeOut.sizeBytes;
			},
			iomapConfig: (_request, reply) => {
				const {view} = reply;
				view.setUint32(payloadAt, 0x4, true); // The block size alone counts.
				view.setUint32(payloadAt + 60, unit, true);
				return 64;
			},
			iomapBegin: (request, reply) => this.#begin(request, reply),
			iomapEnd: () => 0,
			iomapIoend: (request, reply) => {
				const flags = request.view.getUint32(at, true);
				const position = Number(request.view.getBigUint64(at + 16, true));
				const end = position + Number(request.view.getBigUint64(at + 32, true));
				this.#written(flags, position, end);
				writeU64(reply.view, payloadAt, this.#size);
				return 8;
			},
		};
	}

	#begin(request: Request, reply: Reply): number {
		const at = inHeader.sizeBytes;
		const flags = request.view.getUint32(at, true);
		const inode = Number(request.view.getBigUint64(at + 8, true));
		if (inode !== fileInode) throw new Error(`BEGIN of the inode ${inode}`);
		const position = Number(request.view.getBigUint64(at + 16, true));
		const length = Number(request.view.getBigUint64(at + 24, true));
		const isDirectWrite = (flags & beginOps.direct) !== 0 && (flags & beginOps.write) !== 0;
		if (this.#script.refusesDirect === true && isDirectWrite) return -errnos.ENOSYS;
		const {read, write} = this.#halves(flags, position, length);
		writeRecord(reply.view, payloadAt, read);
		writeRecord(reply.view, payloadAt + 32, write);
		return 64;
	}

	#halves(flags: number, position: number, length: number): Halves {
		const first = Math.floor(position / unit);
		const end = Math.ceil((position + length) / unit);
		if (this.#script.space.startsWith('inline')) {
			const read = {...recordOf('hole', 0, 1), type: types.inline};
			const isBoth = this.#script.space === 'inline both';
			return {read, write: isBoth ? read : overwriteOf(read)};
		}
		const isWrite = (flags & (beginOps.write | beginOps.writeback)) !== 0;
		const isNow = (flags & (beginOps.writeback | beginOps.direct)) !== 0;
		const isNew = isWrite && this.#give(first, end, isNow);
		const state = this.#stateOf(first);
		const last = this.#script.hasWholeExtents ? this.#runEnd(first) : end;
		const record = recordOf(state, first, last, isNew ? recordFlags.new : 0);
		if (this.#script.space === 'shared' && state === 'mapped') {
			const read = {...this.#placed(record), flags: recordFlags.shared};
			const address = BigInt(sharedAt + first * unit);
			return {read, write: isWrite ? {...read, address} : overwriteOf(read)};
		}
		return {read: record, write: overwriteOf(record)};
	}

	#placed(record: WireRecord): WireRecord {
		const block = Number(record.offset) / unit;
		return this.#moved.has(block) ? {...record, address: BigInt(sharedAt + block * unit)} : record;
	}

	#stateOf(block: number): State {
		const isBehind = block * unit >= this.#size;
		const behind = this.#script.isMappedBehindEnd === true && isBehind ? 'mapped' : 'hole';
		return this.#blocks.get(block) ?? behind;
	}

	#runEnd(first: number): number {
		let end = first + 1;
		while (end < blocksMax && this.#stateOf(end) === this.#stateOf(first)) end++;
		return end;
	}

	/** Gives space to holes, or promises it. Returns whether the first block had none. */
	#give(first: number, end: number, isNow: boolean): boolean {
		const before = this.#stateOf(first);
		const {space, hasWholeExtents} = this.#script;
		// All that was promised is placed at once.
		const isWhole = before === 'delalloc' && isNow && hasWholeExtents;
		const last = isWhole ? this.#runEnd(first) : end;
		for (let block = first; block < last; block++) {
			const state = this.#stateOf(block);
			const isPromised = state === 'delalloc' && isNow;
			if (state !== 'hole' && !isPromised) continue;
			const given = space === 'unwritten' ? 'unwritten' : 'mapped';
			this.#blocks.set(block, space === 'delalloc' && !isNow ? 'delalloc' : given);
		}
		return before === 'hole' && this.#stateOf(first) === 'mapped';
	}

	#written(flags: number, position: number, end: number): void {
		for (let block = Math.floor(position / unit); block * unit < end; block++) {
			if ((flags & ioendFlags.unwritten) !== 0) this.#blocks.set(block, 'mapped');
			if ((flags & ioendFlags.shared) !== 0) this.#moved.add(block);
		}
		if ((flags & ioendFlags.append) !== 0) this.#size = Math.max(this.#size, end);
	}

	#setattr(request: Request, reply: Reply): number {
		if ((request.u32(setattrIn.at.valid) & setattrValid.size) !== 0) {
			this.#size = request.u64(setattrIn.at.size);
			for (const block of this.#blocks.keys()) {
				if (block * unit >= this.#size) this.#blocks.delete(block);
			}
		}
		this.#attributes(reply, payloadAt + attrOut.at.attr);
		return attrOut.sizeBytes;
	}

	#fallocate(request: Request): number {
		const mode = request.u32(fallocateIn.at.mode);
		const position = request.u64(fallocateIn.at.offset);
		const end = position + request.u64(fallocateIn.at.length);
		const isPunch = (mode & 2) !== 0;
		const isZero = (mode & 16) !== 0;
		const isInner = isPunch || isZero;
		const first = isInner ? Math.ceil(position / unit) : Math.floor(position / unit);
		const last = isInner ? Math.floor(end / unit) : Math.ceil(end / unit);
		for (let block = first; block < last; block++) {
			if (isPunch) this.#blocks.delete(block);
			else if (isZero || this.#stateOf(block) === 'hole') this.#blocks.set(block, 'unwritten');
		}
		if ((mode & 1) === 0) this.#size = Math.max(this.#size, end);
		return 0;
	}

	#entry(reply: Reply): number {
		writeU64(reply.view, payloadAt + entryOut.at.nodeid, fileNode);
		this.#attributes(reply, payloadAt + entryOut.at.attr);
		return entryOut.sizeBytes;
	}

	#attributes(reply: Reply, at: number): void {
		const {view} = reply;
		writeU64(view, at, fileInode);
		writeU64(view, at + 8, this.#size);
		for (const time of [24, 32, 40]) writeU64(view, at + time, this.#clock.now.seconds);
		view.setUint32(at + 60, regular, true);
		view.setUint32(at + 64, 1, true);
		view.setUint32(at + 84, 0xc, true); // EXCLUSIVE, IOMAP.
	}
}

function recordOf(state: State, first: number, end: number, flags = 0): WireRecord {
	const isPlaced = state === 'mapped' || state === 'unwritten';
	return {
		offset: BigInt(first * unit),
		length: BigInt((end - first) * unit),
		address: isPlaced ? BigInt(dataAt + first * unit) : noAddress,
		type: types[state],
		flags,
		device: isPlaced ? deviceNumber : 0,
	};
}

function overwriteOf({offset, length}: WireRecord): WireRecord {
	return {offset, length, address: noAddress, type: types.pureOverwrite, flags: 0, device: 0};
}
