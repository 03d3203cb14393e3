/**
 * Giving blocks to inodes and taking them back. In clusters throughout, which are blocks unless
 * the volume has bigalloc; `decisions/allocator.md` tells how places are chosen.
 */
import {assert, CorruptError, FileError} from '../errors.ts';
import {firstBlockOfGroup} from '../groups.ts';
import {type Handle, RetryAfterCommit} from '../journal/handle.ts';
import {type Inode, inodeFlags, type MutableInode} from '../layout/inode.ts';
import {ext4_super_block} from '../layout/superblock.ts';
import {chargeSpace, spaceLeft} from '../quota/space.ts';
import type {Volume} from '../volume.ts';
import {clearRange, isRangeSet, loadWords, setRange} from './bitmap.ts';
import {clusterCountOf, editBlockBits, groupOfBlock, readBlockBits} from './bitmaps.ts';
import {type BitField, clearLengthAt} from './find-run.ts';
import {type AllocatorState, allocatorOf, knownAllocatorOf} from './state.ts';

export type BlockRequest = {
	/** The physical block where the run should begin; any number. */
	readonly goal: number;
	/** Blocks wanted, at least 1. */
	readonly length: number;
	/** Where in the file the run will stand; what is left out here gets no room to grow. */
	readonly logical?: number;
	/**
	 * The blocks are for the map of blocks that the file has already: they may come from what is
	 * kept back for that, so that writing to allocated space never lacks room.
	 */
	readonly isForMap?: boolean;
};

/** Physical blocks. */
export type BlockRun = {readonly start: number; readonly length: number};

/** Files that are shorter get no room to grow: they lie close together. In blocks. */
const windowFileMin = 16;
/** What is written at once and is smaller is most likely a whole file, and gets none either. In bytes. */
const windowStartMin = 256 * 1024;
/** Clusters kept ahead of a growing file at most. */
const windowMax = 4096;
/** No inode. */
const nobody = 0;
/** From so many groups in a flexible group on, directories and files keep apart in it. */
const flexGroupsMin = 4;

/**
 * Clusters kept back so that turning allocated, unwritten space into written never lacks room for
 * the tree's growth: one in fifty, at most 4,096, as the kernel has it.
 */
export function growthReserve(volume: Volume): number {
	if (!volume.features.has('extent')) return 0;
	const {blockCount, clusterBits} = volume.geometry;
	return Math.min(Math.floor(blockCount / 2 ** clusterBits / 50), 4096);
}

/** Clusters that the operation may take. */
function availableClusters(handle: Handle, request: BlockRequest): number {
	const {volume} = handle;
	const {superblock} = volume;
	const ratio = 2 ** volume.geometry.clusterBits;
	const free = Math.floor(superblock.freeBlockCount / ratio);
	if (request.isForMap === true) return free;
	const reserved = handle.mayUseReserved ? 0 : Math.ceil(superblock.reservedBlockCount / ratio);
	return free - reserved - growthReserve(volume);
}

/** The groups of which one holds the metadata of all; 1 without flex_bg. */
export function flexGroupSize(volume: Volume): number {
	if (!volume.features.has('flex_bg')) return 1;
	const log = ext4_super_block.at(volume.superblock.view, 0).s_log_groups_per_flex;
	return log < 31 ? 2 ** log : 2 ** 31;
}

/**
 * The physical block where the first block of `inode` should lie: in its own group; where groups
 * are flexible, directories in the first of them and files behind it, so that what lists a tree
 * reads one place.
 */
export function goalFor(volume: Volume, inode: Inode): number {
	const {geometry, superblock} = volume;
	let group = Math.floor((inode.number - 1) / geometry.inodesPerGroup);
	const flexSize = flexGroupSize(volume);
	if (flexSize >= flexGroupsMin) {
		group -= group % flexSize;
		if (inode.type === 'file' && group + 1 < geometry.groupCount) group++;
	}
	return firstBlockOfGroup(superblock, Math.min(group, geometry.groupCount - 1));
}

