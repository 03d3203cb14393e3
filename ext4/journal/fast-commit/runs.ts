/** The mapping of a file as a list of runs, which can be changed before it is written as a tree. */
import {CorruptError} from '../../errors.ts';
import {type Inode, inodeFlags} from '../../layout/inode.ts';
import {childAt, type Node, openChild, openRoot} from '../../mapping/extent-node.ts';
import {mapAt} from '../../mapping/index.ts';
import {logicalBlocksMax, type Run} from '../../mapping/run.ts';
import type {Volume} from '../../volume.ts';
import type {ReplayBounds} from './bounds.ts';

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
export function readRuns(volume: Volume, inode: Inode, bounds: ReplayBounds): MappedRun[] {
	const isExtents = (inode.flags & inodeFlags.extents) !== 0;
	const end = isExtents ? logicalBlocksMax : blockMapEnd(volume.geometry.blockSize / 4);
	const runs: MappedRun[] = [];
	let blockCount = 0;
	for (let logical = 0; logical < end; ) {
		bounds.look();
		const run = mapAt(volume, inode, logical);
		if (run.kind !== 'hole') {
			bounds.addPiece(inode.number);
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

/** The blocks that hold the inode's mapping itself. Throws `CorruptError`, `DeviceError`. */
export function readMappingBlocks(volume: Volume, inode: Inode, bounds: ReplayBounds): number[] {
	return (inode.flags & inodeFlags.extents) !== 0
		? readExtentNodes(volume, inode, bounds)
		: readMapBlocks(volume, inode, bounds);
}

function readExtentNodes(volume: Volume, inode: Inode, bounds: ReplayBounds): number[] {
	const blocks: number[] = [];
	const visit = (node: Node) => {
		for (let index = 0; index < node.entryCount; index++) {
			bounds.addPiece(inode.number);
			blocks.push(childAt(node.view, index));
			// Leaves have no nodes below them; there is no need to look at them.
			if (node.depth > 1) visit(openChild(volume, inode, node, index));
		}
	};
	const root = openRoot(volume, inode);
	if (root.depth > 0) visit(root);
	return blocks;
}

function readMapBlocks(volume: Volume, inode: Inode, bounds: ReplayBounds): number[] {
	const blocks: number[] = [];
	for (let levels = 1; levels <= 3; levels++) {
		const top = inode.blockView.getUint32((directCount + levels - 1) * 4, true);
		let from = blocks.length;
		if (top !== 0) blocks.push(top);
		for (let depth = levels; depth > 1; depth--) {
			const end = blocks.length;
			for (const block of blocks.slice(from, end)) {
				pushPointers(inode, volume.cache.read(block).view, blocks, bounds);
				assertCount(volume, inode, blocks.length);
			}
			from = end;
		}
	}
	return blocks;
}

function pushPointers(inode: Inode, view: DataView, blocks: number[], bounds: ReplayBounds): void {
	for (let at = 0; at < view.byteLength; at += 4) {
		const pointer = view.getUint32(at, true);
		if (pointer === 0) continue;
		bounds.addPiece(inode.number);
		blocks.push(pointer);
	}
}

/** The place of `value`, which is there, in an ascending list. */
function placeOf(values: Float64Array, value: number): number {
	let low = 0;
	let high = values.length - 1;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((values[middle] ?? 0) < value) low = middle + 1;
		else high = middle;
	}
	return low;
}

/** Where layers of runs begin and end: the pieces that any of them is made of. */
function boundariesOf(layers: readonly Run[]): Float64Array {
	const points = new Float64Array(layers.length * 2);
	for (const [index, {logical, length}] of layers.entries()) {
		points[index * 2] = logical;
		points[index * 2 + 1] = logical + length;
	}
	points.sort();
	return points.filter((point, index) => index === 0 || point !== points[index - 1]);
}

/**
 * The mapping that `runs` becomes by `changes`, one after another; each maps its blocks anew, or,
 * as a hole, to nothing. All at once, because as many changes as fit into a large journal, made to
 * a list one by one, would take hours.
 */
export function applyChanges(runs: readonly MappedRun[], changes: readonly Run[]): MappedRun[] {
	const layers = [...runs, ...changes];
	const points = boundariesOf(layers);
	const top: (Run | undefined)[] = new Array(points.length).fill(undefined);
	// From the last layer down, each covers what is still bare. `next` leads past what is covered.
	const next = Uint32Array.from({length: points.length + 1}, (_, index) => index);
	for (const layer of layers.reverse()) {
		const end = placeOf(points, layer.logical + layer.length);
		let at = firstBare(next, placeOf(points, layer.logical));
		while (at < end) {
			top[at] = layer;
			next[at] = at + 1;
			at = firstBare(next, at);
		}
	}
	const pieces: MappedRun[] = [];
	for (const [index, layer] of top.entries()) {
		if (layer === undefined || layer.kind === 'hole') continue;
		const logical = points[index] ?? 0;
		const length = (points[index + 1] ?? logical) - logical;
		const physical = layer.physical + logical - layer.logical;
		pieces.push({kind: layer.kind, logical, length, physical});
	}
	return mergeRuns(pieces);
}

/** The first bare piece at `index` or behind it; shortens the way for who comes after. */
function firstBare(next: Uint32Array, index: number): number {
	let at = index;
	for (;;) {
		const step = next[at] ?? at;
		if (step === at) return at;
		next[at] = next[step] ?? step;
		at = step;
	}
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
