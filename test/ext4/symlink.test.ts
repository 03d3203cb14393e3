import test from 'ava';
import {FileError} from '../../ext4/errors.ts';
import {inodeFlags} from '../../ext4/layout/inode.ts';
import {readSymlink} from '../../ext4/symlink.ts';
import {corruptBy} from '../support/corrupt.ts';
import {type InodeFields, TinyImage, writeLeaf} from '../support/tiny-image.ts';
import {addXattrs} from '../support/tiny-xattr.ts';

const link = 12;
type Features = NonNullable<ConstructorParameters<typeof TinyImage>[0]>['features'];

/** A link whose target lies in the inode, which says that it is `sizeBytes` long. */
function fast(
	target: string,
	fields: InodeFields = {},
	features: Features = ['filetype', 'extent', 'inline_data', 'encrypt'],
): TinyImage {
	const image = new TinyImage({features});
	image.setInode(link, {i_mode: 0o120777, i_size_lo: target.length, ...fields});
	image.blockField(link).set(Buffer.from(target, 'latin1').subarray(0, 60));
	return image;
}

/** A link whose target lies in block 100. */
function slow(target: string, fields: InodeFields = {}, features?: Features): TinyImage {
	const blocks = {i_flags: inodeFlags.extents, i_blocks_lo: 2};
	const image = fast(target, {...blocks, ...fields}, features);
	writeLeaf(image.blockField(link), [{logical: 0, length: 1, physical: 100}]);
	image.block(100).set(Buffer.from(target, 'latin1').subarray(0, 1024));
	return image;
}

function read(image: TinyImage): string {
	const volume = image.open();
	return Buffer.from(readSymlink(volume, volume.readInode(link))).toString('latin1');
}

const long = (length: number) => 'abcdefghi/'.repeat(500).slice(0, length);

for (const length of [1, 58, 59]) {
	test(`a target of ${length} bytes lies in the inode`, t => {
		t.is(read(fast(long(length))), long(length));
		t.is(read(fast(long(length), {}, ['filetype', 'extent', 'ea_inode'])), long(length));
	});
}

for (const length of [60, 200, 1023]) {
	test(`a target of ${length} bytes lies in a block`, t => {
		t.is(read(slow(long(length))), long(length));
		t.is(read(slow(long(length), {}, ['filetype', 'extent', 'ea_inode'])), long(length));
	});
}

test('the block of attributes is not one of the target', t => {
	const image = fast('hello', {i_file_acl_lo: 100, i_blocks_lo: 2});
	t.is(read(image), 'hello');
});

test('a short target that lies in a block all the same is found there', t => {
	t.is(read(slow('hello')), 'hello');
});

test('a target may be inline data', t => {
	const target = long(70);
	const image = fast(target, {i_flags: inodeFlags.inlineData});
	addXattrs(image, link, [{index: 7, name: 'data', value: target.slice(60)}]);
	t.is(read(image), target);
	const short = fast('short', {i_flags: inodeFlags.inlineData});
	addXattrs(short, link, [{index: 7, name: 'data', value: ''}]);
	t.is(read(short), 'short');
});

test('a target in a block or in inline data ends at a NUL, as the kernel has it', t => {
	t.is(read(slow(`${long(60)}\0b`)), long(60));
	const image = fast('sixteen bytes ..'.padEnd(80, '\0'), {i_flags: inodeFlags.inlineData});
	addXattrs(image, link, [{index: 7, name: 'data', value: '\0'.repeat(20)}]);
	t.is(read(image), 'sixteen bytes ..');
});

test('a file is no link', t => {
	const image = new TinyImage();
	image.addFile(link, true, 0);
	t.is(t.throws(() => read(image), {instanceOf: FileError}).code, 'EINVAL');
});

const bad: readonly [string, () => TinyImage][] = [
	['of no bytes', () => fast('')],
	['of 60 bytes in the inode', () => fast(long(60))],
	['of more bytes than a block', () => slow(long(1024))],
	['of 4,096 bytes', () => slow(long(4096))],
	['of 4 GiB', () => slow('a', {i_size_lo: 2 ** 32 - 1})],
	['with a NUL', () => fast('a\0b')],
	['with a NUL at the start of its block', () => slow(`\0${long(60)}`)],
	[
		'in a hole',
		() => {
			const image = slow(long(60));
			writeLeaf(image.blockField(link), []);
			return image;
		},
	],
	[
		'that was never written',
		() => {
			const image = slow(long(60));
			const extent = {logical: 0, length: 1, physical: 100, isUnwritten: true};
			writeLeaf(image.blockField(link), [extent]);
			return image;
		},
	],
];

for (const [what, make] of bad) {
	test(`a target ${what} is refused`, t => {
		t.is(corruptBy('EXT4_BAD_SYMLINK', () => read(make())).place.inode, link);
	});
}

function encrypted(length: number, room: string): string {
	return String.fromCharCode(length % 256, Math.floor(length / 256)) + room;
}

test('an encrypted target is shown as the kernel shows it to who lacks the key', t => {
	const cipher = 'c'.repeat(32);
	const expected = Buffer.concat([Buffer.alloc(8), Buffer.from(cipher)]).toString('base64url');
	const flags = {i_flags: inodeFlags.encrypted};
	t.is(read(fast(encrypted(32, cipher), flags)), expected);
	const both = {i_flags: inodeFlags.encrypted | inodeFlags.extents};
	t.is(read(slow(encrypted(32, cipher), both, ['filetype', 'extent', 'encrypt'])), expected);
});

for (const [length, why] of [
	[0, 'empty'],
	[15, 'too short for any cipher'],
	[59, 'longer than the room for it'],
] as const) {
	test(`an encrypted target that is ${why} is refused`, t => {
		const image = fast(encrypted(length, 'c'.repeat(58)), {i_flags: inodeFlags.encrypted});
		corruptBy('EXT4_BAD_SYMLINK', () => read(image));
		t.pass();
	});
}
