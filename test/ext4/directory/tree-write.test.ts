/** Hash trees as they grow: by every hash, level by level, until they are full. */
import {execFileSync} from 'node:child_process';
import {existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {splitPoint} from '../../../ext4/directory/split.ts';
import {FileError} from '../../../ext4/errors.ts';
import {dx_root, hashVersions} from '../../../ext4/layout/htree.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {ext4_super_block} from '../../../ext4/layout/superblock.ts';
import {mapAt} from '../../../ext4/mapping/index.ts';
import {GrowingFolder} from '../../support/growing-folder.ts';
import {mke2fs, openMade} from '../../support/made-volume.ts';
import {viewOf} from '../../support/poke.ts';
import {testUnless} from '../../support/skip.ts';

const small = ['-t', 'ext4', '-N', '128', '-b', '1024'];

function open(features: string, size: string): GrowingFolder {
	return new GrowingFolder(openMade(mke2fs([...small, '-O', features], size)));
}

function rootOf(folder: GrowingFolder) {
	const run = mapAt(folder.volume, folder.inode, 0);
	if (run.kind !== 'mapped') throw new Error('a directory without its first block');
	return dx_root.at(folder.volume.cache.read(run.physical).view, 0);
}

function isIndexed(folder: GrowingFolder): boolean {
	return (folder.inode.flags & inodeFlags.hashIndexed) !== 0;
}

test('a directory gets an index when its first block is full', t => {
	const folder = open('^has_journal', '2M');
	let count = 0;
	while (folder.inode.sizeBytes === 1024) folder.add(`name ${count++}`);
	t.true(isIndexed(folder));
	t.is(rootOf(folder).hash_version, hashVersions.halfMd4);
	t.is(folder.names.length, count);
	t.is(folder.made.findProblems(), undefined);
});

test('a tree of two levels holds 100,000 names in blocks of 1 KiB', t => {
	const folder = open('^has_journal,large_dir', '32M');
	const names = Array.from({length: 100_000}, (_, index) => `name of file ${index}`);
	for (const name of names) folder.add(name);
	t.is(rootOf(folder).indirect_levels, 1);
	t.deepEqual(folder.names.sort(), names.toSorted());
	t.is(folder.made.findProblems(), undefined);
});

const long = (index: number) => `name ${index}`.padEnd(250, 'x');

test('a tree that can grow no more is full, and works on', t => {
	const folder = open('^has_journal,^metadata_csum', '16M');
	let count = 0;
	const error = t.throws(
		() => {
			for (; count < 60_000; count++) folder.add(long(count));
		},
		{instanceOf: FileError},
	);
	t.is(error.code, 'ENOSPC');
	t.regex(error.message, /index .* is full/);
	t.is(folder.names.length, count);
	t.is(folder.made.findProblems(), undefined);
	for (let index = 0; index < count; index += 2) folder.remove(long(index));
	t.is(folder.find(long(1)) !== undefined, true);
	t.is(folder.find(long(0)), undefined);
	for (let index = 0; index < count; index += 2) folder.add(long(index));
	t.is(folder.names.length, count);
	t.is(folder.made.findProblems(), undefined);
});

test('with large_dir it gets a third level instead', t => {
	const folder = open('^has_journal,large_dir', '32M');
	const names = Array.from({length: 25_000}, (_, index) => long(index));
	for (const name of names) folder.add(name);
	t.is(rootOf(folder).indirect_levels, 2);
	t.deepEqual(folder.names.sort(), names.toSorted());
	t.is(folder.made.findProblems(), undefined);
});

test('a disk that is full takes no more names, and is in order', t => {
	const folder = open('^has_journal', '1M');
	let count = 0;
	const error = t.throws(
		() => {
			for (;;) folder.add(long(count++));
		},
		{instanceOf: FileError},
	);
	t.is(error.code, 'ENOSPC');
	t.is(folder.names.length, count - 1);
	t.is(folder.made.findProblems(), undefined);
});

const names = Array.from({length: 400}, (_, index) =>
	index % 2 === 0 ? `plain ${index}` : `\xe4\xf6\xfc ${index} \xff`,
);

for (const [name, version] of Object.entries({legacy: 0, halfMd4: 1, tea: 2})) {
	for (const [kind, flags] of Object.entries({signed: 1, unsigned: 2})) {
		test(`e2fsck finds names where they belong: ${name}, ${kind}`, t => {
			const image = mke2fs([...small, '-O', '^has_journal,^metadata_csum'], '2M');
			const superblock = ext4_super_block.edit(viewOf(image), 1024);
			superblock.s_def_hash_version = version;
			superblock.s_flags = flags;
			const folder = new GrowingFolder(openMade(image));
			for (const name of names) folder.add(name);
			t.is(rootOf(folder).hash_version, version);
			t.deepEqual(folder.names.sort(), names.toSorted());
			t.is(folder.made.findProblems(), undefined);
		});
	}
}

test('a version of hashes that cannot be computed makes no index', t => {
	const image = mke2fs([...small, '-O', '^has_journal,^metadata_csum'], '2M');
	ext4_super_block.edit(viewOf(image), 1024).s_def_hash_version = hashVersions.siphash;
	const folder = new GrowingFolder(openMade(image));
	for (const name of names) folder.add(name);
	t.false(isIndexed(folder));
	t.deepEqual(folder.names.sort(), names.toSorted());
	t.is(folder.made.findProblems(), undefined);
});

test('an index is repaired by nobody, but left aside where there are no checksums', t => {
	const folder = open('^has_journal,^metadata_csum', '2M');
	for (const name of names) folder.add(name);
	t.true(isIndexed(folder));
	folder.volume.transact(handle => {
		const run = mapAt(folder.volume, folder.inode, 0);
		if (run.kind !== 'mapped') return;
		const block = folder.volume.cache.read(run.physical);
		handle.touch(block);
		block.view.setUint8(0x1c, 7); // hash_version
	});
	folder.add('one more');
	t.false(isIndexed(folder));
	t.deepEqual(folder.names.sort(), [...names, 'one more'].sort());
	t.is(folder.made.findProblems(), undefined);
});

test('a leaf is split so that neither half is more than half full and one entry', t => {
	const lengths = [
		[264, 264, 264],
		Array.from({length: 63}, () => 16),
		[264, 16, 16, 16, 264, 264, 100],
	];
	for (const entries of lengths) {
		const placed = entries.map(length => ({at: 0, length}));
		const kept = splitPoint(placed, 1024);
		t.true(kept >= 1 && kept < placed.length);
		const sum = (list: readonly {length: number}[]) =>
			list.reduce((all, {length}) => all + length, 0);
		t.true(sum(placed.slice(0, kept)) <= 512 + 264);
		t.true(sum(placed.slice(kept)) <= 512 + 132);
	}
});

const whyNoMount = process.getuid?.() === 0 ? undefined : 'only root mounts';

testUnless(whyNoMount, 'the kernel lists and finds what was added', t => {
	for (const features of ['^has_journal,large_dir', '^has_journal,^metadata_csum']) {
		const folder = open(features, '16M');
		const wanted = Array.from({length: 8000}, (_, index) => `name ${index}`);
		for (const name of wanted) folder.add(name);
		for (const name of wanted.splice(0, 3000)) folder.remove(name);
		folder.volume.transactions?.checkpoint();
		t.deepEqual(listByKernel(folder.made.device.bytes).sort(), wanted.sort());
	}
});

function listByKernel(image: Uint8Array): string[] {
	const temporary = mkdtempSync(join(tmpdir(), 'ext4box-kernel-'));
	const file = join(temporary, 'image');
	const mount = mkdtempSync(join(tmpdir(), 'ext4box-kernel-mount-'));
	try {
		writeFileSync(file, image);
		execFileSync('mount', ['-t', 'ext4', '-o', 'loop,ro', file, mount], {stdio: 'pipe'});
		try {
			// Each is looked up as well, through the index.
			return readdirSync(join(mount, 'folder')).filter(name =>
				existsSync(join(mount, 'folder', name)),
			);
		} finally {
			execFileSync('umount', [mount], {stdio: 'pipe'});
		}
	} finally {
		rmdirSync(mount);
		rmSync(temporary, {recursive: true});
	}
}
