/** Checksums of metadata. Kernel documentation, "Checksums". */
import crc32c from 'crc-32/crc32c.js';

/**
 * The kernel's crc32c: `seed` in, the sum out, neither inverted, so that sums chain:
 * `crc32cOf(crc32cOf(seed, a), b)` is the sum of a then b. Unsigned.
 */
export function crc32cOf(seed: number, bytes: Uint8Array): number {
	// crc-32 inverts on the way in and out; undo both.
	return ~crc32c.buf(bytes, ~seed) >>> 0;
}

const scratch = new Uint8Array(4);

/** Adds one little-endian 32-bit number to a sum. */
export function crc32cOfU32(seed: number, value: number): number {
	scratch[0] = value;
	scratch[1] = value >>> 8;
	scratch[2] = value >>> 16;
	scratch[3] = value >>> 24;
	return crc32cOf(seed, scratch);
}

const zeros = new Uint8Array(64);

/** Adds `count` zero bytes (at most 64): the place where a sum itself is stored counts as zeros. */
export function crc32cOfZeros(seed: number, count: number): number {
	return crc32cOf(seed, count === zeros.length ? zeros : zeros.subarray(0, count));
}

const polynomial = 0x82f6_3b78;
const crc32cTable = new Uint32Array(256);
/** Which entry of the table has a given upper byte: each has another. */
const crc32cIndex = new Uint8Array(256);
for (let index = 0; index < 256; index++) {
	let value = index;
	for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
	crc32cTable[index] = value;
	crc32cIndex[value >>> 24] = index;
}

/** The seed from which `bytes` lead to `sum`. */
function seedBefore(sum: number, bytes: Uint8Array): number {
	let state = sum;
	for (let at = bytes.length - 1; at >= 0; at--) {
		const index = crc32cIndex[state >>> 24] ?? 0;
		state = ((state ^ (crc32cTable[index] ?? 0)) << 8) | (index ^ (bytes[at] ?? 0));
	}
	return state >>> 0;
}

/**
 * What the four bytes of `bytes` from `at` on must be, as a little-endian number, for
 * `crc32cOf(seed, bytes)` to be `sum`. Any sum can be reached so.
 */
export function crc32cFiller(seed: number, bytes: Uint8Array, at: number, sum: number): number {
	const before = crc32cOf(seed, bytes.subarray(0, at));
	const after = seedBefore(sum, bytes.subarray(at + 4));
	return (before ^ seedBefore(after, zeros.subarray(0, 4))) >>> 0;
}

const crc16Table = new Uint16Array(256);
for (let index = 0; index < 256; index++) {
	let value = index;
	for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xa001 : value >>> 1;
	crc16Table[index] = value;
}

/** CRC-16 with the polynomial 0x8005, reflected; group descriptors under uninit_bg use it. */
export function crc16Of(seed: number, bytes: Uint8Array): number {
	let sum = seed;
	for (const byte of bytes) sum = (sum >>> 8) ^ (crc16Table[(sum ^ byte) & 0xff] ?? 0);
	return sum;
}
