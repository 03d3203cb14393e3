/** What each form of directory does beside taking and giving up names, and what none accepts. */
import test, {type ExecutionContext} from 'ava';
import fc from 'fast-check';
import {encodeNoKeyName, noKeyNameLengthMax} from '../../../ext4/directory/encrypted-name.ts';
import {lookup} from '../../../ext4/directory/lookup.ts';
import {
	addEntry,
	isEmptyDirectory,
	removeEntry,
	replaceEntry,
	setParent,
} from '../../../ext4/directory/write.ts';
import {type Errno, FileError, isExpectedError} from '../../../ext4/errors.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {mapAt} from '../../../ext4/mapping/index.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {GrowingFolder} from '../../support/growing-folder.ts';
import {makeWritable} from '../../support/home-log.ts';
import {mke2fs, openMade} from '../../support/made-volume.ts';
import {addInode} from '../../support/new-inode.ts';
import {addDirectory, dots, writeEntries} from '../../support/tiny-directory.ts';
import {TinyImage} from '../../support/tiny-image.ts';

const forms: {readonly [name: string]: readonly string[]} = {
	'with checksums': ['-t', 'ext4', '-O', '^has_journal', '-b', '1024'],
	'without checksums': ['-t', 'ext4', '-O', '^has_journal,^metadata_csum', '-b', '1024'],
	'without dir_index': ['-t', 'ext4', '-O', '^has_journal,^dir_index', '-b', '1024'],
	inline: ['-t', 'ext4', '-O', '^has_journal,inline_data', '-b', '1024', '-I', '512'],
	'64 KiB': ['-t', 'ext4', '-O', '^has_journal', '-b', '65536'],
};

const images = new Map<string, Uint8Array>();

function open(form: string): GrowingFolder {
	const image =
		images.get(form) ??
		mke2fs(['-N', '64', ...(forms[form] ?? [])], form === '64 KiB' ? '32M' : '4M');
	images.set(form, image);
	return new GrowingFolder(openMade(image.slice()));
}

function refused(t: ExecutionContext, code: Errno, action: () => unknown): void {
	t.is(t.throws(action, {instanceOf: FileError}).code, code);
}

/** Sizes at which a directory has one form and then another. */
const sizes = [0, 1, 3, 5, 30, 120];

for (const form of Object.keys(forms)) {
	test(`a directory can be given another parent: ${form}`, t => {
		const folder = open(form);
		const {volume} = folder;
		const parent = volume.transact(handle => {
			const root = volume.readInode(2);
			const made = addInode(handle, root, 'directory');
			addEntry(handle, root, Buffer.from('parent'), {inode: made.number, type: 'directory'});
			return made.number;
		});
		let count = 0;
		for (const size of sizes) {
			while (count < size) folder.add(`name ${count++}`);
			const [from, to] =
				lookup(volume, folder.inode, Buffer.from('..'))?.inode === 2 ? [2, parent] : [parent, 2];
			volume.transact(handle => {
				const name = Buffer.from('folder');
				removeEntry(handle, volume.readInode(from), name);
				addEntry(handle, volume.readInode(to), name, {inode: folder.number, type: 'directory'});
				setParent(handle, folder.inode, to);
				handle.edit(volume.readInode(from)).linkCount--;
				handle.edit(volume.readInode(to)).linkCount++;
			});
			t.is(lookup(volume, folder.inode, Buffer.from('..'))?.inode, to);
			t.is(folder.names.length, count);
			t.is(folder.made.findProblems(), undefined);
		}
	});

	test(`a directory is empty when nothing but the dots is left: ${form}`, t => {
		const folder = open(form);
		const names = Array.from({length: 150}, (_, index) => `name ${index}`);
		t.true(isEmptyDirectory(folder.volume, folder.inode));
		for (const name of names) folder.add(name);
		t.false(isEmptyDirectory(folder.volume, folder.inode));
		for (const name of names.slice(0, -1)) folder.remove(name);
		t.false(isEmptyDirectory(folder.volume, folder.inode));
		folder.remove(names[names.length - 1] ?? '');
		t.true(isEmptyDirectory(folder.volume, folder.inode));
		t.is(folder.made.findProblems(), undefined);
		for (const name of names) folder.add(name);
		t.is(folder.names.length, 150);
		t.is(folder.made.findProblems(), undefined);
	});

	test(`what is thrown in the middle takes everything back: ${form}`, t => {
		for (const size of sizes) {
			const folder = open(form);
			for (let index = 0; index < size; index++) folder.add(`name ${index}`);
			const before = [...folder.names];
			t.throws(() =>
				folder.volume.transact(handle => {
					const target = {inode: folder.number, type: 'directory'} as const;
					for (let index = 0; index < 200; index++) {
						addEntry(handle, folder.inode, Buffer.from(`more ${index}`), target);
					}
					if (size > 0) removeEntry(handle, folder.inode, Buffer.from('name 0'));
					throw new FileError('EPERM', 'on second thoughts');
				}),
			);
			t.deepEqual(folder.names, before);
			t.is(folder.made.findProblems(), undefined);
			folder.add('one more');
			t.is(folder.names.length, size + 1);
			t.is(folder.made.findProblems(), undefined);
		}
	});

	test(`what can be no name, or is not there: ${form}`, t => {
		const folder = open(form);
		const target = {inode: folder.number, type: 'fifo'} as const;
		const {volume} = folder;
		const add = (name: string) =>
			volume.transact(handle => addEntry(handle, folder.inode, Buffer.from(name), target));
		for (const name of ['', '.', '..', 'a/b', 'a\0b']) refused(t, 'EINVAL', () => add(name));
		refused(t, 'ENAMETOOLONG', () => add('x'.repeat(256)));
		for (const name of ['none', '..']) {
			const bytes = Buffer.from(name);
			refused(t, 'ENOENT', () =>
				volume.transact(handle => removeEntry(handle, folder.inode, bytes)),
			);
			refused(t, 'ENOENT', () =>
				volume.transact(handle => replaceEntry(handle, folder.inode, bytes, target)),
			);
		}
		t.is(folder.made.findProblems(), undefined);
	});
}

