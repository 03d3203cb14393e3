/**
 * The hash tree of one directory, as its blocks come by: nodes are taken in, each leaf tells the
 * range of its hashes, and at the end all must fit. Kernel documentation, "Hash Tree Directories".
 */

import {crc32cOf, crc32cOfZeros} from '../checksum.ts';
import {recordLengthOf} from '../layout/directory.ts';
import {
	dx_countlimit,
	dx_entry,
	dx_node,
	dx_root,
	dx_tail,
	dxBlockMask,
	dxEntrySize,
	hashVersions,
	rootInfoAt,
	rootInfoLength,
	treeLevelsMax,
	treeLevelsMaxLargeDirectory,
} from '../layout/htree.ts';
import type {DirectoryUnderCheck} from './directory-blocks.ts';
import {hex} from './finding.ts';

/** Bits of a block's `#marks`. */
const marks = {reached: 0x1, reachedTwice: 0x2, first: 0x4, last: 0x8, node: 0x10} as const;

const unknownFlags = 0x1;
const hashMask = 0xffff_fffe;
/** No hash is greater. */
const hashMax = 0xffff_fffe;

export class HashTree {
	readonly #directory: DirectoryUnderCheck;
	/** Blocks of the directory up to its last that is mapped. */
	readonly #endBlock: number;
	/** By ordinal of the block among those that are mapped. */
	readonly #marks: Uint8Array;
	readonly #parents: Int32Array;
	/** The hashes that the node above has the block for. */
	readonly #fromHash: Float64Array;
	readonly #toHash: Float64Array;
	/** The hashes that are in it; none where the first is above the second. */
	readonly #lowest: Float64Array;
	readonly #highest: Float64Array;
	/** Undefined where hashes can't be computed, or the root told nothing of use. */
	hashVersion: number | undefined;
	#levels = 0;
	/** Something was told already: what follows from it need not be told too. */
	#isBroken = false;

	/** `blockCount`: blocks that are mapped. */
	constructor(directory: DirectoryUnderCheck, blockCount: number, endBlock: number) {
		this.#directory = directory;
		this.#endBlock = endBlock;
		this.#marks = new Uint8Array(blockCount);
		this.#parents = new Int32Array(blockCount);
		this.#fromHash = new Float64Array(blockCount);
		this.#toHash = new Float64Array(blockCount).fill(hashMax);
		this.#lowest = new Float64Array(blockCount).fill(Number.POSITIVE_INFINITY);
		this.#highest = new Float64Array(blockCount).fill(-1);
	}

	/** Whether a block is the root or an inner node, by what is in it. */
	isNode(view: DataView, logical: number): boolean {
		if (logical === 0) return true;
		const {blockSize, hasChecksums} = this.#directory;
		const node = dx_node.at(view, 0);
		const room = blockSize - dx_node.sizeBytes - (hasChecksums ? dx_tail.sizeBytes : 0);
		return (
			node.fake_inode === 0 &&
			node.fake_name_len === 0 &&
			recordLengthOf(node.fake_rec_len, blockSize) === blockSize &&
			dx_countlimit.at(view, dx_node.sizeBytes).limit === Math.floor(room / dxEntrySize)
		);
	}

	/** Looks at the root's header; to be called with block 0 before any other. */
	takeRoot(view: DataView): void {
		const {state, number, hasHashes} = this.#directory;
		const place = {directory: number, logical: 0};
		const root = dx_root.at(view, 0);
		if (root.reserved_zero !== 0 || root.info_length < rootInfoLength) {
			const found =
				root.reserved_zero === 0
					? `its header is ${root.info_length} bytes long`
					: `${hex(root.reserved_zero)} in place of 0`;
			this.#breaks();
			state.report('CHECK_INDEX_ROOT', place, {found, expected: rootInfoLength});
		}
		const version = root.hash_version;
		const isKnown = hasHashes ? version === hashVersions.siphash : version <= hashVersions.tea;
		if (!isKnown) {
			this.#breaks();
			state.report('CHECK_INDEX_HASH_VERSION', place, {found: version});
		} else this.hashVersion = version;
		if ((root.unused_flags & unknownFlags) !== 0) {
			this.#breaks();
			state.report('CHECK_INDEX_FLAGS', place, {found: hex(root.unused_flags)});
		}
		const levelsMax = state.features.has('large_dir') ? treeLevelsMaxLargeDirectory : treeLevelsMax;
		if (root.indirect_levels >= levelsMax) {
			this.#breaks();
			state.report('CHECK_INDEX_DEPTH', place, {
				found: root.indirect_levels,
				expected: levelsMax - 1,
			});
		}
		this.#levels = Math.min(root.indirect_levels + 1, treeLevelsMaxLargeDirectory + 1);
		this.#marks[0] = marks.reached | marks.first | marks.last | marks.node;
	}

