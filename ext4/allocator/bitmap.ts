/**
 * Bitmaps as they lie on disk: bit 0 is the lowest of byte 0, a set bit is in use. Kernel
 * documentation, "Block and Inode Bitmaps". Ranges are `[from, to)` in bits and lie inside.
 */

export function isSet(bits: Uint8Array, index: number): boolean {
	return (((bits[index >>> 3] ?? 0) >>> (index & 7)) & 1) === 1;
}

/** The first bit that is clear from `from` on, below `end`; undefined where none is. */
export function firstClear(bits: Uint8Array, from: number, end: number): number | undefined {
	let index = from;
	while (index < end) {
		const used = (bits[index >>> 3] ?? 0) | ~(0xff << (index & 7));
		if ((used & 0xff) !== 0xff) {
			const found = (index & ~7) + 31 - Math.clz32(~used & -~used);
			return found < end ? found : undefined;
		}
		index = (index & ~7) + 8;
	}
	return undefined;
}

/** The bits of one byte from bit `from` on, below bit `to`; both in 0..8. */
function maskOf(from: number, to: number): number {
	return (0xff << from) & (0xff >>> (8 - to));
}

/** Calls `change` for the bytes that the range has a part of; whole bytes are left to `fill`. */
function forEachEdge(
	from: number,
	to: number,
	edge: (byte: number, mask: number) => void,
	whole: (fromByte: number, toByte: number) => void,
): void {
	if (from >= to) return;
	const first = from >>> 3;
	const last = to >>> 3;
	if (first === last) {
		edge(first, maskOf(from & 7, to & 7));
		return;
	}
	const wholeFrom = (from & 7) === 0 ? first : first + 1;
	if (wholeFrom !== first) edge(first, maskOf(from & 7, 8));
	whole(wholeFrom, last);
	if ((to & 7) !== 0) edge(last, maskOf(0, to & 7));
}

export function setRange(bits: Uint8Array, from: number, to: number): void {
	forEachEdge(
		from,
		to,
		(byte, mask) => {
			bits[byte] = (bits[byte] ?? 0) | mask;
		},
		(fromByte, toByte) => bits.fill(0xff, fromByte, toByte),
	);
}

export function clearRange(bits: Uint8Array, from: number, to: number): void {
	forEachEdge(
		from,
		to,
		(byte, mask) => {
			bits[byte] = (bits[byte] ?? 0) & ~mask;
		},
		(fromByte, toByte) => bits.fill(0, fromByte, toByte),
	);
}

/** True where every bit of the range is set; true for an empty range. */
export function isRangeSet(bits: Uint8Array, from: number, to: number): boolean {
	let isAllSet = true;
	forEachEdge(
		from,
		to,
		(byte, mask) => {
			if (((bits[byte] ?? 0) & mask) !== mask) isAllSet = false;
		},
		(fromByte, toByte) => {
			for (let byte = fromByte; byte < toByte; byte++) if (bits[byte] !== 0xff) isAllSet = false;
		},
	);
	return isAllSet;
}

const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** Copies bits to words, from word 0 on, as many as `words` has; those of `also` are set as well. */
export function loadWords(bits: Uint8Array, words: Uint32Array, also?: Uint32Array): void {
	const {buffer, byteOffset, byteLength} = bits;
	if (isLittleEndian && byteOffset % 4 === 0) {
		words.set(new Uint32Array(buffer, byteOffset, words.length));
	} else {
		const view = new DataView(buffer, byteOffset, byteLength);
		for (let word = 0; word < words.length; word++) words[word] = view.getUint32(word * 4, true);
	}
	if (also === undefined) return;
	for (let word = 0; word < words.length; word++) {
		words[word] = (words[word] ?? 0) | (also[word] ?? 0);
	}
}

/** Set bits of a 32-bit word. */
function population(word: number): number {
	let sum = word - ((word >>> 1) & 0x5555_5555);
	sum = (sum & 0x3333_3333) + ((sum >>> 2) & 0x3333_3333);
	sum = (sum + (sum >>> 4)) & 0x0f0f_0f0f;
	return Math.imul(sum, 0x0101_0101) >>> 24;
}

/** How many of the first `bitCount` bits are clear. */
export function countClear(bits: Uint8Array, bitCount: number): number {
	const view = new DataView(bits.buffer, bits.byteOffset, bits.byteLength);
	const wordCount = bitCount >>> 5;
	let setCount = 0;
	for (let word = 0; word < wordCount; word++)
		setCount += population(view.getUint32(word * 4, true));
	for (let index = wordCount * 32; index < bitCount; index++) if (isSet(bits, index)) setCount++;
	return bitCount - setCount;
}
