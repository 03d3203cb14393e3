import test from 'ava';
import {CorruptError} from '../../../ext4/errors.ts';
import {ext4_extent, ext4_extent_header, ext4_extent_idx} from '../../../ext4/layout/extent.ts';
import {ext4_group_desc} from '../../../ext4/layout/group.ts';
import {ext4_inode} from '../../../ext4/layout/inode.ts';
import {describe, fieldSizeBytes, readSafeU64, structure} from '../../../ext4/layout/structure.ts';
import {ext4_super_block} from '../../../ext4/layout/superblock.ts';

const sample = structure('sample', 40, {
	byte: {at: 1, kind: 'u8'},
	half: {at: 2, kind: 'u16', unit: 'blocks'},
	word: {at: 4, kind: 'u32'},
	signed: {at: 4, kind: 'i32'},
	long: {at: 8, kind: 'u64'},
	bigHalf: {at: 16, kind: 'be16'},
	bigWord: {at: 16, kind: 'be32'},
	bigLong: {at: 16, kind: 'be64'},
	name: {at: 24, kind: 'bytes', length: 16, about: 'a name'},
});

function sampleBytes(): Uint8Array {
	return Uint8Array.from({length: 48}, (_, index) => index);
}

test('a field is read from its offset, in its own byte order, when it is touched', t => {
	const bytes = sampleBytes();
	bytes.set([0xf8, 0xff, 0xff, 0xff], 8 + 4);
	bytes.set([0, 0, 0], 8 + 13);
	const cursor = sample.at(new DataView(bytes.buffer), 8);
	t.is(cursor.byte, 9);
	t.is(cursor.half, 0x0b0a);
	t.is(cursor.word, 0xfffffff8);
	t.is(cursor.signed, -8);
	t.is(cursor.bigHalf, 0x1819);
	t.is(cursor.bigWord, 0x18191a1b);
	t.deepEqual([...cursor.name], [...bytes.subarray(32, 48)]);
	bytes[9] = 77;
	t.is(cursor.byte, 77, 'the cursor looks at the bytes, it holds no copy');
});

test('bytes are a view of the block, also where the block is a part of a buffer', t => {
	const bytes = sampleBytes();
	const cursor = sample.at(new DataView(bytes.buffer, 4, 40), 0);
	t.is(cursor.name[0], 28);
	t.is(cursor.name.buffer, bytes.buffer);
});

test('a 64-bit field of 2^53-1 is read exactly, in either byte order', t => {
	const bytes = new Uint8Array(40);
	bytes.set([255, 255, 255, 255, 255, 255, 31, 0], 8);
	bytes.set([0, 31, 255, 255, 255, 255, 255, 255], 16);
	const cursor = sample.at(new DataView(bytes.buffer), 0);
	t.is(cursor.long, Number.MAX_SAFE_INTEGER);
	t.is(cursor.bigLong, Number.MAX_SAFE_INTEGER);
});

test('a 64-bit field above 2^53-1 is an error of the image', t => {
	for (const littleEndian of [true, false]) {
		const view = new DataView(new ArrayBuffer(8));
		view.setUint32(littleEndian ? 4 : 0, 0x200000, littleEndian);
		t.like(
			t.throws(() => readSafeU64(view, 0, littleEndian), {instanceOf: CorruptError}),
			{code: 'EXT4_NUMBER_TOO_LARGE'},
		);
	}
});

test('a field beyond its structure is a mistake of the declaration', t => {
	t.throws(() => structure('short', 4, {late: {at: 2, kind: 'u32'}}), {instanceOf: RangeError});
});

test('a description lists every field in order, with unit and meaning', t => {
	const fields = describe(sample, new DataView(new Uint8Array(40).fill(1, 0, 8).buffer), 0);
	t.deepEqual(
		fields.map(field => field.name),
		Object.keys(sample.fields),
	);
	t.is(fields[1]?.unit, 'blocks');
	t.is(fields.at(-1)?.about, 'a name');
	t.is(fields[0]?.value, 1);
});

const sizes = [
	[ext4_super_block, 1024],
	[ext4_group_desc, 64],
	[ext4_inode, 160],
	[ext4_extent_header, 12],
	[ext4_extent_idx, 12],
	[ext4_extent, 12],
] as const;

for (const [declared, sizeBytes] of sizes) {
	test(`${declared.name} has the ${sizeBytes} bytes of the specification, and no field overlaps another`, t => {
		t.is(declared.sizeBytes, sizeBytes);
		let end = 0;
		for (const [name, field] of Object.entries(declared.fields)) {
			t.true(field.at >= end, `${name} starts at ${field.at}, before ${end}`);
			end = field.at + fieldSizeBytes(field);
		}
		t.true(end <= sizeBytes);
	});
}
