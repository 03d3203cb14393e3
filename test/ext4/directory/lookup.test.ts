import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {crc32cOf} from '../../../ext4/checksum.ts';
import {foldName} from '../../../ext4/directory/casefold.ts';
import {hashName} from '../../../ext4/directory/hash.ts';
import {lookup} from '../../../ext4/directory/lookup.ts';
import {forEachEntry} from '../../../ext4/directory/read.ts';
import {FileError} from '../../../ext4/errors.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {ext4_super_block} from '../../../ext4/layout/superblock.ts';
import {Volume} from '../../../ext4/volume.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {debugfs, e2fsprogs, hasDebugfs} from '../../support/e2fsprogs.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {viewOf} from '../../support/poke.ts';
import {
	addDirectory,
	bytesOf,
	dots,
	sealEntries,
	sealIndex,
	type TinyEntry,
	writeEntries,
	writeIndexNode,
	writeIndexRoot,
} from '../../support/tiny-directory.ts';
import {TinyImage} from '../../support/tiny-image.ts';
import {addXattrs} from '../../support/tiny-xattr.ts';

const directory = 12;

function find(volume: Volume, name: string | Uint8Array, number = directory): number | undefined {
	return lookup(volume, volume.readInode(number), bytesOf(name))?.inode;
}

function linear(entries: readonly TinyEntry[], flags = 0): TinyImage {
	const image = new TinyImage({features: ['filetype', 'extent', 'casefold', 'dir_index']});
	addDirectory(image, directory, [100, 0, 101], flags);
	writeEntries(image.block(100), dots);
	writeEntries(image.block(101), entries);
	return image;
}

test('a directory without an index is searched from end to end', t => {
	const volume = linear([
		{inode: 0, name: 'wanted'},
		{inode: 13, name: 'wanteD'},
		{inode: 14, name: 'wanted', type: 2},
		{inode: 15, name: 'want'},
	]).open();
	t.deepEqual(lookup(volume, volume.readInode(directory), Buffer.from('wanted')), {
		inode: 14,
		type: 'directory',
	});
	t.is(find(volume, 'want'), 15);
	t.is(find(volume, 'Wanted'), undefined);
	t.is(find(volume, 'w'), undefined);
	t.is(find(volume, '.'), 2);
	t.is(find(volume, '..'), 2);
	t.is(find(volume, '...'), undefined);
	t.is(find(volume, ''), undefined);
});

test('without the filetype feature a name is found without a type', t => {
	const image = new TinyImage({features: ['extent']});
	addDirectory(image, directory, [100]);
	writeEntries(image.block(100), [...dots, {inode: 13, name: 'a', type: 0}]);
	const volume = image.open();
	t.deepEqual(lookup(volume, volume.readInode(directory), Buffer.from('a')), {
		inode: 13,
		type: undefined,
	});
});

test('no name is longer than 255 bytes', t => {
	const longest = 'n'.repeat(255);
	const volume = linear([{inode: 13, name: longest}]).open();
	t.is(find(volume, longest), 13);
	const error = t.throws(() => find(volume, `${longest}n`), {instanceOf: FileError});
	t.is(error.code, 'ENAMETOOLONG');
});

test('nothing is found in a file', t => {
	const image = new TinyImage();
	image.addFile(directory, true, 0);
	const volume = image.open();
	t.is(t.throws(() => find(volume, 'a'), {instanceOf: FileError}).code, 'ENOTDIR');
});

test('an entry that leads back to its own directory is refused', t => {
	const volume = linear([{inode: directory, name: 'again', type: 2}]).open();
	corruptBy('EXT4_BAD_DIRECTORY_ENTRY', () => find(volume, 'again'));
	t.pass();
});

test('an inline directory knows its parent, and entries in two places', t => {
	const image = new TinyImage({features: ['filetype', 'extent', 'inline_data']});
	image.setInode(directory, {i_mode: 0o40755, i_flags: inodeFlags.inlineData, i_size_lo: 84});
	const field = image.blockField(directory);
	viewOf(field).setUint32(0, 2, true);
	writeEntries(field.subarray(4), [{inode: 13, name: 'first'}]);
	const value = new Uint8Array(24);
	writeEntries(value, [{inode: 14, name: 'second'}]);
	addXattrs(image, directory, [{index: 7, name: 'data', value}]);
	const volume = image.open();
	t.is(find(volume, '.'), directory);
	t.is(find(volume, '..'), 2);
	t.is(find(volume, 'first'), 13);
	t.is(find(volume, 'second'), 14);
	t.is(find(volume, 'third'), undefined);
});

