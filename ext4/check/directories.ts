/**
 * Pass 2: the directories, each from its first block to its last. What an entry says of an inode is
 * held against what pass 1 found; who lies in whom is noted for pass 3, how often an inode is named
 * for pass 4.
 */

import {inlineBytesInBlock} from '../inline-data.ts';
import {ext4_dir_entry_tail, tailFileType} from '../layout/directory.ts';
import {crc32cOfBytes} from './checksum.ts';
import {BlockWindow, type DirectoryUnderCheck, directoryUnderCheck} from './directory-blocks.ts';
import {EntryChecker, type EntryStretch} from './directory-entries.ts';
import {hex} from './finding.ts';
import {HashTree} from './hash-tree.ts';
import {inlineDataOf} from './inline-directory.ts';
import type {CheckState} from './state.ts';

const tailSize = ext4_dir_entry_tail.sizeBytes;
/** Work between two times that the caller may show how far it is. */
const blocksBetweenYields = 512;
/** Damaged blocks after which there is no more to be learned: a sparse image may have billions. */
const damagedBlocksMax = 200_000;
/** Blocks of a directory whose hash tree is looked at: some 40 bytes each are kept. */
const treeBlocksMax = 2 ** 20;
/** Of an inline directory: `.` is not there, of `..` only the inode. */
const inlineParentSize = 4;

export function* checkDirectories(state: CheckState): Generator<void> {
	const pass = new DirectoriesPass(state);
	const {count} = state.directories;
	for (let index = 0; index < count; index++) {
		yield* pass.checkDirectory(index);
		const why = pass.whyNoMore;
		if (why !== undefined) {
			state.giveUp(`${why}, so that ${count - index - 1} of ${count} were not looked at`);
			return;
		}
	}
	state.setProgress(count, count);
	yield;
}

class DirectoriesPass {
	readonly #state: CheckState;
	readonly #window: BlockWindow;
	readonly #entries: EntryChecker;
	/**
	 * Blocks that may still be read. As long as no two directories share a block, they are no more
	 * than are claimed; where a hostile image makes them share, somewhere must be an end.
	 */
	#blocksLeft: number;
	#damagedBlocks = 0;
	#untilYield = blocksBetweenYields;

	constructor(state: CheckState) {
		this.#state = state;
		this.#window = new BlockWindow(state);
		this.#entries = new EntryChecker(state);
		const {clusterBits} = state.geometry;
		this.#blocksLeft = state.claims.countClaimed() * 2 ** clusterBits;
	}

