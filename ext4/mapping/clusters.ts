/**
 * With bigalloc space is given out in clusters of several blocks, and the blocks of one logical
 * cluster of a file share one physical cluster, whatever extents they belong to. Kernel
 * documentation, "Bigalloc".
 */
import {freeBlocks} from '../allocator/blocks.ts';
import {CorruptError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import type {Inode, MutableInode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {mapExtent} from './extent-tree.ts';
import type {SpaceRun} from './run.ts';

function assertAligned(inode: Inode, logical: number, physical: number, ratio: number): void {
	if (logical % ratio === physical % ratio) return;
	throw new CorruptError('EXT4_BAD_EXTENT', `logical block ${logical} lies askew in its cluster`, {
		inode: inode.number,
		block: physical,
	});
}

/** The first mapped run in logical blocks `[from, to)`. At most `to - from` steps. */
function firstMappedIn(
	volume: Volume,
	inode: Inode,
	from: number,
	to: number,
): SpaceRun | undefined {
	for (let at = from; at < to; ) {
		const run = mapExtent(volume, inode, at);
		if (run.kind !== 'hole') return run;
		at = run.logical + run.length;
	}
	return undefined;
}

/**
 * The physical block that `logical`, a hole, must be mapped to, because another block of its
 * cluster is mapped already; undefined where none is. Throws `CorruptError`.
 */
export function sharedClusterBlock(
	volume: Volume,
	inode: Inode,
	logical: number,
): number | undefined {
	const ratio = 2 ** volume.geometry.clusterBits;
	if (ratio === 1) return undefined;
	const offset = logical % ratio;
	const run = firstMappedIn(volume, inode, logical - offset, logical - offset + ratio);
	if (run === undefined) return undefined;
	assertAligned(inode, run.logical, run.physical, ratio);
	return run.physical + (logical - run.logical);
}

/**
 * Frees what a stretch of an extent had, after it was taken out of the tree: of the clusters at its
 * two ends only those of which nothing else is mapped.
 */
export function freeExtentBlocks(
	handle: Handle,
	inode: MutableInode,
	stretch: {readonly logical: number; readonly length: number; readonly physical: number},
	kind: 'data' | 'metadata',
): void {
	const {volume} = handle;
	const ratio = 2 ** volume.geometry.clusterBits;
	const {logical, length, physical} = stretch;
	if (ratio === 1) {
		freeBlocks(handle, inode, physical, length, kind);
		return;
	}
	assertAligned(inode, logical, physical, ratio);
	const end = logical + length;
	let from = logical - (logical % ratio);
	let to = Math.ceil(end / ratio) * ratio;
	if (from < logical && firstMappedIn(volume, inode, from, logical) !== undefined) from += ratio;
	if (from < to && end < to && firstMappedIn(volume, inode, end, to) !== undefined) to -= ratio;
	if (from < to) freeBlocks(handle, inode, physical + (from - logical), to - from, kind);
}
