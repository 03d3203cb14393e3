/**
 * Pass 5: the bitmaps of each group against what the passes before found in use, and the counts of
 * descriptors and superblock against the bitmaps. Kernel documentation, "Block and Inode Bitmaps"
 * and "Block Group Descriptors" (groups that were never used have no bitmap to speak of).
 */

import {countClear, isRangeSet, isSet, loadWords} from '../allocator/bitmap.ts';
import {hasGroupChecksums} from '../groups.ts';
import {type Group, groupFlags} from '../layout/group.ts';
import {crc32cOfBytes} from './checksum.ts';
import {hex} from './finding.ts';
import {markGroupMetadata} from './fresh-bitmap.ts';
import type {CheckState} from './state.ts';
import {groupProblem} from './state.ts';

const typeDirectory = 2;
const groupsBetweenYields = 64;

export function* checkBitmaps(state: CheckState): Generator<void> {
	const pass = new BitmapsPass(state);
	const {groupCount} = state.geometry;
	for (let index = 0; index < groupCount; index++) {
		pass.checkGroup(state.group(index), index);
		if (index % groupsBetweenYields !== 0) continue;
		state.setProgress(index, groupCount);
		yield;
	}
	pass.checkTotals();
	state.setProgress(groupCount, groupCount);
	yield;
}

/** A stretch of bits that differ, all in the same way. */
type Difference = {readonly from: number; readonly to: number; readonly isMarked: boolean};

/** Stretches of `[0, bitCount)` in which the bitmaps differ; a word at a time where they don't. */
function* differencesOf(
	found: Uint8Array,
	actual: Uint8Array,
	bitCount: number,
): Generator<Difference> {
	let from = -1;
	let isMarked = false;
	for (let bit = 0; bit < bitCount; ) {
		const isByte = (bit & 7) === 0 && bit + 8 <= bitCount;
		if (isByte && from === -1 && found[bit >>> 3] === actual[bit >>> 3]) {
			bit += 8;
			continue;
		}
		const isFound = isSet(found, bit);
		const differs = isFound !== isSet(actual, bit);
		if (from !== -1 && (!differs || isFound !== isMarked)) {
			yield {from, to: bit, isMarked};
			from = -1;
		}
		if (differs && from === -1) {
			from = bit;
			isMarked = isFound;
		}
		bit++;
	}
	if (from !== -1) yield {from, to: bitCount, isMarked};
}

/** Stretches that a finding lists; of more, numbers are only counted. */
const stretchesMax = 1000;

type Tell = (
	first: number,
	count: number,
	list: readonly (readonly [number, number])[],
	omittedCount: number,
) => void;

/** Where a group's bitmap is wrong: one finding for all that is wrong in the same way. */
class Stretches {
	readonly #marked: [number, number][] = [];
	readonly #notMarked: [number, number][] = [];

	add(isMarked: boolean, first: number, last: number): void {
		(isMarked ? this.#marked : this.#notMarked).push([first, last]);
	}

	/** Calls `tell` where there are any. */
	tell(isMarked: boolean, tell: Tell): void {
		const all = isMarked ? this.#marked : this.#notMarked;
		const [first] = all;
		if (first === undefined) return;
		const count = countIn(all);
		const list = all.slice(0, stretchesMax);
		tell(first[0], count, list, count - countIn(list));
	}
}

function countIn(stretches: readonly (readonly [number, number])[]): number {
	let count = 0;
	for (const [first, last] of stretches) count += last - first + 1;
	return count;
}

class BitmapsPass {
	readonly #state: CheckState;
	readonly #found: Uint8Array;
	readonly #actual: Uint8Array;
	readonly #words: Uint32Array;
	readonly #hasFlags: boolean;
	#freeClusters = 0;
	#freeInodes = 0;

	constructor(state: CheckState) {
		this.#state = state;
		this.#found = new Uint8Array(state.geometry.blockSize);
		this.#actual = new Uint8Array(state.geometry.blockSize);
		this.#words = new Uint32Array(state.geometry.blockSize / 4);
		this.#hasFlags = hasGroupChecksums(state.features);
	}

	checkGroup(group: Group, index: number): void {
		this.#checkBlocks(group, index);
		this.#checkInodes(group, index);
	}

