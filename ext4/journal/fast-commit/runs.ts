/** The mapping of a file as a list of runs, which can be changed before it is written as a tree. */
import {CorruptError} from '../../errors.ts';
import {ext4_extent_idx, extentEntrySize, extentHeaderSize} from '../../layout/extent.ts';
import {type Inode, inodeFlags} from '../../layout/inode.ts';
import {mapAt} from '../../mapping/index.ts';
import {logicalBlocksMax, type Run} from '../../mapping/run.ts';
import type {Volume} from '../../volume.ts';

/** Blocks that lie one after another in the file and on the device. */
export type MappedRun = Run & {kind: 'mapped' | 'unwritten'};

const directCount = 12;

/** How far a block map of twelve direct blocks and three trees reaches. */
function blockMapEnd(perBlock: number): number {
	return Math.min(directCount + perBlock + perBlock ** 2 + perBlock ** 3, logicalBlocksMax);
}

/**
 * All runs of an inode, ascending, whichever way it maps them. There are at most as many as the
 * volume has blocks. Throws `CorruptError` for a broken mapping, `DeviceError`.
 */
export function readRuns(volume: Volume, inode: Inode): MappedRun[] {
	const isExtents = (inode.flags & inodeFlags.extents) !== 0;
	const end = isExtents ? logicalBlocksMax : blockMapEnd(volume.geometry.blockSize / 4);
	const runs: MappedRun[] = [];
	let blockCount = 0;
	for (let logical = 0; logical < end; ) {
		const run = mapAt(volume, inode, logical);
		if (run.kind !== 'hole') {
			runs.push(run);
			blockCount += run.length;
		}
		// Without this, map blocks that stand in many places would make a list without bound.
		assertCount(volume, inode, blockCount);
		logical = run.logical + run.length;
	}
	return runs;
}

function assertCount(volume: Volume, inode: Inode, count: number): void {
	if (count <= volume.geometry.blockCount) return;
	throw new CorruptError('EXT4_BAD_BLOCK_MAP', 'a file of more blocks than the file system', {
		inode: inode.number,
	});
}

/** The blocks that hold the inode's mapping itself; it was read without fault before. */
export function readMappingBlocks(volume: Volume, inode: Inode): number[] {
	return (inode.flags & inodeFlags.extents) !== 0
		? readExtentNodes(volume, inode)
		: readMapBlocks(volume, inode);
}

function readExtentNodes(volume: Volume, inode: Inode): number[] {
	const blocks: number[] = [];
	let level: readonly DataView[] = [inode.blockView];
	for (let depth = inode.blockView.getUint16(6, true); depth > 0; depth--) {
		const from = blocks.length;
		for (const view of level) {
			const entryCount = view.getUint16(2, true);
			for (let index = 0; index < entryCount; index++) {
				const raw = ext4_extent_idx.at(view, extentHeaderSize + index * extentEntrySize);
				blocks.push(raw.ei_leaf_hi * 2 ** 32 + raw.ei_leaf_lo);
			}
		}
		// Leaves have no nodes below them; there is no need to look at them.
		level = depth > 1 ? blocks.slice(from).map(block => volume.cache.read(block).view) : [];
	}
	return blocks;
}

function readMapBlocks(volume: Volume, inode: Inode): number[] {
	const blocks: number[] = [];
	for (let levels = 1; levels <= 3; levels++) {
		const top = inode.blockView.getUint32((directCount + levels - 1) * 4, true);
		let from = blocks.length;
		if (top !== 0) blocks.push(top);
		for (let depth = levels; depth > 1; depth--) {
			const end = blocks.length;
			for (const block of blocks.slice(from, end)) {
				pushPointers(volume.cache.read(block).view, blocks);
				assertCount(volume, inode, blocks.length);
			}
			from = end;
		}
	}
	return blocks;
}

function pushPointers(view: DataView, blocks: number[]): void {
	for (let at = 0; at < view.byteLength; at += 4) {
		const pointer = view.getUint32(at, true);
		if (pointer !== 0) blocks.push(pointer);
	}
}

/** The part of `run` before, and the part from, logical block `logical`. */
function cut(run: MappedRun, logical: number): [MappedRun | undefined, MappedRun | undefined] {
	const before = logical - run.logical;
	if (before <= 0) return [undefined, run];
	if (before >= run.length) return [run, undefined];
	return [
		{...run, length: before},
		{...run, logical, length: run.length - before, physical: run.physical + before},
	];
}

/** The index of the first run that ends behind `logical`. */
function firstBehind(runs: readonly MappedRun[], logical: number): number {
	let low = 0;
	let high = runs.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		const run = runs[middle];
		if (run !== undefined && run.logical + run.length <= logical) low = middle + 1;
		else high = middle;
	}
	return low;
}

/**
 * Maps blocks `[logical, logical + length)` to `replacement`, or to nothing, whatever they were
 * mapped to. `runs` stays ascending.
 */
export function replaceRange(
	runs: MappedRun[],
	logical: number,
	length: number,
	replacement?: MappedRun,
): void {
	const end = logical + length;
	const from = firstBehind(runs, logical);
	let to = from;
	let run = runs[to];
	let head: MappedRun | undefined;
	let tail: MappedRun | undefined;
	while (run !== undefined && run.logical < end) {
		head ??= cut(run, logical)[0];
		tail = cut(run, end)[1];
		run = runs[++to];
	}
	const parts = [head, replacement, tail].filter(part => part !== undefined);
	runs.splice(from, to - from, ...parts);
}

/** Joins runs that go on where the one before ends, both ways. */
export function mergeRuns(runs: readonly MappedRun[]): MappedRun[] {
	const merged: MappedRun[] = [];
	for (const run of runs) {
		const last = merged[merged.length - 1];
		const isNext =
			last !== undefined &&
			last.kind === run.kind &&
			last.logical + last.length === run.logical &&
			last.physical + last.length === run.physical;
		if (isNext) merged[merged.length - 1] = {...last, length: last.length + run.length};
		else merged.push(run);
	}
	return merged;
}
