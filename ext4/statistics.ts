/** What statfs(2) tells of a volume, counted as the kernel's ext4 counts it. */
import {growthReserve} from './allocator/blocks.ts';
import {hasSuperblockCopy} from './groups.ts';
import type {Volume} from './volume.ts';

/** Blocks are file system blocks. */
export type Statistics = {
	readonly blockSize: number;
	/** Without what the file system keeps for itself. */
	readonly blockCount: number;
	readonly freeBlockCount: number;
	/** Free to others than root. */
	readonly availableBlockCount: number;
	readonly inodeCount: number;
	readonly freeInodeCount: number;
};

/**
 * How many of the groups `[from, to)` begin with a copy of the superblock. Where not all do, the
 * few that do are found without a step for each group: a hostile superblock counts 2^32 of them.
 */
function copiesBetween(volume: Volume, from: number, to: number): number {
	const {superblock} = volume;
	const {features} = superblock;
	if (to <= from) return 0;
	if (!features.has('sparse_super2') && !features.has('sparse_super')) return to - from;
	const candidates = new Set<number>([0, 1, ...superblock.backupGroups]);
	for (const base of [3, 5, 7]) {
		for (let power = base; power < to; power *= base) candidates.add(power);
	}
	let count = 0;
	for (const index of candidates) {
		if (index >= from && index < to && hasSuperblockCopy(superblock, index)) count++;
	}
	return count;
}

/** Blocks of superblock copies and descriptors at the start of all groups. */
function headBlocks(volume: Volume): number {
	const {superblock} = volume;
	const {descriptorsPerBlock, groupCount} = superblock.geometry;
	const firstInMeta = Math.min(groupCount, superblock.firstMetaGroup * descriptorsPerBlock);
	const descriptorBlocks = superblock.features.has('meta_bg')
		? superblock.firstMetaGroup
		: Math.ceil(groupCount / descriptorsPerBlock);
	const perCopy = 1 + descriptorBlocks + superblock.reservedDescriptorBlocks;
	// In a meta block group its first, second and last group hold a copy of its descriptors.
	const inMeta = groupCount - firstInMeta;
	const holders = Math.min(descriptorsPerBlock, 3);
	const inLast = inMeta % descriptorsPerBlock;
	const descriptors = Math.floor(inMeta / descriptorsPerBlock) * holders + Math.min(inLast, 2);
	return (
		copiesBetween(volume, 0, firstInMeta) * perCopy +
		copiesBetween(volume, firstInMeta, groupCount) +
		descriptors
	);
}

/** Blocks that hold no files: counted where the superblock does not say, or says nonsense. */
function overheadBlocks(volume: Volume): number {
	const {superblock} = volume;
	const {geometry} = superblock;
	const stored = superblock.overheadClusterCount * 2 ** geometry.clusterBits;
	if (stored > 0 && stored <= geometry.blockCount) return stored;
	let overhead = geometry.firstDataBlock + headBlocks(volume);
	overhead += geometry.groupCount * (geometry.inodeTableBlocks + 2);
	if (superblock.journalInode !== 0 && superblock.features.has('has_journal')) {
		const journal = volume.readReservedInode(superblock.journalInode);
		overhead += Math.floor(journal.sizeBytes / geometry.blockSize);
	}
	return overhead;
}

type FreeCounts = {readonly blocks: number; readonly inodes: number};

/** Counted once for each volume: what is read does not change. */
const countedFree = new WeakMap<Volume, FreeCounts>();

/**
 * Free blocks and inodes. The superblock's counts are brought up to date only when a file system
 * is unmounted; of one that was not, the group descriptors are right.
 */
function freeCounts(volume: Volume): FreeCounts {
	const {superblock, recovery, transactions} = volume;
	const counted = {blocks: superblock.freeBlockCount, inodes: superblock.freeInodeCount};
	if (transactions !== undefined) return counted; // Whoever writes keeps them true.
	if (recovery === undefined && superblock.isClean && !superblock.features.has('needs_recovery')) {
		return counted;
	}
	const known = countedFree.get(volume);
	if (known !== undefined) return known;
	let clusters = 0;
	let inodes = 0;
	for (let index = 0; index < superblock.geometry.groupCount; index++) {
		const group = volume.group(index);
		clusters += group.freeClusterCount;
		inodes += group.freeInodeCount;
	}
	const counts = {blocks: clusters * 2 ** superblock.geometry.clusterBits, inodes};
	countedFree.set(volume, counts);
	return counts;
}

/** Throws `CorruptError` where the journal's inode or a group must be asked and is broken. */
export function statisticsOf(volume: Volume): Statistics {
	const {superblock} = volume;
	const {geometry} = superblock;
	const counts = freeCounts(volume);
	const free = Math.min(counts.blocks, geometry.blockCount);
	const kept = superblock.reservedBlockCount + growthReserve(volume) * 2 ** geometry.clusterBits;
	return {
		blockSize: geometry.blockSize,
		blockCount: Math.max(0, geometry.blockCount - overheadBlocks(volume)),
		freeBlockCount: free,
		availableBlockCount: Math.max(0, free - kept),
		inodeCount: geometry.inodeCount,
		freeInodeCount: Math.min(counts.inodes, geometry.inodeCount),
	};
}
