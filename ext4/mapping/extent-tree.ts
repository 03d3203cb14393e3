/**
 * Extent trees: logical → physical. Kernel documentation, "Extent Tree".
 *
 * A node is checked once when it is loaded. The depth must fall by one at every step down: that
 * makes a cycle of nodes impossible.
 */
import type {CachedBlock} from '../block-cache.ts';
import {crc32cOf} from '../checksum.ts';
import {type CorruptCode, CorruptError} from '../errors.ts';
import {
	ext4_extent,
	ext4_extent_header,
	ext4_extent_idx,
	extentDepthMax,
	extentEntrySize,
	extentHeaderSize,
	extentMagic,
	initializedLengthMax,
} from '../layout/extent.ts';
import type {Inode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {logicalBlocksMax, type Run} from './run.ts';

/** A node that was found good: its bytes, how high it stands, and the keys that belong below it. */
class Node {
	readonly view: DataView;
	/** Whose tree it was found good in: the checksum depends on it. */
	readonly owner: Inode;
	readonly depth: number;
	readonly entryCount: number;
	/** First logical block that this node is in charge of, and the first that it is not. */
	readonly from: number;
	readonly to: number;
	/** Undefined for the root, which lies in the inode. */
	readonly block: CachedBlock | undefined;

	constructor(owner: Inode, view: DataView, place: NodePlace, entryCount: number, depth: number) {
		this.owner = owner;
		this.view = view;
		this.depth = depth;
		this.entryCount = entryCount;
		this.from = place.from;
		this.to = place.to;
		this.block = place.block;
	}
}

type NodePlace = {
	/** What the depth must be; undefined for a root, which says so itself. */
	readonly depth: number | undefined;
	readonly from: number;
	readonly to: number;
	readonly block: CachedBlock | undefined;
};

/** Roots found good, as long as their inode is kept. */
const roots = new WeakMap<Inode, Node>();

function fail(code: CorruptCode, problem: string, inode: Inode, block?: number): never {
	throw new CorruptError(code, problem, {inode: inode.number, block});
}

function keyAt(view: DataView, index: number): number {
	return view.getUint32(extentHeaderSize + index * extentEntrySize, true);
}

function entryAt(index: number): number {
	return extentHeaderSize + index * extentEntrySize;
}

/** Reads the header at the start of `view` and checks it against the room there is. */
function openNode(inode: Inode, view: DataView, place: NodePlace): Node {
	const header = ext4_extent_header.at(view, 0);
	const block = place.block?.number;
	const code = 'EXT4_BAD_EXTENT_HEADER';
	if (header.eh_magic !== extentMagic) {
		fail(code, `eh_magic is 0x${header.eh_magic.toString(16)}`, inode, block);
	}
	const depth = header.eh_depth;
	if (place.depth !== undefined && depth !== place.depth) {
		fail(code, `eh_depth is ${depth}; expected ${place.depth}`, inode, block);
	}
	if (depth > extentDepthMax) fail(code, `eh_depth is ${depth}`, inode, block);
	const room = Math.floor((view.byteLength - extentHeaderSize) / extentEntrySize);
	if (header.eh_max === 0 || header.eh_max > room || header.eh_entries > header.eh_max) {
		fail(code, `eh_entries is ${header.eh_entries}, eh_max ${header.eh_max}`, inode, block);
	}
	// Only an empty file's root may be empty.
	if (header.eh_entries === 0 && (depth > 0 || place.block !== undefined)) {
		fail(code, `a node of depth ${depth} has no entries`, inode, block);
	}
	return new Node(inode, view, place, header.eh_entries, depth);
}

function assertChecksum(inode: Inode, node: Node, block: CachedBlock): void {
	// The sum stands behind the room for entries, not behind the entries. It always fits: a block,
	// whatever its size, leaves four or eight bytes when it is filled with entries of twelve.
	const at = extentHeaderSize + block.view.getUint16(4, true) * extentEntrySize;
	const found = node.view.getUint32(at, true);
	const expected = crc32cOf(inode.checksumSeed, block.bytes.subarray(0, at));
	if (found !== expected) {
		fail(
			'EXT4_BAD_EXTENT_CHECKSUM',
			`an extent node's checksum is 0x${found.toString(16)}; its contents make 0x${expected.toString(16)}`,
			inode,
			block.number,
		);
	}
}

/** Entries in order, inside the node's keys, and pointing into the file system. */
function assertEntries(volume: Volume, inode: Inode, node: Node): void {
	const {blockCount, firstDataBlock} = volume.geometry;
	const code = 'EXT4_BAD_EXTENT';
	let next = node.from;
	for (let index = 0; index < node.entryCount; index++) {
		const key = keyAt(node.view, index);
		if (key < next || key >= node.to) {
			fail(code, `entry ${index} starts at logical block ${key}`, inode, node.block?.number);
		}
		const {start, length} =
			node.depth === 0 ? extentAt(node.view, index) : {start: childAt(node.view, index), length: 1};
		if (length === 0) fail(code, `extent ${index} is empty`, inode, node.block?.number);
		if (start <= firstDataBlock || start + length > blockCount) {
			const problem = `entry ${index} leads to blocks ${start} to ${start + length - 1}`;
			fail(code, problem, inode, node.block?.number);
		}
		next = key + length;
		if (next > node.to) {
			fail(code, `extent ${index} ends at logical block ${next}`, inode, node.block?.number);
		}
	}
}

function extentAt(
	view: DataView,
	index: number,
): {start: number; length: number; isUnwritten: boolean} {
	const raw = ext4_extent.at(view, entryAt(index));
	const isUnwritten = raw.ee_len > initializedLengthMax;
	return {
		start: raw.ee_start_hi * 2 ** 32 + raw.ee_start_lo,
		length: isUnwritten ? raw.ee_len - initializedLengthMax : raw.ee_len,
		isUnwritten,
	};
}

function childAt(view: DataView, index: number): number {
	const raw = ext4_extent_idx.at(view, entryAt(index));
	return raw.ei_leaf_hi * 2 ** 32 + raw.ei_leaf_lo;
}

function openRoot(volume: Volume, inode: Inode): Node {
	const known = roots.get(inode);
	if (known !== undefined) return known;
	const place = {depth: undefined, from: 0, to: logicalBlocksMax, block: undefined};
	const root = openNode(inode, inode.blockView, place);
	assertEntries(volume, inode, root);
	roots.set(inode, root);
	return root;
}

function openChild(volume: Volume, inode: Inode, parent: Node, index: number): Node {
	const block = volume.cache.read(childAt(parent.view, index));
	const depth = parent.depth - 1;
	const from = keyAt(parent.view, index);
	const to = index + 1 < parent.entryCount ? keyAt(parent.view, index + 1) : parent.to;
	const known = block.checkedAs;
	// A hostile tree may lead to one block in several ways; it is checked for each.
	if (known instanceof Node && known.owner === inode && known.depth === depth) {
		if (known.from === from && known.to === to) return known;
	}
	const node = openNode(inode, block.view, {depth, from, to, block});
	if (volume.features.has('metadata_csum') && block.seal === undefined)
		assertChecksum(inode, node, block);
	assertEntries(volume, inode, node);
	block.checkedAs = node;
	return node;
}

/** The index of the last entry whose key is at most `logical`; -1 where all keys are greater. */
function findEntry(node: Node, logical: number): number {
	let low = 0;
	let high = node.entryCount;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if (keyAt(node.view, middle) <= logical) low = middle + 1;
		else high = middle;
	}
	return low - 1;
}