test('an inline directory fills its inode before it moves out', t => {
	const folder = open('inline');
	let count = 0;
	while ((folder.inode.flags & inodeFlags.inlineData) !== 0) {
		t.is(folder.made.findProblems(), undefined);
		folder.add(`name ${count++}`);
	}
	// 56 bytes in i_block; 512 less 160 of fields, 4 of header, 20 of entry and 4 of zeros.
	t.is(count, Math.floor(56 / 16) + Math.floor((512 - 188) / 16) + 1);
	t.is(folder.inode.sizeBytes, 1024);
	t.is(folder.made.findProblems(), undefined);
});

test('a strict casefolded directory takes UTF-8 only', t => {
	const image = mke2fs(
		[...['-t', 'ext4', '-O', '^has_journal,casefold'], ...['-E', 'encoding_flags=strict']],
		'2M',
	);
	const folder = new GrowingFolder(openMade(image), true);
	refused(t, 'EINVAL', () => folder.add('\xff'));
	folder.add(Buffer.from('Füße').toString('latin1'));
	t.not(folder.find(Buffer.from('FÜSSE').toString('latin1')), undefined);
});

/** A directory with two encrypted names, and the forms in which they are shown. */
function encrypted() {
	const image = new TinyImage({features: ['filetype', 'extent', 'encrypt']});
	const names = [1, 2].map(seed => Uint8Array.from({length: 32}, (_, index) => seed * 40 + index));
	addDirectory(image, 12, [100], inodeFlags.encrypted);
	writeEntries(image.block(100), [
		...dots,
		...names.map((name, index) => ({inode: 13 + index, name, type: 1})),
	]);
	const volume = image.open();
	makeWritable(volume);
	const shown = names.map(name => {
		const into = new Uint8Array(noKeyNameLengthMax);
		const length = encodeNoKeyName(name, {major: 0, minor: 0}, bytes => bytes, into);
		return into.slice(0, length);
	});
	return {volume, shown};
}

test('in an encrypted directory names can be removed, but neither made nor replaced', t => {
	const {volume, shown} = encrypted();
	const target = {inode: 13, type: 'file'} as const;
	const [first = new Uint8Array(0), second = new Uint8Array(0)] = shown;
	for (const name of [Buffer.from('new'), first]) {
		refused(t, 'ENOKEY', () =>
			volume.transact(handle => addEntry(handle, volume.readInode(12), name, target)),
		);
		refused(t, 'ENOKEY', () =>
			volume.transact(handle => replaceEntry(handle, volume.readInode(12), name, target)),
		);
	}
	volume.transact(handle => removeEntry(handle, volume.readInode(12), first));
	t.is(lookup(volume, volume.readInode(12), first), undefined);
	t.is(lookup(volume, volume.readInode(12), second)?.inode, 14);
});

