import test from 'ava';
import {forEachEntry} from '../../../ext4/directory/read.ts';
import {FileError} from '../../../ext4/errors.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import type {Volume} from '../../../ext4/volume.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {viewOf} from '../../support/poke.ts';
import {
	addDirectory,
	dots,
	sealEntries,
	sealIndex,
	writeEntries,
	writeIndexNode,
	writeIndexRoot,
} from '../../support/tiny-directory.ts';
import {TinyImage, writeLeaf} from '../../support/tiny-image.ts';
import {addXattrs} from '../../support/tiny-xattr.ts';

const directory = 12;

type Listed = {name: string; inode: number; type: string | undefined; next: number};

function list(volume: Volume, cursor = 0, number = directory): Listed[] {
	const listed: Listed[] = [];
	forEachEntry(
		volume,
		volume.readInode(number),
		cursor,
		(bytes, start, length, inode, type, next) => {
			const name = Buffer.from(bytes.subarray(start, start + length)).toString('latin1');
			listed.push({name, inode, type, next});
			return true;
		},
	);
	return listed;
}

function names(volume: Volume, cursor = 0): string[] {
	return list(volume, cursor).map(entry => entry.name);
}

/** A directory of two blocks, the second of which begins with an entry not in use. */
function twoBlocks(options: ConstructorParameters<typeof TinyImage>[0] = {}): TinyImage {
	const image = new TinyImage(options);
	addDirectory(image, directory, [100, 90]);
	writeEntries(image.block(100), [
		...dots,
		{inode: 13, name: 'first', type: 1},
		{inode: 0, name: 'gone'},
		{inode: 14, name: 'second', type: 7},
	]);
	writeEntries(image.block(90), [
		{inode: 0, name: '', length: 12},
		{inode: 15, name: 'third', type: 9},
		{inode: 0, name: 'gone'},
	]);
	return image;
}

test('entries come in the order in which they lie, with the cursor behind each', t => {
	t.deepEqual(list(twoBlocks().open()), [
		{name: '.', inode: 2, type: 'directory', next: 12},
		{name: '..', inode: 2, type: 'directory', next: 24},
		{name: 'first', inode: 13, type: 'file', next: 40},
		{name: 'second', inode: 14, type: 'symlink', next: 1024},
		{name: 'third', inode: 15, type: undefined, next: 1052},
	]);
});

test('without the filetype feature the type of an entry says nothing', t => {
	const types = list(twoBlocks({features: ['extent']}).open()).map(entry => entry.type);
	t.deepEqual(types, [undefined, undefined, undefined, undefined, undefined]);
});

test('reading goes on from any cursor that was given', t => {
	const volume = twoBlocks().open();
	const all = list(volume);
	all.forEach((entry, index) => {
		t.deepEqual(list(volume, entry.next), all.slice(index + 1));
	});
});

test('reading stops when the visitor says so', t => {
	const volume = twoBlocks().open();
	let visited = 0;
	forEachEntry(volume, volume.readInode(directory), 0, () => ++visited < 2);
	t.is(visited, 2);
});

test('a cursor in the middle of an entry goes to the next one', t => {
	const volume = twoBlocks().open();
	t.deepEqual(names(volume, 1), ['..', 'first', 'second', 'third']);
	t.deepEqual(names(volume, 25), ['second', 'third']);
	t.deepEqual(names(volume, 1023), ['third']);
	t.deepEqual(names(volume, 1037), []);
});

for (const cursor of [2048, 2049, 2 ** 32, 2 ** 53, 2 ** 63, 1.8e19]) {
	test(`a cursor of ${cursor} is beyond the end, where nothing is`, t => {
		t.deepEqual(names(twoBlocks().open(), cursor), []);
	});
}

for (const cursor of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
	test(`a cursor of ${cursor} is no place`, t => {
		const volume = twoBlocks().open();
		t.is(t.throws(() => names(volume, cursor), {instanceOf: FileError}).code, 'EINVAL');
	});
}

test('a file is no directory', t => {
	const image = new TinyImage();
	image.addFile(directory, true, 0);
	const volume = image.open();
	t.is(t.throws(() => names(volume), {instanceOf: FileError}).code, 'ENOTDIR');
});

test('an empty directory has nothing, not even dots', t => {
	const image = new TinyImage();
	addDirectory(image, directory, []);
	t.deepEqual(names(image.open()), []);
});

