/**
 * The blocks that no file may have: superblock copies, group descriptors with their room to grow,
 * bitmaps, inode tables, the journal, the block of mmp. A bitmap that says one of them is free, or
 * a file that maps one, is believed by nobody.
 *
 * Collected once, before the first change: that takes a look at every group descriptor, as the
 * kernel takes when it mounts. Kernel documentation, "Layout" and "Flexible Block Groups".
 */
import {CorruptError, UnsupportedError} from '../errors.ts';
import {firstBlockOfGroup, headBlocks} from '../groups.ts';
import {journalPiecesMax} from '../journal/superblock.ts';
import {ext4_super_block} from '../layout/superblock.ts';
import {mapAt} from '../mapping/map.ts';
import type {Volume} from '../volume.ts';

/** 4 TiB with blocks of 1 KiB, 64 TiB with those of 4 KiB. The zones of all are kept in memory. */
const groupsMax = 2 ** 19;

/**
 * How many of the last zones what is added may go on: with flex_bg the bitmaps of one kind, and the
 * inode tables, of groups one behind another lie side by side.
 */
const openZones = 4;

/** Zones as they are found, in any order: two numbers each, as an image may have millions. */
class FoundZones {
	#starts = new Float64Array(64);
	#ends = new Float64Array(64);
	#count = 0;

	get count(): number {
		return this.#count;
	}

	add(start: number, length: number): void {
		if (length === 0) return;
		const first = Math.max(0, this.#count - openZones);
		for (let index = this.#count - 1; index >= first; index--) {
			if (this.#ends[index] !== start) continue;
			this.#ends[index] = start + length;
			return;
		}
		if (this.#count === this.#starts.length) {
			this.#starts = doubled(this.#starts);
			this.#ends = doubled(this.#ends);
		}
		this.#starts[this.#count] = start;
		this.#ends[this.#count++] = start + length;
	}

	/** By their starts. */
	sorted(): {readonly starts: Float64Array; readonly ends: Float64Array} {
		const from = this.#starts;
		const order = Uint32Array.from({length: this.#count}, (_, index) => index);
		order.sort((a, b) => (from[a] ?? 0) - (from[b] ?? 0));
		const starts = new Float64Array(this.#count);
		const ends = new Float64Array(this.#count);
		for (const [index, place] of order.entries()) {
			starts[index] = this.#starts[place] ?? 0;
			ends[index] = this.#ends[place] ?? 0;
		}
		return {starts, ends};
	}
}

function doubled(numbers: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
	const more = new Float64Array(numbers.length * 2);
	more.set(numbers);
	return more;
}

/** Zones in order. */
export class Zones {
	readonly #starts: Float64Array;
	readonly #ends: Float64Array;

	/** Throws `CorruptError` where two overlap: a block then would be two things at once. */
	constructor(found: FoundZones) {
		const {starts, ends} = found.sorted();
		let end = 0;
		for (const [index, start] of starts.entries()) {
			if (start < end) {
				throw new CorruptError(
					'EXT4_BAD_GROUP_DESCRIPTOR',
					'two parts of the metadata lie in the same block',
					{block: start},
				);
			}
			end = ends[index] ?? 0;
		}
		this.#starts = starts;
		this.#ends = ends;
	}

	/** Whether any of the blocks `[start, end)` lies in a zone. */
	overlaps(start: number, end: number): boolean {
		let low = 0;
		let high = this.#ends.length;
		while (low < high) {
			const middle = (low + high) >>> 1;
			if ((this.#ends[middle] ?? 0) <= start) low = middle + 1;
			else high = middle;
		}
		const first = this.#starts[low];
		return first !== undefined && first < end;
	}
}

function addGroup(volume: Volume, index: number, zones: FoundZones): void {
	const {superblock, geometry} = volume;
	const group = volume.group(index);
	const first = firstBlockOfGroup(superblock, index);
	zones.add(first, Math.min(headBlocks(superblock, index), geometry.blockCount - first));
	zones.add(group.blockBitmap, 1);
	zones.add(group.inodeBitmap, 1);
	zones.add(group.inodeTable, geometry.inodeTableBlocks);
}

function addJournal(volume: Volume, zones: FoundZones): void {
	const {superblock, geometry} = volume;
	if (!superblock.features.has('has_journal') || superblock.journalInode === 0) return;
	const inode = volume.readReservedInode(superblock.journalInode);
	const end = Math.ceil(inode.sizeBytes / geometry.blockSize);
	if (end > geometry.blockCount) {
		throw new CorruptError('EXT4_BAD_JOURNAL', 'the journal is larger than the file system', {
			inode: inode.number,
		});
	}
	const piecesMax = zones.count + journalPiecesMax;
	for (let logical = 0; logical < end; ) {
		const run = mapAt(volume, inode, logical);
		const skip = logical - run.logical;
		const length = Math.min(run.length - skip, end - logical);
		if (run.kind !== 'hole') zones.add(run.physical + skip, length);
		if (zones.count > piecesMax) {
			throw new CorruptError('EXT4_BAD_JOURNAL', 'the journal lies in too many pieces', {
				inode: inode.number,
			});
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
	const zones = new FoundZones();
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
		if (block !== 0) zones.add(block, 1);
	}
	return {zones: new Zones(zones), ...counts};
}
