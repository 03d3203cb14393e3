/**
 * The other side of /dev/fuse, in memory: it puts a request in, has the server serve it, and reads
 * the answer as the kernel would. Knows nothing of what stands behind the connection.
 */
import {errno} from '../../src/errno.ts';
import type {Connection} from '../../src/fuse/connection.ts';
import {
	type InitFlag,
	inHeader,
	initFlagBits,
	initIn,
	type Layout,
	newestMinor,
	outHeader,
	readU64,
	writeU64,
} from '../../src/fuse/layout.ts';
import {type Operation, operations} from '../../src/fuse/operations.ts';
import type {Transport} from '../../src/fuse/transport.ts';

export type OperationName = (typeof operations)[number]['name'];

/** Values of the fields of the operation's request layout; those not named are 0. */
export type Ask = {
	readonly nodeId?: number;
	readonly uid?: number;
	readonly gid?: number;
	readonly pid?: number;
	readonly fields?: {readonly [field: string]: number};
	readonly names?: readonly (string | Uint8Array)[];
	readonly data?: Uint8Array;
	/** Fills in what `fields` can't say, structures within the layout; it gets the layout's bytes. */
	readonly fill?: (body: DataView) => void;
};

export type Answer = {
	/** A positive errno, 0 for success. */
	readonly error: number;
	readonly payload: Uint8Array;
	readonly view: DataView;
	/** The field of a layout that the payload starts with. */
	field(layout: Layout, name: string): number;
};

/** When an INTERRUPT comes: before its request is read, while it is served, or after its answer. */
export type InterruptMoment = 'before' | 'during' | 'after';

/** Marks the number of an INTERRUPT; that of its request is even. */
const interruptBit = 1;

const encoder = new TextEncoder();

function bytesOf(name: string | Uint8Array): Uint8Array {
	return typeof name === 'string' ? encoder.encode(name) : name;
}

export function readField(layout: Layout, name: string, view: DataView, base = 0): number {
	const field = layout.fields[name];
	if (field === undefined) throw new RangeError(`${layout.name} has no ${name}`);
	const at = base + field[0];
	switch (field[1]) {
		case 'u8':
			return view.getUint8(at);
		case 'u16':
			return view.getUint16(at, true);
		case 'u32':
			return view.getUint32(at, true);
		case 'i32':
			return view.getInt32(at, true);
		case 'i64':
			return view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
		case 'u64':
			return readU64(view, at);
		default:
			throw new RangeError(`${layout.name}.${name} is a structure`);
	}
}

function writeField(layout: Layout, name: string, view: DataView, base: number, value: number) {
	const field = layout.fields[name];
	if (field === undefined) throw new RangeError(`${layout.name} has no ${name}`);
	const at = base + field[0];
	switch (field[1]) {
		case 'u16':
			return view.setUint16(at, value, true);
		case 'u32':
			return view.setUint32(at, value, true);
		case 'i32':
			return view.setInt32(at, value, true);
		default:
			return writeU64(view, at, value);
	}
}

/** As the transport for /dev/fuse has it. */
function outcomeOf(number: number): 'sent' | 'gone' | 'refused' {
	if (number === 0) return 'sent';
	return number === errno.ESTALE || number === errno.ENODEV ? 'gone' : 'refused';
}

export class FakeKernel implements Transport {
	connection: Connection | undefined;
	#pending: Uint8Array | undefined;
	#sent: Uint8Array[] = [];
	#unique = 2;
	/** What `send` returns from now on. */
	sendResult: 'sent' | 'gone' | 'refused' = 'sent';
	readonly #table: readonly Operation[];

	/** `table` holds the operations that can be asked for by name. */
	constructor(table: readonly Operation[] = operations) {
		this.#table = table;
	}

	/** Which INTERRUPTs the next requests get that are asked, by their names. */
	interruptions: (name: string) => readonly InterruptMoment[] = () => [];
	/** An INTERRUPT was refused with ENOSYS: no more are sent. */
	#refusesInterrupts = false;

	receive(into: Uint8Array): number {
		const request = this.#pending;
		this.#pending = undefined;
		if (request === undefined) return 0;
		into.set(request);
		return request.length;
	}

	/** What there is to be read beside the request that is being answered. */
	readonly ready: Uint8Array[] = [];

	receiveReady(into: Uint8Array): number {
		const request = this.ready.shift();
		if (request === undefined) return 0;
		into.set(request);
		return request.length;
	}