test('a hole between blocks is skipped', t => {
	const image = new TinyImage();
	addDirectory(image, directory, [100, 0, 0, 101]);
	writeEntries(image.block(100), dots);
	writeEntries(image.block(101), [{inode: 13, name: 'behind'}]);
	const volume = image.open();
	t.deepEqual(names(volume), ['.', '..', 'behind']);
	t.deepEqual(names(volume, 1500), ['behind'], 'a cursor in the hole');
});

test('a hole in place of the first block is refused', t => {
	const image = new TinyImage();
	addDirectory(image, directory, [0, 101]);
	const volume = image.open();
	t.is(corruptBy('EXT4_BAD_DIRECTORY', () => names(volume)).place.inode, directory);
});

test('a block that was never written is refused', t => {
	const image = new TinyImage();
	addDirectory(image, directory, [100]);
	writeLeaf(image.blockField(directory), [
		{logical: 0, length: 1, physical: 100, isUnwritten: true},
	]);
	const volume = image.open();
	t.regex(corruptBy('EXT4_BAD_DIRECTORY', () => names(volume)).message, /never written/);
});

for (const sizeBytes of [1, 1023, 1025, 257 * 1024, 2 ** 32 - 1024]) {
	test(`a directory of ${sizeBytes} bytes is refused in a file system of 256 blocks`, t => {
		const image = twoBlocks();
		image.setInode(directory, {i_mode: 0o40755, i_size_lo: sizeBytes});
		const volume = image.open();
		corruptBy('EXT4_BAD_DIRECTORY', () => names(volume));
		t.pass();
	});
}

test('what lies before a bad block is visited, and what lies behind it can be', t => {
	const image = twoBlocks();
	addDirectory(image, directory, [100, 101, 90]);
	const volume = image.open();
	const seen: string[] = [];
	const error = corruptBy('EXT4_BAD_DIRECTORY_ENTRY', () => {
		forEachEntry(volume, volume.readInode(directory), 0, (bytes, start, length) => {
			seen.push(Buffer.from(bytes.subarray(start, start + length)).toString());
			return true;
		});
	});
	t.deepEqual(seen, ['.', '..', 'first', 'second']);
	t.is(error.place.block, 101);
	t.deepEqual(names(volume, 2 * 1024), ['third']);
});

test('with metadata_csum each block ends with its sum', t => {
	const image = twoBlocks({features: ['filetype', 'extent', 'metadata_csum']});
	for (const block of [100, 90]) {
		viewOf(image.block(block)).setUint16(block === 100 ? 56 + 4 : 28 + 4, 0, true);
	}
	writeEntries(image.block(100), [...dots, {inode: 13, name: 'first'}], 12);
	writeEntries(image.block(90), [{inode: 15, name: 'third'}], 12);
	sealEntries(image, directory, 100);
	sealEntries(image, directory, 90);
	t.deepEqual(names(image.open()), ['.', '..', 'first', 'third']);
	image.block(90)[8] = 0x54;
	const volume = image.open();
	const error = corruptBy('EXT4_BAD_DIRECTORY_CHECKSUM', () => names(volume));
	t.is(error.place.block, 90);
	t.is(error.place.inode, directory);
});

test('with metadata_csum a block without the tail for its sum is refused', t => {
	const volume = twoBlocks({features: ['filetype', 'extent', 'metadata_csum']}).open();
	const error = corruptBy('EXT4_BAD_DIRECTORY_CHECKSUM', () => names(volume));
	t.regex(error.message, /without the tail/);
});

for (const isChecked of [false, true]) {
	const tail = isChecked ? 12 : 0;
	const indexTail = isChecked ? 8 : 0;
	const sums = isChecked ? 'with' : 'without';

	const indexed = () => {
		const image = new TinyImage({
			features: [
				'filetype',
				'extent',
				'dir_index',
				...(isChecked ? (['metadata_csum'] as const) : []),
			],
		});
		addDirectory(image, directory, [100, 101, 102], inodeFlags.hashIndexed);
		writeIndexRoot(image.block(100), {entries: [{hash: 0, block: 1}], levels: 1}, indexTail);
		writeIndexNode(image.block(101), {entries: [{hash: 0, block: 2}]}, indexTail);
		writeEntries(image.block(102), [{inode: 13, name: 'leaf'}], tail);
		if (isChecked) {
			sealIndex(image, directory, 100, 32);
			sealIndex(image, directory, 101, 8);
			sealEntries(image, directory, 102);
		}
		return image;
	};

	test(`the index of a directory lists nothing of its own, ${sums} checksums`, t => {
		t.deepEqual(names(indexed().open()), ['.', '..', 'leaf']);
	});
}

