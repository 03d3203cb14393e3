/** How large a file can be: what its map reaches, and what i_blocks can count. */
import type {Inode} from '../layout/inode.ts';
import {inodeFlags} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {directCount, mapReach} from './block-map.ts';
import {logicalBlocksMax} from './run.ts';

/** Map blocks that a block map of `blocks` blocks needs, holes not counted on. */
function mapBlocksFor(blocks: number, perBlock: number): number {
	let rest = blocks - directCount;
	let count = 0;
	for (let levels = 1; levels <= 3 && rest > 0; levels++) {
		const here = Math.min(rest, perBlock ** levels);
		for (let level = 1; level <= levels; level++) count += Math.ceil(here / perBlock ** level);
		rest -= here;
	}
	return count;
}

/** Logical blocks that a block map reaches, and i_blocks can count with the map itself. */
function mapLength(volume: Volume): number {
	const {blockSize} = volume.geometry;
	const perBlock = blockSize / 4;
	const reached = mapReach(volume);
	const sectorsMax = volume.features.has('huge_file') ? 2 ** 48 - 1 : 2 ** 32 - 1;
	const counted = Math.floor(sectorsMax / (blockSize / 512));
	if (reached + mapBlocksFor(reached, perBlock) <= counted) return reached;
	return counted - mapBlocksFor(counted, perBlock);
}

/** As `mapLength`, for an extent tree, whose nodes are too few to count. */
function treeLength(volume: Volume): number {
	const reached = logicalBlocksMax - 1;
	if (volume.features.has('huge_file')) return reached;
	return Math.min(reached, Math.floor((2 ** 32 - 1) / (volume.geometry.blockSize / 512)));
}

/**
 * The greatest size that a file like `inode` can have, in bytes: in its data and holes, as in the
 * kernel's ext4.
 */
export function sizeBytesMax(volume: Volume, inode: Inode): number {
	// Revision 0 has no bit to say that sizes have an upper half.
	if (volume.superblock.revision === 0) return 2 ** 31 - 1;
	const isTree = (inode.flags & inodeFlags.extents) !== 0;
	const isInline = (inode.flags & inodeFlags.inlineData) !== 0;
	const hasTree = isTree || (isInline && volume.features.has('extent'));
	const blocks = hasTree ? treeLength(volume) : mapLength(volume);
	return Math.min(blocks * volume.geometry.blockSize, Number.MAX_SAFE_INTEGER);
}
