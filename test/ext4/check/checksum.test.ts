/** The checker's own crc32c against the one that reads and writes. */
import test from 'ava';
import fc from 'fast-check';
import {crc32cOfBytes, crc32cOfWord} from '../../../ext4/check/checksum.ts';
import {crc32cOf, crc32cOfU32} from '../../../ext4/checksum.ts';

const seeds = fc.integer({min: 0, max: 2 ** 32 - 1});

test('sums are those of crc32cOf, at any place and with zeros at the end', t => {
	const bytes = fc.uint8Array({maxLength: 300});
	fc.assert(
		fc.property(seeds, bytes, fc.nat({max: 7}), fc.nat({max: 500}), (seed, head, place, zeros) => {
			const all = new Uint8Array(place + head.length + zeros);
			all.set(head, place);
			const part = all.subarray(place);
			return crc32cOfBytes(seed, part) === crc32cOf(seed, part);
		}),
	);
	t.pass();
});

test('a long stretch of zeros is passed in one go', t => {
	const bytes = new Uint8Array(300_000);
	bytes[2] = 9;
	t.is(crc32cOfBytes(1, bytes), crc32cOf(1, bytes));
});

test('a single number', t => {
	fc.assert(
		fc.property(
			seeds,
			seeds,
			(seed, value) => crc32cOfWord(seed, value) === crc32cOfU32(seed, value),
		),
	);
	t.pass();
});