/** Clusters to keep free behind the run, for a file that grows: the longer it is, the more. */
function windowAhead(volume: Volume, inode: Inode, request: BlockRequest): number {
	if (inode.type !== 'file' || request.logical === undefined) return 0;
	const end = request.logical + request.length;
	if (end < windowFileMin) return 0;
	if (request.logical === 0 && end * volume.geometry.blockSize < windowStartMin) return 0;
	const clusters = Math.ceil(end / 2 ** volume.geometry.clusterBits);
	return Math.min(windowMax, 2 ** Math.ceil(Math.log2(clusters)));
}

const scratches = new WeakMap<AllocatorState, Uint32Array>();

/**
 * What may not be taken in a group: what is in use, what was freed and is not committed, what is
 * kept for other files than `inodeNumber`. Good until the next call.
 */
function busyField(
	volume: Volume,
	state: AllocatorState,
	group: number,
	inodeNumber: number,
): BitField {
	const {geometry, superblock} = volume;
	let words = scratches.get(state);
	if (words === undefined) {
		words = new Uint32Array(Math.ceil(geometry.clustersPerGroup / 32));
		scratches.set(state, words);
	}
	loadWords(readBlockBits(volume, group), words, state.pendingClusters.of(group));
	const last = geometry.blockCount - firstBlockOfGroup(superblock, group);
	// A cluster that the volume ends in the middle of is counted, but can't be given to anybody.
	const bitCount = Math.min(
		clusterCountOf(volume, group),
		Math.floor(last / 2 ** geometry.clusterBits),
	);
	state.occupyWindows(group, words, inodeNumber);
	return {words, bitCount};
}

type Found = {
	readonly group: number;
	/** Clusters of the group. */
	readonly start: number;
	/** Free clusters from there on, as far as they were asked for. */
	readonly length: number;
};

type Wanted = {
	readonly inodeNumber: number;
	/** Groups that the inode's map can reach. */
	readonly groupCount: number;
	readonly goalGroup: number;
	readonly goalBit: number;
	readonly want: number;
	readonly ahead: number;
	/** The goal is where the file ends: the fewest blocks there are better than a new extent. */
	readonly extendsFile: boolean;
};

function findAtGoal(volume: Volume, state: AllocatorState, wanted: Wanted): Found | undefined {
	const {goalGroup, goalBit} = wanted;
	if (volume.group(goalGroup).freeClusterCount === 0) return undefined;
	const field = busyField(volume, state, goalGroup, wanted.inodeNumber);
	const length = clearLengthAt(field, goalBit, wanted.want + wanted.ahead);
	const enough = wanted.extendsFile ? 1 : wanted.want;
	return length >= enough ? {group: goalGroup, start: goalBit, length} : undefined;
}

/** A run of `length` clusters in the goal's group or the first behind it that has one. */
function findLength(
	volume: Volume,
	state: AllocatorState,
	wanted: Wanted,
	length: number,
): Found | undefined {
	if (!state.mayHave(length)) return undefined;
	const {groupCount} = wanted;
	for (let step = 0; step < groupCount; step++) {
		const group = (wanted.goalGroup + step) % groupCount;
		if (!state.groupMayHave(group, length)) continue;
		const {freeClusterCount} = volume.group(group);
		if (freeClusterCount < length) {
			state.noteLongest(group, freeClusterCount);
			continue;
		}
		const field = busyField(volume, state, group, wanted.inodeNumber);
		const run = state.search(group, field, step === 0 ? wanted.goalBit : 0, length);
		if (run !== undefined) return {group, ...run};
	}
	if (groupCount === volume.geometry.groupCount) state.noteMissing(length);
	return undefined;
}

