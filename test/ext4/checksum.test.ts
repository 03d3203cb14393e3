import test from 'ava';
import fc from 'fast-check';
import {crc16Of, crc32cOf, crc32cOfU32, crc32cOfZeros} from '../../ext4/checksum.ts';

const digits = new TextEncoder().encode('123456789');

test('crc32c has the check value of the catalogue, once inverted on both ends', t => {
	t.is(~crc32cOf(0xffffffff, digits) >>> 0, 0xe3069283);
});

// RFC 3720, B.4, "CRC Examples".
const iscsi = [
	['32 bytes of zeros', new Uint8Array(32), 0x8a9136aa],
	['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
	['32 bytes that rise', Uint8Array.from({length: 32}, (_, i) => i), 0x46dd794e],
	['32 bytes that fall', Uint8Array.from({length: 32}, (_, i) => 31 - i), 0x113fdb5c],
] as const;

for (const [name, bytes, expected] of iscsi) {
	test(`crc32c of ${name} is that of RFC 3720`, t => {
		t.is(~crc32cOf(0xffffffff, bytes) >>> 0, expected);
	});
}

test('crc16 has the check value of the catalogue (CRC-16/ARC)', t => {
	t.is(crc16Of(0, digits), 0xbb3d);
});

test('a sum of two parts is the sum of the whole', t => {
	fc.assert(
		fc.property(fc.uint8Array(), fc.uint8Array(), fc.nat(0xffffffff), (a, b, seed) => {
			const whole = Uint8Array.from([...a, ...b]);
			t.is(crc32cOf(crc32cOf(seed, a), b), crc32cOf(seed, whole));
			t.is(crc16Of(crc16Of(seed & 0xffff, a), b), crc16Of(seed & 0xffff, whole));
		}),
	);
});

test('a sum is never negative', t => {
	fc.assert(
		fc.property(fc.uint8Array(), fc.nat(0xffffffff), (bytes, seed) => crc32cOf(seed, bytes) >= 0),
	);
	t.pass();
});

test('a number is summed as its four bytes, the lowest first', t => {
	t.is(crc32cOfU32(77, 0x04030201), crc32cOf(77, new Uint8Array([1, 2, 3, 4])));
	t.is(crc32cOfU32(77, 0xffffffff), crc32cOf(77, new Uint8Array(4).fill(255)));
});

test('zeros are summed as so many bytes', t => {
	for (const count of [0, 1, 2, 4, 63, 64]) {
		t.is(crc32cOfZeros(5, count), crc32cOf(5, new Uint8Array(count)));
	}
});
