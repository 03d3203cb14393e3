import test from 'ava';
import {crc32cOf} from '../../../ext4/checksum.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import type {Volume} from '../../../ext4/volume.ts';
import {getXattr, listXattrs} from '../../../ext4/xattr/read.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {viewOf} from '../../support/poke.ts';
import {TinyImage, writeLeaf} from '../../support/tiny-image.ts';
import {
	addXattrs,
	sealXattrBlock,
	type TinyXattr,
	writeXattrBlock,
} from '../../support/tiny-xattr.ts';

const file = 12;
const holder = 13;
const block = 100;

function imageWith(features: ConstructorParameters<typeof TinyImage>[0] = {}): TinyImage {
	const image = new TinyImage(features);
	image.addFile(file, true, 0);
	return image;
}

function inInode(xattrs: readonly TinyXattr[], inodeSize = 256): TinyImage {
	const image = imageWith({inodeSize});
	addXattrs(image, file, xattrs);
	return image;
}

function inBlock(xattrs: readonly TinyXattr[]): TinyImage {
	const image = imageWith();
	image.setInode(file, {i_mode: 0o100644, i_file_acl_lo: block});
	writeXattrBlock(image, block, xattrs);
	return image;
}

const places = [
	['the inode', inInode],
	['a block', inBlock],
] as const;

function names(volume: Volume): string[] {
	return listXattrs(volume, volume.readInode(file)).map(xattr => xattr.name);
}

function get(volume: Volume, name: string): string | undefined {
	const value = getXattr(volume, volume.readInode(file), name);
	return value && Buffer.from(value).toString('latin1');
}

const some: readonly TinyXattr[] = [
	{index: 1, name: 'b', value: 'second'},
	{index: 1, name: 'a', value: 'first'},
	{index: 6, name: 'capability', value: 'x'},
	{index: 4, name: '\u00e4', value: ''},
];

for (const [place, make] of places) {
	test(`attributes in ${place}, in the order in which they lie`, t => {
		const volume = make(some, 512).open();
		t.deepEqual(names(volume), ['user.b', 'user.a', 'security.capability', 'trusted.\u00c3\u00a4']);
		t.is(get(volume, 'user.a'), 'first');
		t.is(get(volume, 'user.b'), 'second');
		t.is(get(volume, 'trusted.\u00c3\u00a4'), '');
		t.is(get(volume, 'user.c'), undefined);
		t.is(get(volume, 'trusted.a'), undefined);
		t.is(get(volume, 'user.'), undefined);
		t.is(get(volume, 'nonsense'), undefined);
	});
}

test('attributes in the inode come before those in the block, and hide them', t => {
	const image = inInode([{index: 1, name: 'a', value: 'inner'}]);
	image.setInode(file, {i_mode: 0o100644, i_file_acl_lo: block});
	writeXattrBlock(image, block, [
		{index: 1, name: 'a', value: 'outer'},
		{index: 1, name: 'z', value: 'last'},
	]);
	const volume = image.open();
	t.deepEqual(listXattrs(volume, volume.readInode(file)), [
		{name: 'user.a', sizeBytes: 5, storedIn: 'inode', valueInode: 0},
		{name: 'user.a', sizeBytes: 5, storedIn: 'block', valueInode: 0},
		{name: 'user.z', sizeBytes: 4, storedIn: 'block', valueInode: 0},
	]);
	t.is(get(volume, 'user.a'), 'inner');
	t.is(get(volume, 'user.z'), 'last');
});

test('every prefix that the kernel knows, and what is not for users to see', t => {
	const volume = inBlock([
		{index: 0, name: 'none', value: ''},
		{index: 1, name: 'u', value: ''},
		{index: 2, name: '', value: ''},
		{index: 3, name: '', value: ''},
		{index: 4, name: 't', value: ''},
		{index: 5, name: 'lustre', value: ''},
		{index: 6, name: 's', value: ''},
		{index: 7, name: 'data', value: ''},
		{index: 8, name: '', value: ''},
		{index: 9, name: 'c', value: ''},
		{index: 10, name: 'translator', value: ''},
		{index: 11, name: 'beyond', value: ''},
	]).open();
	t.deepEqual(names(volume), [
		'user.u',
		'system.posix_acl_access',
		'system.posix_acl_default',
		'trusted.t',
		'security.s',
		'system.richacl',
		'gnu.translator',
	]);
	t.is(get(volume, 'system.data'), undefined);
});

test('an inode without attributes has none', t => {
	for (const inodeSize of [128, 256]) {
		const volume = imageWith({inodeSize}).open();
		t.deepEqual(names(volume), []);
		t.is(get(volume, 'user.a'), undefined);
	}
});

