/**
 * In which group a new inode should lie. Directories at the top are spread, so that each has room
 * for what will be in it; those below stay with their parent as long as there is room; files lie
 * with their directory. After M. Orlov's allocator for BSD, as ext4 has it; groups are flexible
 * ones where the volume has those.
 */
import {type Inode, inodeFlags, reservedInode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {flexGroupSize} from './blocks.ts';
import type {AllocatorState} from './state.ts';

/** Flexible groups that are compared for one directory at most. */
const candidatesMax = 256;

type Cluster = {
	readonly freeInodes: number;
	readonly freeClusters: number;
	readonly directories: number;
};

/**
 * Groups whose counts are added up for one candidate at most. A flexible group of more, which an
 * image may claim to have, is taken for several.
 */
const groupsMax = 256;

type Layout = {
	/** Groups in a flexible group, or in a part of one. */
	readonly size: number;
	readonly count: number;
};

function layoutOf(volume: Volume): Layout {
	const {groupCount} = volume.geometry;
	const size = Math.min(flexGroupSize(volume), groupsMax, groupCount);
	return {size, count: Math.ceil(groupCount / size)};
}

function sumOf(volume: Volume, layout: Layout, index: number): Cluster {
	const first = index * layout.size;
	const end = Math.min(first + layout.size, volume.geometry.groupCount);
	let freeInodes = 0;
	let freeClusters = 0;
	let directories = 0;
	for (let group = first; group < end; group++) {
		const found = volume.group(group);
		freeInodes += found.freeInodeCount;
		freeClusters += found.freeClusterCount;
		directories += found.usedDirectoryCount;
	}
	return {freeInodes, freeClusters, directories};
}

function groupOfInode(volume: Volume, number: number): number {
	return Math.floor((number - 1) / volume.geometry.inodesPerGroup);
}

/** The first group where an inode for a file in `parent` may lie. */
export function fileGroup(volume: Volume, parent: Inode): number {
	const {size} = layoutOf(volume);
	const group = groupOfInode(volume, parent.number);
	return group - (group % size);
}

/** The first group where an inode for a directory in `parent` may lie. */
export function directoryGroup(volume: Volume, state: AllocatorState, parent: Inode): number {
	const layout = layoutOf(volume);
	if (layout.count === 1) return 0;
	const isTop =
		parent.number === reservedInode.root || (parent.flags & inodeFlags.topDirectory) !== 0;
	const near = Math.floor(groupOfInode(volume, parent.number) / layout.size);
	const found = isTop
		? emptiest(volume, layout, near)
		: nearest(volume, layout, near, state.directoryCount);
	return (found ?? near) * layout.size;
}

/** The one with the fewest directories of those that have at least their share of what is free. */
function emptiest(volume: Volume, layout: Layout, near: number): number | undefined {
	const {superblock, geometry} = volume;
	const inodeShare = superblock.freeInodeCount / layout.count;
	const clusterShare = superblock.freeBlockCount / 2 ** geometry.clusterBits / layout.count;
	let best: number | undefined;
	let fewest = Number.POSITIVE_INFINITY;
	for (let step = 0; step < Math.min(layout.count, candidatesMax); step++) {
		const index = (near + step) % layout.count;
		const sum = sumOf(volume, layout, index);
		if (sum.freeInodes === 0 || sum.freeInodes < inodeShare) continue;
		if (sum.freeClusters < clusterShare || sum.directories >= fewest) continue;
		best = index;
		fewest = sum.directories;
		if (fewest === 0) break;
	}
	return best;
}

/** The first, from the parent's on, that is neither crowded with directories nor short of room. */
function nearest(
	volume: Volume,
	layout: Layout,
	near: number,
	directoryCount: number,
): number | undefined {
	const {superblock, geometry} = volume;
	const inodes = geometry.inodesPerGroup * layout.size;
	const clusters = geometry.clustersPerGroup * layout.size;
	const directoriesMax = directoryCount / layout.count + inodes / 16;
	const inodesMin = Math.max(1, superblock.freeInodeCount / layout.count - inodes / 4);
	const clustersMin =
		superblock.freeBlockCount / 2 ** geometry.clusterBits / layout.count - clusters / 4;
	for (let step = 0; step < Math.min(layout.count, candidatesMax); step++) {
		const index = (near + step) % layout.count;
		const sum = sumOf(volume, layout, index);
		if (sum.directories >= directoriesMax || sum.freeInodes < inodesMin) continue;
		if (sum.freeClusters >= clustersMin) return index;
	}
	return undefined;
}
