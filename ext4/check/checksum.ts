/**
 * crc32c for who computes many: over a stretch of a buffer without a view of its own, four bytes at
 * a time, and past zeros at the end by a few steps, however many there are. Most inodes and blocks of
 * directories end with zeros.
 */

const polynomial = 0x82f6_3b78;

/** Eight tables of 256 entries: table t advances a byte by t more zero bytes. */
const slices = new Int32Array(8 * 256);
for (let index = 0; index < 256; index++) {
	let value = index;
	for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
	slices[index] = value;
}
for (let index = 256; index < slices.length; index++) {
	const before = slices[index - 256] ?? 0;
	slices[index] = (before >>> 8) ^ (slices[before & 0xff] ?? 0);
}

/** Powers of two of zero words that a sum can be advanced by. */
const zeroPowers = 15;
/** For each power, four tables of 256 entries, one for each byte of the sum. */
const zeroTables = new Int32Array(zeroPowers * 4 * 256);

/** Four zero bytes more; the four look-ups do not wait for each other. */
function advanceOnce(sum: number): number {
	return (
		(slices[768 + (sum & 0xff)] as number) ^
		(slices[512 + ((sum >>> 8) & 0xff)] as number) ^
		(slices[256 + ((sum >>> 16) & 0xff)] as number) ^
		(slices[sum >>> 24] as number)
	);
}

function advance(sum: number, power: number): number {
	const at = power * 1024;
	return (
		(zeroTables[at + (sum & 0xff)] ?? 0) ^
		(zeroTables[at + 256 + ((sum >>> 8) & 0xff)] ?? 0) ^
		(zeroTables[at + 512 + ((sum >>> 16) & 0xff)] ?? 0) ^
		(zeroTables[at + 768 + (sum >>> 24)] ?? 0)
	);
}

for (let power = 0; power < zeroPowers; power++) {
	for (let index = 0; index < 1024; index++) {
		const sum = (index & 0xff) << ((index >>> 8) * 8);
		const once = power === 0 ? advanceOnce(sum) : advance(sum, power - 1);
		zeroTables[power * 1024 + index] = power === 0 ? once : advance(once, power - 1);
	}
}

function advanceZeros(seed: number, words: number): number {
	let sum = seed;
	let rest = words;
	for (let power = 0; rest > 0; power++, rest >>>= 1) {
		if (power === zeroPowers - 1) {
			for (; rest > 0; rest--) sum = advance(sum, power);
			break;
		}
		if ((rest & 1) !== 0) sum = advance(sum, power);
	}
	return sum;
}

/**
 * The kernel's crc32c (see `crc32cOf`) of `length` bytes of `words`, from byte `at` on; both are
 * multiples of four. `words` must be in the order of the disk, as they are on all machines that
 * Node runs on.
 */
export function crc32cOfWords(seed: number, words: Int32Array, at: number, length: number): number {
	const start = at >>> 2;
	let end = (at + length) >>> 2;
	while (end > start && words[end - 1] === 0) end--;
	const zeros = ((at + length) >>> 2) - end;
	let sum = seed | 0;
	let index = start;
	for (; index + 1 < end; index += 2) {
		const low = sum ^ (words[index] as number); // Inside, by the loop's bound.
		const high = words[index + 1] as number;
		sum =
			(slices[1792 + (low & 0xff)] as number) ^
			(slices[1536 + ((low >>> 8) & 0xff)] as number) ^
			(slices[1280 + ((low >>> 16) & 0xff)] as number) ^
			(slices[1024 + (low >>> 24)] as number) ^
			(slices[768 + (high & 0xff)] as number) ^
			(slices[512 + ((high >>> 8) & 0xff)] as number) ^
			(slices[256 + ((high >>> 16) & 0xff)] as number) ^
			(slices[high >>> 24] as number);
	}
	for (; index < end; index++) sum = advanceOnce(sum ^ (words[index] as number));
	return advanceZeros(sum, zeros) >>> 0;
}

/** The sum of one number of 32 bits more. */
export function crc32cOfWord(seed: number, value: number): number {
	return advanceOnce(seed ^ value) >>> 0;
}

/** The same for `bytes`; any place and length will do, four-byte bounds are faster. */
export function crc32cOfBytes(seed: number, bytes: Uint8Array): number {
	const {buffer, byteOffset, length} = bytes;
	if (byteOffset % 4 !== 0) return crc32cOfEach(seed, bytes, 0);
	const whole = length & ~3;
	const sum = crc32cOfWords(seed, new Int32Array(buffer, byteOffset, whole >>> 2), 0, whole);
	return crc32cOfEach(sum, bytes, whole);
}

function crc32cOfEach(seed: number, bytes: Uint8Array, from: number): number {
	let sum = seed | 0;
	for (let at = from; at < bytes.length; at++) {
		sum = (sum >>> 8) ^ (slices[(sum ^ (bytes[at] as number)) & 0xff] as number);
	}
	return sum >>> 0;
}