	/**
	 * Takes the messages that answer nothing, and returns 0 or the errno of the write(2) that brought
	 * them; without it they are among what `exchange` returns.
	 */
	onNotification: ((message: Uint8Array) => number) | undefined;

	send(from: Uint8Array, length: number): 'sent' | 'gone' | 'refused' {
		const unique = readU64(new DataView(from.buffer, from.byteOffset), outHeader.at.unique);
		if (unique === 0 && this.onNotification !== undefined) {
			return outcomeOf(this.onNotification(from.slice(0, length)));
		}
		this.#sent.push(from.slice(0, length));
		return this.sendResult;
	}

	/** Whether the server has accepted it. */
	hasAgreed(flag: InitFlag): boolean {
		return this.connection?.agreement?.flags.has(flag) === true;
	}

	/** What a request starts with, after what was agreed on. */
	#layoutOf({request, requestWith}: Operation): Layout | undefined {
		if (requestWith === undefined) return request;
		return this.hasAgreed(requestWith.flag) ? requestWith.layout : request;
	}

	/** The bytes of a request, as well-formed as what it is made of. */
	build(name: string, ask: Ask = {}): Uint8Array {
		const row = this.#table.find(each => each.name === name);
		if (row === undefined) throw new RangeError(`no operation ${name}`);
		const layout = this.#layoutOf(row);
		const fixed = layout?.sizeBytes ?? 0;
		const names = (ask.names ?? []).map(bytesOf);
		const data = ask.data ?? new Uint8Array(0);
		const namesBytes = names.reduce((sum, each) => sum + each.length + 1, 0);
		const bytes = new Uint8Array(inHeader.sizeBytes + fixed + namesBytes + data.length);
		const view = new DataView(bytes.buffer);
		this.#unique += 2;
		view.setUint32(inHeader.at.len, bytes.length, true);
		view.setUint32(inHeader.at.opcode, row.opcode, true);
		writeU64(view, inHeader.at.unique, this.#unique);
		writeU64(view, inHeader.at.nodeid, ask.nodeId ?? 1);
		view.setUint32(inHeader.at.uid, ask.uid ?? 0, true);
		view.setUint32(inHeader.at.gid, ask.gid ?? 0, true);
		view.setUint32(inHeader.at.pid, ask.pid ?? 4711, true);
		for (const [field, value] of Object.entries(ask.fields ?? {})) {
			if (layout === undefined) throw new RangeError(`${name} has no fields`);
			writeField(layout, field, view, inHeader.sizeBytes, value);
		}
		ask.fill?.(new DataView(bytes.buffer, inHeader.sizeBytes, fixed));
		let position = inHeader.sizeBytes + fixed;
		for (const each of names) {
			bytes.set(each, position);
			position += each.length + 1;
		}
		bytes.set(data, position);
		return bytes;
	}

	/**
	 * Has the server serve these bytes; returns every message that it sends. `interrupt` is ready to be
	 * read as soon as the request is, ahead of all else, and goes away with the answer.
	 */
	exchange(request: Uint8Array, interrupt?: Uint8Array): Uint8Array[] {
		this.#pending = request;
		this.#sent = [];
		if (this.connection === undefined) throw new Error('nobody serves');
		if (interrupt !== undefined) this.ready.unshift(interrupt);
		// What the server has read and put aside before comes first.
		while (this.#pending !== undefined) this.connection.serveOne();
		const [next] = this.ready;
		if (interrupt !== undefined && next === interrupt) this.ready.shift();
		return this.#sent;
	}

	/** An INTERRUPT of the request that was built last, were it one that nobody knows. */
	buildInterrupt(): Uint8Array {
		const unique = this.#unique;
		const bytes = this.build('INTERRUPT', {nodeId: 0, pid: 0, fields: {unique}});
		this.#unique = unique;
		writeU64(new DataView(bytes.buffer), inHeader.at.unique, unique + interruptBit);
		return bytes;
	}

	/** Takes what answers an INTERRUPT, as the kernel does, out of `sent`. Throws where it is wrong. */
	#withoutInterrupts(sent: readonly Uint8Array[]): Uint8Array[] {
		return sent.filter(message => {
			const header = new DataView(message.buffer, message.byteOffset, message.byteLength);
			if (readU64(header, outHeader.at.unique) % 2 !== interruptBit) return true;
			const error = 0 - readField(outHeader, 'error', header);
			const isKnown = error === errno.EAGAIN || error === errno.ENOSYS;
			if (message.length !== outHeader.sizeBytes || !isKnown) {
				throw new Error(`INTERRUPT: an answer of ${message.length} bytes, errno ${error}`);
			}
			if (error === errno.ENOSYS) this.#refusesInterrupts = true;
			return false;
		});
	}

	/** Asks, and expects exactly one answer, addressed to this request. */
	ask(name: string, ask: Ask = {}): Answer {
		const request = this.build(name, ask);
		const moments = this.#refusesInterrupts ? [] : this.interruptions(name);
		const interrupt = this.buildInterrupt();
		const sent = [
			...(moments.includes('before') ? this.exchange(interrupt) : []),
			...this.exchange(request, moments.includes('during') ? interrupt : undefined),
			...(moments.includes('after') ? this.exchange(interrupt) : []),
		];
		return this.#theAnswer(name, this.#withoutInterrupts(sent));
	}

	#theAnswer(name: string, sent: readonly Uint8Array[]): Answer {
		const [message] = sent;
		if (message === undefined || sent.length !== 1) {
			throw new Error(`${name}: ${sent.length} answers`);
		}
		return this.read(message);
	}

	/** Says what needs no answer, and expects none. */
	tell(name: string, ask: Ask = {}): void {
		const sent = this.exchange(this.build(name, ask));
		if (sent.length !== 0) throw new Error(`${name}: ${sent.length} answers`);
	}

	read(message: Uint8Array): Answer {
		const header = new DataView(message.buffer, message.byteOffset, message.byteLength);
		if (readField(outHeader, 'len', header) !== message.length) throw new Error('wrong length');
		if (readU64(header, outHeader.at.unique) !== this.#unique) throw new Error('wrong unique');
		const payload = message.subarray(outHeader.sizeBytes);
		const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
		return {
			// Not by a minus sign alone: there is no -0 on the wire.
			error: 0 - readField(outHeader, 'error', header),
			payload,
			view,
			field: (layout, name) => readField(layout, name, view),
		};
	}

	/** Sends INIT as a kernel of `minor` that offers `flags`. */
	initialise(
		flags: readonly InitFlag[] = Object.keys(initFlagBits) as InitFlag[],
		minor: number = newestMinor,
		major = 7,
	): Answer {
		let low = 0;
		let high = 0;
		for (const flag of flags) {
			const bit = initFlagBits[flag];
			if (bit < 32) low += 2 ** bit;
			else high += 2 ** (bit - 32);
		}
		const request = this.build('INIT', {
			fields: {major, minor, max_readahead: 131_072, flags: low, flags2: high},
		});
		if (minor >= 36) return this.#first(this.exchange(request));
		const short = request.slice(0, inHeader.sizeBytes + initIn.at.flags2);
		new DataView(short.buffer).setUint32(inHeader.at.len, short.length, true);
		return this.#first(this.exchange(short));
	}

	#first(messages: readonly Uint8Array[]): Answer {
		const [message] = messages;
		if (message === undefined) throw new Error('no answer to INIT');
		return this.read(message);
	}
}

export type Entry = {
	readonly name: string;
	readonly ino: number;
	readonly off: number;
	readonly type: number;
	/** READDIRPLUS only. */
	readonly nodeId: number;
};

/** The entries in a reply to READDIR or READDIRPLUS, with the kernel's own checks of them. */
export function readEntries(payload: Uint8Array, isPlus: boolean): Entry[] {
	const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
	const entries: Entry[] = [];
	const skipped = isPlus ? 128 : 0;
	let at = 0;
	while (at + skipped + 24 <= payload.length) {
		const nameBytes = view.getUint32(at + skipped + 16, true);
		const size = (skipped + 24 + nameBytes + 7) & ~7;
		if (nameBytes === 0 || at + size > payload.length) throw new Error('a broken entry');
		const start = at + skipped + 24;
		entries.push({
			name: new TextDecoder().decode(payload.subarray(start, start + nameBytes)),
			ino: readU64(view, at + skipped),
			off: readU64(view, at + skipped + 8),
			type: view.getUint32(at + skipped + 20, true),
			nodeId: isPlus ? readU64(view, at) : 0,
		});
		at += size;
	}
	if (at !== payload.length) throw new Error('bytes behind the last entry');
	return entries;
}
