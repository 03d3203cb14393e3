/**
 * One request and one reply in buffers that are used again and again: reading a field or writing
 * one allocates nothing. Both are valid only until the handler returns.
 */
import {inHeader, outHeader, readU64} from './layout.ts';
import type {Operation} from './operations.ts';

const namesMax = 2;
const nul = 0;

/** What can be wrong with a request, before anybody looks at what it means. */
export type RequestProblem = 'truncated' | 'wrong length' | 'wrong size' | 'bad name';

export class Request {
	readonly bytes: Uint8Array;
	readonly view: DataView;
	readonly #nameStarts = new Int32Array(namesMax);
	readonly #nameEnds = new Int32Array(namesMax);
	#dataStart = 0;
	#end = 0;

	constructor(capacity: number) {
		const memory = new ArrayBuffer(capacity);
		this.bytes = new Uint8Array(memory);
		this.view = new DataView(memory);
	}

	get opcode(): number {
		return this.view.getUint32(inHeader.at.opcode, true);
	}

	get nodeId(): number {
		return readU64(this.view, inHeader.at.nodeid);
	}

	get uid(): number {
		return this.view.getUint32(inHeader.at.uid, true);
	}

	get gid(): number {
		return this.view.getUint32(inHeader.at.gid, true);
	}

	get pid(): number {
		return this.view.getUint32(inHeader.at.pid, true);
	}

	/** For messages alone: counts upwards and stays below 2^53. */
	get unique(): number {
		return readU64(this.view, inHeader.at.unique);
	}

	/** A field of the operation's request layout, by its offset there. */
	u32(at: number): number {
		return this.view.getUint32(inHeader.sizeBytes + at, true);
	}

	u64(at: number): number {
		return readU64(this.view, inHeader.sizeBytes + at);
	}

	/** The name, without its NUL; a view, not a copy. Never empty. */
	name(index: 0 | 1 = 0): Uint8Array {
		return this.bytes.subarray(this.#nameStarts[index] ?? 0, this.#nameEnds[index] ?? 0);
	}

	/** What follows the fixed part and the names; a view, not a copy. */
	data(): Uint8Array {
		return this.bytes.subarray(this.#dataStart, this.#end);
	}

	/** Whether the `received` bytes are a whole header that tells its own length truly. */
	checkHeader(received: number): RequestProblem | undefined {
		if (received < inHeader.sizeBytes) return 'truncated';
		if (this.view.getUint32(inHeader.at.len, true) !== received) return 'wrong length';
		const extensionBytes = this.view.getUint16(inHeader.at.total_extlen, true) * 8;
		this.#end = received - extensionBytes;
		return this.#end < inHeader.sizeBytes ? 'wrong length' : undefined;
	}

	/** Finds the parts that `operation` has, and whether they fill the body exactly. */
	parse(operation: Operation): RequestProblem | undefined {
		const bodyBytes = this.#end - inHeader.sizeBytes;
		const fixedBytes = operation.request?.sizeBytes ?? 0;
		if (bodyBytes < (operation.requestBytesMin ?? fixedBytes)) return 'wrong size';
		let position = inHeader.sizeBytes + Math.min(fixedBytes, bodyBytes);
		for (let index = 0; index < (operation.names ?? 0); index++) {
			const end = this.bytes.indexOf(nul, position);
			if (end < 0 || end >= this.#end || end === position) return 'bad name';
			this.#nameStarts[index] = position;
			this.#nameEnds[index] = end;
			position = end + 1;
		}
		this.#dataStart = position;
		const hasRest = position !== this.#end;
		return hasRest && operation.hasData !== true ? 'wrong size' : undefined;
	}
}

/** A handler writes its payload from `payloadAt` on, at most `room` bytes, and returns their number. */
export class Reply {
	readonly bytes: Uint8Array;
	readonly view: DataView;
	/** How many bytes the kernel takes for this request; set before the handler runs. */
	room = 0;

	constructor(capacity: number) {
		const memory = new ArrayBuffer(outHeader.sizeBytes + capacity);
		this.bytes = new Uint8Array(memory);
		this.view = new DataView(memory);
	}

	get capacity(): number {
		return this.bytes.length - outHeader.sizeBytes;
	}

	/** Writes the header of a reply of `payloadBytes` bytes, or of an error where `error` is not 0. */
	finish(request: Request, error: number, payloadBytes: number): number {
		const length = outHeader.sizeBytes + payloadBytes;
		this.view.setUint32(outHeader.at.len, length, true);
		this.view.setInt32(outHeader.at.error, -error, true);
		// `unique` is copied in halves: the kernel alone knows what its upper bits mean.
		const at = outHeader.at.unique;
		const from = inHeader.at.unique;
		this.view.setUint32(at, request.view.getUint32(from, true), true);
		this.view.setUint32(at + 4, request.view.getUint32(from + 4, true), true);
		return length;
	}
}

/** Where in `Reply.bytes` the payload starts. */
export const payloadAt = outHeader.sizeBytes;
