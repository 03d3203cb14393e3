/**
 * One node of an extent tree: its header, its entries, and whether it can be believed. Kernel
 * documentation, "Extent Tree".
 *
 * A node is checked once when it is loaded; whoever changes one keeps it good. The depth must fall
 * by one at every step down: that makes a cycle of nodes impossible.
 */
import type {CachedBlock, Seal} from '../block-cache.ts';
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
import {logicalBlocksMax} from './run.ts';

/** An entry of a leaf; in blocks. */
export type Extent = {
	readonly logical: number;
	readonly length: number;
	readonly physical: number;
	readonly isUnwritten: boolean;
};

/**
 * A node that was found good: its bytes, how high it stands, and the keys that belong below it.
 * The number of entries is read where it stands, so that a node stays true when entries come and
 * go, and when that is rolled back.
 */
export class Node {
	readonly view: DataView;
	/** Whose tree it was found good in: the checksum depends on it. */
	readonly owner: Inode;
	readonly depth: number;
	/** Entries that there is room for. */
	readonly capacity: number;
	/** First logical block that this node is in charge of, and the first that it is not. */
	readonly from: number;
	readonly to: number;
	/** Undefined for the root, which lies in the inode. */
	readonly block: CachedBlock | undefined;

	constructor(owner: Inode, view: DataView, place: NodePlace, capacity: number, depth: number) {
		this.owner = owner;
		this.view = view;
		this.depth = depth;
		this.capacity = capacity;
		this.from = place.from;
		this.to = place.to;
		this.block = place.block;
	}

