import test from 'ava';
import {CorruptError, FileError} from '../../ext4/errors.ts';
import {inodeFlags} from '../../ext4/layout/inode.ts';
import {Mapper} from '../../iomap/mapper.ts';
import {truncate} from '../../iomap/truncate.ts';
import {writeFile} from '../../iomap/write.ts';
import {corruptBy} from '../support/corrupt.ts';
import {firstFile, openWithFiles} from '../support/file-volume.ts';
import type {MadeVolume} from '../support/made-volume.ts';
import {TinyImage, writeLeaf} from '../support/tiny-image.ts';
import {addXattrs} from '../support/tiny-xattr.ts';

const file = 12;

const plainExtents = {name: 'extents', options: ['-t', 'ext4', '-b', '1024', '-O', '^has_journal']};

function imageWithExtents(): TinyImage {
	const image = new TinyImage({features: ['extent', 'encrypt']});
	writeLeaf(image.addFile(file, true, 5000), [
		{logical: 1, length: 2, physical: 100},
		{logical: 4, length: 3, physical: 110, isUnwritten: true},
	]);
	return image;
}

function begin(image: TinyImage, position: number, flags: 'read' | 'report' = 'read') {
	const volume = image.open();
	return new Mapper(volume).begin(volume.readInode(file), position, flags);
}

test('a mapping is in bytes: of the file, and of the device', t => {
	const image = imageWithExtents();
	t.deepEqual(begin(image, 0), {kind: 'hole', offset: 0, length: 1024});
	t.deepEqual(begin(image, 1024), {kind: 'mapped', offset: 1024, length: 2048, address: 102_400});
	t.deepEqual(begin(image, 3071), {kind: 'mapped', offset: 1024, length: 2048, address: 102_400});
	t.deepEqual(begin(image, 3072), {kind: 'hole', offset: 3072, length: 1024});
});

test('a mapping reaches beyond the end of the file, as the extent does', t => {
	const mapping = begin(imageWithExtents(), 4999);
	t.deepEqual(mapping, {kind: 'unwritten', offset: 4096, length: 3072, address: 112_640});
});

test('the contents of an encrypted file are not read, but where they lie may be asked', t => {
	const image = imageWithExtents();
	image.setInode(file, {i_flags: inodeFlags.extents | inodeFlags.encrypted});
	const error = t.throws(() => begin(image, 1024), {instanceOf: FileError});
	t.is(error.code, 'ENOKEY');
	t.is(begin(image, 1024, 'report').kind, 'mapped');
});

function imageWithInlineData(sizeBytes: number): TinyImage {
	const image = new TinyImage({features: ['extent', 'inline_data']});
	image.setInode(file, {i_mode: 0o100644, i_flags: inodeFlags.inlineData, i_size_lo: sizeBytes});
	addXattrs(image, file, [{index: 7, name: 'data', value: ''}]);
	return image;
}

test('data in the inode is one mapping up to the end of what is kept, then a hole', t => {
	const image = imageWithInlineData(3000);
	t.deepEqual(begin(image, 0), {kind: 'inline', offset: 0, length: 60});
	t.deepEqual(begin(image, 60), {kind: 'hole', offset: 0, length: 3072});
	t.deepEqual(begin(image, 2999), {kind: 'hole', offset: 2048, length: 1024});
});

test('data in the inode is one mapping up to the end of the file, then holes', t => {
	const image = imageWithInlineData(50);
	t.deepEqual(begin(image, 0), {kind: 'inline', offset: 0, length: 50});
	t.deepEqual(begin(image, 49), {kind: 'inline', offset: 0, length: 50});
	t.deepEqual(begin(image, 50), {kind: 'hole', offset: 0, length: 1024});
	t.deepEqual(begin(image, 5000), {kind: 'hole', offset: 4096, length: 1024});
});

test('a broken tree is an error of the image, not a mapping', t => {
	const image = imageWithExtents();
	image.blockField(file).fill(0, 0, 2);
	t.throws(() => begin(image, 0), {instanceOf: CorruptError});
});

test('space for writing reads as zeros until it is said to be written', t => {
	const made = openWithFiles(plainExtents, '8M');
	const {volume, device} = made;
	const mapper = new Mapper(volume);
	const mapping = volume.transact(handle =>
		mapper.beginWrite(handle, volume.readInode(firstFile), 5000, 3000, 'unwritten'),
	);
	t.deepEqual(
		{kind: mapping.kind, offset: mapping.offset, length: mapping.length, isNew: mapping.isNew},
		{kind: 'unwritten', offset: 4096, length: 4096, isNew: true},
	);
	device.write(mapping.address, new Uint8Array(4096).fill(5));
	const before = mapper.begin(volume.readInode(firstFile), 5000, 'read');
	t.is(before.kind, 'unwritten');
	volume.transact(handle => {
		mapper.ioend(handle, volume.readInode(firstFile), 5000, 3000);
	});
	const inode = volume.readInode(firstFile);
	t.is(inode.sizeBytes, 8000);
	t.deepEqual(mapper.begin(inode, 5000, 'read'), {
		kind: 'mapped',
		offset: 4096,
		length: 4096,
		address: mapping.address,
	});
	t.is(made.findProblems(), undefined);
});

test("a file's map that leads to the file system's own blocks is not written through", t => {
	const made = openWithFiles(plainExtents, '8M');
	const {volume} = made;
	const mapper = new Mapper(volume);
	writeFile(mapper, firstFile, 0, new Uint8Array(1024).fill(1));
	volume.transact(handle => {
		const inode = handle.edit(volume.readInode(firstFile));
		inode.blockView.setUint32(20, volume.group(0).blockBitmap, true);
	});
	volume.transactions?.sync();
	const bitmap = blockOf(made, volume.group(0).blockBitmap);
	corruptBy('EXT4_BLOCK_IN_USE', () =>
		writeFile(mapper, firstFile, 0, new Uint8Array(1024).fill(1)),
	);
	corruptBy('EXT4_BLOCK_IN_USE', () => truncate(mapper, firstFile, 100));
	t.deepEqual(blockOf(made, volume.group(0).blockBitmap), bitmap);
});

function blockOf(made: MadeVolume, block: number): Uint8Array {
	return made.device.bytes.slice(block * 1024, (block + 1) * 1024);
}
