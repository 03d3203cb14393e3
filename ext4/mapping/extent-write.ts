/** Extents: put in, turned from unwritten to written and back, taken out, moved. */
import {allocateBlocks, goalFor} from '../allocator/blocks.ts';
import type {Handle} from '../journal/handle.ts';
import {extentEntrySize, initializedLengthMax} from '../layout/extent.ts';
import type {Inode, MutableInode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {freeExtentBlocks, sharedClusterBlock} from './clusters.ts';
import {
	collapse,
	correctKeys,
	EditedTree,
	leafOf,
	pathTo,
	type Step,
	splice,
	touchNode,
} from './extent-edit.ts';
import {type Extent, entryAt, extentAt, keyAt, writeExtent} from './extent-node.ts';
import {freedAtOnceMax, type SpaceRun, touchedBlocksMax} from './run.ts';

/** One value of ee_len more tells unwritten from written. */
function lengthMax(isUnwritten: boolean): number {
	return isUnwritten ? initializedLengthMax - 1 : initializedLengthMax;
}

function canMerge(left: Extent, right: Extent): boolean {
	return (
		left.isUnwritten === right.isUnwritten &&
		left.logical + left.length === right.logical &&
		left.physical + left.length === right.physical &&
		left.length + right.length <= lengthMax(left.isUnwritten)
	);
}

/** An extent that is too long for one entry becomes two. */
function pushInParts(into: Extent[], extent: Extent): void {
	const max = lengthMax(extent.isUnwritten);
	if (extent.length <= max) {
		into.push(extent);
		return;
	}
	into.push({...extent, length: max});
	into.push(part(extent, extent.logical + max, extent.logical + extent.length));
}

/** The stretch `[from, to)` of an extent. */
function part(extent: Extent, from: number, to: number): Extent {
	const physical = extent.physical + (from - extent.logical);
	return {...extent, logical: from, length: to - from, physical};
}

function stored(extents: readonly Extent[]): Uint8Array {
	const bytes = new Uint8Array(extents.length * extentEntrySize);
	const view = new DataView(bytes.buffer);
	extents.forEach((extent, index) => {
		writeExtent(view, index * extentEntrySize, extent);
	});
	return bytes;
}

/**
 * Replaces `removed` extents of a leaf, from entry `at` on, by `fresh` ones, which are merged with
 * each other and with their neighbours in the leaf where they can be.
 */
function replaceExtents(
	tree: EditedTree,
	path: readonly Step[],
	at: number,
	removed: number,
	fresh: readonly Extent[],
): void {
	const {view, entryCount} = leafOf(path).node;
	let from = at;
	let to = at + removed;
	const merged: Extent[] = [];
	for (const extent of fresh) {
		const last = merged.at(-1);
		if (last !== undefined && canMerge(last, extent)) {
			merged[merged.length - 1] = {...last, length: last.length + extent.length};
		} else {
			merged.push(extent);
		}
	}
	const first = merged[0];
	const left = from > 0 && first !== undefined ? extentAt(view, from - 1) : undefined;
	if (left !== undefined && first !== undefined && canMerge(left, first)) {
		merged[0] = {...left, length: left.length + first.length};
		from--;
	}
	const last = merged.at(-1);
	const right = to < entryCount && last !== undefined ? extentAt(view, to) : undefined;
	if (right !== undefined && last !== undefined && canMerge(last, right)) {
		merged[merged.length - 1] = {...last, length: last.length + right.length};
		to++;
	}
	splice(tree, path, path.length - 1, from, to - from, stored(merged));
	collapse(tree);
}

/** Where a block of the file at `logical` should lie: in line with the extent before or behind. */
function goalAt(volume: Volume, inode: Inode, path: readonly Step[], logical: number): number {
	const {node, index} = leafOf(path);
	if (node.entryCount === 0) return goalFor(volume, inode);
	const {logical: near, physical} = extentAt(node.view, Math.max(0, index));
	const goal = physical + (logical - near);
	return goal >= 0 ? goal : goalFor(volume, inode);
}

/**
 * Gives the hole at `logical` space: one run, of at most `length` blocks, which must all be hole.
 *
 * Throws `FileError` ENOSPC, EDQUOT; `RetryAfterCommit`, `CorruptError`, `DeviceError`.
 */
export function insertExtent(
	handle: Handle,
	inode: MutableInode,
	logical: number,
	length: number,
	isUnwritten: boolean,
): SpaceRun {
	const {volume} = handle;
	const ratio = 2 ** volume.geometry.clusterBits;
	const path = pathTo(volume, inode, logical);
	const goal = goalAt(volume, inode, path, logical);
	let end = logical + Math.min(length, lengthMax(isUnwritten));
	let physical = sharedClusterBlock(volume, inode, logical);
	const offset = logical % ratio;
	if (physical !== undefined) {
		end = Math.min(end, logical - offset + ratio);
	} else {
		// The last cluster may be there already, for what lies behind the hole.
		const lastCluster = end - 1 - ((end - 1) % ratio);
		const isShared =
			lastCluster > logical &&
			end < lastCluster + ratio &&
			sharedClusterBlock(volume, inode, lastCluster) !== undefined;
		if (isShared) end = lastCluster;
		const request = {goal: goal - offset, length: offset + end - logical, logical};
		const run = allocateBlocks(handle, inode, request);
		physical = run.start + offset;
		end = Math.min(end, logical + run.length - offset);
	}
	const extent = {logical, length: end - logical, physical, isUnwritten};
	const tree = new EditedTree(handle, inode, physical + extent.length, false);
	replaceExtents(tree, path, leafOf(path).index + 1, 0, [extent]);
	return {kind: isUnwritten ? 'unwritten' : 'mapped', logical, length: extent.length, physical};
}

/**
 * Makes `[from, to)`, a stretch of one extent, written or unwritten; the rest of the extent stays
 * as it is. Where that needs new nodes, it may take space that is kept back for them.
 */
export function convertExtent(
	handle: Handle,
	inode: MutableInode,
	from: number,
	to: number,
	isUnwritten: boolean,
): void {
	const path = pathTo(handle.volume, inode, from);
	const {node, index} = leafOf(path);
	const extent = extentAt(node.view, index);
	const tree = new EditedTree(handle, inode, extent.physical, true);
	const fresh: Extent[] = [];
	if (extent.logical < from) fresh.push(part(extent, extent.logical, from));
	pushInParts(fresh, {...part(extent, from, to), isUnwritten});
	const end = extent.logical + extent.length;
	if (to < end) fresh.push(part(extent, to, end));
	replaceExtents(tree, path, index, 1, fresh);
}

/** The last extent with a block below `end`, its way and its place; undefined where none has. */
function lastExtentBefore(
	volume: Volume,
	inode: Inode,
	end: number,
): {path: Step[]; index: number; extent: Extent} | undefined {
	for (let before = end; before > 0; ) {
		const path = pathTo(volume, inode, before - 1);
		const {node, index} = leafOf(path);
		if (index >= 0) return {path, index, extent: extentAt(node.view, index)};
		// The leaf begins later than its key says, or before all keys.
		if (node.from >= before) return undefined;
		before = node.from;
	}
	return undefined;
}

/**
 * Takes away the space of logical blocks `[from, to)`, from the end on. False where the handle has
 * grown large and something is left.
 */
export function removeExtents(
	handle: Handle,
	inode: MutableInode,
	from: number,
	to: number,
	kind: 'data' | 'metadata',
): boolean {
	const touchedBefore = handle.touchedBlocks;
	const atOnce = freedAtOnceMax(handle.volume, kind);
	let end = to;
	while (end > from) {
		const found = lastExtentBefore(handle.volume, inode, end);
		if (found === undefined) return true;
		const {path, index, extent} = found;
		const extentEnd = extent.logical + extent.length;
		if (extentEnd <= from) return true;
		const stop = Math.min(extentEnd, end);
		const start = Math.max(extent.logical, from, stop - atOnce);
		const rest: Extent[] = [];
		if (extent.logical < start) rest.push(part(extent, extent.logical, start));
		if (stop < extentEnd) rest.push(part(extent, stop, extentEnd));
		const tree = new EditedTree(handle, inode, extent.physical, true);
		replaceExtents(tree, path, index, 1, rest);
		freeExtentBlocks(handle, inode, part(extent, start, stop), kind);
		end = start;
		if (handle.touchedBlocks - touchedBefore > touchedBlocksMax) return end <= from;
	}
	return true;
}

/** Makes the extent that `logical` lies inside of two, so that one begins there. */
function cutAt(handle: Handle, inode: MutableInode, logical: number): void {
	const path = pathTo(handle.volume, inode, logical);
	const {node, index} = leafOf(path);
	if (index < 0) return;
	const extent = extentAt(node.view, index);
	const end = extent.logical + extent.length;
	if (extent.logical === logical || end <= logical) return;
	const fresh = [part(extent, extent.logical, logical), part(extent, logical, end)];
	const tree = new EditedTree(handle, inode, extent.physical, true);
	// Not merged, which would undo it.
	splice(tree, path, path.length - 1, index, 1, stored(fresh));
}

/** The first extent that begins at or behind `logical`, as its way and its place. */
function firstExtentFrom(
	volume: Volume,
	inode: Inode,
	logical: number,
): {path: Step[]; index: number} | undefined {
	for (let at = logical; ; ) {
		const path = pathTo(volume, inode, at);
		const {node, index} = leafOf(path);
		const isAtStart = index >= 0 && keyAt(node.view, index) >= logical;
		const next = isAtStart ? index : index + 1;
		if (next < node.entryCount) return {path, index: next};
		// Behind the leaf's last extent: the next leaf, if there is one.
		if (path.every(step => step.node.depth === 0 || step.index + 1 === step.node.entryCount)) {
			return undefined;
		}
		at = node.to;
	}
}

function moveKeys(
	tree: EditedTree,
	path: readonly Step[],
	first: number,
	last: number,
	by: number,
) {
	const {node} = leafOf(path);
	touchNode(tree, node);
	for (let index = first; index <= last; index++) {
		node.view.setUint32(entryAt(index), keyAt(node.view, index) + by, true);
	}
	if (first === 0) correctKeys(tree, path, path.length - 1);
}

/**
 * Moves all extents from logical block `from` on by `by` blocks towards the file's start, onto a
 * hole of that length. Returns undefined when all is done, else where to go on in another handle:
 * what lies before that is moved already.
 */
export function shiftLeft(
	handle: Handle,
	inode: MutableInode,
	from: number,
	by: number,
): number | undefined {
	const touchedBefore = handle.touchedBlocks;
	const tree = new EditedTree(handle, inode, 0, true);
	cutAt(handle, inode, from);
	for (let at = from; ; ) {
		const found = firstExtentFrom(handle.volume, inode, at);
		if (found === undefined) return undefined;
		if (handle.touchedBlocks - touchedBefore > touchedBlocksMax) return at;
		const {path, index} = found;
		const {node} = leafOf(path);
		const lastIndex = node.entryCount - 1;
		const last = extentAt(node.view, lastIndex);
		const first = extentAt(node.view, index).logical - by;
		moveKeys(tree, path, index, lastIndex, -by);
		mergeAt(tree, first);
		at = last.logical + last.length;
	}
}

/** Joins the extent that begins at `logical` with the one before it, if it goes on there. */
function mergeAt(tree: EditedTree, logical: number): void {
	const path = pathTo(tree.handle.volume, tree.inode, logical);
	const {node, index} = leafOf(path);
	if (index < 1) return;
	const extent = extentAt(node.view, index);
	if (extent.logical === logical) replaceExtents(tree, path, index, 1, [extent]);
}

/**
 * Moves all extents from logical block `from` on by `by` blocks towards the end. Returns undefined
 * when all is done, else `to` for the next call in another handle: what lies behind that is moved
 * already.
 */
export function shiftRight(
	handle: Handle,
	inode: MutableInode,
	from: number,
	by: number,
	to: number,
): number | undefined {
	const touchedBefore = handle.touchedBlocks;
	const tree = new EditedTree(handle, inode, 0, true);
	cutAt(handle, inode, from);
	for (let end = to; end > from; ) {
		const found = lastExtentBefore(handle.volume, inode, end);
		if (found === undefined || found.extent.logical < from) return undefined;
		if (handle.touchedBlocks - touchedBefore > touchedBlocksMax) return end;
		const {path, index} = found;
		const {node} = leafOf(path);
		let first = index;
		while (first > 0 && keyAt(node.view, first - 1) >= from) first--;
		end = keyAt(node.view, first);
		moveKeys(tree, path, first, index, by);
	}
	return undefined;
}