function hashOf(name: string | Uint8Array): number {
	return hashName(1, false, [0, 0, 0, 0], bytesOf(name))?.major ?? 0;
}

// With half MD4 and no seed; in this order.
const sorted = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].sort((x, y) => hashOf(x) - hashOf(y));
const leafNames = [sorted.slice(0, 2), sorted.slice(2, 4), sorted.slice(4, 6), sorted.slice(6)];
const firstHashes = leafNames.map(names => hashOf(names[0] ?? ''));

type Shape = {levels?: number; version?: number; flags?: number; infoLength?: number};

/**
 * A directory whose tree has 0, 1 or 2 levels of inner nodes over four leaves: block 0 is the
 * root, 1 to 4 the leaves, 5 and on the nodes.
 */
function tree(
	shape: Shape = {},
	features: readonly ('large_dir' | 'metadata_csum')[] = [],
): TinyImage {
	const image = new TinyImage({features: ['filetype', 'extent', 'dir_index', ...features]});
	const isChecked = features.includes('metadata_csum');
	const tail = isChecked ? 8 : 0;
	const blocks = [100, 101, 102, 103, 104, 105, 106, 107, 108];
	addDirectory(image, directory, blocks, inodeFlags.hashIndexed);
	leafNames.forEach((names, leaf) => {
		const entries = names.map((name, index) => ({inode: 13 + leaf * 2 + index, name}));
		writeEntries(image.block(101 + leaf), entries, isChecked ? 12 : 0);
	});
	const [, second = 0, third = 0, fourth = 0] = firstHashes;
	const node = (block: number, entries: readonly {hash: number; block: number}[]) => {
		writeIndexNode(image.block(block), {entries}, tail);
		if (isChecked) sealIndex(image, directory, block, 8);
	};
	node(105, [
		{hash: 0, block: 1},
		{hash: second, block: 2},
	]);
	node(106, [
		{hash: 0, block: 3},
		{hash: fourth, block: 4},
	]);
	node(107, [{hash: 0, block: 5}]);
	node(108, [{hash: 0, block: 6}]);
	const levels = shape.levels ?? 0;
	const tops =
		[
			[1, 2, 3, 4],
			[5, 6],
			[7, 8],
		][levels] ?? [];
	const hashes = levels === 0 ? firstHashes : [0, third];
	const entries = tops.map((block, index) => ({
		hash: index === 0 ? 0 : (hashes[index] ?? 0),
		block,
	}));
	writeIndexRoot(image.block(100), {...shape, entries}, tail);
	if (isChecked) {
		sealIndex(image, directory, 100, 32);
		for (const block of [101, 102, 103, 104]) sealEntries(image, directory, block);
	}
	return image;
}

/** Makes a leaf's names unfindable except by going straight to another leaf. */
function withoutLeaf(image: TinyImage, leaf: number): TinyImage {
	writeEntries(image.block(101 + leaf), [{inode: 0, name: ''}]);
	return image;
}

function findAll(image: TinyImage): (number | undefined)[] {
	const volume = image.open();
	return sorted.map(name => find(volume, name));
}

const allFound = [13, 14, 15, 16, 17, 18, 19, 20];

for (const levels of [0, 1]) {
	for (const feature of ['metadata_csum', 'large_dir'] as const) {
		test(`a tree of ${levels + 1} levels is searched, with ${feature}`, t => {
			const image = tree({levels}, [feature]);
			t.deepEqual(findAll(image), allFound);
			const volume = image.open();
			for (let index = 0; index < 100; index++) t.is(find(volume, `no ${index}`), undefined);
			t.is(find(volume, '..'), 2);
		});
	}
}

test('a tree of three levels is searched with large_dir', t => {
	t.deepEqual(findAll(tree({levels: 2}, ['large_dir', 'metadata_csum'])), allFound);
});

