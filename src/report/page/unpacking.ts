/** Reads what `packing.ts` and `encode.ts` have packed. */
import {classBase} from './format.ts';

export class ByteReader {
	readonly #bytes: Uint8Array;
	#at = 0;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
	}

	number(): number {
		let value = 0;
		let scale = 1;
		for (;;) {
			const byte = this.#bytes[this.#at++] ?? 0;
			value += (byte & 0x7f) * scale;
			if (byte < 0x80) return value;
			scale *= 0x80;
		}
	}

	signed(): number {
		const value = this.number();
		return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
	}

	text(): string {
		return new TextDecoder().decode(this.bytes(this.number()));
	}

	bytes(length: number): Uint8Array {
		this.#at += length;
		return this.#bytes.subarray(this.#at - length, this.#at);
	}
}

/** The map: span `n` covers the blocks from `starts[n]` up to `starts[n + 1]`. */
export type Spans = {readonly starts: Float64Array; readonly kinds: Uint8Array};

export type GroupRow = {
	readonly freeBlocks: number;
	readonly usedInodes: number;
	readonly directories: number;
	readonly unreadable: number;
};

export type Extent = {
	readonly logical: number;
	readonly physical: number;
	readonly length: number;
	readonly isUnwritten: boolean;
};

export type ListedFile = {
	readonly path: string;
	readonly flags: number;
	readonly inode: number;
	readonly sizeBytes: number;
	readonly fragments: number;
	readonly extents: readonly Extent[];
};

export type Unpacked = {
	readonly spans: Spans;
	readonly groups: readonly GroupRow[];
	readonly files: readonly ListedFile[];
};

function unpackSpans(bytes: Uint8Array, unitBlocks: number, blockCount: number): Spans {
	// Every number ends with a byte below 0x80.
	let count = 0;
	for (const byte of bytes) if (byte < 0x80) count++;
	const starts = new Float64Array(count + 1);
	const kinds = new Uint8Array(count);
	const reader = new ByteReader(bytes);
	let unit = 0;
	for (let at = 0; at < count; at++) {
		const word = reader.number();
		starts[at] = Math.min(unit * unitBlocks, blockCount);
		kinds[at] = word % classBase;
		unit += Math.floor(word / classBase);
	}
	starts[count] = blockCount;
	return {starts, kinds};
}

function unpackFile(reader: ByteReader, directories: readonly string[]): ListedFile {
	const directory = reader.number();
	const name = reader.text();
	const path = directory === 0 ? name : `${directories[directory - 1] ?? ''}/${name}`;
	const flags = reader.number();
	const inode = reader.number();
	const sizeBytes = reader.number();
	const fragments = reader.number();
	const extents: Extent[] = [];
	let logicalEnd = 0;
	let physicalEnd = 0;
	for (let left = reader.number(); left > 0; left--) {
		const logical = logicalEnd + reader.signed();
		const physical = physicalEnd + reader.signed();
		const word = reader.number();
		const length = Math.floor(word / 2);
		extents.push({logical, physical, length, isUnwritten: word % 2 === 1});
		logicalEnd = logical + length;
		physicalEnd = physical + length;
	}
	return {path, flags, inode, sizeBytes, fragments, extents};
}

export async function unpack(
	base64: string,
	unitBlocks: number,
	blockCount: number,
): Promise<Unpacked> {
	const deflated = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
	const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
	const reader = new ByteReader(new Uint8Array(await new Response(stream).arrayBuffer()));
	const spans = unpackSpans(reader.bytes(reader.number()), unitBlocks, blockCount);
	const groups: GroupRow[] = [];
	for (let left = reader.number(); left > 0; left--) {
		groups.push({
			freeBlocks: reader.number(),
			usedInodes: reader.number(),
			directories: reader.number(),
			unreadable: reader.number(),
		});
	}
	const directories: string[] = [];
	for (let left = reader.number(); left > 0; left--) {
		const parent = directories[reader.number()];
		const name = reader.text();
		// The first is the root, which has no name and no parent.
		directories.push(parent === undefined ? name : `${parent}/${name}`);
	}
	const files: ListedFile[] = [];
	for (let left = reader.number(); left > 0; left--) files.push(unpackFile(reader, directories));
	return {spans, groups, files};
}
