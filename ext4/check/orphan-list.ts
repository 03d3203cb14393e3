/**
 * Which inodes are orphans: without a name, or losing blocks, and to be finished by the next mount.
 * They are in use as long as they are listed. Kernel documentation, "Orphan file", and s_last_orphan.
 */
import {ext4_orphan_block_tail, orphanFileSizeMax} from '../layout/orphan.ts';
import {InodeBytes} from './inode-bytes.ts';
import {runsOf} from './runs.ts';
import type {CheckState} from './state.ts';

/** Fills `state.orphans` from the list and, where the image has one, the file. */
export function gatherOrphans(state: CheckState): void {
	gatherListed(state);
	if (state.superblock.orphanFileInode !== 0) gatherFiled(state);
}

/** The list is linked through the times of deletion. */
function gatherListed(state: CheckState): void {
	const {firstInode, inodeCount} = state.geometry;
	let number = state.superblock.lastOrphan;
	let before: number | undefined;
	while (number !== 0) {
		const view = number >= firstInode && number <= inodeCount ? state.readInode(number) : undefined;
		if (view === undefined || state.orphans.has(number)) {
			state.report('CHECK_ORPHAN_LIST', {inode: before}, {found: number});
			return;
		}
		const inode = new InodeBytes(view, view.byteLength);
		// A list that leads to a free inode has lost its way.
		if (inode.linkCount === 0 && inode.mode === 0) {
			state.report('CHECK_ORPHAN_LIST', {inode: before}, {found: number});
			return;
		}
		state.orphans.add(number);
		before = number;
		number = inode.deletionTime;
	}
}

/** Reads slots only; whether the file itself is well is for the pass over references to tell. */
function gatherFiled(state: CheckState): void {
	const {blockSize, firstInode, inodeCount} = state.geometry;
	const view = state.readInode(state.superblock.orphanFileInode);
	if (view === undefined) return;
	const inode = new InodeBytes(view, view.byteLength);
	inode.number = state.superblock.orphanFileInode;
	if (inode.sizeBytes > orphanFileSizeMax) return;
	const bytes = new Uint8Array(blockSize);
	const words = new DataView(bytes.buffer);
	const slots = (blockSize - ext4_orphan_block_tail.sizeBytes) / 4;
	for (const block of runsOf(state, inode, orphanFileSizeMax / blockSize).blocks) {
		if (!state.readBlocks(block, bytes)) continue;
		for (let slot = 0; slot < slots; slot++) {
			const number = words.getUint32(slot * 4, true);
			if (number >= firstInode && number <= inodeCount) state.orphans.add(number);
		}
	}
}