test('a lookup by the tree reads the root, its nodes and one leaf, no more', t => {
	const image = tree();
	for (const leaf of [1, 2, 3]) image.block(101 + leaf).fill(0xff);
	const volume = image.open();
	t.is(find(volume, sorted[0] ?? ''), 13);
	corruptBy('EXT4_BAD_DIRECTORY_ENTRY', () => find(volume, sorted[2] ?? ''));
});

// The kernel searches from end to end when it does not understand an index.
const notUnderstood: readonly [string, (image: TinyImage) => void, Shape?][] = [
	['a hash version that is unknown', () => undefined, {version: 9}],
	['a hash version that names its sign', () => undefined, {version: 4}],
	['siphash without encryption', () => undefined, {version: 6}],
	['an unknown flag', () => undefined, {flags: 1}],
	['three levels without large_dir', () => undefined, {levels: 2}],
	['an info of another length', () => undefined, {infoLength: 16}],
	['no entries', image => viewOf(image.block(100)).setUint16(34, 0, true)],
	['more entries than room', image => viewOf(image.block(100)).setUint16(34, 125, true)],
	['another limit', image => viewOf(image.block(100)).setUint16(32, 100, true)],
	['no entries in a node', image => viewOf(image.block(105)).setUint16(10, 0, true), {levels: 1}],
	['another limit in a node', image => viewOf(image.block(105)).setUint16(8, 3, true), {levels: 1}],
];

for (const [what, change, shape] of notUnderstood) {
	test(`an index with ${what} is left aside`, t => {
		const image = tree(shape);
		change(image);
		t.deepEqual(findAll(image), allFound);
	});
}

test('without the dir_index feature the index is left aside', t => {
	const image = new TinyImage({features: ['filetype', 'extent']});
	addDirectory(image, directory, [100, 101], inodeFlags.hashIndexed);
	writeIndexRoot(image.block(100), {entries: [{hash: 0, block: 99}]});
	writeEntries(image.block(101), [{inode: 13, name: 'a'}]);
	t.is(find(image.open(), 'a'), 13);
});

function pointTo(image: TinyImage, block: number, entryAt: number, target: number): TinyImage {
	viewOf(image.block(block)).setUint32(entryAt + 4, target, true);
	return image;
}

const broken: readonly [string, () => TinyImage][] = [
	['a leaf beyond the end', () => pointTo(tree(), 100, 32, 9)],
	['a node beyond the end', () => pointTo(tree({levels: 1}), 100, 32, 1_000_000)],
	['a node that is a leaf', () => pointTo(tree({levels: 1}), 100, 32, 2)],
	[
		'a leaf in a hole',
		() => {
			const image = tree();
			addDirectory(image, directory, [100, 0, 102], inodeFlags.hashIndexed);
			return image;
		},
	],
	[
		'a node in a hole',
		() => {
			const image = tree({levels: 1});
			addDirectory(image, directory, [100, 101, 102, 103, 104, 0, 106], inodeFlags.hashIndexed);
			return image;
		},
	],
];

for (const [what, make] of broken) {
	test(`an index that leads to ${what} is refused`, t => {
		const volume = make().open();
		const error = corruptBy('EXT4_BAD_HASH_TREE', () => find(volume, sorted[0] ?? ''));
		t.is(error.place.inode, directory);
	});
}

test('only the lower 28 bits of an entry name its block', t => {
	t.deepEqual(findAll(pointTo(tree(), 100, 32, 0xf000_0001)), allFound);
});

for (const block of [100, 105]) {
	test(`with metadata_csum a wrong sum in ${block === 100 ? 'the root' : 'a node'} is refused`, t => {
		const image = tree({levels: 1}, ['metadata_csum']);
		const bytes = image.block(block);
		bytes[60] = 0; // Behind the entries in use: not part of the sum.
		t.deepEqual(findAll(image), allFound);
		bytes[block === 100 ? 40 : 16] = (bytes[block === 100 ? 40 : 16] ?? 0) ^ 1;
		const volume = image.open();
		corruptBy('EXT4_BAD_DIRECTORY_CHECKSUM', () => find(volume, sorted[0] ?? ''));
	});
}

