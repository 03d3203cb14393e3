/**
 * What the group descriptors and bitmaps say: where the fixed metadata lies, what is free, which
 * inodes are in use. Kernel documentation, "Layout" and "Block and Inode Bitmaps".
 */

import {
	firstBlockOfGroup,
	hasGroupChecksums,
	hasSuperblockCopy,
	headBlocks,
} from '../../ext4/groups.ts';
import type {Group, Volume} from '../../ext4/index.ts';
import {groupFlags} from '../../ext4/layout/group.ts';
import {ext4_super_block} from '../../ext4/layout/superblock.ts';
import type {DiskMap} from './disk-map.ts';
import {classOf} from './page/format.ts';
import type {Problems} from './problems.ts';

/** 64 TiB with blocks of 4 KiB; of larger file systems the rest is not looked at, which is told. */
export const groupsMax = 2 ** 19;

/** Of one group. Clusters and inodes are counted in the bitmaps. */
export type GroupFacts = {
	readonly index: number;
	readonly freeBlocks: number;
	readonly usedInodes: number;
	readonly directories: number;
	/** The descriptor could not be believed: nothing is known of the group. */
	readonly isUnreadable: boolean;
};

/** Runs of free blocks: how fragmented what is free is. */
export class FreeRuns {
	count = 0;
	blocks = 0;
	longest = 0;
	/** Runs of 2^n to 2^(n+1) - 1 blocks, and the blocks in them. */
	readonly runsBySize = new Float64Array(54);
	readonly blocksBySize = new Float64Array(54);
	#start = 0;
	#end = 0;

	/** Free blocks, given in rising order; neighbours are one run. */
	add(start: number, length: number): void {
		if (start === this.#end) {
			this.#end += length;
			return;
		}
		this.finish();
		this.#start = start;
		this.#end = start + length;
	}

	finish(): void {
		const length = this.#end - this.#start;
		this.#start = this.#end;
		if (length <= 0) return;
		const size = Math.floor(Math.log2(length));
		this.count++;
		this.blocks += length;
		this.longest = Math.max(this.longest, length);
		this.runsBySize[size] = (this.runsBySize[size] ?? 0) + 1;
		this.blocksBySize[size] = (this.blocksBySize[size] ?? 0) + length;
	}
}

function groupLength({geometry, superblock}: Volume, index: number): number {
	const first = firstBlockOfGroup(superblock, index);
	return Math.min(geometry.blocksPerGroup, geometry.blockCount - first);
}

/** Superblock copy, descriptors and the room behind them, at the start of a group. */
function paintHead(volume: Volume, index: number, map: DiskMap): void {
	const {superblock, geometry} = volume;
	const first = firstBlockOfGroup(superblock, index);
	let at = first;
	let rest = Math.min(headBlocks(superblock, index), geometry.blockCount - first);
	if (index === 0 && first === 0 && geometry.blockSize === 1024 && rest > 0) {
		map.paint(at, 1, classOf.system); // The boot block.
		at++;
		rest--;
	}
	if (rest > 0 && hasSuperblockCopy(superblock, index)) {
		map.paint(at, 1, classOf.superblock);
		at++;
		rest--;
	}
	if (rest > 0) map.paint(at, rest, classOf.descriptors);
}

function paintTables(volume: Volume, group: Group, map: DiskMap): void {
	map.paint(group.blockBitmap, 1, classOf.bitmaps);
	map.paint(group.inodeBitmap, 1, classOf.bitmaps);
	map.paint(group.inodeTable, volume.geometry.inodeTableBlocks, classOf.inodes);
}

/** Calls `each` for every run of bits of one kind among the first `count` bits. */
function forEachRun(
	bits: Uint8Array,
	count: number,
	each: (from: number, length: number, isSet: boolean) => void,
): void {
	const bitAt = (at: number) => ((bits[at >>> 3] ?? 0) >>> (at & 7)) & 1;
	for (let from = 0; from < count; ) {
		const value = bitAt(from);
		const whole = value === 1 ? 0xff : 0;
		let at = from + 1;
		while (at < count) {
			if ((at & 7) === 0 && at + 8 <= count && bits[at >>> 3] === whole) at += 8;
			else if (bitAt(at) === value) at++;
			else break;
		}
		each(from, at - from, value === 1);
		from = at;
	}
}

