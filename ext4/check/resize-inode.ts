/**
 * The inode that holds the room kept for more group descriptors. It has one block of pointers of
 * the second level; what that leads to are the reserved blocks behind the first group's
 * descriptors, and each of these leads to its copies in the groups that have copies.
 */
import {hasSuperblockCopy} from '../groups.ts';
import {reservedInode} from '../layout/inode.ts';
import {InodeBytes} from './inode-bytes.ts';
import {checkBlockCount} from './inode-scan.ts';
import type {CheckState} from './state.ts';

const doubleIndirect = 13;

export function checkResizeInode(state: CheckState): void {
	const number = reservedInode.resize;
	const view = state.readInode(number);
	if (view === undefined) return;
	const inode = new InodeBytes(view, view.byteLength);
	inode.number = number;
	if (!state.features.has('resize_inode')) {
		for (let index = 0; index < 15; index++) {
			if (inode.block(index) === 0) continue;
			state.report('CHECK_RESIZE_INODE_NOT_CLEAR', {inode: number});
			return;
		}
		return;
	}
	const problem = problemOf(state, inode);
	if (problem !== undefined) state.report('CHECK_RESIZE_INODE', {inode: number}, {found: problem});
}

function problemOf(state: CheckState, inode: InodeBytes): string | undefined {
	const {blockSize, descriptorsPerBlock, groupCount, blocksPerGroup} = state.geometry;
	for (let index = 0; index < 15; index++) {
		if (index !== doubleIndirect && inode.block(index) !== 0) return `i_block[${index}] is not 0`;
	}
	const block = inode.block(doubleIndirect);
	if (block === 0) return 'it has no blocks';
	if (!state.isBlock(block)) return `its pointers are said to lie in block ${block}`;
	if (inode.linkCount === 0 || inode.type !== 0x8000) return 'it is no regular file in use';
	state.claims.claim(block, 1);
	const bytes = new Uint8Array(blockSize);
	if (!state.readBlocks(block, bytes)) return 'its pointers can not be read';
	const pointers = new DataView(bytes.buffer);
	const perBlock = blockSize / 4;
	const used = Math.ceil(groupCount / descriptorsPerBlock);
	const {reservedDescriptorBlocks} = state.superblock;
	const copyGroups: number[] = [];
	for (let group = 1; group < groupCount; group++) {
		if (hasSuperblockCopy(state.superblock, group)) copyGroups.push(group);
	}
	const child = new Uint8Array(blockSize);
	const childView = new DataView(child.buffer);
	for (let index = 0; index < Math.min(reservedDescriptorBlocks, perBlock); index++) {
		const expected = Math.floor(1024 / blockSize) + 1 + used + index;
		const found = pointers.getUint32(((used + index) % perBlock) * 4, true);
		if (found !== expected) return `it leads to block ${found} instead of ${expected}`;
		if (!state.readBlocks(found, child)) return `block ${found} can not be read`;
		for (let copy = 0; copy < Math.min(copyGroups.length, perBlock); copy++) {
			const there = expected + (copyGroups[copy] ?? 0) * blocksPerGroup;
			const pointer = childView.getUint32(copy * 4, true);
			if (pointer !== there) return `block ${found} leads to ${pointer} instead of ${there}`;
		}
	}
	const expected = 1 + Math.min(reservedDescriptorBlocks, perBlock) * (1 + copyGroups.length);
	checkBlockCount(state, inode.number, expected, inode.blocksLow, 0);
	return undefined;
}