for (const levels of [0, 1]) {
	test(`names of one hash may go on in the next leaf, in a tree of ${levels + 1} levels`, t => {
		// All hashes of the last three leaves become that of a name in the last one.
		const name = sorted[7] ?? '';
		const image = tree({levels});
		const odd = hashOf(name) + 1;
		const view = viewOf(image.block(100));
		if (levels === 0) {
			for (const entry of [1, 2, 3])
				view.setUint32(32 + entry * 8, odd - (entry === 1 ? 1 : 0), true);
		} else {
			viewOf(image.block(105)).setUint32(8 + 8, odd - 1, true);
			view.setUint32(32 + 8, odd, true);
			viewOf(image.block(106)).setUint32(8 + 8, odd, true);
		}
		t.is(find(image.open(), name), 20);
		t.is(find(withoutLeaf(image, 3).open(), name), undefined);
	});
}

test('a tree whose leaves all claim one hash ends', t => {
	const name = 'not there';
	const hash = hashOf(name);
	const image = tree({levels: 1});
	// 124 entries in the root and 126 in its one node, all of them for the same hash.
	const entries = (count: number, block: number) =>
		Array.from({length: count}, () => ({hash: hash + 1, block}));
	writeIndexRoot(image.block(100), {levels: 1, entries: [{hash: 0, block: 5}, ...entries(123, 5)]});
	writeIndexNode(image.block(105), {entries: [{hash: 0, block: 1}, ...entries(126, 1)]});
	viewOf(image.block(100)).setUint32(32 + 8, hash, true);
	const volume = image.open();
	const error = corruptBy('EXT4_BAD_HASH_TREE', () => find(volume, name));
	t.regex(error.message, /more leaves/);
});

test('a casefolded directory finds names in any case, by bytes where they are not UTF-8', t => {
	const entries = [
		{inode: 13, name: 'Straße'},
		{inode: 14, name: Buffer.from('4cff', 'hex')},
		{inode: 15, name: '\u00e9'},
	];
	const volume = linear(entries, inodeFlags.casefold).open();
	t.is(find(volume, 'STRASSE'), 13);
	t.is(find(volume, 'e\u0301'), 15);
	t.is(find(volume, 'E\u0301'), 15);
	t.is(find(volume, Buffer.from('4cff', 'hex')), 14);
	t.is(find(volume, Buffer.from('6cff', 'hex')), undefined);
	t.is(find(volume, 'strase'), undefined);
	t.is(find(volume, '..'), 2);
});

test('the flag of casefolding means nothing without the feature', t => {
	const image = new TinyImage();
	addDirectory(image, directory, [100], inodeFlags.casefold);
	writeEntries(image.block(100), [...dots, {inode: 13, name: 'Name'}]);
	const volume = image.open();
	t.is(find(volume, 'Name'), 13);
	t.is(find(volume, 'name'), undefined);
});

test('a strict casefolded directory refuses names that are not UTF-8', t => {
	const image = new TinyImage({
		features: ['filetype', 'extent', 'casefold'],
		superblock: {s_encoding: 1, s_encoding_flags: 1},
	});
	addDirectory(image, directory, [100], inodeFlags.casefold);
	writeEntries(image.block(100), [...dots, {inode: 13, name: 'Name'}]);
	const volume = image.open();
	t.is(find(volume, 'nAME'), 13);
	const error = t.throws(() => find(volume, Buffer.of(0xff)), {instanceOf: FileError});
	t.is(error.code, 'EINVAL');
});

for (const [flags, found] of [
	[0, 13],
	[2, undefined],
] as const) {
	const does = found === undefined ? 'only what the index knows' : 'everything in the end';
	test(`with encoding flags ${flags} a casefolded directory is searched for ${does}`, t => {
		const image = new TinyImage({
			features: ['filetype', 'extent', 'casefold', 'dir_index'],
			superblock: {s_encoding: 1, s_encoding_flags: flags},
		});
		addDirectory(image, directory, [100, 101, 102], inodeFlags.casefold | inodeFlags.hashIndexed);
		// The name lies in the leaf where it does not belong by its hash.
		const hash = hashOf('name');
		writeIndexRoot(image.block(100), {
			entries: [
				{hash: 0, block: 1},
				{hash, block: 2},
			],
		});
		writeEntries(image.block(101), [{inode: 13, name: 'Name'}]);
		writeEntries(image.block(102), [{inode: 14, name: 'Other'}]);
		t.is(find(image.open(), 'NAME'), found);
	});
}