	checkTotals(): void {
		const {superblock, features, geometry} = this.#state;
		// Kernels write these counts only when they unmount: after a crash they are old, always.
		if (features.has('needs_recovery')) return;
		const freeBlocks = this.#freeClusters * 2 ** geometry.clusterBits;
		if (superblock.freeBlockCount !== freeBlocks) {
			const found = superblock.freeBlockCount;
			this.#state.report('CHECK_FREE_BLOCKS', {}, {found, expected: freeBlocks});
		}
		if (superblock.freeInodeCount !== this.#freeInodes) {
			const found = superblock.freeInodeCount;
			this.#state.report('CHECK_FREE_INODES', {}, {found, expected: this.#freeInodes});
		}
	}

	#isUninit(group: Group, index: number, flag: number): boolean {
		const isBelieved = ((this.#state.groupProblems[index] ?? 0) & groupProblem.checksum) === 0;
		return this.#hasFlags && isBelieved && (group.flags & flag) !== 0;
	}

	/** Reads a bitmap; false where it can't be had. */
	#load(block: number, index: number, problem: number): boolean {
		if (((this.#state.groupProblems[index] ?? 0) & problem) !== 0) return false;
		return this.#state.readBlocks(block, this.#found);
	}

	#checkSum(
		kind: 'BLOCK' | 'INODE',
		index: number,
		block: number,
		bitCount: number,
		recorded: number,
	): void {
		const {features, superblock, geometry} = this.#state;
		if (!features.has('metadata_csum')) return;
		const sum = crc32cOfBytes(superblock.checksumSeed, this.#found.subarray(0, bitCount >>> 3));
		const isWide = geometry.descriptorSize >= 64;
		const expected = isWide ? sum : sum & 0xffff;
		if (recorded === expected) return;
		const values = {found: hex(recorded), expected: hex(expected)};
		const place = {group: index, block};
		const code = kind === 'BLOCK' ? 'CHECK_BLOCK_BITMAP_CHECKSUM' : 'CHECK_INODE_BITMAP_CHECKSUM';
		this.#state.report(code, place, values);
	}

	#checkBlocks(group: Group, index: number): void {
		const state = this.#state;
		const {geometry} = state;
		const {clustersPerGroup, blockSize} = geometry;
		const firstCluster = index * clustersPerGroup;
		const count = Math.min(clustersPerGroup, state.claims.clusterCount - firstCluster);
		const place = {group: index, block: group.blockBitmap};
		if (this.#isUninit(group, index, groupFlags.blockUninit)) {
			this.#found.fill(0);
			markGroupMetadata(state, group, index, this.#found);
		} else if (this.#load(group.blockBitmap, index, groupProblem.blockBitmap)) {
			this.#checkSum(
				'BLOCK',
				index,
				group.blockBitmap,
				clustersPerGroup,
				group.blockBitmapChecksum,
			);
			if (!isRangeSet(this.#found, count, blockSize * 8)) {
				state.report('CHECK_BLOCK_BITMAP_PADDING', place);
			}
		} else return; // Told: pass 0, or whoever reads it.
		if (!this.#isAsClaimed(firstCluster, count)) this.#compareBlocks(index, firstCluster, count);
		const free = countClear(this.#found, count);
		this.#freeClusters += free;
		if (free !== group.freeClusterCount) {
			const values = {found: group.freeClusterCount, expected: free};
			state.report('CHECK_GROUP_FREE_BLOCKS', place, values);
		}
	}

	/** Whether all is as it should be, found out a word at a time: so it is of almost every group. */
	#isAsClaimed(firstCluster: number, count: number): boolean {
		if (firstCluster % 32 !== 0 || count % 32 !== 0) return false;
		const {words} = this.#state.claims;
		loadWords(this.#found, this.#words);
		const first = firstCluster / 32;
		for (let word = 0; word < count / 32; word++) {
			if (this.#words[word] !== words[first + word]) return false;
		}
		return true;
	}

	#compareBlocks(index: number, firstCluster: number, count: number): void {
		const state = this.#state;
		const {geometry} = state;
		this.#copyClaims(firstCluster, count);
		const stretches = new Stretches();
		for (const {from, to, isMarked} of differencesOf(this.#found, this.#actual, count)) {
			const block = state.claims.blockOf(firstCluster + from);
			const last = Math.min(geometry.blockCount, state.claims.blockOf(firstCluster + to)) - 1;
			stretches.add(isMarked, block, last);
		}
		stretches.tell(false, (block, found, list, omittedCount) => {
			const ranges = {of: 'block', list, omittedCount} as const;
			state.report('CHECK_BLOCKS_NOT_MARKED', {group: index, block}, {found}, ranges);
		});
		stretches.tell(true, (block, found, list, omittedCount) => {
			const ranges = {of: 'block', list, omittedCount} as const;
			state.report('CHECK_BLOCKS_MARKED', {group: index, block}, {found}, ranges);
		});
	}

	/** What of a group's clusters is claimed, as bits from 0 on. */
	#copyClaims(firstCluster: number, count: number): void {
		const {words} = this.#state.claims;
		const actual = this.#actual;
		actual.fill(0);
		// Groups have a multiple of eight clusters.
		for (let byte = 0; byte * 8 < count; byte++) {
			const cluster = firstCluster + byte * 8;
			const word = words[Math.floor(cluster / 32)] ?? 0;
			actual[byte] = (word >>> (cluster % 32)) & 0xff;
		}
	}

	#checkInodes(group: Group, index: number): void {
		const state = this.#state;
		const {inodesPerGroup, blockSize} = state.geometry;
		const place = {group: index, block: group.inodeBitmap};
		if (this.#isUninit(group, index, groupFlags.inodeUninit)) this.#found.fill(0);
		else if (this.#load(group.inodeBitmap, index, groupProblem.inodeBitmap)) {
			this.#checkSum('INODE', index, group.inodeBitmap, inodesPerGroup, group.inodeBitmapChecksum);
			if (!isRangeSet(this.#found, inodesPerGroup, blockSize * 8)) {
				state.report('CHECK_INODE_BITMAP_PADDING', place);
			}
		} else return;
		const directories = this.#copyInodes(index);
		if (!this.#hasFlags) this.#checkMarks(group, index);
		const firstInode = index * inodesPerGroup + 1;
		const stretches = new Stretches();
		for (const {from, to, isMarked} of differencesOf(this.#found, this.#actual, inodesPerGroup)) {
			const inode = firstInode + from;
			const last = firstInode + to - 1;
			stretches.add(isMarked, inode, last);
		}
		stretches.tell(false, (inode, found, list, omittedCount) => {
			const ranges = {of: 'inode', list, omittedCount} as const;
			state.report('CHECK_INODES_NOT_MARKED', {group: index, inode}, {found}, ranges);
		});
		stretches.tell(true, (inode, found, list, omittedCount) => {
			const ranges = {of: 'inode', list, omittedCount} as const;
			state.report('CHECK_INODES_MARKED', {group: index, inode}, {found}, ranges);
		});
		const free = countClear(this.#found, inodesPerGroup);
		this.#freeInodes += free;
		if (free !== group.freeInodeCount) {
			const values = {found: group.freeInodeCount, expected: free};
			state.report('CHECK_GROUP_FREE_INODES', place, values);
		}
		if (directories !== group.usedDirectoryCount) {
			const values = {found: group.usedDirectoryCount, expected: directories};
			state.report('CHECK_GROUP_DIRECTORIES', {group: index}, values);
		}
	}

	/** Marks of what was never used, where there should be none: inodes in use that they take in. */
	#checkMarks(group: Group, index: number): void {
		const {inodesPerGroup} = this.#state.geometry;
		const isUninit = (group.flags & groupFlags.inodeUninit) !== 0;
		// What can not be a count marks nothing, for e2fsck either.
		const said = group.unusedInodeCount > inodesPerGroup ? 0 : group.unusedInodeCount;
		const unused = isUninit ? inodesPerGroup : said;
		let found = 0;
		for (let bit = inodesPerGroup - unused; bit < inodesPerGroup; bit++) {
			if (isSet(this.#actual, bit)) found++;
		}
		if (found > 0) this.#state.report('CHECK_GROUP_UNINIT_IN_USE', {group: index}, {found});
	}

	/** Which of a group's inodes are in use, as bits; returns how many marked ones are directories. */
	#copyInodes(index: number): number {
		const {inodes, geometry} = this.#state;
		const {first, count} = inodes.slotsOfGroup(index);
		const firstInode = index * geometry.inodesPerGroup + 1;
		const actual = this.#actual;
		const {types} = inodes;
		const reservedCount = Math.max(0, geometry.firstInode - firstInode);
		actual.fill(0);
		let directories = 0;
		let bits = 0;
		for (let within = 0; within < count; within++) {
			const type = types[first + within] as number; // Inside, as slots of a group are.
			if (type !== 0 || within < reservedCount) bits |= 1 << (within & 7);
			if (type === typeDirectory && isSet(this.#found, within)) directories++;
			if ((within & 7) === 7) {
				actual[within >>> 3] = bits;
				bits = 0;
			}
		}
		if ((count & 7) !== 0) actual[count >>> 3] = bits;
		return directories;
	}
}
