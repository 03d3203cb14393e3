/**
 * The blocks that no file may have: superblock copies, group descriptors with their room to grow,
 * bitmaps, inode tables, the journal, the block of mmp. A bitmap that says one of them is free, or
 * a file that maps one, is believed by nobody.
 *
 * Collected once, before the first change: that takes a look at every group descriptor, as the
 * kernel takes when it mounts. Kernel documentation, "Layout" and "Flexible Block Groups".
 */
import {CorruptError, UnsupportedError} from '../errors.ts';
import {firstBlockOfGroup, hasSuperblockCopy} from '../groups.ts';
import {ext4_super_block} from '../layout/superblock.ts';
import {mapAt} from '../mapping/map.ts';
import type {Superblock} from '../superblock.ts';
import type {Volume} from '../volume.ts';

/** 16 TiB with blocks of 1 KiB, 256 TiB with those of 4 KiB. A look at each must stay affordable. */
const groupsMax = 2 ** 21;

/** Blocks at the start of a group for the superblock's copy, descriptors, and those yet to come. */
export function headBlocks(superblock: Superblock, index: number): number {
	const {geometry, firstMetaGroup, reservedDescriptorBlocks, features} = superblock;
	const {descriptorsPerBlock, groupCount} = geometry;
	const hasCopy = hasSuperblockCopy(superblock, index);
	// With 1 KiB blocks counted from 0 (bigalloc), block 0 is the boot block's.
	const bootBlocks =
		index === 0 && geometry.blockSize === 1024 && geometry.firstDataBlock === 0 ? 1 : 0;
	if (Math.floor(index / descriptorsPerBlock) < firstMetaGroup) {
		if (!hasCopy) return 0;
		const descriptorBlocks = features.has('meta_bg')
			? firstMetaGroup
			: Math.ceil(groupCount / descriptorsPerBlock);
		return bootBlocks + 1 + descriptorBlocks + reservedDescriptorBlocks;
	}
	const inMeta = index % descriptorsPerBlock;
	const holdsDescriptors = inMeta === 0 || inMeta === 1 || inMeta === descriptorsPerBlock - 1;
	return bootBlocks + (hasCopy ? 1 : 0) + (holdsDescriptors ? 1 : 0);
}

export type Zone = {readonly start: number; readonly end: number};

/** Zones in order; those that touch are one. */
export class Zones {
	readonly #zones: readonly Zone[];

	/** Throws `CorruptError` where two overlap: a block then would be two things at once. */
	constructor(zones: Zone[]) {
		zones.sort((a, b) => a.start - b.start);
		const merged: Zone[] = [];
		for (const zone of zones) {
			const last = merged.at(-1);
			if (last !== undefined && zone.start < last.end) {
				throw new CorruptError(
					'EXT4_BAD_GROUP_DESCRIPTOR',
					'two parts of the metadata lie in the same block',
					{block: zone.start},
				);
			}
			if (last?.end === zone.start) merged[merged.length - 1] = {start: last.start, end: zone.end};
			else merged.push(zone);
		}
		this.#zones = merged;
	}

	/** Whether any of the blocks `[start, end)` lies in a zone. */
	overlaps(start: number, end: number): boolean {
		let low = 0;
		let high = this.#zones.length;
		while (low < high) {
			const middle = (low + high) >>> 1;
			if ((this.#zones[middle]?.end ?? 0) <= start) low = middle + 1;
			else high = middle;
		}
		const zone = this.#zones[low];
		return zone !== undefined && zone.start < end;
	}
}

function addGroup(volume: Volume, index: number, zones: Zone[]): void {
	const {superblock, geometry} = volume;
	const group = volume.group(index);
	const first = firstBlockOfGroup(superblock, index);
	const places: readonly (readonly [number, number])[] = [
		[first, Math.min(headBlocks(superblock, index), geometry.blockCount - first)],
		[group.blockBitmap, 1],
		[group.inodeBitmap, 1],
		[group.inodeTable, geometry.inodeTableBlocks],
	];
	for (const [start, length] of places) {
		if (length > 0) zones.push({start, end: start + length});
	}
}

function addJournal(volume: Volume, zones: Zone[]): void {
	const {superblock, geometry} = volume;
	if (!superblock.features.has('has_journal') || superblock.journalInode === 0) return;
	const inode = volume.readReservedInode(superblock.journalInode);
	const end = Math.ceil(inode.sizeBytes / geometry.blockSize);
	if (end > geometry.blockCount) {
		throw new CorruptError('EXT4_BAD_JOURNAL', 'the journal is larger than the file system', {
			inode: inode.number,
		});
	}
	for (let logical = 0; logical < end; ) {
		const run = mapAt(volume, inode, logical);
		const skip = logical - run.logical;
		const length = Math.min(run.length - skip, end - logical);
		if (run.kind !== 'hole') {
			zones.push({start: run.physical + skip, end: run.physical + skip + length});
		}
		logical += length;
	}
}

/** With what the group descriptors count, found on the same way. */
export type Survey = {
	readonly zones: Zones;
	readonly freeClusterCount: number;
	readonly freeInodeCount: number;
	readonly directoryCount: number;
};

function assertCounts(
	{geometry}: Volume,
	{freeClusterCount, freeInodeCount}: {freeClusterCount: number; freeInodeCount: number},
): void {
	const {blockCount, inodeCount, clusterBits} = geometry;
	const freeBlocks = freeClusterCount * 2 ** clusterBits;
	if (freeBlocks <= blockCount && freeInodeCount <= inodeCount) return;
	throw new CorruptError(
		'EXT4_BAD_GROUP_DESCRIPTOR',
		`${freeBlocks} of ${blockCount} blocks are free, ${freeInodeCount} of ${inodeCount} inodes`,
	);
}

/**
 * Throws `CorruptError` where metadata overlaps or a descriptor is broken, `UnsupportedError`
 * where there are more groups than can be looked at.
 */
export function survey(volume: Volume): Survey {
	const {geometry} = volume;
	if (geometry.groupCount > groupsMax) {
		throw new UnsupportedError(
			'EXT4_UNSUPPORTED_FOR_WRITING',
			'group count',
			`${geometry.groupCount} block groups are more than can be written to; at most ${groupsMax} are possible`,
		);
	}
	const zones: Zone[] = [];
	const counts = {freeClusterCount: 0, freeInodeCount: 0, directoryCount: 0};
	for (let index = 0; index < geometry.groupCount; index++) {
		addGroup(volume, index, zones);
		const group = volume.group(index);
		counts.freeClusterCount += group.freeClusterCount;
		counts.freeInodeCount += group.freeInodeCount;
		counts.directoryCount += group.usedDirectoryCount;
	}
	assertCounts(volume, counts);
	addJournal(volume, zones);
	if (volume.features.has('mmp')) {
		const block = ext4_super_block.at(volume.superblock.view, 0).s_mmp_block;
		if (block !== 0) zones.push({start: block, end: block + 1});
	}
	return {zones: new Zones(zones), ...counts};
}
