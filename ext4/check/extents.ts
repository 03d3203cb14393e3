/**
 * Walks an extent tree and goes on past what is wrong in it. Kernel documentation, "Extent Tree".
 *
 * A node must be one level below the one that leads to it, so that a tree that leads back to itself
 * ends; how often a node is looked into again is bounded by `mayRepeat`.
 */
import {
	extentDepthMax,
	extentEntrySize,
	extentHeaderSize,
	extentMagic,
	initializedLengthMax,
} from '../layout/extent.ts';
import {crc32cOfBytes, crc32cOfWord} from './checksum.ts';
import {hex} from './finding.ts';
import type {InodeBytes} from './inode-bytes.ts';
import type {Mapped} from './mapped.ts';
import type {CheckState} from './state.ts';

const rootBytes = 60;
/** Extents that fit the root. */
const rootExtents = 4;
const logicalEnd = 2 ** 32;
/** Deeper than any tree need be, and than any that is believed; recursion ends here. */
const levelsMax = 32;

/** Whether a header fits a node of so many bytes; two entries less may be what it has room for. */
export function isExtentHeader(view: DataView, at: number, bytes: number): boolean {
	const max = view.getUint16(at + 4, true);
	const room = Math.floor((bytes - extentHeaderSize) / extentEntrySize);
	return (
		view.getUint16(at, true) === extentMagic &&
		max <= room &&
		max >= room - 2 &&
		view.getUint16(at + 2, true) <= max
	);
}

/** How many nodes and extents each level has; for what could be shallower. */
export type TreeShape = {depth: number; nodes: number; extents: number};

export class ExtentWalker {
	readonly #state: CheckState;
	readonly #mapped: Mapped;
	readonly #hasChecksums: boolean;
	/** A buffer a level, made when it is needed. */
	readonly #buffers: Uint8Array<ArrayBuffer>[] = [];
	#seed = 0;
	/** Where the extent before ended; extents must not go back. */
	#nextLogical = 0;
	readonly #directoryBlocksMax: number;
	readonly shape: TreeShape = {depth: 0, nodes: 0, extents: 0};

	constructor(state: CheckState, mapped: Mapped) {
		this.#state = state;
		this.#mapped = mapped;
		this.#hasChecksums = state.features.has('metadata_csum');
		this.#directoryBlocksMax = state.features.has('large_dir')
			? logicalEnd
			: 2 ** 31 / state.geometry.blockSize;
	}

	/** Walks the tree of `inode`, for which `mapped` has begun. */
	walk(inode: InodeBytes): void {
		const {shape} = this;
		shape.depth = 0;
		shape.nodes = 0;
		shape.extents = 0;
		const at = inode.at + 0x28;
		if (!isExtentHeader(inode.view, at, rootBytes)) {
			const code = inode.block(0) === 0 ? 'CHECK_EXTENT_HEADER_MISSING' : 'CHECK_EXTENT_HEADER';
			this.#mapped.tell(code, {});
			this.#mapped.hasBadBlocks = true;
			return;
		}
		shape.depth = inode.view.getUint16(at + 6, true);
		if (shape.depth > extentDepthMax) {
			this.#mapped.tell('CHECK_EXTENT_DEPTH', {}, {found: shape.depth, expected: extentDepthMax});
		}
		if (this.#hasChecksums && shape.depth > 0) {
			const {checksumSeed} = this.#state.superblock;
			this.#seed = crc32cOfWord(crc32cOfWord(checksumSeed, inode.number), inode.generation);
		}
		this.#nextLogical = 0;
		this.#walkNode(inode.view, at, shape.depth, logicalEnd, undefined, 0);
		if (shape.depth > 0 && shape.extents <= rootExtents && !this.#mapped.hasBadBlocks) {
			this.#mapped.tell('CHECK_EXTENT_TREE_DEEP', {}, {found: shape.extents});
		}
	}