/** With room to grow; without; then half of it, and half of that. */
function findRoom(volume: Volume, state: AllocatorState, wanted: Wanted): Found | undefined {
	const atGoal = findAtGoal(volume, state, wanted);
	if (atGoal !== undefined) return atGoal;
	const {want, ahead} = wanted;
	if (ahead > 0) {
		const roomy = findLength(volume, state, wanted, want + ahead);
		if (roomy !== undefined) return roomy;
	}
	for (let length = want; length >= 1; length = Math.floor(length / 2)) {
		const found = findLength(volume, state, wanted, length);
		if (found !== undefined) return found;
	}
	return undefined;
}

function noSpace(): FileError {
	return new FileError('ENOSPC', 'no space is left on the file system');
}

function find(volume: Volume, state: AllocatorState, wanted: Wanted): Found {
	const found = findRoom(volume, state, wanted);
	if (found !== undefined) return found;
	if (state.hasWindows) {
		state.dropWindows();
		const again = findRoom(volume, state, wanted);
		if (again !== undefined) return again;
	}
	if (state.pendingClusters.count > 0) throw new RetryAfterCommit('all free space is just freed');
	throw noSpace();
}

/** Block maps count blocks in 32 bits; so what they name must lie in the groups below that. */
function reachableGroups(volume: Volume, inode: Inode): number {
	const {groupCount, firstDataBlock, blocksPerGroup} = volume.geometry;
	if ((inode.flags & inodeFlags.extents) !== 0) return groupCount;
	const reached = Math.floor((2 ** 32 - firstDataBlock) / blocksPerGroup);
	return Math.max(1, Math.min(groupCount, reached));
}

/** The group and the cluster of it that hold the goal; a goal outside the volume is none. */
function placeOf(volume: Volume, inode: Inode, goal: number): {group: number; bit: number} {
	const {firstDataBlock, blockCount, clusterBits} = volume.geometry;
	const isInside = Number.isSafeInteger(goal) && goal >= firstDataBlock && goal < blockCount;
	const block = isInside ? goal : goalFor(volume, inode);
	const group = groupOfBlock(volume, block);
	const within = block - firstBlockOfGroup(volume.superblock, group);
	return {group, bit: Math.floor(within / 2 ** clusterBits)};
}

function assertNotMetadata(state: AllocatorState, run: BlockRun, problem: string): void {
	if (!state.zones.overlaps(run.start, run.start + run.length)) return;
	throw new CorruptError('EXT4_BAD_BITMAP', problem, {block: run.start});
}

/**
 * Gives `inode` one run of blocks that lie one after another: 1 to `length` of them, rounded up to
 * whole clusters; with bigalloc it starts where a cluster does. They are marked in the bitmap, and
 * counted in the group, the superblock and the inode at once. The caller maps them.
 *
 * Throws `FileError` ENOSPC or EDQUOT, `RetryAfterCommit`, `CorruptError`, `DeviceError`.
 */
export function allocateBlocks(
	handle: Handle,
	inode: MutableInode,
	request: BlockRequest,
): BlockRun {
	assert(request.length >= 1, 'at least one block is asked for');
	const {volume} = handle;
	const {clusterBits, clusterSize} = volume.geometry;
	const state = allocatorOf(volume);
	const ratio = 2 ** clusterBits;
	const available = Math.min(Math.ceil(request.length / ratio), availableClusters(handle, request));
	if (available < 1) throw noSpace();
	const want = Math.min(available, Math.floor(spaceLeft(handle, inode) / clusterSize));
	if (want < 1) throw new FileError('EDQUOT', 'the quota is used up');
	const groupCount = reachableGroups(volume, inode);
	const {group, bit} = placeOf(volume, inode, request.goal);
	// What is kept ahead of a file is for its contents: its map lies elsewhere and leaves it whole.
	const growsFile = inode.type !== 'file' || request.logical !== undefined;
	const found = find(volume, state, {
		inodeNumber: growsFile ? inode.number : nobody,
		groupCount,
		goalGroup: group % groupCount,
		goalBit: bit,
		want,
		ahead: windowAhead(volume, inode, request),
		extendsFile: request.logical !== undefined && request.logical > 0,
	});
	const taken = Math.min(want, found.length);
	const start = firstBlockOfGroup(volume.superblock, found.group) + found.start * ratio;
	const run = {start, length: taken * ratio};
	assertNotMetadata(state, run, 'blocks of metadata are marked as free');
	mark(handle, state, found.group, found.start, taken);
	chargeSpace(handle, inode, taken * clusterSize);
	inode.sectors += (taken * clusterSize) / 512;
	if (!growsFile) return run;
	const end = found.start + found.length;
	if (found.length > taken) {
		const window = {group: found.group, start: found.start + taken, end};
		state.setWindow(inode.number, window, found.start);
	} else {
		state.dropWindow(inode.number);
	}
	return run;
}

