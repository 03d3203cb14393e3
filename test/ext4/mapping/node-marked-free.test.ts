/** Blocks of a file's map that the bitmap of a damaged image has as free: they are given out again. */
import test from 'ava';
import {clearRange} from '../../../ext4/allocator/bitmap.ts';
import {editBlockBits, groupOfBlock} from '../../../ext4/allocator/bitmaps.ts';
import {CorruptError, FileError} from '../../../ext4/errors.ts';
import {firstBlockOfGroup} from '../../../ext4/groups.ts';
import type {Handle} from '../../../ext4/journal/handle.ts';
import {extentTreeDepth, makeUnwritten, mapForWriting} from '../../../ext4/mapping/index.ts';
import type {Volume} from '../../../ext4/volume.ts';
import {type FeatureSet, firstFile, openWithFiles} from '../../support/file-volume.ts';

/** Gives all that is free to the second file. */
function fill(volume: Volume): void {
	try {
		for (let at = 0; ; ) {
			at += volume.transact(
				handle =>
					mapForWriting(handle, volume.readInode(firstFile + 1), at, 4000, 'written').length,
				{mayUseReserved: true},
			);
		}
	} catch (error) {
		if (!(error instanceof FileError) || error.code !== 'ENOSPC') throw error;
	}
}

function markFree(handle: Handle, block: number): void {
	const {volume} = handle;
	const group = groupOfBlock(volume, block);
	const bit = block - firstBlockOfGroup(volume.superblock, group);
	clearRange(editBlockBits(handle, group), bit, bit + 1);
	handle.editGroup(group).freeClusterCount++;
	handle.editSuperblock().freeBlockCount++;
}

function open(options: readonly string[]) {
	const features: FeatureSet = {name: '', options: ['-t', 'ext4', '-b', '1024', ...options]};
	const {volume} = openWithFiles(features, '8M');
	volume.transact(handle => {
		const inode = volume.readInode(firstFile);
		for (let at = 0; at < 4000; at += 6) mapForWriting(handle, inode, at, 3, 'written');
	});
	return volume;
}

test('a node between root and leaves, when a leaf is split', t => {
	const volume = open(['-O', '^has_journal,^metadata_csum']);
	t.is(extentTreeDepth(volume, volume.readInode(firstFile)), 2);
	const {blockView} = volume.readInode(firstFile);
	const node = blockView.getUint32(12 + 4, true);
	fill(volume);
	volume.transact(handle => markFree(handle, node));
	const split = () =>
		volume.transact(handle => void makeUnwritten(handle, volume.readInode(firstFile), 601, 1));
	volume.transactions?.commit();
	t.throws(split, {instanceOf: CorruptError, code: 'EXT4_BLOCK_IN_USE'});
});

test('a map block, when it gets another below it', t => {
	const volume = open(['-O', '^has_journal,^extent,^64bit']);
	const {blockView} = volume.readInode(firstFile);
	const double = blockView.getUint32(13 * 4, true);
	fill(volume);
	volume.transact(handle => markFree(handle, double));
	const grow = () =>
		volume.transact(
			handle => {
				mapForWriting(handle, volume.readInode(firstFile), 12 + 256 * 200, 1, 'written');
			},
			{mayUseReserved: true},
		);
	volume.transactions?.commit();
	t.throws(grow, {instanceOf: CorruptError, code: 'EXT4_BLOCK_IN_USE'});
});