test('an index that has a node as its leaf is damage', t => {
	const folder = open('without checksums');
	for (let index = 0; index < 200; index++) folder.add(`name ${index}`);
	const {view} = folder.volume.cache.read(blocksOf(folder)[0] ?? 0);
	for (let entry = 0; entry < view.getUint16(34, true); entry++) {
		view.setUint32(32 + entry * 8 + 4, 0, true);
	}
	const error = corruptBy('EXT4_BAD_HASH_TREE', () => folder.add('one more'));
	t.is(error.place.inode, folder.number);
});

test('a directory that grows into its own blocks, as the bitmap has them as free, is no fault of ours', t => {
	const folder = open('without checksums');
	for (let index = 0; index < 100; index++) folder.add(`name ${index}`);
	folder.volume.transactions?.checkpoint();
	const image = folder.made.device.bytes.slice();
	const bitmap = image.subarray(folder.volume.group(0).blockBitmap * 1024).subarray(0, 512);
	bitmap.fill(0xff);
	for (const block of blocksOf(folder)) {
		const bit = block - 1;
		bitmap[bit >>> 3] = (bitmap[bit >>> 3] ?? 0) & ~(1 << (bit & 7));
	}
	const {volume} = openMade(image);
	volume.editGroup(0).freeClusterCount = blocksOf(folder).length;
	const error = t.throws(() => {
		for (let index = 0; index < 500; index++) {
			volume.transact(
				handle => {
					const target = {inode: folder.number, type: 'directory'} as const;
					addEntry(handle, volume.readInode(folder.number), Buffer.from(`more ${index}`), target);
				},
				{mayUseReserved: true},
			);
		}
	});
	t.true(isExpectedError(error), String(error));
});

/** The physical blocks of a directory whose blocks are of 1 KiB. */
function blocksOf(folder: GrowingFolder): number[] {
	return Array.from({length: folder.inode.sizeBytes / 1024}, (_, logical) => {
		const run = mapAt(folder.volume, folder.inode, logical);
		if (run.kind !== 'mapped') throw new Error('a directory with a hole');
		return run.physical + logical - run.logical;
	});
}

test('whatever the bytes of a directory are, changing it fails in an expected way', t => {
	const originals = ['without checksums', 'inline'].map(form => {
		const folder = open(form);
		for (let index = 0; index < 120; index++) folder.add(`name ${index}`);
		folder.volume.transactions?.checkpoint();
		const {bytes} = folder.made.device;
		return {bytes, blocks: blocksOf(folder), number: folder.number};
	});
	const poke = fc.record({block: fc.nat(), at: fc.nat(1023), value: fc.nat(255)});
	const act = fc.record({name: fc.nat(300), length: fc.nat(200), isAdding: fc.boolean()});
	fc.assert(
		fc.property(
			fc.constantFrom(...originals),
			fc.array(
				fc.oneof(
					poke,
					poke.map(({block, value}) => ({block, value, at: value % 64})),
				),
				{
					minLength: 1,
				},
			),
			fc.array(act),
			({bytes, blocks, number}, pokes, acts) => {
				const image = bytes.slice();
				for (const {block, at, value} of pokes) {
					image[(blocks[block % blocks.length] ?? 0) * 1024 + at] = value;
				}
				const {volume} = openMade(image);
				for (const {name, length, isAdding} of acts) {
					const bytesOfName = Buffer.from(`name ${name}`.padEnd(length, 'y'));
					try {
						volume.transact(handle => {
							const directory = volume.readInode(number);
							const target = {inode: number, type: 'fifo'} as const;
							if (isAdding) addEntry(handle, directory, bytesOfName, target);
							else removeEntry(handle, directory, bytesOfName);
						});
						isEmptyDirectory(volume, volume.readInode(number));
					} catch (error) {
						if (!isExpectedError(error)) throw error;
					}
				}
				volume.transactions?.checkpoint();
			},
		),
		{numRuns: 400},
	);
	t.pass();
});
