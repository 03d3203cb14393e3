/** What statfs(2) tells of a volume, counted as the kernel's ext4 counts it. */
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

/** Blocks of superblock copies and descriptors at the start of group `index`. */
function headBlocks(volume: Volume, index: number): number {
	const {superblock} = volume;
	const {descriptorsPerBlock, groupCount} = superblock.geometry;
	const hasCopy = hasSuperblockCopy(superblock, index);
	const metaGroup = Math.floor(index / descriptorsPerBlock);
	if (metaGroup < superblock.firstMetaGroup) {
		if (!hasCopy) return 0;
		const tableBlocks = superblock.features.has('meta_bg')
			? superblock.firstMetaGroup
			: Math.ceil(groupCount / descriptorsPerBlock);
		return 1 + tableBlocks + superblock.reservedDescriptorBlocks;
	}
	// In a meta block group its first, second and last group hold a copy of its descriptors.
	const inMeta = index % descriptorsPerBlock;
	const holdsDescriptors = inMeta === 0 || inMeta === 1 || inMeta === descriptorsPerBlock - 1;
	return (hasCopy ? 1 : 0) + (holdsDescriptors ? 1 : 0);
}

/** Blocks that hold no files: counted where the superblock does not say, or says nonsense. */
function overheadBlocks(volume: Volume): number {
	const {superblock} = volume;
	const {geometry} = superblock;
	const stored = superblock.overheadClusterCount * 2 ** geometry.clusterBits;
	if (stored > 0 && stored <= geometry.blockCount) return stored;
	const tableBlocks = Math.ceil(
		(geometry.inodesPerGroup * geometry.inodeSize) / geometry.blockSize,
	);
	let overhead = geometry.firstDataBlock;
	for (let index = 0; index < geometry.groupCount; index++) {
		overhead += headBlocks(volume, index) + tableBlocks + 2;
	}
	if (superblock.journalInode !== 0 && superblock.features.has('has_journal')) {
		const journal = volume.readReservedInode(superblock.journalInode);
		overhead += Math.floor(journal.sizeBytes / geometry.blockSize);
	}
	return overhead;
}

/** Throws `CorruptError` where the journal's inode must be asked and is broken. */
export function statisticsOf(volume: Volume): Statistics {
	const {superblock} = volume;
	const {geometry} = superblock;
	const free = Math.min(superblock.freeBlockCount, geometry.blockCount);
	return {
		blockSize: geometry.blockSize,
		blockCount: geometry.blockCount - overheadBlocks(volume),
		freeBlockCount: free,
		availableBlockCount: Math.max(0, free - superblock.reservedBlockCount),
		inodeCount: geometry.inodeCount,
		freeInodeCount: Math.min(superblock.freeInodeCount, geometry.inodeCount),
	};
}
