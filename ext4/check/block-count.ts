/** i_blocks against what was counted. */
import {inodeFlags} from '../layout/inode.ts';
import type {CheckState} from './state.ts';

/** Compares i_blocks with the clusters that were counted; `stored` in the unit of the image. */
export function checkBlockCount(
	state: CheckState,
	inode: number,
	clusters: number,
	stored: number,
	flags: number,
): void {
	if (stored < 0) return;
	const {blockSize, clusterSize} = state.geometry;
	const countsBlocks = (flags & inodeFlags.hugeFile) !== 0 && state.features.has('huge_file');
	const unit = countsBlocks ? blockSize : 512;
	const expected = (clusters * clusterSize) / unit;
	if (stored !== expected) {
		state.report('CHECK_INODE_BLOCK_COUNT', {inode}, {found: stored, expected});
	}
}