test('an index root whose sum is wrong is refused when listing', t => {
	const image = new TinyImage({features: ['filetype', 'extent', 'dir_index', 'metadata_csum']});
	addDirectory(image, directory, [100], inodeFlags.hashIndexed);
	writeIndexRoot(image.block(100), {entries: [{hash: 0, block: 1}]}, 8);
	const volume = image.open();
	corruptBy('EXT4_BAD_DIRECTORY_CHECKSUM', () => names(volume));
	t.pass();
});

for (const [what, index] of [
	['more entries than room', {entries: [], count: 200}],
	['room beyond the block', {entries: [], limit: 500, count: 1}],
	['an info of another length', {entries: [], infoLength: 12}],
] as const) {
	test(`with metadata_csum an index root with ${what} is refused when listing`, t => {
		const image = new TinyImage({features: ['filetype', 'extent', 'dir_index', 'metadata_csum']});
		addDirectory(image, directory, [100], inodeFlags.hashIndexed);
		writeIndexRoot(image.block(100), index, 8);
		const volume = image.open();
		corruptBy('EXT4_BAD_DIRECTORY_CHECKSUM', () => names(volume));
		t.pass();
	});
}

/** An inline directory: its parent, the entries in i_block, those in system.data. */
function inline(parent: number, value: Uint8Array): TinyImage {
	const image = new TinyImage({features: ['filetype', 'extent', 'inline_data']});
	image.setInode(directory, {
		i_mode: 0o40755,
		i_links_count: 2,
		i_flags: inodeFlags.inlineData,
		i_size_lo: 60 + value.length,
	});
	const field = image.blockField(directory);
	viewOf(field).setUint32(0, parent, true);
	writeEntries(field.subarray(4), [
		{inode: 13, name: 'first', type: 1},
		{inode: 14, name: 'second', type: 2},
	]);
	addXattrs(image, directory, [{index: 7, name: 'data', value}]);
	return image;
}

function value(length = 48): Uint8Array {
	const bytes = new Uint8Array(length);
	writeEntries(bytes, [
		{inode: 0, name: 'gone'},
		{inode: 15, name: 'third', type: 7},
	]);
	return bytes;
}

test('an inline directory has dots, and entries in two places', t => {
	const volume = inline(2, value()).open();
	const all = list(volume);
	t.deepEqual(all, [
		{name: '.', inode: directory, type: 'directory', next: 12},
		{name: '..', inode: 2, type: 'directory', next: 24},
		{name: 'first', inode: 13, type: 'file', next: 40},
		{name: 'second', inode: 14, type: 'directory', next: 80},
		{name: 'third', inode: 15, type: 'symlink', next: 128},
	]);
	all.forEach((entry, index) => {
		t.deepEqual(list(volume, entry.next), all.slice(index + 1));
	});
	t.deepEqual(names(volume, 2), ['..', 'first', 'second', 'third']);
	t.deepEqual(names(volume, 2 ** 40), []);
});

test('an inline directory may end with i_block', t => {
	t.deepEqual(names(inline(2, new Uint8Array(0)).open()), ['.', '..', 'first', 'second']);
});

for (const parent of [0, 33]) {
	test(`an inline directory can't have inode ${parent} of 32 as its parent`, t => {
		const volume = inline(parent, value()).open();
		corruptBy('EXT4_BAD_DIRECTORY', () => names(volume));
		t.pass();
	});
}

test('an inline directory with a remainder too short for an entry is refused', t => {
	const volume = inline(2, new Uint8Array(4)).open();
	corruptBy('EXT4_BAD_DIRECTORY_ENTRY', () => names(volume));
	t.pass();
});

test('an entry of an inline directory that reaches from one place into the other is refused', t => {
	const image = inline(2, value());
	viewOf(image.blockField(directory)).setUint16(20 + 4, 60, true);
	const volume = image.open();
	const error = corruptBy('EXT4_BAD_DIRECTORY_ENTRY', () => names(volume));
	t.is(error.place.offset, 20);
});