	get entryCount(): number {
		const count = this.view.getUint16(2, true);
		// The block may be something else's as well, in a damaged image, and have been changed as that.
		if (count > this.capacity) {
			fail('EXT4_BAD_EXTENT_HEADER', `eh_entries is ${count}`, this.owner, this.block?.number);
		}
		return count;
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

/** The root in `inode.blockBytes` is not what it was: another depth, or no root at all. */
export function forgetRoot(inode: Inode): void {
	roots.delete(inode);
}

function fail(code: CorruptCode, problem: string, inode: Inode, block?: number): never {
	throw new CorruptError(code, problem, {inode: inode.number, block});
}

/** Where entry `index` of a node lies in its bytes. */
export function entryAt(index: number): number {
	return extentHeaderSize + index * extentEntrySize;
}

/** The first logical block of entry `index`, in nodes of either kind. */
export function keyAt(view: DataView, index: number): number {
	return view.getUint32(entryAt(index), true);
}

/** How many entries a node of so many bytes can hold; behind them a block has 4 or 8 bytes left. */
export function roomIn(bytes: number): number {
	return Math.floor((bytes - extentHeaderSize) / extentEntrySize);
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
	const room = roomIn(view.byteLength);
	if (header.eh_max === 0 || header.eh_max > room || header.eh_entries > header.eh_max) {
		fail(code, `eh_entries is ${header.eh_entries}, eh_max ${header.eh_max}`, inode, block);
	}
	// Only an empty file's root may be empty.
	if (header.eh_entries === 0 && (depth > 0 || place.block !== undefined)) {
		fail(code, `a node of depth ${depth} has no entries`, inode, block);
	}
	return new Node(inode, view, place, header.eh_max, depth);
}

function assertChecksum(inode: Inode, node: Node, block: CachedBlock): void {
	// The sum stands behind the room for entries, not behind the entries. It always fits: a block,
	// whatever its size, leaves four or eight bytes when it is filled with entries of twelve.
	const at = entryAt(node.capacity);
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

/** What makes the checksum of a node of `inode` right; undefined where there are none. */
export function sealOfNodes(volume: Volume, inode: Inode): Seal | undefined {
	if (!volume.features.has('metadata_csum')) return undefined;
	const {checksumSeed} = inode;
	return block => {
		const at = entryAt(block.view.getUint16(4, true));
		block.view.setUint32(at, crc32cOf(checksumSeed, block.bytes.subarray(0, at)), true);
	};
}

/** Entries in order, inside the node's keys, and pointing into the file system. */
function assertEntries(volume: Volume, inode: Inode, node: Node): void {
	const {blockCount, firstDataBlock} = volume.geometry;
	const code = 'EXT4_BAD_EXTENT';
	const {entryCount} = node;
	let next = node.from;
	for (let index = 0; index < entryCount; index++) {
		const key = keyAt(node.view, index);
		if (key < next || key >= node.to) {
			fail(code, `entry ${index} starts at logical block ${key}`, inode, node.block?.number);
		}
		const {physical, length} =
			node.depth === 0
				? extentAt(node.view, index)
				: {physical: childAt(node.view, index), length: 1};
		if (length === 0) fail(code, `extent ${index} is empty`, inode, node.block?.number);
		if (physical <= firstDataBlock || physical + length > blockCount) {
			const problem = `entry ${index} leads to blocks ${physical} to ${physical + length - 1}`;
			fail(code, problem, inode, node.block?.number);
		}
		next = key + length;
		if (next > node.to) {
			fail(code, `extent ${index} ends at logical block ${next}`, inode, node.block?.number);
		}
	}
}

/** Entry `index` of a leaf. */
export function extentAt(view: DataView, index: number): Extent {
	const raw = ext4_extent.at(view, entryAt(index));
	const rawLength = raw.ee_len;
	const isUnwritten = rawLength > initializedLengthMax;
	return {
		logical: raw.ee_block,
		length: isUnwritten ? rawLength - initializedLengthMax : rawLength,
		physical: raw.ee_start_hi * 2 ** 32 + raw.ee_start_lo,
		isUnwritten,
	};
}

/** Writes an entry of a leaf `at` bytes into `view`. */
export function writeExtent(view: DataView, at: number, extent: Extent): void {
	const raw = ext4_extent.edit(view, at);
	raw.ee_block = extent.logical;
	raw.ee_len = extent.length + (extent.isUnwritten ? initializedLengthMax : 0);
	raw.ee_start_hi = Math.floor(extent.physical / 2 ** 32);
	raw.ee_start_lo = extent.physical % 2 ** 32;
}

/** The block that entry `index` of an inner node leads to. */
export function childAt(view: DataView, index: number): number {
	const raw = ext4_extent_idx.at(view, entryAt(index));
	return raw.ei_leaf_hi * 2 ** 32 + raw.ei_leaf_lo;
}

/** An entry of an inner node, as it is stored. */
export function indexEntry(key: number, child: number): Uint8Array {
	const bytes = new Uint8Array(extentEntrySize);
	const raw = ext4_extent_idx.edit(new DataView(bytes.buffer), 0);
	raw.ei_block = key;
	raw.ei_leaf_lo = child % 2 ** 32;
	raw.ei_leaf_hi = Math.floor(child / 2 ** 32);
	return bytes;
}

/** The root of the tree, which lies in the inode. Throws `CorruptError`. */
export function openRoot(volume: Volume, inode: Inode): Node {
	const known = roots.get(inode);
	if (known !== undefined) return known;
	const place = {depth: undefined, from: 0, to: logicalBlocksMax, block: undefined};
	const root = openNode(inode, inode.blockView, place);
	assertEntries(volume, inode, root);
	roots.set(inode, root);
	return root;
}

/** The node that entry `index` of `parent` leads to. Throws `CorruptError`, `DeviceError`. */
export function openChild(volume: Volume, inode: Inode, parent: Node, index: number): Node {
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
	if (volume.features.has('metadata_csum') && block.seal === undefined) {
		assertChecksum(inode, node, block);
	}
	assertEntries(volume, inode, node);
	block.checkedAs = node;
	return node;
}

/** The index of the last entry whose key is at most `logical`; -1 where all keys are greater. */
export function findEntry(node: Node, logical: number): number {
	let low = 0;
	let high = node.entryCount;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if (keyAt(node.view, middle) <= logical) low = middle + 1;
		else high = middle;
	}
	return low - 1;
}