	#breaks(): void {
		this.#isBroken = true;
	}

	/** Takes in what the root or an inner node has of its children. */
	takeNode(bytes: Uint8Array, view: DataView, logical: number, block: number): void {
		const {state, number, blockSize, hasChecksums, ordinalOf} = this.#directory;
		const place = {directory: number, logical, block};
		const own = ordinalOf(logical);
		this.#marks[own] = (this.#marks[own] ?? 0) | marks.node;
		const entriesAt =
			logical === 0 ? rootInfoAt + dx_root.at(view, 0).info_length : dx_node.sizeBytes;
		const tail = hasChecksums ? dx_tail.sizeBytes : 0;
		const room = Math.floor((blockSize - entriesAt - tail) / dxEntrySize);
		const {limit, count} = dx_countlimit.at(view, entriesAt);
		if (hasChecksums) this.#checkSum(bytes, view, entriesAt, {...place, limit, count});
		if (limit !== room) {
			this.#breaks();
			state.report('CHECK_INDEX_LIMIT', place, {found: limit, expected: room});
		}
		if (count > room || count === 0) {
			this.#breaks();
			state.report('CHECK_INDEX_COUNT', place, {found: count, expected: room});
		}
		let before = 0;
		for (let index = 0; index < Math.min(count, room); index++) {
			const entryAt = entriesAt + index * dxEntrySize;
			const entry = dx_entry.at(view, entryAt);
			// The first has none: the limit and the count stand in its place.
			const hash = index === 0 ? 0 : (entry.hash & hashMask) >>> 0;
			const child = entry.block & dxBlockMask;
			if (hash < before) {
				this.#breaks();
				state.report('CHECK_INDEX_ORDER', place, {found: hex(hash), expected: hex(before)});
			}
			before = hash;
			const ordinal = child < this.#endBlock ? ordinalOf(child) : -1;
			if (ordinal === -1) {
				this.#breaks();
				state.report('CHECK_INDEX_BLOCK', place, {found: child, expected: this.#endBlock});
				continue;
			}
			const isLast = index === Math.min(count, room) - 1;
			const next = isLast
				? hashMax
				: (dx_entry.at(view, entryAt + dxEntrySize).hash & hashMask) >>> 0;
			this.#reach(ordinal, own, hash, next, index === 0, isLast);
			if (index > 0) this.#include(own, hash);
		}
	}

	#reach(
		child: number,
		parent: number,
		from: number,
		to: number,
		isFirst: boolean,
		isLast: boolean,
	): void {
		let mark = this.#marks[child] ?? 0;
		mark |= (mark & marks.reached) === 0 ? marks.reached : marks.reachedTwice;
		if (isFirst) mark |= marks.first;
		if (isLast) mark |= marks.last;
		this.#marks[child] = mark;
		this.#parents[child] = parent;
		this.#fromHash[child] = from;
		this.#toHash[child] = to;
	}

	#include(ordinal: number, hash: number): void {
		if (hash < (this.#lowest[ordinal] ?? 0)) this.#lowest[ordinal] = hash;
		if (hash > (this.#highest[ordinal] ?? 0)) this.#highest[ordinal] = hash;
	}

	/** A name with this hash lies in that block. */
	takeHash(ordinal: number, hash: number): void {
		this.#include(ordinal, hash);
	}

	#checkSum(
		bytes: Uint8Array,
		view: DataView,
		entriesAt: number,
		node: {limit: number; count: number; directory: number; logical: number; block: number},
	): void {
		const {state, seed, blockSize} = this.#directory;
		const {limit, count, ...place} = node;
		const tailAt = entriesAt + limit * dxEntrySize;
		if (tailAt + dx_tail.sizeBytes > blockSize || count > limit) {
			const values = {found: 'no place for one', expected: 'one'};
			state.report('CHECK_INDEX_CHECKSUM', place, values);
			return;
		}
		// A node poses as one unused entry. e2fsck knows it by that, and finds no sum otherwise.
		if (node.logical !== 0 && view.getUint16(6, true) !== 0) {
			const found = 'a name in place of its unused entry';
			state.report('CHECK_INDEX_CHECKSUM', place, {found, expected: 'none'});
			return;
		}
		let sum = crc32cOf(seed, bytes.subarray(0, entriesAt + count * dxEntrySize));
		sum = crc32cOf(sum, bytes.subarray(tailAt, tailAt + dx_tail.fields.dt_checksum.at));
		sum = crc32cOfZeros(sum, 4); // The sum's own place.
		const found = dx_tail.at(view, tailAt).dt_checksum;
		if (found === sum) return;
		state.report('CHECK_INDEX_CHECKSUM', place, {found: hex(found), expected: hex(sum)});
	}

	/** To be called when all blocks have come by. `logicalOf` gives a block's place by its ordinal. */
	finish(logicalOf: (ordinal: number) => number): void {
		// A broken node reaches nothing, or anything: one finding tells as much as hundreds.
		if (this.#isBroken) return;
		this.#inheritBounds();
		for (let ordinal = 1; ordinal < this.#marks.length; ordinal++) {
			this.#judge(ordinal, logicalOf(ordinal));
		}
	}

	/** The first child of a node reaches as low as the node does, the last as high. */
	#inheritBounds(): void {
		for (let level = 0; level < this.#levels; level++) {
			for (let ordinal = 1; ordinal < this.#marks.length; ordinal++) {
				const mark = this.#marks[ordinal] ?? 0;
				const parent = this.#parents[ordinal] ?? 0;
				if ((mark & marks.first) !== 0) this.#fromHash[ordinal] = this.#fromHash[parent] ?? 0;
				if ((mark & marks.last) !== 0) this.#toHash[ordinal] = this.#toHash[parent] ?? 0;
			}
		}
	}

	/** Leaves lie as deep as the root says, and nodes above them. */
	#judgeDepth(
		ordinal: number,
		place: {readonly directory: number; readonly logical: number},
	): void {
		let found = 0;
		// Nodes may lead round in a circle, past the root.
		for (let at = ordinal; at !== 0 && found <= this.#levels; at = this.#parents[at] ?? 0) found++;
		const isNode = ((this.#marks[ordinal] ?? 0) & marks.node) !== 0;
		if (isNode ? found < this.#levels : found === this.#levels) return;
		const expected = isNode ? `less than ${this.#levels}, as it is a node` : this.#levels;
		this.#directory.state.report('CHECK_INDEX_BLOCK_DEPTH', place, {found, expected});
	}

	#judge(ordinal: number, logical: number): void {
		const {state, number} = this.#directory;
		const place = {directory: number, logical};
		const mark = this.#marks[ordinal] ?? 0;
		if ((mark & marks.reached) === 0) {
			state.report('CHECK_INDEX_BLOCK_UNREACHED', place);
			return;
		}
		if ((mark & marks.reachedTwice) !== 0) state.report('CHECK_INDEX_BLOCK_TWICE', place);
		this.#judgeDepth(ordinal, place);
		const from = this.#fromHash[ordinal] ?? 0;
		const to = this.#toHash[ordinal] ?? 0;
		const lowest = this.#lowest[ordinal] ?? 0;
		const highest = this.#highest[ordinal] ?? 0;
		const expected = `${hex(from)} to ${hex(to)}`;
		if (lowest < from) state.report('CHECK_INDEX_RANGE', place, {found: hex(lowest), expected});
		if (highest > to) state.report('CHECK_INDEX_RANGE', place, {found: hex(highest), expected});
	}
}
