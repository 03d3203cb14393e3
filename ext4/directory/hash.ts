/**
 * The hashes by which indexed directories order names. Kernel documentation, "Hash Tree
 * Directories"; half MD4 is RFC 1320's first three rounds over half as many words.
 */
import {hashVersions} from '../layout/htree.ts';

/**
 * `major` is what the tree is ordered by; its lowest bit is 0 and free for the tree's own use.
 * `minor` tells names of the same major hash apart for resuming a listing.
 */
export type NameHash = {readonly major: number; readonly minor: number};

export type HashSeed = readonly [number, number, number, number];

/** The greatest hash marks the end of a directory to the kernel, so no name may have it. */
const endOfDirectory = 0xffff_fffe;

const defaultSeed: HashSeed = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];

// Used within one call of hashName only, which never suspends.
const state = new Uint32Array(4);
const words = new Uint32Array(8);

/**
 * The hash of a name as it lies on the disk (folded, in casefolded directories), or undefined for
 * a version that can't be computed from a name: unknown ones, and siphash, whose key is the
 * directory's encryption key.
 */
export function hashName(
	version: number,
	isUnsigned: boolean,
	seed: HashSeed,
	name: Uint8Array,
): NameHash | undefined {
	switch (version) {
		case hashVersions.legacy:
			return {major: settle(legacyHash(name, isUnsigned)), minor: 0};
		case hashVersions.halfMd4:
			startFrom(seed);
			for (let at = 0; at < name.length; at += 32) {
				fillWords(name, at, 8, isUnsigned);
				halfMd4Round();
			}
			return {major: settle(state[1] ?? 0), minor: state[2] ?? 0};
		case hashVersions.tea:
			startFrom(seed);
			for (let at = 0; at < name.length; at += 16) {
				fillWords(name, at, 4, isUnsigned);
				teaRound();
			}
			return {major: settle(state[0] ?? 0), minor: state[1] ?? 0};
		default:
			return undefined;
	}
}

function settle(hash: number): number {
	const even = (hash & ~1) >>> 0;
	return even === endOfDirectory ? endOfDirectory - 2 : even;
}

function startFrom(seed: HashSeed): void {
	state.set(seed.every(word => word === 0) ? defaultSeed : seed);
}

function charAt(name: Uint8Array, at: number, isUnsigned: boolean): number {
	const byte = name[at] ?? 0;
	return isUnsigned || byte < 128 ? byte : byte - 256;
}

function legacyHash(name: Uint8Array, isUnsigned: boolean): number {
	let current = 0x12a3fe2d;
	let previous = 0x37abe8f9;
	for (let at = 0; at < name.length; at++) {
		const mixed = current ^ Math.imul(charAt(name, at, isUnsigned), 7152373);
		let next = (previous + mixed) >>> 0;
		if (next >= 0x8000_0000) next -= 0x7fff_ffff;
		previous = current;
		current = next;
	}
	return current << 1;
}

/**
 * Packs up to `count` words with the name from `at` on, first character highest; what is left
 * over holds the length that remains, repeated in every byte.
 */
function fillWords(name: Uint8Array, at: number, count: number, isUnsigned: boolean): void {
	const remaining = name.length - at;
	const short = remaining | (remaining << 8);
	const padding = short | (short << 16);
	const length = Math.min(remaining, count * 4);
	let index = 0;
	let value = padding;
	for (let i = 0; i < length; i++) {
		value = (charAt(name, at + i, isUnsigned) + (value << 8)) | 0;
		if (i % 4 === 3) {
			words[index++] = value;
			value = padding;
		}
	}
	if (index < count) words[index++] = value;
	while (index < count) words[index++] = padding;
}

function rotate(value: number, bits: number): number {
	return (value << bits) | (value >>> (32 - bits));
}

/** The words in the order in which the second and the third round take them. */
const secondRound = [1, 3, 5, 7, 0, 2, 4, 6] as const;
const thirdRound = [3, 7, 2, 6, 1, 5, 0, 4] as const;
const firstShifts = [3, 7, 11, 19] as const;
const secondShifts = [3, 5, 9, 13] as const;
const thirdShifts = [3, 9, 11, 15] as const;

function halfMd4Round(): void {
	let a = state[0] ?? 0;
	let b = state[1] ?? 0;
	let c = state[2] ?? 0;
	let d = state[3] ?? 0;
	// Each step turns the four words by one place, so that the one just made stands in b.
	for (let step = 0; step < 8; step++) {
		const mixed = a + (d ^ (b & (c ^ d))) + (words[step] ?? 0);
		a = d;
		d = c;
		c = b;
		b = rotate(mixed | 0, firstShifts[step % 4] ?? 0);
	}
	for (let step = 0; step < 8; step++) {
		const word = words[secondRound[step] ?? 0] ?? 0;
		const mixed = a + ((b & c) + ((b ^ c) & d)) + word + 0x5a827999;
		a = d;
		d = c;
		c = b;
		b = rotate(mixed | 0, secondShifts[step % 4] ?? 0);
	}
	for (let step = 0; step < 8; step++) {
		const word = words[thirdRound[step] ?? 0] ?? 0;
		const mixed = a + (b ^ c ^ d) + word + 0x6ed9eba1;
		a = d;
		d = c;
		c = b;
		b = rotate(mixed | 0, thirdShifts[step % 4] ?? 0);
	}
	state[0] = (state[0] ?? 0) + a;
	state[1] = (state[1] ?? 0) + b;
	state[2] = (state[2] ?? 0) + c;
	state[3] = (state[3] ?? 0) + d;
}

function teaRound(): void {
	const a = words[0] ?? 0;
	const b = words[1] ?? 0;
	const c = words[2] ?? 0;
	const d = words[3] ?? 0;
	let left = state[0] ?? 0;
	let right = state[1] ?? 0;
	let sum = 0;
	for (let round = 0; round < 16; round++) {
		sum = (sum + 0x9e3779b9) >>> 0;
		left = (left + (((right << 4) + a) ^ (right + sum) ^ ((right >>> 5) + b))) >>> 0;
		right = (right + (((left << 4) + c) ^ (left + sum) ^ ((left >>> 5) + d))) >>> 0;
	}
	state[0] = (state[0] ?? 0) + left;
	state[1] = (state[1] ?? 0) + right;
}
