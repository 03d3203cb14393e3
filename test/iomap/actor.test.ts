import test from 'ava';
import fc from 'fast-check';
import {CorruptError, FileError} from '../../ext4/errors.ts';
import {inodeFlags} from '../../ext4/layout/inode.ts';
import {Volume} from '../../ext4/volume.ts';
import {nodeHashes} from '../../images/hashes.ts';
import {readRange, seek} from '../../iomap/actor.ts';
import {Mapper} from '../../iomap/mapper.ts';
import {viewOf} from '../support/poke.ts';
import {type TinyExtent, TinyImage, writeLeaf} from '../support/tiny-image.ts';

const file = 12;
const size = 7000;

const extents: readonly TinyExtent[] = [
	{logical: 1, length: 2, physical: 100},
	{logical: 3, length: 1, physical: 50, isUnwritten: true},
	{logical: 5, length: 4, physical: 200},
];

/** A hole, data of two blocks, unwritten, a hole, then data to beyond the end of the file. */
function newImage(): {image: TinyImage; contents: Uint8Array} {
	const image = new TinyImage({features: ['extent']});
	writeLeaf(image.addFile(file, true, size), extents);
	const contents = new Uint8Array(size);
	for (const {logical, length, physical, isUnwritten} of extents) {
		for (let index = 0; index < length; index++) {
			const block = image.block(physical + index);
			block.forEach((_, at) => {
				block[at] = (physical + index * 7 + at) & 0xff;
			});
			if (isUnwritten === true) continue;
			const start = (logical + index) * 1024;
			const part = block.subarray(0, Math.max(0, Math.min(1024, size - start)));
			contents.set(part, Math.min(start, size));
		}
	}
	return {image, contents};
}

function open(image: TinyImage) {
	const volume = image.open();
	return {mapper: new Mapper(volume), inode: volume.readInode(file)};
}

test('a file is read whole: holes and unwritten space as zeros, nothing behind its end', t => {
	const {image, contents} = newImage();
	const {mapper, inode} = open(image);
	const into = new Uint8Array(size + 500).fill(0xee);
	t.is(readRange(mapper, inode, 0, into), size);
	t.deepEqual(into.subarray(0, size), contents);
	t.true(into.subarray(size).every(byte => byte === 0xee));
});

test('any range reads as the same range of the whole', t => {
	const {image, contents} = newImage();
	const {mapper, inode} = open(image);
	fc.assert(
		fc.property(fc.nat(size + 2000), fc.nat(5000), (position, length) => {
			const into = new Uint8Array(length);
			const count = readRange(mapper, inode, position, into);
			t.is(count, Math.max(0, Math.min(length, size - position)));
			t.deepEqual(into.subarray(0, count), contents.subarray(position, position + count));
		}),
	);
});

test('at and beyond the end of the file nothing is read', t => {
	const {mapper, inode} = open(newImage().image);
	t.is(readRange(mapper, inode, size, new Uint8Array(10)), 0);
	t.is(readRange(mapper, inode, 2 ** 52, new Uint8Array(10)), 0);
	t.is(readRange(mapper, inode, 0, new Uint8Array(0)), 0);
});

test('reading an encrypted file fails, and so does a broken tree', t => {
	const {image} = newImage();
	image.setInode(file, {i_flags: inodeFlags.extents | inodeFlags.encrypted});
	const encrypted = open(image);
	const error = t.throws(() => readRange(encrypted.mapper, encrypted.inode, 0, new Uint8Array(1)), {
		instanceOf: FileError,
	});
	t.is(error.code, 'ENOKEY');
	image.setInode(file, {i_flags: inodeFlags.extents});
	image.blockField(file).fill(0, 0, 2);
	const broken = open(image);
	t.throws(() => readRange(broken.mapper, broken.inode, 0, new Uint8Array(1)), {
		instanceOf: CorruptError,
	});
});

test('inline data without its attribute is an error, not zeros', t => {
	const image = new TinyImage({features: ['extent', 'inline_data']});
	image.setInode(file, {i_mode: 0o100644, i_flags: inodeFlags.inlineData, i_size_lo: 100});
	const {mapper, inode} = open(image);
	const error = t.throws(() => readRange(mapper, inode, 0, new Uint8Array(100)), {
		instanceOf: CorruptError,
	});
	t.is(error.code, 'EXT4_BAD_INLINE_DATA');
});

