import test from 'ava';
import {CorruptError, FileError} from '../../ext4/errors.ts';
import {inodeFlags} from '../../ext4/layout/inode.ts';
import {Mapper} from '../../iomap/mapper.ts';
import {TinyImage, writeLeaf} from '../support/tiny-image.ts';

const file = 12;

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

test('data in the inode is one mapping up to the end of the file, then holes', t => {
	const image = new TinyImage({features: ['extent', 'inline_data']});
	image.setInode(file, {i_mode: 0o100644, i_flags: inodeFlags.inlineData, i_size_lo: 50});
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
