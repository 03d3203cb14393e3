import test from 'ava';
import fc from 'fast-check';
import {clearLengthAt, findRun, occupy, vacate} from '../../../ext4/allocator/find-run.ts';

/** The same as a string of '0' and '1', searched a bit at a time. */
function naiveFind(bits: string, from: number, to: number, wanted: number) {
	let longest = 0;
	for (let start = from; start < Math.min(to, bits.length); start++) {
		if (bits[start] === '1') continue;
		let length = 0;
		while (start + length < bits.length && bits[start + length] === '0') length++;
		if (length >= wanted) return {found: {start, length: wanted}, longest: wanted};
		longest = Math.max(longest, length);
	}
	return {found: undefined, longest};
}

function wordsOf(bits: string): Uint32Array {
	const words = new Uint32Array(Math.ceil(bits.length / 32));
	for (let index = 0; index < bits.length; index++) {
		if (bits[index] === '1') occupy(words, index, index + 1);
	}
	return words;
}

const maxBits = 200;
/** Runs of either value, as bitmaps have them. */
const bitStrings = fc
	.array(fc.tuple(fc.constantFrom('0', '1'), fc.integer({min: 1, max: 50})), {minLength: 1})
	.map(runs =>
		runs
			.map(([bit, length]) => bit.repeat(length))
			.join('')
			.slice(0, maxBits),
	);
const positions = fc.integer({min: 0, max: maxBits});

test('a run is found where a search bit by bit finds one', t => {
	fc.assert(
		fc.property(
			bitStrings,
			positions,
			positions,
			fc.integer({min: 1, max: 70}),
			(bits, from, to, wanted) => {
				const field = {words: wordsOf(bits), bitCount: bits.length};
				t.deepEqual(findRun(field, from, to, wanted), naiveFind(bits, from, to, wanted));
			},
		),
		{numRuns: 3000},
	);
});

test('the length of what is free from a bit on is that of a count bit by bit', t => {
	fc.assert(
		fc.property(bitStrings, positions, fc.integer({min: 1, max: 300}), (bits, from, max) => {
			const field = {words: wordsOf(bits), bitCount: bits.length};
			const free = /^0*/.exec(bits.slice(from))?.[0].length ?? 0;
			t.is(clearLengthAt(field, from, max), Math.min(max, free));
		}),
	);
});

test('ranges of words are set and cleared, and nothing beside them', t => {
	fc.assert(
		fc.property(bitStrings, positions, positions, fc.boolean(), (bits, a, b, isSet) => {
			const from = Math.min(a, b, bits.length);
			const to = Math.min(Math.max(a, b), bits.length);
			const words = wordsOf(bits);
			(isSet ? occupy : vacate)(words, from, to);
			const range = (isSet ? '1' : '0').repeat(to - from);
			t.deepEqual(words, wordsOf(bits.slice(0, from) + range + bits.slice(to)));
		}),
	);
});
