/**
 * Finding runs of clear bits, 32 at a time. A `BitField` is what is in use of one group, from
 * whatever sources: bit `n` is bit `n % 32` of word `n / 32`; a set bit is in use. Pure.
 */

export type BitField = {readonly words: Uint32Array; readonly bitCount: number};

export type BitRun = {readonly start: number; readonly length: number};

/** The first bit from `from` on, below `end`, whose value is `isClear ? 0 : 1`; else `end`. */
function next(words: Uint32Array, from: number, end: number, isClear: boolean): number {
	if (from >= end) return end;
	const flip = isClear ? 0xffff_ffff : 0;
	const lastIndex = (end - 1) >>> 5;
	let index = from >>> 5;
	let word = ((words[index] ?? 0) ^ flip) & (0xffff_ffff << (from & 31));
	while (word === 0) {
		if (++index > lastIndex) return end;
		word = (words[index] ?? 0) ^ flip;
	}
	return Math.min(end, index * 32 + 31 - Math.clz32(word & -word));
}

/** How many bits from `from` on are clear, at most `max`. */
export function clearLengthAt(field: BitField, from: number, max: number): number {
	if (from >= field.bitCount) return 0;
	return next(field.words, from, Math.min(field.bitCount, from + max), false) - from;
}

export type Search = {
	/** The first run of at least the wanted length: its start, and the wanted length. */
	readonly found: BitRun | undefined;
	/** The longest run that was met where none was long enough. */
	readonly longest: number;
};

/**
 * Looks for a run of `wanted` clear bits that starts in `[from, to)`; it may end behind `to`. A
 * run that `from` lies in the middle of counts from there.
 */
export function findRun(field: BitField, from: number, to: number, wanted: number): Search {
	const {words, bitCount} = field;
	const end = Math.min(to, bitCount);
	let longest = 0;
	for (let at = from; ; ) {
		const start = next(words, at, end, true);
		if (start >= end) return {found: undefined, longest};
		const stop = next(words, start, Math.min(bitCount, start + wanted), false);
		const length = stop - start;
		if (length >= wanted) return {found: {start, length: wanted}, longest: wanted};
		if (length > longest) longest = length;
		at = stop;
	}
}

/** Sets the bits `[from, to)`. */
export function occupy(words: Uint32Array, from: number, to: number): void {
	if (from >= to) return;
	const first = from >>> 5;
	const last = (to - 1) >>> 5;
	const firstMask = 0xffff_ffff << (from & 31);
	const lastMask = 0xffff_ffff >>> (31 - ((to - 1) & 31));
	if (first === last) {
		words[first] = (words[first] ?? 0) | (firstMask & lastMask);
		return;
	}
	words[first] = (words[first] ?? 0) | firstMask;
	words.fill(0xffff_ffff, first + 1, last);
	words[last] = (words[last] ?? 0) | lastMask;
}

/** Clears the bits `[from, to)`. */
export function vacate(words: Uint32Array, from: number, to: number): void {
	if (from >= to) return;
	const first = from >>> 5;
	const last = (to - 1) >>> 5;
	const firstMask = 0xffff_ffff << (from & 31);
	const lastMask = 0xffff_ffff >>> (31 - ((to - 1) & 31));
	if (first === last) {
		words[first] = (words[first] ?? 0) & ~(firstMask & lastMask);
		return;
	}
	words[first] = (words[first] ?? 0) & ~firstMask;
	words.fill(0, first + 1, last);
	words[last] = (words[last] ?? 0) & ~lastMask;
}