const searches = [
	[0, 1024, 0],
	[1023, 1024, 1023],
	[1024, 1024, 3072],
	[2500, 2500, 3072],
	[3072, 5120, 3072],
	[4096, 5120, 4096],
	[5120, 5120, size],
	[6999, 6999, size],
] as const;

for (const [from, data, hole] of searches) {
	test(`from byte ${from} the next data is at ${data}, the next hole at ${hole}`, t => {
		const {mapper, inode} = open(newImage().image);
		t.is(seek(mapper, inode, from, 'data'), data);
		t.is(seek(mapper, inode, from, 'hole'), hole);
	});
}

test('there is no data, and no hole, from the end of the file on or before its start', t => {
	const {mapper, inode} = open(newImage().image);
	for (const position of [size, size + 1, 2 ** 50, -1]) {
		t.is(seek(mapper, inode, position, 'data'), undefined);
		t.is(seek(mapper, inode, position, 'hole'), undefined);
	}
});

test('a file that ends in a hole has no data behind the last block', t => {
	const {image} = newImage();
	image.setInode(file, {i_size_lo: 2 ** 30});
	const {mapper, inode} = open(image);
	t.is(seek(mapper, inode, 9 * 1024, 'data'), undefined);
	t.is(seek(mapper, inode, 9 * 1024, 'hole'), 9 * 1024);
});

test('a search through a block map that leads to the same zeros for ever ends', t => {
	const image = new TinyImage({features: [], blockSize: 65_536, blockCount: 16, inodeCount: 256});
	const [top, middle, zeros] = [12, 13, 14];
	viewOf(image.addFile(file, false, 2 ** 48)).setUint32(14 * 4, top, true);
	for (const [block, pointer] of [
		[top, middle],
		[middle, zeros],
	] as const) {
		for (let at = 0; at < 65_536; at += 4) viewOf(image.block(block)).setUint32(at, pointer, true);
	}
	const {mapper, inode} = open(image);
	const found = seek(mapper, inode, 0, 'data');
	t.true(found !== undefined && found > 0, 'what was not looked at counts as data');
	t.is(seek(mapper, inode, found ?? 0, 'hole'), found, 'which it is not');
});

/** Many verity files of two blocks which share all they have: the data, one block of hashes. */
function verityImage(fileCount: number): TinyImage {
	const image = new TinyImage({features: ['extent', 'verity'], inodeCount: 64});
	const hashBlock = image.block(202);
	for (const index of [0, 1]) {
		hashBlock.set(nodeHashes.sha256(image.block(200 + index).fill(index + 1)), index * 32);
	}
	const descriptor = image.block(203);
	descriptor.set([1, 1, 10]);
	viewOf(descriptor).setUint32(8, 2048, true);
	descriptor.set(nodeHashes.sha256(hashBlock), 0x10);
	viewOf(descriptor).setUint32(1020, 256, true);
	for (let number = file; number < file + fileCount; number++) {
		writeLeaf(image.addFile(number, true, 2048), [
			{logical: 0, length: 2, physical: 200},
			{logical: 64, length: 2, physical: 202}, // Verity's own data begins at 64 KiB.
		]);
		const flags = inodeFlags.extents | inodeFlags.verity;
		viewOf(image.bytes).setUint32(image.inodeAt(number) + 0x20, flags, true);
	}
	return image;
}

test('the hashes of the verity files read lately are kept, of others not', t => {
	const device = verityImage(40).device();
	const volume = Volume.open(device, {hashes: nodeHashes});
	const mapper = new Mapper(volume);
	let reads = 0;
	const read = device.read.bind(device);
	device.read = (position, into) => {
		reads++;
		read(position, into);
	};
	const readsFor = (number: number) => {
		const inode = volume.readInode(number);
		const into = new Uint8Array(2048);
		reads = 0;
		t.is(readRange(mapper, inode, 0, into), 2048);
		t.is(into[1024], 2);
		return reads;
	};
	for (let number = file; number < file + 40; number++) readsFor(number);
	t.is(readsFor(file + 39), 2); // The data alone.
	t.true(readsFor(file) > 2);
});
