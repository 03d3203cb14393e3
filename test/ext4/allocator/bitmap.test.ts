import test from 'ava';
import fc from 'fast-check';
import {
	clearRange,
	countClear,
	isRangeSet,
	isSet,
	loadWords,
	setRange,
} from '../../../ext4/allocator/bitmap.ts';

const byteCount = 24;
const bitCount = byteCount * 8;
const bitmaps = fc.uint8Array({minLength: byteCount, maxLength: byteCount});
/** Of which many are full or empty: whole bytes are treated apart. */
const plainBitmaps = fc
	.array(fc.constantFrom(0, 0xff, 0xff, 0x0f), {minLength: byteCount, maxLength: byteCount})
	.map(bytes => Uint8Array.from(bytes));
const ranges = fc
	.tuple(fc.integer({min: 0, max: bitCount}), fc.integer({min: 0, max: bitCount}))
	.map(([a, b]) => ({from: Math.min(a, b), to: Math.max(a, b)}));

function bitsOf(bytes: Uint8Array): boolean[] {
	return Array.from({length: bitCount}, (_, index) => isSet(bytes, index));
}

test('bit 0 is the lowest of byte 0', t => {
	const bytes = new Uint8Array([1, 0x80]);
	t.deepEqual(
		[0, 1, 8, 15].map(index => isSet(bytes, index)),
		[true, false, false, true],
	);
});

test('a range is set or cleared, and nothing beside it', t => {
	fc.assert(
		fc.property(bitmaps, ranges, fc.boolean(), (bytes, {from, to}, isSetting) => {
			const before = bitsOf(bytes);
			(isSetting ? setRange : clearRange)(bytes, from, to);
			t.deepEqual(bitsOf(bytes), before.fill(isSetting, from, to));
		}),
	);
});

test('a range is known to be set where each of its bits is', t => {
	fc.assert(
		fc.property(fc.oneof(bitmaps, plainBitmaps), ranges, (bytes, {from, to}) => {
			t.is(isRangeSet(bytes, from, to), bitsOf(bytes).slice(from, to).every(Boolean));
		}),
	);
});

test('clear bits are counted up to any bit', t => {
	fc.assert(
		fc.property(bitmaps, fc.integer({min: 0, max: bitCount}), (bytes, end) => {
			t.is(
				countClear(bytes, end),
				bitsOf(bytes)
					.slice(0, end)
					.filter(bit => !bit).length,
			);
		}),
	);
});

test('words hold the bits wherever they lie, and those of a second bitmap', t => {
	fc.assert(
		fc.property(bitmaps, bitmaps, fc.integer({min: 0, max: 3}), (bytes, others, offset) => {
			const at = new Uint8Array(byteCount + offset);
			at.set(bytes, offset);
			const also = new Uint32Array(byteCount / 4);
			loadWords(others, also);
			const words = new Uint32Array(byteCount / 4);
			loadWords(at.subarray(offset), words, also);
			const bits = Array.from({length: bitCount}, (_, index) => {
				return ((words[index >>> 5] ?? 0) >>> (index & 31)) % 2 === 1;
			});
			const other = bitsOf(others);
			t.deepEqual(
				bits,
				bitsOf(bytes).map((bit, index) => bit || other[index] === true),
			);
		}),
	);
});
