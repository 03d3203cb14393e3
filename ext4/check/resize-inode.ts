/**
 * The inode that holds the room kept for more group descriptors. It has one block of pointers of
 * the second level; what that leads to are the reserved blocks behind the first group's
 * descriptors, and each of these leads to its copies in the groups that have copies.
 */
import {hasSuperblockCopy} from '../groups.ts';
import {reservedInode} from '../layout/inode.ts';
import {directCount} from '../mapping/block-map.ts';
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
	checkPointers(state, inode);
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
	return undefined;
}

/** Blocks of pointers that are looked into; the room for descriptors never takes as many. */
const pointerBlocksMax = 20_000;
/** Numbers that lead nowhere and are told. */
const badNumbersMax = 12;

/** All numbers that the map holds lead into the file system and are counted in i_blocks. */
function checkPointers(state: CheckState, inode: InodeBytes): void {
	const {blockCount, firstDataBlock} = state.geometry;
	const {blockSize} = state.geometry;
	const perBlock = blockSize / 4;
	let count = 0;
	let badCount = 0;
	let blocksLeft = pointerBlocksMax;
	const visit = (block: number, logical: number, levels: number) => {
		if (block === 0) return;
		if (block < firstDataBlock || block >= blockCount) {
			if (badCount++ >= badNumbersMax) return;
			const place = {inode: inode.number, logical, block};
			state.report('CHECK_BLOCK_NUMBER', place, {found: block, expected: blockCount});
			return;
		}
		count++;
		if (levels === 0 || blocksLeft-- <= 0) return;
		const bytes = new Uint8Array(blockSize);
		if (!state.readBlocks(block, bytes)) return;
		const view = new DataView(bytes.buffer);
		const below = perBlock ** (levels - 1);
		for (let index = 0; index < perBlock; index++) {
			visit(view.getUint32(index * 4, true), logical + index * below, levels - 1);
		}
	};
	for (let index = 0; index < directCount; index++) visit(inode.block(index), index, 0);
	let logical = directCount;
	for (let levels = 1; levels <= 3; levels++) {
		visit(inode.block(directCount + levels - 1), logical, levels);
		logical += perBlock ** levels;
	}
	checkBlockCount(state, inode.number, count, inode.blocksLow, 0);
}