export class GroupSurvey {
	readonly facts: GroupFacts[] = [];
	readonly freeRuns = new FreeRuns();
	usedBlocks = 0;
	readonly #volume: Volume;
	readonly #map: DiskMap;
	readonly #problems: Problems;
	readonly #bitmap: Uint8Array;

	constructor(volume: Volume, map: DiskMap, problems: Problems) {
		this.#volume = volume;
		this.#map = map;
		this.#problems = problems;
		this.#bitmap = new Uint8Array(volume.geometry.blockSize);
	}

	/** Looks at every group, and gives each inode that is in use to `visit`. */
	run(visit: (inode: number) => void): void {
		const {superblock, geometry} = this.#volume;
		if (geometry.groupCount > groupsMax) {
			this.#problems.add(
				`only the first ${groupsMax} of ${geometry.groupCount} block groups are looked at`,
				'REPORT_TOO_MANY_GROUPS',
			);
		}
		// With blocks of 1 KiB the first one, the boot block, belongs to no group.
		this.#map.paint(0, geometry.firstDataBlock, classOf.system);
		const end = Math.min(geometry.groupCount, groupsMax);
		for (let index = 0; index < end; index++) {
			paintHead(this.#volume, index, this.#map);
			const group = this.#problems.attempt(() => this.#volume.group(index));
			this.facts.push(group === undefined ? this.#lost(index) : this.#lookAt(group, visit));
		}
		this.freeRuns.finish();
		if (superblock.features.has('mmp')) {
			this.#map.paint(ext4_super_block.at(superblock.view, 0).s_mmp_block, 1, classOf.system);
		}
	}

	#lost(index: number): GroupFacts {
		const first = firstBlockOfGroup(this.#volume.superblock, index);
		this.#map.paint(first, groupLength(this.#volume, index), classOf.unreadable);
		return {index, freeBlocks: 0, usedInodes: 0, directories: 0, isUnreadable: true};
	}

	#lookAt(group: Group, visit: (inode: number) => void): GroupFacts {
		paintTables(this.#volume, group, this.#map);
		return {
			index: group.index,
			freeBlocks: this.#countFree(group),
			usedInodes: this.#visitInodes(group, visit),
			directories: group.usedDirectoryCount,
			isUnreadable: false,
		};
	}

	#readBitmap(block: number): boolean {
		const {device, geometry} = this.#volume;
		const read = () => {
			device.read(block * geometry.blockSize, this.#bitmap);
			return true;
		};
		if (this.#problems.attempt(read) === true) return true;
		this.#map.paint(block, 1, classOf.unreadable);
		return false;
	}

	#countFree(group: Group): number {
		const {superblock, geometry, features} = this.#volume;
		const first = firstBlockOfGroup(superblock, group.index);
		const length = groupLength(this.#volume, group.index);
		if (hasGroupChecksums(features) && (group.flags & groupFlags.blockUninit) !== 0) {
			// The bitmap was never written: all is free that is not fixed metadata.
			this.freeRuns.add(first, length);
			return Math.min(length, group.freeClusterCount * 2 ** geometry.clusterBits);
		}
		if (!this.#readBitmap(group.blockBitmap)) return 0;
		let free = 0;
		const scale = 2 ** geometry.clusterBits;
		forEachRun(this.#bitmap, Math.ceil(length / scale), (from, count, isSet) => {
			const start = first + from * scale;
			const blocks = Math.min(count * scale, first + length - start);
			if (isSet) {
				this.#map.paint(start, blocks, classOf.unknown);
				this.usedBlocks += blocks;
				return;
			}
			free += blocks;
			this.freeRuns.add(start, blocks);
		});
		return free;
	}

	#visitInodes(group: Group, visit: (inode: number) => void): number {
		const {geometry, features} = this.#volume;
		const hasFlags = hasGroupChecksums(features);
		if (hasFlags && (group.flags & groupFlags.inodeUninit) !== 0) return 0;
		if (!this.#readBitmap(group.inodeBitmap)) return 0;
		const unused = hasFlags ? Math.min(group.unusedInodeCount, geometry.inodesPerGroup) : 0;
		const base = group.index * geometry.inodesPerGroup + 1;
		let used = 0;
		forEachRun(this.#bitmap, geometry.inodesPerGroup - unused, (from, count, isSet) => {
			if (!isSet) return;
			used += count;
			for (let at = from; at < from + count; at++) visit(base + at);
		});
		return used;
	}
}
