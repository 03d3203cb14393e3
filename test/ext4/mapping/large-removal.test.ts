/** Taking space away changes few blocks in each handle, however it lies. */
import test from 'ava';
import {allocateBlocks} from '../../../ext4/allocator/blocks.ts';
import {firstBlockOfGroup} from '../../../ext4/groups.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {
	isMapEmpty,
	mapAt,
	mapForWriting,
	removeBlocks,
	touchedBlocksMax,
} from '../../../ext4/mapping/index.ts';
import type {Volume} from '../../../ext4/volume.ts';
import {firstFile, openWithFiles} from '../../support/file-volume.ts';

/** What one handle may change when it stops at `touchedBlocksMax`: the last thing counts whole. */
const changedMax = touchedBlocksMax + 40;

const smallGroups = ['-b', '1024', '-g', '256', '-G', '256', '-N', '2048'];

/** The changed blocks of each handle that it takes to remove everything. */
function removeAll(volume: Volume): number[] {
	const changed: number[] = [];
	for (let isDone = false; !isDone; ) {
		volume.transact(handle => {
			isDone = removeBlocks(handle, volume.readInode(firstFile), 0, 2 ** 32);
			changed.push(handle.touchedBlocks);
		});
	}
	return changed;
}

test('an extent that lies in many groups', t => {
	const features = '^has_journal,flex_bg,sparse_super2,^resize_inode';
	const options = ['-t', 'ext4', '-O', features, '-E', 'num_backup_sb=0', ...smallGroups];
	const made = openWithFiles({name: '', options}, '48M');
	const {volume} = made;
	const end = 32_000;
	volume.transact(handle => {
		const inode = volume.readInode(firstFile);
		for (let at = 0; at < end; ) at += mapForWriting(handle, inode, at, end - at, 'written').length;
		handle.edit(inode).sizeBytes = end * 1024;
	});
	t.true(mapAt(volume, volume.readInode(firstFile), 0).length > 120 * 256);
	const changed = removeAll(volume);
	t.true(Math.max(...changed) <= changedMax, `${changed}`);
	volume.transact(handle => (handle.edit(volume.readInode(firstFile)).sizeBytes = 0));
	t.is(made.findProblems(), undefined);
});

test('blocks of a map of which each lies in another group', t => {
	const options = ['-t', 'ext4', '-O', '^has_journal,^extent,^64bit,flex_bg', ...smallGroups];
	const made = openWithFiles({name: '', options}, '48M');
	const {volume} = made;
	volume.transact(handle => {
		const inode = handle.edit(volume.readInode(firstFile));
		t.is(inode.flags & inodeFlags.extents, 0);
		mapForWriting(handle, inode, 12, 1, 'written'); // The first that a map block maps.
		const map = volume.cache.read(inode.blockView.getUint32(12 * 4, true));
		handle.touch(map);
		for (let entry = 1; entry < 160; entry++) {
			const goal = firstBlockOfGroup(volume.superblock, 20 + entry) + 3;
			map.view.setUint32(4 * entry, allocateBlocks(handle, inode, {goal, length: 1}).start, true);
		}
		inode.sizeBytes = 172 * 1024;
	});
	t.is(made.findProblems(), undefined);
	const changed = removeAll(volume);
	t.true(Math.max(...changed) <= changedMax, `${changed}`);
	t.true(isMapEmpty(volume.readInode(firstFile)));
	volume.transact(handle => (handle.edit(volume.readInode(firstFile)).sizeBytes = 0));
	t.is(made.findProblems(), undefined);
});
