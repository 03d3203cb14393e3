/**
 * The block bitmap of a group whose own was never written: its own metadata, and nothing else. What
 * of other groups' metadata lies here under flex_bg is none of it, as such a group counts as used.
 */
import {setRange} from '../allocator/bitmap.ts';
import {firstBlockOfGroup, headBlocks} from '../groups.ts';
import type {Group} from '../layout/group.ts';
import type {CheckState} from './state.ts';

/** Sets the bits of group `index`'s clusters that hold its own metadata. */
export function markGroupMetadata(
	state: CheckState,
	group: Group,
	index: number,
	bits: Uint8Array,
): void {
	const {superblock, geometry, claims} = state;
	const first = firstBlockOfGroup(superblock, index);
	const ratio = 2 ** geometry.clusterBits;
	const {clustersPerGroup, inodeTableBlocks} = geometry;
	const count = Math.min(clustersPerGroup, claims.clusterCount - index * clustersPerGroup);
	const metadata = [
		[first, headBlocks(superblock, index)],
		[group.blockBitmap, 1],
		[group.inodeBitmap, 1],
		[group.inodeTable, inodeTableBlocks],
	] as const;
	for (const [start, length] of metadata) {
		const from = Math.max(0, Math.floor((start - first) / ratio));
		const to = Math.min(count, Math.ceil((start + length - first) / ratio));
		if (from < to) setRange(bits, from, to);
	}
}
