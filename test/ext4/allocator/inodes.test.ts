import fc from 'fast-check';
import {allocateInode, freeInodeNumber} from '../../../ext4/allocator/inodes.ts';
import {allocatorOf} from '../../../ext4/allocator/state.ts';
import {FileError} from '../../../ext4/errors.ts';
import {groupFlags} from '../../../ext4/layout/group.ts';
import type {Inode} from '../../../ext4/layout/inode.ts';
import type {Volume} from '../../../ext4/volume.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {layouts} from '../../support/layouts.ts';
import {giveSpace, makeFile, makeFolder, remove} from '../../support/made-files.ts';
import {mke2fs, openMade} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const ext4 = ['-t', 'ext4', '-b', '1024', '-g', '2048'];
const rootNumber = 2;
const fileMode = 0o100644;
const directoryMode = 0o040755;

function take(volume: Volume, mode = fileMode): number {
	return volume.transact(handle => allocateInode(handle, volume.readInode(rootNumber), mode));
}

function groupOf(volume: Volume, inode: Inode | number): number {
	const number = typeof inode === 'number' ? inode : inode.number;
	return Math.floor((number - 1) / volume.geometry.inodesPerGroup);
}

/** A stand-in for an inode that was taken and never made. */
function named(volume: Volume, number: number, type: 'file' | 'directory' = 'file') {
	return {...volume.readInode(rootNumber), number, type};
}

type Step =
	| {readonly kind: 'file' | 'folder'; readonly parent: number; readonly blocks: number}
	| {readonly kind: 'remove'; readonly which: number}
	| {readonly kind: 'commit'};

const steps: fc.Arbitrary<Step[]> = fc.array(
	fc.oneof(
		{
			weight: 6,
			arbitrary: fc.record({
				kind: fc.constantFrom('file' as const, 'folder' as const),
				parent: fc.nat(),
				blocks: fc.integer({min: 0, max: 40}),
			}),
		},
		{weight: 3, arbitrary: fc.record({kind: fc.constant('remove' as const), which: fc.nat()})},
		{weight: 1, arbitrary: fc.constant({kind: 'commit' as const})},
	),
	{minLength: 20, maxLength: 120},
);

type Made = {readonly parent: number; readonly name: string; readonly number: number};

function runSteps(volume: Volume, list: readonly Step[]): void {
	const folders = [rootNumber];
	const files: Made[] = [];
	for (const [index, step] of list.entries()) {
		if (step.kind === 'commit') volume.transactions?.commit();
		else if (step.kind === 'remove') {
			const [made] = files.splice(step.which % Math.max(1, files.length), 1);
			if (made === undefined) continue;
			volume.transact(handle =>
				remove(handle, made.parent, made.name, volume.readInode(made.number)),
			);
		} else {
			const parent = folders[step.parent % folders.length] ?? rootNumber;
			const name = `entry ${index}`;
			const number = volume.transact(handle => {
				if (step.kind === 'folder') return makeFolder(handle, parent, name).number;
				const file = makeFile(handle, parent, name);
				giveSpace(handle, file, 0, step.blocks);
				return file.number;
			});
			if (step.kind === 'folder') folders.push(number);
			else files.push({parent, name, number});
		}
	}
}

for (const layout of layouts) {
	testUnless(why, `${layout.name}: e2fsck finds files that come and go all right`, t => {
		const image = mke2fs(layout.options, layout.size);
		fc.assert(
			fc.property(steps, list => {
				const made = openMade(image.slice());
				runSteps(made.volume, list);
				t.is(made.findProblems(), undefined);
			}),
			{numRuns: 3, endOnFailure: true},
		);
	});

	testUnless(why, `${layout.name}: every inode can be taken once, and given back`, t => {
		const made = openMade(mke2fs(layout.options, layout.size));
		const {volume} = made;
		allocatorOf(volume);
		const before = volume.superblock.freeInodeCount;
		const taken = new Set<number>();
		try {
			for (;;) taken.add(take(volume, taken.size % 3 === 0 ? directoryMode : fileMode));
		} catch (error) {
			if (!(error instanceof FileError && error.code === 'ENOSPC')) throw error;
		}
		t.is(taken.size, before);
		t.is(volume.superblock.freeInodeCount, 0);
		t.true(Math.min(...taken) > volume.geometry.firstInode);
		t.is(Math.max(...taken), volume.geometry.inodeCount);
		let index = 0;
		for (const number of taken) {
			const type = index++ % 3 === 0 ? 'directory' : 'file';
			volume.transact(handle => freeInodeNumber(handle, named(volume, number, type)));
		}
		t.is(volume.superblock.freeInodeCount, before);
		t.is(made.findProblems(), undefined);
	});
}

testUnless(why, 'inode tables and bitmaps that were never written may hold anything', t => {
	const lazy = ['-E', 'lazy_itable_init=1,nodiscard', '-N', '4096'];
	const garbage = new Uint8Array(12 * 2 ** 20).fill(0xa5);
	const image = mke2fs([...ext4, ...lazy], '12M', garbage);
	fc.assert(
		fc.property(steps, list => {
			const made = openMade(image.slice());
			runSteps(made.volume, list);
			t.is(made.findProblems(), undefined);
		}),
		{numRuns: 4, endOnFailure: true},
	);
});

