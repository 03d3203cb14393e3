/**
 * Telling the medium which blocks hold nothing: FITRIM. Only what is free on the medium as well may be
 * given up, for after a crash a file that was removed may be there again, and must find its contents.
 */
import {discardOn} from '../device.ts';
import {CorruptError, FileError} from '../errors.ts';
import {firstBlockOfGroup} from '../groups.ts';
import type {Volume} from '../volume.ts';
import {loadWords} from './bitmap.ts';
import {clusterCountOf, groupOfBlock, readBlockBits} from './bitmaps.ts';
import {type BitField, type BitRun, clearLengthAt, findRun} from './find-run.ts';
import {allocatorOf} from './state.ts';

/** In bytes of the file system. */
export type TrimRange = {
	readonly start: number;
	readonly length: number;
	/** Free runs that are shorter are passed over. */
	readonly minLength: number;
};

/** In blocks, `[start, end)`; `leastClusters` at least 1. */
type BlockRange = {readonly start: number; readonly end: number; readonly leastClusters: number};

/** As the kernel's ext4 has it. Throws `FileError` EINVAL. */
function blocksOf(volume: Volume, range: TrimRange): BlockRange {
	const {blockSize, blockCount, clusterBits, clustersPerGroup} = volume.geometry;
	const start = Math.floor(range.start / blockSize);
	const minBlocks = Math.floor(range.minLength / blockSize);
	const leastClusters = Math.max(1, Math.ceil(minBlocks / 2 ** clusterBits));
	if (start >= blockCount || range.length < blockSize || leastClusters > clustersPerGroup) {
		throw new FileError('EINVAL', 'nothing of that range can be trimmed');
	}
	const end = Math.min(blockCount, start + Math.floor(range.length / blockSize));
	return {start: Math.max(start, volume.geometry.firstDataBlock), end, leastClusters};
}

/** What is in use of a group, or was freed and is not committed yet. */
function usedField(volume: Volume, group: number, words: Uint32Array): BitField {
	const pending = allocatorOf(volume).pendingClusters.of(group);
	loadWords(readBlockBits(volume, group), words, pending);
	return {words, bitCount: clusterCountOf(volume, group)};
}

/** The runs of clear bits in `[from, to)`, ascending. */
function* clearRuns(field: BitField, from: number, to: number): Generator<BitRun> {
	for (let at = from; at < to; ) {
		const {found} = findRun(field, at, to, 1);
		if (found === undefined) return;
		const length = clearLengthAt(field, found.start, to - found.start);
		yield {start: found.start, length};
		at = found.start + length;
	}
}

/** Returns how many blocks of a group were given up. */
function trimGroup(volume: Volume, group: number, range: BlockRange, words: Uint32Array): number {
	const {superblock, geometry, device} = volume;
	const {blockSize, blockCount, blocksPerGroup, clusterBits} = geometry;
	const ratio = 2 ** clusterBits;
	const first = firstBlockOfGroup(superblock, group);
	const from = Math.ceil(Math.max(0, range.start - first) / ratio);
	const isToEnd = range.end === blockCount && range.end - first <= blocksPerGroup;
	const within = Math.min(blocksPerGroup, range.end - first) / ratio;
	const field = usedField(volume, group, words);
	// The last cluster of all may be cut off by the volume's end.
	const to = Math.min(field.bitCount, isToEnd ? Math.ceil(within) : Math.floor(within));
	const {zones} = allocatorOf(volume);
	let trimmed = 0;
	for (const run of clearRuns(field, from, to)) {
		if (run.length < range.leastClusters) continue;
		const start = first + run.start * ratio;
		const end = Math.min(start + run.length * ratio, blockCount);
		if (zones.overlaps(start, end)) {
			throw new CorruptError('EXT4_BAD_BITMAP', 'blocks of metadata are marked as free', {
				group,
				block: start,
			});
		}
		discardOn(device, start * blockSize, (end - start) * blockSize);
		trimmed += end - start;
	}
	return trimmed;
}

/**
 * Commits, so that what was freed is free on the medium; then tells the device that the free blocks
 * of the range hold nothing. Returns how many bytes that were.
 *
 * Throws `FileError` EROFS where the volume takes no changes, EINVAL for a range that starts behind the
 * end or is shorter than a block, and for runs longer than a group, EOPNOTSUPP where the device can't be told;
 * `CorruptError`, `DeviceError`, `BudgetError`.
 */
export function trimFree(volume: Volume, range: TrimRange): number {
	const {transactions, geometry, cache} = volume;
	if (transactions?.isWritable !== true) {
		throw new FileError('EROFS', 'the file system takes no changes');
	}
	const blocks = blocksOf(volume, range);
	if (blocks.start >= blocks.end) return 0;
	transactions.sync();
	const words = new Uint32Array(Math.ceil(geometry.clustersPerGroup / 32));
	const last = groupOfBlock(volume, blocks.end - 1);
	let trimmed = 0;
	for (let group = groupOfBlock(volume, blocks.start); group <= last; group++) {
		if (volume.group(group).freeClusterCount < blocks.leastClusters) continue;
		trimmed += trimGroup(volume, group, blocks, words);
		transactions.beat();
		cache.budget.beat();
	}
	return trimmed * geometry.blockSize;
}
