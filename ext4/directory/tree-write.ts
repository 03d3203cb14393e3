/**
 * Adding to indexed directories: the leaf that a name's hash belongs to takes it, or is split, and
 * with it, where they are full, the nodes above. Kernel documentation, "Hash Tree Directories".
 *
 * A change that makes room in the index is followed by another descent from the root: one more walk
 * over two or three blocks, once in some hundred splits.
 */
import type {CachedBlock} from '../block-cache.ts';
import {CorruptError, FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {recordLengthMin} from '../layout/directory.ts';
import {dx_countlimit, dx_entry, dx_root, dxEntrySize, rootInfoLength} from '../layout/htree.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {appendEntriesBlock, appendNode, touchBlock, touchNode} from './changed-blocks.ts';
import {readDots} from './dots.ts';
import type {EntryRules} from './entries.ts';
import {
	blockArea,
	dotsLength,
	findRoom,
	insertEntry,
	type NewEntry,
	writeDots,
} from './entry-edits.ts';
import {
	indexEntriesAt,
	LeafWalk,
	limitOf,
	nodeRole,
	openTree,
	readLeaf,
	type Step,
	treeLevelsMaxOf,
} from './hash-tree.ts';
import {entryHasher, hashOfName} from './name-hash.ts';
import {entriesInUse, type HashedEntry, layOut, type PlacedEntry, splitPoint} from './split.ts';

/** A name to be added, on its way through the tree. */
type Addition = {
	readonly entry: NewEntry;
	/** Bytes that it takes. */
	readonly needed: number;
	readonly hash: number;
	readonly hashVersion: number;
};

/**
 * Adds an entry through the index. False, and nothing changed, where there is no index that can be
 * used.
 *
 * Throws `FileError` ENOSPC where the tree can grow no more, or the disk is full; EDQUOT;
 * `CorruptError` (EXT4_BAD_HASH_TREE and those of reading).
 */
export function addToTree(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	entry: NewEntry,
): boolean {
	const {volume} = handle;
	// Each pass but the last gives the tree a level, or a node on one of its levels.
	for (let pass = 0; pass <= 2 * treeLevelsMaxOf(volume); pass++) {
		const root = openTree(volume, directory, rules);
		if (root === undefined) return false;
		const {hashVersion} = root;
		const hash = hashOfName(volume, rules, hashVersion, entry.name).major;
		const walk = LeafWalk.start(volume, directory, rules, root, hash);
		if (walk === undefined) return false;
		const addition = {entry, needed: recordLengthMin(entry.name.length, false), hash, hashVersion};
		const leaf = openLeaf(volume, directory, rules, walk);
		if (insertIntoLeaf(handle, directory, rules, leaf, addition)) return true;
		if (!makeRoomInIndex(handle, directory, rules, walk.path)) {
			splitLeaf(handle, directory, rules, walk.path, leaf, addition);
			return true;
		}
	}
	throw new CorruptError('EXT4_BAD_HASH_TREE', 'an index that stays full', {
		inode: directory.number,
	});
}

function openLeaf(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
	walk: LeafWalk,
): CachedBlock {
	const leaf = readLeaf(volume, directory, rules, walk.leaf);
	if (walk.leaf === 0 || walk.path.some(step => step.block === leaf)) {
		throw new CorruptError('EXT4_BAD_HASH_TREE', 'an index that has one of its nodes as a leaf', {
			inode: directory.number,
			block: leaf.number,
		});
	}
	return leaf;
}

/** False where the leaf has no room, not even when its entries are moved together. */
function insertIntoLeaf(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	leaf: CachedBlock,
	{entry, needed}: Addition,
): boolean {
	const area = blockArea(leaf, rules);
	const at = findRoom(area, needed, rules);
	if (at !== -1) {
		touchLeaf(handle, directory, rules, leaf);
		insertEntry(area, at, entry, rules);
		return true;
	}
	const entries = entriesInUse(area, 0, rules);
	const used = entries.reduce((sum, {length}) => sum + length, 0);
	if (used + needed > area.end) return false;
	touchLeaf(handle, directory, rules, leaf);
	layOut(area, leaf.bytes.slice(), entries, rules);
	insertEntry(area, findRoom(area, needed, rules), entry, rules);
	return true;
}

function touchLeaf(handle: Handle, directory: Inode, rules: EntryRules, leaf: CachedBlock): void {
	touchBlock(handle, directory, rules, leaf, 1); // Any but the first.
}

/** Moves the upper half of a leaf's entries, by hash, to a new one; adds to the one or the other. */
function splitLeaf(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	path: readonly Step[],
	leaf: CachedBlock,
	{entry, needed, hash, hashVersion}: Addition,
): void {
	const parent = lowest(path);
	touchNode(handle, directory, rules, parent.block);
	touchLeaf(handle, directory, rules, leaf);
	const area = blockArea(leaf, rules);
	const entries = hashed(handle.volume, rules, leaf, hashVersion, entriesInUse(area, 0, rules));
	const kept = splitPoint(entries, rules.blockSize);
	// A leaf without room holds three entries at least.
	const boundary = entries[kept]?.hash ?? 0;
	const isContinued = entries[kept - 1]?.hash === boundary;
	const added = appendEntriesBlock(handle, directory, rules);
	const addedArea = blockArea(added.block, rules);
	const source = leaf.bytes.slice();
	layOut(addedArea, source, entries.slice(kept), rules);
	layOut(area, source, entries.slice(0, kept), rules);
	insertIndexEntry(parent, boundary + (isContinued ? 1 : 0), added.logical);
	const into = hash >= boundary ? addedArea : area;
	insertEntry(into, findRoom(into, needed, rules), entry, rules);
}

function lowest(path: readonly Step[]): Step {
	const step = path[path.length - 1];
	if (step === undefined) throw new RangeError('a way through a tree has a step at least');
	return step;
}

function hashed(
	volume: Volume,
	rules: EntryRules,
	leaf: CachedBlock,
	hashVersion: number,
	entries: readonly PlacedEntry[],
): HashedEntry[] {
	const hashOf = entryHasher(volume, rules, hashVersion);
	return entries
		.map(({at, length}) => ({at, length, hash: hashOf(leaf.bytes, leaf.view, at).major}))
		.sort((a, b) => a.hash - b.hash);
}

/** Puts an entry behind the one that the step takes; there is room. */
function insertIndexEntry(step: Step, hash: number, logical: number): void {
	const {block, entriesAt, count, index} = step;
	const at = entriesAt + (index + 1) * dxEntrySize;
	block.bytes.copyWithin(at + dxEntrySize, at, entriesAt + count * dxEntrySize);
	const entry = dx_entry.edit(block.view, at);
	entry.hash = hash;
	entry.block = logical;
	dx_countlimit.edit(block.view, entriesAt).count = count + 1;
}

/**
 * Makes room for one more entry in the lowest node of the way, or comes nearer to it; false where
 * there is room already. Throws `FileError` ENOSPC where the tree can grow no more.
 */
function makeRoomInIndex(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	path: readonly Step[],
): boolean {
	const fullFrom = path.findLastIndex(step => step.count < step.limit) + 1;
	const full = path[fullFrom];
	if (full === undefined) return false;
	const parent = path[fullFrom - 1];
	if (parent === undefined) {
		if (path.length >= treeLevelsMaxOf(handle.volume)) {
			throw new FileError('ENOSPC', `the index of directory ${directory.number} is full`);
		}
		addLevel(handle, directory, rules, full);
	} else splitNode(handle, directory, rules, parent, full);
	return true;
}

/** Moves the root's entries to a new node, which is the only one under it from then on. */
function addLevel(handle: Handle, directory: Inode, rules: EntryRules, root: Step): void {
	touchNode(handle, directory, rules, root.block);
	const {block, logical} = appendNode(handle, directory, rules);
	writeNodeEntries(block, rules, root, 0);
	const {view} = root.block;
	dx_countlimit.edit(view, root.entriesAt).count = 1;
	dx_entry.edit(view, root.entriesAt).block = logical;
	dx_root.edit(view, 0).indirect_levels++;
}

/** Moves the upper half of a node's entries to a new node beside it. */
function splitNode(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	parent: Step,
	full: Step,
): void {
	touchNode(handle, directory, rules, parent.block);
	touchNode(handle, directory, rules, full.block);
	const {block, logical} = appendNode(handle, directory, rules);
	const kept = full.count >>> 1;
	const {view} = full.block;
	const boundary = dx_entry.at(view, full.entriesAt + kept * dxEntrySize).hash;
	writeNodeEntries(block, rules, full, kept);
	dx_countlimit.edit(view, full.entriesAt).count = kept;
	insertIndexEntry(parent, boundary, logical);
}

/** Copies the entries of `from`, but for the first `kept`, into a new node. */
function writeNodeEntries(block: CachedBlock, rules: EntryRules, from: Step, kept: number): void {
	const {entriesAt, count} = from;
	const source = from.block.bytes;
	const at = indexEntriesAt(false);
	block.bytes.set(
		source.subarray(entriesAt + kept * dxEntrySize, entriesAt + count * dxEntrySize),
		at,
	);
	const counts = dx_countlimit.edit(block.view, at);
	counts.limit = limitOf(rules, false);
	counts.count = count - kept;
}

/**
 * Gives a directory of one block an index, whose one leaf is a new block with all entries but `.`
 * and `..`. Throws `FileError` ENOSPC, EDQUOT, `CorruptError`.
 */
export function makeIndex(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	hashVersion: number,
): void {
	const {block: root, parent} = readDots(handle.volume, directory, rules);
	touchNode(handle, directory, rules, root);
	const entries = entriesInUse(blockArea(root, rules), dotsLength, rules);
	const leaf = appendEntriesBlock(handle, directory, rules);
	layOut(blockArea(leaf.block, rules), root.bytes, entries, rules);
	handle.edit(directory).flags |= inodeFlags.hashIndexed;
	const {bytes, view} = root;
	bytes.fill(0);
	writeDots({bytes, view, start: 0, end: bytes.length}, directory.number, parent, rules);
	const info = dx_root.edit(view, 0);
	info.hash_version = hashVersion;
	info.info_length = rootInfoLength;
	const entriesAt = indexEntriesAt(true);
	dx_entry.edit(view, entriesAt).block = leaf.logical;
	const counts = dx_countlimit.edit(view, entriesAt);
	counts.limit = limitOf(rules, true);
	counts.count = 1;
	root.checkedAs = nodeRole;
}