testUnless(why, 'directories at the top are spread, and what is in them stays with them', t => {
	const {volume} = openMade(mke2fs([...ext4, '-O', '^flex_bg', '-N', '4096'], '32M'));
	const {groupCount} = volume.geometry;
	const groups = new Set<number>();
	for (let index = 0; index < groupCount; index++) {
		const top = volume.transact(handle => makeFolder(handle, rootNumber, `top ${index}`).number);
		groups.add(groupOf(volume, top));
		const inner = volume.transact(handle => makeFolder(handle, top, 'inner').number);
		const file = volume.transact(handle => makeFile(handle, top, 'file').number);
		t.is(groupOf(volume, inner), groupOf(volume, top));
		t.is(groupOf(volume, file), groupOf(volume, top));
	}
	// The journal's groups and the last one have less than their share of free blocks.
	t.true(groups.size >= 12, `${groups.size} of ${groupCount} groups`);
});

testUnless(why, 'the files of a directory have inodes one behind another', t => {
	const {volume} = openMade(mke2fs(ext4, '12M'));
	const folder = volume.transact(handle => makeFolder(handle, rootNumber, 'folder').number);
	const numbers = Array.from({length: 20}, (_, index) =>
		volume.transact(handle => makeFile(handle, folder, `file ${index}`).number),
	);
	t.deepEqual(
		numbers,
		numbers.map((_, index) => (numbers[0] ?? 0) + index),
	);
});

testUnless(why, 'the first inode of a group that was never used makes its bitmaps', t => {
	const made = openMade(mke2fs([...ext4, '-O', '^flex_bg,^resize_inode'], '12M'));
	const {volume} = made;
	const uninit = groupFlags.inodeUninit | groupFlags.blockUninit;
	const group = [1, 2, 3, 4].find(index => (volume.group(index).flags & uninit) === uninit) ?? 0;
	t.not(group, 0);
	const parent = named(volume, group * volume.geometry.inodesPerGroup + 1, 'directory');
	const number = volume.transact(handle => allocateInode(handle, parent, fileMode));
	t.is(groupOf(volume, number), group);
	t.is(volume.group(group).flags & uninit, 0);
	t.is(volume.group(group).unusedInodeCount, volume.geometry.inodesPerGroup - 1);
	volume.transact(handle => freeInodeNumber(handle, named(volume, number)));
	t.is(made.findProblems(), undefined);
});

testUnless(
	why,
	'with a journal a number may be given again at once, without one after a commit',
	t => {
		for (const [feature, isAtOnce] of [
			['has_journal', true],
			['^has_journal', false],
		] as const) {
			const {volume} = openMade(mke2fs([...ext4, '-O', feature], '12M'));
			const number = take(volume);
			volume.transactions?.commit();
			volume.transact(handle => freeInodeNumber(handle, named(volume, number)));
			t.is(take(volume) === number, isAtOnce);
			volume.transactions?.commit();
			t.is(take(volume) === number, !isAtOnce);
		}
	},
);

testUnless(why, 'an inode that is free, or the file system’s own, can not be freed', t => {
	const image = mke2fs(ext4, '12M');
	const tries = [
		['EXT4_BAD_INODE_NUMBER', 2],
		['EXT4_BAD_INODE_NUMBER', 8],
		['EXT4_BAD_BITMAP', 200],
	] as const;
	for (const [code, number] of tries) {
		const {volume} = openMade(image.slice());
		corruptBy(code, () =>
			volume.transact(handle => freeInodeNumber(handle, named(volume, number))),
		);
	}
	t.pass();
});

const noChecksums = [...ext4, '-O', '^metadata_csum,^uninit_bg'];

testUnless(why, 'an inode bitmap that counts otherwise than its descriptor is not used', t => {
	const image = mke2fs(noChecksums, '12M');
	const at = openMade(image.slice()).volume.group(0).inodeBitmap * 1024;
	image[at + 2] = 0xff;
	const {volume} = openMade(image);
	corruptBy('EXT4_BAD_BITMAP', () => take(volume));
	t.pass();
});

testUnless(why, 'nor one with a checksum that is wrong', t => {
	const image = mke2fs(ext4, '12M');
	const at = openMade(image.slice()).volume.group(0).inodeBitmap * 1024;
	image[at + 2] = 0xff;
	const {volume} = openMade(image);
	corruptBy('EXT4_BAD_BITMAP_CHECKSUM', () => take(volume));
	t.pass();
});

testUnless(why, 'an inode that is marked as free and has links is given to nobody', t => {
	const image = mke2fs(noChecksums, '12M');
	const {volume: sound} = openMade(image.slice());
	const at = sound.group(0).inodeBitmap * 1024;
	// Inode 11, lost+found, is free in place of the last one.
	image[at + 1] = (image[at + 1] ?? 0) & ~0x04;
	const last = sound.geometry.inodesPerGroup - 1;
	image[at + (last >>> 3)] = (image[at + (last >>> 3)] ?? 0) | (1 << (last & 7));
	const {volume} = openMade(image);
	corruptBy('EXT4_BAD_BITMAP', () => take(volume));
	t.pass();
});