	/** `end`: the first logical block behind all that this node may map. */
	#walkNode(
		view: DataView,
		at: number,
		depth: number,
		end: number,
		block: number | undefined,
		level: number,
	): void {
		const count = view.getUint16(at + 2, true);
		for (let index = 0; index < count; index++) {
			const entry = at + extentHeaderSize + index * extentEntrySize;
			if (depth === 0) this.#takeExtent(view, entry, end, block);
			else {
				const isLast = index + 1 === count;
				const next = isLast ? end : view.getUint32(entry + extentEntrySize, true);
				this.#descend(view, entry, depth, next, block, level);
			}
		}
	}

	#takeExtent(view: DataView, at: number, end: number, block: number | undefined): void {
		const state = this.#state;
		const mapped = this.#mapped;
		const logical = view.getUint32(at, true);
		const rawLength = view.getUint16(at + 4, true);
		const isWritten = rawLength <= initializedLengthMax;
		const length = isWritten ? rawLength : rawLength - initializedLengthMax;
		const physical = view.getUint16(at + 6, true) * 2 ** 32 + view.getUint32(at + 8, true);
		const place = block === undefined ? {logical} : {logical, block};
		this.shape.extents++;
		const {firstDataBlock, blockCount} = state.geometry;
		if (length === 0) mapped.tell('CHECK_EXTENT_EMPTY', place);
		else if (physical < firstDataBlock || physical === 0 || physical + length > blockCount) {
			mapped.tell('CHECK_EXTENT_BLOCKS', place, {
				found: `${physical} to ${physical + length - 1}`,
				expected: blockCount,
			});
		} else if (logical < this.#nextLogical) {
			mapped.tell('CHECK_EXTENT_ORDER', place, {found: logical, expected: this.#nextLogical});
		} else if (logical + length > end) {
			mapped.tell('CHECK_EXTENT_END', place, {found: logical + length - 1, expected: end - 1});
		} else if (mapped.isDirectory && logical + length > this.#directoryBlocksMax) {
			mapped.tell('CHECK_DIRECTORY_TOO_LONG', place);
		} else {
			if (mapped.isDirectory && !isWritten) mapped.tell('CHECK_DIRECTORY_UNWRITTEN', place);
			mapped.addRun(logical, physical, length, isWritten);
			this.#nextLogical = logical + length;
			return;
		}
		mapped.hasBadBlocks = true;
	}

	#descend(
		view: DataView,
		at: number,
		depth: number,
		end: number,
		from: number | undefined,
		level: number,
	): void {
		const state = this.#state;
		const mapped = this.#mapped;
		const logical = view.getUint32(at, true);
		const child = view.getUint16(at + 8, true) * 2 ** 32 + view.getUint32(at + 4, true);
		const place = from === undefined ? {logical} : {logical, block: from};
		if (!state.isBlock(child)) {
			mapped.tell('CHECK_EXTENT_BLOCKS', place, {
				found: child,
				expected: state.geometry.blockCount,
			});
			mapped.hasBadBlocks = true;
			return;
		}
		if (logical < this.#nextLogical || logical >= end) {
			mapped.tell('CHECK_EXTENT_ORDER', place, {found: logical, expected: this.#nextLogical});
			mapped.hasBadBlocks = true;
			if (logical >= end) return;
		}
		if (level >= levelsMax) return; // It was told that it is too deep.
		const bytes = this.#bufferOf(level);
		if (!mapped.addMetadata(child)) return;
		this.shape.nodes++;
		if (!state.readBlocks(child, bytes)) return;
		const node = new DataView(bytes.buffer);
		if (!isExtentHeader(node, 0, bytes.length) || node.getUint16(6, true) !== depth - 1) {
			mapped.tell('CHECK_EXTENT_HEADER', {block: child, logical});
			mapped.hasBadBlocks = true;
			return;
		}
		if (node.getUint16(2, true) === 0) {
			mapped.tell('CHECK_EXTENT_NODE_EMPTY', {block: child, logical});
			mapped.hasBadBlocks = true;
			return;
		}
		if (this.#hasChecksums) this.#checkSum(bytes, node, child);
		const first = node.getUint32(extentHeaderSize, true);
		if (first !== logical) {
			mapped.tell('CHECK_EXTENT_INDEX', {block: child, logical}, {found: logical, expected: first});
		}
		this.#walkNode(node, 0, depth - 1, end, child, level + 1);
	}

	#bufferOf(level: number): Uint8Array<ArrayBuffer> {
		const known = this.#buffers[level];
		if (known !== undefined) return known;
		const made = new Uint8Array(this.#state.geometry.blockSize);
		this.#buffers[level] = made;
		return made;
	}

	#checkSum(bytes: Uint8Array, node: DataView, block: number): void {
		const at = extentHeaderSize + node.getUint16(4, true) * extentEntrySize;
		const found = node.getUint32(at, true);
		const expected = crc32cOfBytes(this.#seed, bytes.subarray(0, at));
		if (found !== expected) {
			this.#mapped.tell(
				'CHECK_EXTENT_CHECKSUM',
				{block},
				{found: hex(found), expected: hex(expected)},
			);
		}
	}
}