test('in an encrypted and casefolded directory the name says by which hash to find it', t => {
	const image = new TinyImage({
		features: ['filetype', 'extent', 'casefold', 'encrypt', 'dir_index'],
		superblock: {s_encoding: 1, s_encoding_flags: 2},
	});
	const flags = inodeFlags.casefold | inodeFlags.encrypted | inodeFlags.hashIndexed;
	addDirectory(image, directory, [100, 101, 102], flags);
	writeIndexRoot(image.block(100), {
		version: 6,
		entries: [
			{hash: 0, block: 1},
			{hash: 0x8000_0000, block: 2},
		],
	});
	const cipher = (fill: number) => new Uint8Array(32).fill(fill);
	writeEntries(image.block(101), [{inode: 13, name: cipher(1), hash: [0x10, 7]}]);
	writeEntries(image.block(102), [{inode: 14, name: cipher(2), hash: [0x9000_0000, 8]}]);
	const volume = image.open();
	const shown: Uint8Array[] = [];
	forEachEntry(volume, volume.readInode(directory), 0, (bytes, start, length) => {
		shown.push(bytes.slice(start, start + length));
		return true;
	});
	t.is(shown.length, 4);
	const expected = Buffer.concat([Buffer.from('0000009008000000', 'hex'), cipher(2)]);
	t.is(Buffer.from(shown[3] ?? []).toString(), expected.toString('base64url'));
	t.is(find(volume, shown[2] ?? ''), 13);
	t.is(find(volume, shown[3] ?? ''), 14);
	// The same bytes under another hash lead to another leaf.
	const elsewhere = Buffer.concat([Buffer.from('1000000008000000', 'hex'), cipher(2)]);
	t.is(find(volume, elsewhere.toString('base64url')), undefined);
});

const withTools = hasDebugfs ? test : test.skip;
withTools('e2fsck puts names into the tree where they are found (skipped without debugfs)', t => {
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-casefold-'));
	try {
		const image = join(folder, 'image');
		writeFileSync(image, new Uint8Array(4 * 2 ** 20));
		const options = [
			'-q',
			'-F',
			'-b',
			'1024',
			'-N',
			'1024',
			'-O',
			'casefold',
			'-E',
			'encoding=utf8',
		];
		e2fsprogs('mke2fs', ['-t', 'ext4', ...options, image]);
		const names = Array.from(
			{length: 400},
			(_, index) => `Größe-Ά${String.fromCodePoint(0x400 + index)}-${index}`,
		);
		debugfs(
			[
				'mkdir folded',
				'sif folded flags 0x40080000',
				...names.map(name => `write /dev/null folded/${name}`),
			].map(command => Buffer.from(command)),
			image,
		);
		e2fsprogs('e2fsck', ['-fyD', image], [0, 1]);
		// No search from end to end, so that a wrong hash shows.
		const bytes = readFileSync(image);
		bytes.writeUInt16LE(2, 1024 + ext4_super_block.fields.s_encoding_flags.at);
		const sum = crc32cOf(0xffffffff, bytes.subarray(1024, 1024 + 0x3fc));
		bytes.writeUInt32LE(sum, 1024 + 0x3fc);
		const volume = Volume.open(new MemoryDevice(bytes, true));
		const folded = find(volume, 'folded', 2) ?? 0;
		t.truthy(volume.readInode(folded).flags & inodeFlags.hashIndexed);
		for (const name of names) {
			const inode = find(volume, name, folded);
			t.truthy(inode, name);
			t.is(find(volume, name.toUpperCase().replace('SS', 'ß'), folded), inode);
			t.is(find(volume, foldName(Buffer.from(name)) ?? '', folded), inode);
		}
	} finally {
		rmSync(folder, {recursive: true});
	}
});