	get whyNoMore(): string | undefined {
		if (this.#blocksLeft < 0) return 'directories share too many blocks';
		if (this.#damagedBlocks > damagedBlocksMax) return 'too many blocks of directories are damaged';
		return undefined;
	}

	*checkDirectory(index: number): Generator<void> {
		const directory = directoryUnderCheck(this.#state, index);
		if (directory.isInline) {
			if (directory.isIndexed) refuseIndex(directory);
			this.#checkInline(directory);
			if (this.#isTimeToYield(index)) yield;
			return;
		}
		const tree = this.#openTree(directory);
		const {firstRuns, runLogicals, runPhysicals, runLengths} = this.#state.directories;
		const logicals: number[] = [];
		let expected = 0;
		let ordinal = 0;
		for (let run = firstRuns[index] ?? 0; run < (firstRuns[index + 1] ?? 0); run++) {
			const logical = runLogicals[run] ?? 0;
			const physical = runPhysicals[run] ?? 0;
			const length = runLengths[run] ?? 0;
			if (logical > expected) this.#reportHole(directory, expected, logical - expected);
			for (let step = 0; step < length; step++, ordinal++) {
				this.#blocksLeft--;
				if (this.whyNoMore !== undefined) return;
				if (tree !== undefined) logicals.push(logical + step);
				this.#checkBlock(directory, tree, {
					logical: logical + step,
					block: physical + step,
					ordinal,
					atOnce: length - step,
				});
				if (this.#isTimeToYield(index)) yield;
			}
			expected = logical + length;
		}
		tree?.finish(position => logicals[position] ?? 0);
		if (this.#isTimeToYield(index)) yield;
	}

	#isTimeToYield(index: number): boolean {
		if (--this.#untilYield > 0) return false;
		this.#untilYield = blocksBetweenYields;
		this.#state.setProgress(index, this.#state.directories.count);
		return true;
	}

	#reportHole(directory: DirectoryUnderCheck, logical: number, length: number): void {
		const place = {directory: directory.number, inode: directory.number, logical};
		this.#state.report('CHECK_DIRECTORY_HOLE', place, {found: `${length} blocks long`});
	}

	#openTree(directory: DirectoryUnderCheck): HashTree | undefined {
		if (!directory.isIndexed) return undefined;
		if (!this.#state.features.has('dir_index')) {
			refuseIndex(directory);
			return undefined;
		}
		const {firstRuns, runLogicals, runLengths} = this.#state.directories;
		const lastRun = (firstRuns[directory.index + 1] ?? 0) - 1;
		let blockCount = 0;
		for (let run = firstRuns[directory.index] ?? 0; run <= lastRun; run++) {
			blockCount += runLengths[run] ?? 0;
		}
		if (blockCount > this.#blocksLeft) return undefined; // It will not come to its end either.
		if (blockCount > treeBlocksMax) {
			const {number} = directory;
			this.#state.giveUp(`the hash tree of directory ${number} is too large to be looked at`);
			return undefined;
		}
		if (directory.ordinalOf(0) !== 0) {
			const place = {directory: directory.number, logical: 0};
			this.#state.report('CHECK_INDEX_ROOT', place, {found: 'it has no first block'});
			return undefined;
		}
		const endBlock = (runLogicals[lastRun] ?? 0) + (runLengths[lastRun] ?? 0);
		return new HashTree(directory, blockCount, endBlock);
	}

	#checkBlock(
		directory: DirectoryUnderCheck,
		tree: HashTree | undefined,
		at: {logical: number; block: number; ordinal: number; atOnce: number},
	): void {
		const {logical, block, ordinal} = at;
		const {blockSize} = directory;
		const bytes = this.#window.read(block, at.atOnce);
		if (bytes === undefined) return;
		const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		if (tree !== undefined && logical === 0) tree.takeRoot(view);
		const isNode = tree?.isNode(view, logical) ?? false;
		const hasTail = !isNode && directory.hasChecksums;
		const isSummed = hasTail && this.#checkTail(directory, bytes, view, {logical, block});
		const end = isSummed ? blockSize - tailSize : blockSize;
		const stretch = {bytes, view, start: 0, end, logical, block, ordinal};
		const first = logical === 0 ? 0 : 2;
		const reached = this.#entries.check(directory, stretch, first, isNode ? undefined : tree);
		if (reached !== end) this.#damagedBlocks++;
		if (isNode) tree?.takeNode(bytes, view, logical, block);
	}

	/** Whether a block of entries ends with a checksum, be it right or wrong. */
	#checkTail(
		directory: DirectoryUnderCheck,
		bytes: Uint8Array,
		view: DataView,
		place: {logical: number; block: number},
	): boolean {
		const at = bytes.length - tailSize;
		const tail = ext4_dir_entry_tail.at(view, at);
		const where = {...place, directory: directory.number, inode: directory.number};
		const isTail =
			tail.det_reserved_zero1 === 0 &&
			tail.det_rec_len === tailSize &&
			tail.det_reserved_zero2 === 0 &&
			tail.det_reserved_ft === tailFileType;
		if (!isTail) {
			this.#state.report('CHECK_DIRECTORY_CHECKSUM_MISSING', where);
			return false;
		}
		const expected = crc32cOfBytes(directory.seed, bytes.subarray(0, at));
		const found = tail.det_checksum;
		if (found === expected) return true;
		const values = {found: hex(found), expected: hex(expected)};
		this.#state.report('CHECK_DIRECTORY_CHECKSUM', where, values);
		return true;
	}

	#checkInline(directory: DirectoryUnderCheck): void {
		const {state, number, index} = directory;
		const raw = state.readInode(number);
		const bytes = raw === undefined ? undefined : inlineDataOf(raw);
		if (bytes === undefined) return; // Pass 1 has told.
		const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		const parent = view.getUint32(0, true);
		state.directories.dotDots[index] = parent;
		this.#countInlineDots(directory, parent);
		const place = {bytes, view, logical: 0, block: undefined, ordinal: 0};
		const parts: EntryStretch[] = [
			{...place, start: inlineParentSize, end: Math.min(inlineBytesInBlock, bytes.length)},
			{...place, start: inlineBytesInBlock, end: bytes.length},
		];
		for (const part of parts) this.#entries.check(directory, part, 2, undefined);
	}

	/** The names that are not written, and count all the same. */
	#countInlineDots(directory: DirectoryUnderCheck, parent: number): void {
		const {state, number} = directory;
		const own = state.inodes.slotOf(number);
		if (own !== -1) state.inodes.addReference(own);
		const place = {directory: number, inode: number};
		if (parent === 0) {
			state.report('CHECK_DOTDOT_MISSING', place);
			return;
		}
		const {inodeCount, firstInode} = state.geometry;
		const slot = state.inodes.slotOf(parent);
		const values = {name: '".."', found: parent};
		if (parent > inodeCount || (parent < firstInode && parent !== 2)) {
			state.report('CHECK_ENTRY_INODE_NUMBER', place, values);
		} else if (slot === -1 || state.inodes.types[slot] === 0) {
			state.report('CHECK_ENTRY_INODE_UNUSED', place, values);
		} else state.inodes.addReference(slot);
	}
}

function refuseIndex(directory: DirectoryUnderCheck): void {
	const {state, number} = directory;
	if (state.features.has('dir_index')) {
		const found = 'the directory lies in its inode';
		state.report('CHECK_INDEX_ROOT', {directory: number, inode: number}, {found});
	} else state.report('CHECK_INDEX_UNEXPECTED', {directory: number, inode: number});
}
