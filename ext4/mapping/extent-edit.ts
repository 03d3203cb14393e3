/**
 * Changing the shape of an extent tree: entries are put in and taken out, and nodes split, grow
 * and vanish as it needs. What the entries mean is `extent-write.ts`'s matter.
 *
 * After every call the tree keeps what the kernel and e2fsck ask of it: the key of an entry is the
 * first key of the node below it, no node but an empty file's root is empty, and a root whose only
 * child would fit into the inode has none.
 */
import {allocateBlocks, freeBlocks} from '../allocator/blocks.ts';
import type {Seal} from '../block-cache.ts';
import {CorruptError, FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {
	ext4_extent_header,
	extentDepthMax,
	extentEntrySize,
	extentHeaderSize,
	extentMagic,
} from '../layout/extent.ts';
import type {Inode, MutableInode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {
	entryAt,
	findEntry,
	forgetRoot,
	indexEntry,
	keyAt,
	type Node,
	openChild,
	openRoot,
	roomIn,
	sealOfNodes,
} from './extent-node.ts';

/** A tree that is being changed, and the inode with it: that counts the tree's nodes. */
export class EditedTree {
	readonly handle: Handle;
	readonly inode: MutableInode;
	/** Where new nodes should lie: a physical block. */
	readonly goal: number;
	/** The change is about blocks that the file has: it may take what is kept back for nodes. */
	readonly isForMap: boolean;
	readonly seal: Seal | undefined;

	constructor(handle: Handle, inode: MutableInode, goal: number, isForMap: boolean) {
		this.handle = handle;
		this.inode = handle.edit(inode);
		this.goal = goal;
		this.isForMap = isForMap;
		this.seal = sealOfNodes(handle.volume, inode);
	}
}

/**
 * A node on the way from the root, and the entry taken there; in a leaf the last one whose key is
 * at most the block looked for, or -1.
 */
export type Step = {readonly node: Node; readonly index: number};

/** The way from the root to the leaf that is, or would be, in charge of `logical`. */
export function pathTo(volume: Volume, inode: Inode, logical: number): Step[] {
	const path: Step[] = [];
	let node = openRoot(volume, inode);
	while (node.depth > 0) {
		// Before the first key of all, the first leaf is in charge.
		const index = Math.max(0, findEntry(node, logical));
		path.push({node, index});
		node = openChild(volume, inode, node, index);
	}
	path.push({node, index: findEntry(node, logical)});
	return path;
}

/** The node at `level` of a path, 0 being the root. */
function stepAt(path: readonly Step[], level: number): Step {
	const step = path[level];
	if (step === undefined) throw new RangeError(`a path of ${path.length} nodes has no ${level}`);
	return step;
}

export function leafOf(path: readonly Step[]): Step {
	return stepAt(path, path.length - 1);
}

function bytesOf(node: Node): Uint8Array {
	return new Uint8Array(node.view.buffer, node.view.byteOffset, node.view.byteLength);
}

/** Gives leave to change the entries of `node`. Throws `CorruptError` for absurdly little room. */
export function touchNode(tree: EditedTree, node: Node): void {
	// As e2fsprogs has it; a split relies on there being some room.
	if (node.capacity < roomIn(node.view.byteLength) - 2) {
		throw new CorruptError('EXT4_BAD_EXTENT_HEADER', `eh_max is ${node.capacity}`, {
			inode: tree.inode.number,
			block: node.block?.number,
		});
	}
	if (node.block === undefined) tree.handle.edit(tree.inode);
	else tree.handle.touch(node.block, tree.seal);
}

function setCount(node: Node, count: number): void {
	node.view.setUint16(2, count, true);
}

/** Replaces `removed` entries of a node with room, from `at` on, by the `fresh` ones. */
function replaceInPlace(node: Node, at: number, removed: number, fresh: Uint8Array): void {
	const bytes = bytesOf(node);
	const count = node.entryCount;
	const added = fresh.length / extentEntrySize;
	if (added !== removed)
		bytes.copyWithin(entryAt(at + added), entryAt(at + removed), entryAt(count));
	bytes.set(fresh, entryAt(at));
	setCount(node, count - removed + added);
}

/**
 * Replaces `removed` entries of the node at `level` of `path`, from entry `at` on, by the `fresh`
 * ones, as they are stored; at most two more than there were. Nodes above change as they must;
 * `path` is out of date afterwards.
 *
 * Throws `FileError` ENOSPC, EDQUOT; EFBIG where the tree can't grow any more; `CorruptError`.
 */
export function splice(
	tree: EditedTree,
	path: readonly Step[],
	level: number,
	at: number,
	removed: number,
	fresh: Uint8Array,
): void {
	const {node} = stepAt(path, level);
	const count = node.entryCount - removed + fresh.length / extentEntrySize;
	if (count === 0 && level > 0) {
		freeNode(tree, node);
		splice(tree, path, level - 1, stepAt(path, level - 1).index, 1, new Uint8Array(0));
		return;
	}
	touchNode(tree, node);
	if (count > node.capacity) {
		if (level === 0) splice(tree, grow(tree, path), 1, at, removed, fresh);
		else split(tree, path, level, at, removed, fresh);
		return;
	}
	replaceInPlace(node, at, removed, fresh);
	if (count === 0) setRootDepth(tree, 0);
	else if (at === 0) correctKeys(tree, path, level);
}

/** The first key of the node at `level` may have changed: so has that of its entry above. */
export function correctKeys(tree: EditedTree, path: readonly Step[], level: number): void {
	for (let child = level; child > 0; child--) {
		const key = keyAt(stepAt(path, child).node.view, 0);
		const {node, index} = stepAt(path, child - 1);
		if (keyAt(node.view, index) === key) return;
		touchNode(tree, node);
		node.view.setUint32(entryAt(index), key, true);
		if (index > 0) return;
	}
}

function setRootDepth(tree: EditedTree, depth: number): void {
	tree.handle.edit(tree.inode);
	ext4_extent_header.edit(tree.inode.blockView, 0).eh_depth = depth;
	forgetRoot(tree.inode);
}

/** A new block with a node of `depth` that holds `entries`, as they are stored. */
function addNode(tree: EditedTree, depth: number, entries: Uint8Array): number {
	const {handle, inode, goal, isForMap, seal} = tree;
	const {start} = allocateBlocks(handle, inode, {goal, length: 1, isForMap});
	const block = handle.create(start, seal);
	const header = ext4_extent_header.edit(block.view, 0);
	header.eh_magic = extentMagic;
	header.eh_entries = entries.length / extentEntrySize;
	header.eh_max = roomIn(block.bytes.length);
	header.eh_depth = depth;
	block.bytes.set(entries, extentHeaderSize);
	return start;
}

function freeNode(tree: EditedTree, node: Node): void {
	if (node.block === undefined) return; // The root lies in the inode.
	const {clusterBits} = tree.handle.volume.geometry;
	const ratio = 2 ** clusterBits;
	// A node takes a cluster, and lies at its start.
	const start = node.block.number - (node.block.number % ratio);
	freeBlocks(tree.handle, tree.inode, start, ratio, 'metadata');
}

/** The root is full: its entries move to a block below it. Returns the path through the two. */
function grow(tree: EditedTree, path: readonly Step[]): Step[] {
	const {inode, handle} = tree;
	const root = stepAt(path, 0);
	const {depth, entryCount} = root.node;
	if (depth === extentDepthMax) throw new FileError('EFBIG', 'a file with too many extents');
	const entries = inode.blockBytes.slice(extentHeaderSize, entryAt(entryCount));
	const key = keyAt(root.node.view, 0);
	const block = addNode(tree, depth, entries);
	inode.blockBytes.fill(0, extentHeaderSize);
	inode.blockBytes.set(indexEntry(key, block), extentHeaderSize);
	setCount(root.node, 1);
	setRootDepth(tree, depth + 1);
	const node = openRoot(handle.volume, inode);
	const below = openChild(handle.volume, inode, node, 0);
	return [{node, index: 0}, {node: below, index: root.index}, ...path.slice(1)];
}

/** As `splice`, for a node that then has more entries than room: some of them get a new one. */
function split(
	tree: EditedTree,
	path: readonly Step[],
	level: number,
	at: number,
	removed: number,
	fresh: Uint8Array,
): void {
	const {node} = stepAt(path, level);
	const {entryCount, capacity} = node;
	const bytes = bytesOf(node);
	const total = entryCount - removed + fresh.length / extentEntrySize;
	const entries = new Uint8Array(total * extentEntrySize);
	const head = bytes.subarray(extentHeaderSize, entryAt(at));
	entries.set(head);
	entries.set(fresh, head.length);
	entries.set(
		bytes.subarray(entryAt(at + removed), entryAt(entryCount)),
		head.length + fresh.length,
	);
	// A file that grows at its end fills its nodes.
	const isAppending = at + removed === entryCount;
	const cut = isAppending ? capacity : total >>> 1;
	const rest = entries.slice(cut * extentEntrySize);
	const block = addNode(tree, node.depth, rest);
	bytes.set(entries.subarray(0, cut * extentEntrySize), extentHeaderSize);
	setCount(node, cut);
	if (at === 0) correctKeys(tree, path, level);
	const key = new DataView(rest.buffer).getUint32(0, true);
	splice(tree, path, level - 1, stepAt(path, level - 1).index + 1, 0, indexEntry(key, block));
}

/** Takes away levels that a tree does not need any more: what the root's only child holds fits. */
export function collapse(tree: EditedTree): void {
	const {handle, inode} = tree;
	for (;;) {
		const root = openRoot(handle.volume, inode);
		if (root.depth === 0 || root.entryCount !== 1) return;
		const child = openChild(handle.volume, inode, root, 0);
		const {entryCount, depth} = child;
		if (entryCount > root.capacity) return;
		touchNode(tree, root);
		const entries = bytesOf(child).slice(extentHeaderSize, entryAt(entryCount));
		freeNode(tree, child);
		inode.blockBytes.fill(0, extentHeaderSize);
		inode.blockBytes.set(entries, extentHeaderSize);
		setCount(root, entryCount);
		setRootDepth(tree, depth);
	}
}