test('an inode that says nothing of its extra fields has no attributes behind them', t => {
	const image = inInode(some.slice(0, 2));
	t.is(names(image.open()).length, 2);
	image.setInode(file, {i_mode: 0o100644, i_extra_isize: 0});
	t.deepEqual(names(image.open()), []);
});

test('an inode whose fields leave no room for attributes has none', t => {
	const image = imageWith();
	image.setInode(file, {i_mode: 0o100644, i_extra_isize: 124});
	t.deepEqual(names(image.open()), []);
});

const bad: readonly [string, RegExp, TinyXattr][] = [
	[
		'a value beyond the end',
		/a value of 9 bytes/,
		{index: 1, name: 'a', value: '', fields: {e_value_size: 9, e_value_offs: 60_000}},
	],
	[
		'a value among the names',
		/a value of 4 bytes/,
		{index: 1, name: 'a', value: '', fields: {e_value_size: 4, e_value_offs: 4}},
	],
	[
		'a value that is longer than any',
		/16777217 bytes/,
		{index: 1, name: 'a', value: '', fields: {e_value_size: 2 ** 24 + 1}},
	],
	[
		'a value in an inode, without ea_inode',
		/without ea_inode/,
		{index: 1, name: 'a', value: 'v', fields: {e_value_inum: 13}},
	],
	[
		'a name beyond the end',
		/name beyond/,
		{index: 1, name: 'a', value: '', fields: {e_name_len: 255}},
	],
	['a name with a NUL', /NUL/, {index: 1, name: 'a\0b', value: ''}],
];

for (const [place, make] of places) {
	for (const [what, message, xattr] of bad) {
		if (place === 'a block' && what === 'a name beyond the end') continue;
		test(`refused in ${place}: ${what}`, t => {
			const volume = make([{index: 6, name: 'before', value: 'x'}, xattr]).open();
			const error = corruptBy('EXT4_BAD_XATTR', () => names(volume));
			t.regex(error.message, message);
			t.is(error.place.inode, file);
			corruptBy('EXT4_BAD_XATTR', () => get(volume, 'security.before'));
		});
	}
}

test('names that fill a block to its end, without the zeros that end their list, are refused', t => {
	const image = inBlock([]);
	const area = image.block(block);
	for (let at = 32; at < area.length; at += 16) area.set([0, 1], at);
	const volume = image.open();
	t.regex(corruptBy('EXT4_BAD_XATTR', () => names(volume)).message, /beyond the end/);
});

for (const [what, at, value] of [
	['another magic number', 0, 0xea010000],
	['more than one block', 8, 2],
] as const) {
	test(`an attribute block with ${what} is refused`, t => {
		const image = inBlock(some);
		viewOf(image.block(block)).setUint32(at, value, true);
		const volume = image.open();
		t.is(corruptBy('EXT4_BAD_XATTR', () => names(volume)).place.block, block);
	});
}

test('an attribute block beyond the end of the file system is refused', t => {
	const image = imageWith();
	image.setInode(file, {i_mode: 0o100644, i_file_acl_lo: 256});
	const volume = image.open();
	corruptBy('EXT4_BAD_BLOCK_NUMBER', () => names(volume));
	t.pass();
});

test('with metadata_csum an attribute block has a sum over its number and its contents', t => {
	const image = imageWith({features: ['extent', 'metadata_csum']});
	image.setInode(file, {i_mode: 0o100644, i_file_acl_lo: block});
	writeXattrBlock(image, block, some);
	sealXattrBlock(image, block);
	t.is(get(image.open(), 'user.a'), 'first');
	// The same block elsewhere has another sum.
	image.setInode(file, {i_mode: 0o100644, i_file_acl_lo: block + 1});
	image.block(block + 1).set(image.block(block));
	const volume = image.open();
	const error = corruptBy('EXT4_BAD_XATTR_CHECKSUM', () => names(volume));
	t.is(error.place.block, block + 1);
});

function entryHash(name: string, valueHash: number): number {
	let hash = 0;
	for (const byte of Buffer.from(name)) hash = ((hash << 5) ^ (hash >>> 27) ^ byte) >>> 0;
	return ((hash << 16) ^ (hash >>> 16) ^ valueHash) >>> 0;
}

type HolderChange = {
	readonly fields?: Parameters<TinyImage['setInode']>[1];
	readonly entry?: TinyXattr['fields'];
	readonly isChecked?: boolean;
};

const bigValue = Buffer.from(Array.from({length: 2500}, (_, index) => index % 251));