/**
 * The run that holds `logical` and reaches as far as one extent, or one hole, does. It starts at
 * the extent's own start; a hole starts at `logical`.
 *
 * Throws `CorruptError` for a broken tree, `DeviceError`.
 */
export function mapExtent(volume: Volume, inode: Inode, logical: number): Run {
	let node = openRoot(volume, inode);
	while (node.depth > 0) {
		const index = findEntry(node, logical);
		if (index === -1) {
			// Before the first key: nothing is mapped up to it.
			return {kind: 'hole', logical, length: keyAt(node.view, 0) - logical};
		}
		node = openChild(volume, inode, node, index);
	}
	const index = findEntry(node, logical);
	if (index >= 0) {
		const key = keyAt(node.view, index);
		const {start, length, isUnwritten} = extentAt(node.view, index);
		if (logical < key + length) {
			return {kind: isUnwritten ? 'unwritten' : 'mapped', logical: key, length, physical: start};
		}
	}
	const next = index + 1 < node.entryCount ? keyAt(node.view, index + 1) : node.to;
	return {kind: 'hole', logical, length: next - logical};
}

/** The last logical block that has space; undefined where none has. Throws `CorruptError`. */
export function lastExtentBlock(volume: Volume, inode: Inode): number | undefined {
	let node = openRoot(volume, inode);
	while (node.depth > 0) node = openChild(volume, inode, node, node.entryCount - 1);
	if (node.entryCount === 0) return undefined;
	const index = node.entryCount - 1;
	return keyAt(node.view, index) + extentAt(node.view, index).length - 1;
}

/** How many levels of nodes lie between the inode and the file's blocks; 0 for a root of extents. */
export function extentTreeDepth(volume: Volume, inode: Inode): number {
	return openRoot(volume, inode).depth;
}