function mark(
	handle: Handle,
	state: AllocatorState,
	group: number,
	start: number,
	length: number,
): void {
	setRange(editBlockBits(handle, group), start, start + length);
	handle.editGroup(group).freeClusterCount -= length;
	handle.editSuperblock().freeBlockCount -= length * 2 ** handle.volume.geometry.clusterBits;
	handle.onRollback(() => state.forgetLongest(group));
}

/** The inode grows no more for now: what is kept free behind it may be taken by others. */
export function releaseReservation(volume: Volume, inodeNumber: number): void {
	knownAllocatorOf(volume)?.dropWindow(inodeNumber);
}

/**
 * Takes blocks back from `inode`; they may be used again after the commit. With bigalloc the run
 * consists of whole clusters. `metadata` are blocks that were changed through handles (directories,
 * maps, attributes): what the journal has of them is revoked.
 *
 * Throws `CorruptError` where a block is free already, belongs to no file or does not exist;
 * `DeviceError`.
 */
export function freeBlocks(
	handle: Handle,
	inode: MutableInode,
	start: number,
	length: number,
	kind: 'data' | 'metadata',
): void {
	const {volume} = handle;
	const {firstDataBlock, blockCount, blocksPerGroup, clusterBits, clusterSize} = volume.geometry;
	const state = allocatorOf(volume);
	const ratio = 2 ** clusterBits;
	const end = start + length;
	const isWhole =
		(start - firstDataBlock) % ratio === 0 && (length % ratio === 0 || end === blockCount);
	if (length < 1 || start < firstDataBlock || end > blockCount || !isWhole) {
		throw new CorruptError('EXT4_BAD_BLOCK_NUMBER', `${length} blocks can't be freed`, {
			block: start,
			inode: inode.number,
		});
	}
	assertNotMetadata(state, {start, length}, 'a file has blocks of metadata');
	for (let at = start; at < end; ) {
		const group = groupOfBlock(volume, at);
		const first = firstBlockOfGroup(volume.superblock, group);
		const groupEnd = Math.min(end, first + blocksPerGroup);
		clear(handle, state, group, (at - first) / ratio, Math.ceil((groupEnd - first) / ratio));
		at = groupEnd;
	}
	if (kind === 'metadata') for (let block = start; block < end; block++) handle.forget(block);
	const bytes = Math.ceil(length / ratio) * clusterSize;
	chargeSpace(handle, inode, -bytes);
	// Counted wrongly by somebody before us: a file must not become impossible to delete.
	inode.sectors = Math.max(0, inode.sectors - bytes / 512);
}

/** Frees the clusters `[from, to)` of a group. */
function clear(
	handle: Handle,
	state: AllocatorState,
	group: number,
	from: number,
	to: number,
): void {
	const bits = editBlockBits(handle, group);
	if (!isRangeSet(bits, from, to)) {
		throw new CorruptError('EXT4_BAD_BITMAP', 'blocks of a file are marked as free', {
			group,
			block: firstBlockOfGroup(handle.volume.superblock, group),
		});
	}
	clearRange(bits, from, to);
	handle.editGroup(group).freeClusterCount += to - from;
	handle.editSuperblock().freeBlockCount += (to - from) * 2 ** handle.volume.geometry.clusterBits;
	state.pendingClusters.add(handle, group, {start: from, length: to - from}, groups => {
		for (const released of groups) state.forgetLongest(released);
	});
}