/** A value of three blocks in an inode of its own, as ea_inode has it. */
function withHolder(change: HolderChange = {}): TinyImage {
	const features = ['filetype', 'extent', 'ea_inode'] as const;
	const image = imageWith({
		features: change.isChecked === true ? [...features, 'metadata_csum'] : features,
	});
	const hash = crc32cOf(image.checksumSeed, bigValue);
	image.setInode(holder, {
		i_mode: 0o100600,
		i_flags: inodeFlags.extents | inodeFlags.eaInode,
		i_size_lo: bigValue.length,
		i_atime: hash,
		...change.fields,
	});
	writeLeaf(image.blockField(holder), [
		{logical: 0, length: 2, physical: 110},
		{logical: 2, length: 1, physical: 120},
	]);
	image.block(110).set(bigValue.subarray(0, 1024));
	image.block(111).set(bigValue.subarray(1024, 2048));
	image.block(120).set(bigValue.subarray(2048));
	addXattrs(image, file, [
		{
			index: 1,
			name: 'big',
			value: bigValue,
			fields: {e_value_inum: holder, e_hash: entryHash('big', hash), ...change.entry},
		},
	]);
	return image;
}

for (const isChecked of [true, false]) {
	const sums = isChecked ? 'with' : 'without';
	test(`a value may lie in an inode of its own, ${sums} metadata_csum`, t => {
		const volume = withHolder({isChecked}).open();
		t.is(get(volume, 'user.big'), bigValue.toString('latin1'));
		t.deepEqual(listXattrs(volume, volume.readInode(file)), [
			{name: 'user.big', sizeBytes: 2500, storedIn: 'inode', valueInode: holder},
		]);
	});
}

const badHolders: readonly [string, RegExp, HolderChange][] = [
	['a hash that its contents do not have', /contents make/, {fields: {i_atime: 1}}],
	['a hash that does not fit the entry', /does not fit/, {entry: {e_hash: 1}}],
	['another size', /2500 bytes in an inode of 2499/, {fields: {i_size_lo: 2499}}],
	['no sign that it is for values', /not for values/, {fields: {i_flags: inodeFlags.extents}}],
	['the type of a directory', /not for values/, {fields: {i_mode: 0o40755}}],
	['an attribute block', /attributes itself/, {fields: {i_file_acl_lo: block}}],
	['the number of the root', /value in inode 2/, {entry: {e_value_inum: 2}}],
	['a reserved number', /value in inode 8/, {entry: {e_value_inum: 8}}],
	['a number beyond the last', /value in inode 33/, {entry: {e_value_inum: 33}}],
	['its owner’s number', /its own/, {entry: {e_value_inum: file}}],
];

for (const [what, message, change] of badHolders) {
	test(`an inode for a value with ${what} is refused`, t => {
		const volume = withHolder(change).open();
		t.regex(corruptBy('EXT4_BAD_XATTR', () => get(volume, 'user.big')).message, message);
	});
}

test('an inode for a value with attributes of its own is refused', t => {
	const image = withHolder();
	addXattrs(image, holder, some.slice(0, 1));
	const volume = image.open();
	t.regex(corruptBy('EXT4_BAD_XATTR', () => get(volume, 'user.big')).message, /attributes itself/);
});

test('an inode for a value with a hole is refused', t => {
	const image = withHolder();
	writeLeaf(image.blockField(holder), [{logical: 0, length: 2, physical: 110}]);
	const volume = image.open();
	t.regex(
		corruptBy('EXT4_BAD_XATTR', () => get(volume, 'user.big')).message,
		/without its block 2/,
	);
});

test('an inode for a value that is free is refused', t => {
	const volume = withHolder({fields: {i_links_count: 0}}).open();
	corruptBy('EXT4_INODE_FREE', () => get(volume, 'user.big'));
	t.pass();
});

test('Lustre’s inodes for values have a way back instead of a hash', t => {
	const lustre = {i_atime: 0, i_mtime: file, i_generation: 0};
	t.is(
		get(withHolder({fields: lustre, entry: {e_hash: 0}}).open(), 'user.big'),
		bigValue.toString('latin1'),
	);
	const volume = withHolder({fields: {...lustre, i_generation: 5}}).open();
	corruptBy('EXT4_BAD_XATTR', () => get(volume, 'user.big'));
});

test('the hash of a name beyond ASCII may be that of signed characters', t => {
	const name = '\u00e4';
	const image = withHolder();
	const hash = crc32cOf(image.checksumSeed, bigValue);
	let signed = 0;
	for (const byte of Buffer.from(name)) signed = (signed << 5) ^ (signed >>> 27) ^ (byte - 256);
	for (const e_hash of [entryHash(name, hash), ((signed << 16) ^ (signed >>> 16) ^ hash) >>> 0]) {
		addXattrs(image, file, [
			{index: 1, name, value: bigValue, fields: {e_value_inum: holder, e_hash}},
		]);
		t.is(get(image.open(), 'user.\u00c3\u00a4'), bigValue.toString('latin1'));
	}
});
