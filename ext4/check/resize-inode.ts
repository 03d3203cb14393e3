/**
 * The inode that holds the room kept for more group descriptors. It has one block of pointers of
 * the second level; what that leads to are the reserved blocks behind the first group's
 * descriptors, and each of these leads to its copies in the groups that have copies.
 */
import {hasSuperblockCopy} from '../groups.ts';
import {reservedInode} from '../layout/inode.ts';
import {directCount} from '../mapping/block-map.ts';
import {checkBlockCount} from './block-count.ts';
import {InodeBytes} from './inode-bytes.ts';
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
	const read = readerOf(state);
	checkPointers(state, inode, read);
	const problem = problemOf(state, inode, read);
	if (problem !== undefined) state.report('CHECK_RESIZE_INODE', {inode: number}, {found: problem});
}

/** A view of a block, good until the next is read; zeros where it can't be had, which is reported. */
type BlockReader = (block: number) => DataView<ArrayBuffer>;

const windowBytes = 1 << 18;

/** The blocks that are kept for descriptors follow each other, and are read many at a time. */
function readerOf(state: CheckState): BlockReader {
	const {blockSize, blockCount} = state.geometry;
	const window = new Uint8Array(Math.max(windowBytes, blockSize));
	let first = 0;
	let count = 0;
	return block => {
		if (block < first || block >= first + count) {
			first = block;
			count = Math.min(window.length / blockSize, blockCount - block);
			state.readBlocks(first, window.subarray(0, count * blockSize));
		}
		return new DataView(window.buffer, (block - first) * blockSize, blockSize);
	};
}

function problemOf(state: CheckState, inode: InodeBytes, read: BlockReader): string | undefined {
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
	for (let index = 0; index < Math.min(reservedDescriptorBlocks, perBlock); index++) {
		const expected = Math.floor(1024 / blockSize) + 1 + used + index;
		const found = pointers.getUint32(((used + index) % perBlock) * 4, true);
		if (found !== expected) return `it leads to block ${found} instead of ${expected}`;
		const child = read(found);
		for (let copy = 0; copy < Math.min(copyGroups.length, perBlock); copy++) {
			const there = expected + (copyGroups[copy] ?? 0) * blocksPerGroup;
			const pointer = child.getUint32(copy * 4, true);
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
function checkPointers(state: CheckState, inode: InodeBytes, read: BlockReader): void {
	const {blockCount, firstDataBlock} = state.geometry;
	const {blockSize} = state.geometry;
	const perBlock = blockSize / 4;
	let count = 0;
	let badCount = 0;
	let lastLogical = -1;
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
		if (levels === 0) {
			lastLogical = Math.max(lastLogical, logical);
			return;
		}
		if (blocksLeft-- <= 0) {
			if (blocksLeft === -1)
				state.giveUp(`inode 7 has more than ${pointerBlocksMax} blocks of pointers`);
			return;
		}
		const view = read(block);
		// Those of the level above are not kept while others are read.
		// Little-endian, as are all machines that Node runs on.
		const pointers = new Uint32Array(
			view.buffer.slice(view.byteOffset, view.byteOffset + blockSize),
		);
		const below = perBlock ** (levels - 1);
		for (let index = 0; index < perBlock; index++) {
			const pointer = pointers[index] ?? 0;
			if (pointer !== 0) visit(pointer, logical + index * below, levels - 1);
		}
	};
	for (let index = 0; index < directCount; index++) visit(inode.block(index), index, 0);
	let logical = directCount;
	for (let levels = 1; levels <= 3; levels++) {
		visit(inode.block(directCount + levels - 1), logical, levels);
		logical += perBlock ** levels;
	}
	checkBlockCount(state, inode.number, count, inode.blocksLow, 0);
	const size = inode.sizeBytes;
	if (size < lastLogical * blockSize || size > logical * blockSize) {
		const expected = (lastLogical + 1) * blockSize;
		state.report('CHECK_INODE_SIZE', {inode: inode.number}, {found: size, expected});
	}
}
