import test from 'ava';
import {readInlineData} from '../../ext4/inline-data.ts';
import {inodeFlags} from '../../ext4/layout/inode.ts';
import {corruptBy} from '../support/corrupt.ts';
import {TinyImage} from '../support/tiny-image.ts';
import {addXattrs, type TinyXattr} from '../support/tiny-xattr.ts';

const file = 12;

function inline(sizeBytes: number, xattrs: readonly TinyXattr[], mode = 0o100644): TinyImage {
	const image = new TinyImage({features: ['filetype', 'extent', 'inline_data', 'ea_inode']});
	image.setInode(file, {
		i_mode: mode,
		i_flags: inodeFlags.inlineData,
		i_size_lo: sizeBytes % 2 ** 32,
		i_size_high: Math.floor(sizeBytes / 2 ** 32),
	});
	image.blockField(file).fill(0x61);
	addXattrs(image, file, xattrs);
	return image;
}

function read(image: TinyImage): string {
	const volume = image.open();
	return Buffer.from(readInlineData(volume, volume.readInode(file))).toString();
}

test('inline data is i_block and then system.data', t => {
	const data = {index: 7, name: 'data', value: 'b'.repeat(10)};
	t.is(
		read(inline(70, [{index: 1, name: 'data', value: 'no'}, data])),
		'a'.repeat(60) + 'b'.repeat(10),
	);
	t.is(read(inline(5, [{...data, value: ''}])), 'a'.repeat(60));
});

const bad: readonly [string, TinyImage][] = [
	['without system.data', inline(5, [{index: 1, name: 'data', value: 'no'}])],
	[
		'of a symbolic link, longer than what is there',
		inline(71, [{index: 7, name: 'data', value: 'b'.repeat(10)}], 0o120777),
	],
	['of an absurd size', inline(2 ** 52, [{index: 7, name: 'data', value: ''}])],
	[
		'in another inode',
		inline(61, [{index: 7, name: 'data', value: 'b', fields: {e_value_inum: 13}}]),
	],
];

for (const [what, image] of bad) {
	test(`inline data ${what} is refused`, t => {
		t.is(corruptBy('EXT4_BAD_INLINE_DATA', () => read(image)).place.inode, file);
	});
}

test('broken attributes are refused before inline data is looked for', t => {
	const image = inline(5, [
		{index: 7, name: 'data', value: ''},
		{index: 1, name: 'a', value: '', fields: {e_value_size: 1000}},
	]);
	corruptBy('EXT4_BAD_XATTR', () => read(image));
	t.pass();
});
