/**
 * Block maps: space put in, and taken out. Kernel documentation, "Direct/Indirect Block
 * Addressing".
 *
 * Map blocks have no checksum. One that has become all zeros is freed, as holes need none.
 */
import {allocateBlocks, freeBlocks, goalFor} from '../allocator/blocks.ts';
import type {CachedBlock} from '../block-cache.ts';
import {CorruptError, FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import type {MutableInode} from '../layout/inode.ts';
import {assertPointer, directCount} from './block-map.ts';
import {freedAtOnceMax, type SpaceRun, touchedBlocksMax} from './run.ts';

/** Physical numbers are 32 bits wide in a map. */
const mapPhysicalEnd = 2 ** 32;

/** Numbers one after another: in the inode, or in a map block. */
class PointerList {
	readonly view: DataView;
	readonly count: number;
	/** Undefined for the one in the inode. */
	readonly block: CachedBlock | undefined;
	readonly #handle: Handle;
	readonly #inode: MutableInode;

	constructor(handle: Handle, inode: MutableInode, block?: CachedBlock) {
		this.#handle = handle;
		this.#inode = inode;
		this.block = block;
		this.view = block?.view ?? inode.blockView;
		this.count = block === undefined ? directCount + 3 : block.bytes.length / 4;
	}

	get(index: number): number {
		return this.view.getUint32(index * 4, true);
	}

	set(index: number, pointer: number): void {
		if (this.block === undefined) this.#handle.edit(this.#inode);
		else this.#handle.touch(this.block);
		this.view.setUint32(index * 4, pointer, true);
	}

	get isEmpty(): boolean {
		for (let index = 0; index < this.count; index++) if (this.get(index) !== 0) return false;
		return true;
	}
}

/** A map with clusters can't be; the kernel takes no such file for writing either. */
function assertNoClusters(handle: Handle, inode: MutableInode): void {
	if (handle.volume.geometry.clusterBits === 0) return;
	throw new CorruptError('EXT4_BAD_BLOCK_MAP', 'a block map in a file system of clusters', {
		inode: inode.number,
	});
}

function allocate(
	handle: Handle,
	inode: MutableInode,
	request: {goal: number; length: number; logical?: number},
): {start: number; length: number} {
	const run = allocateBlocks(handle, inode, request);
	if (run.start + run.length > mapPhysicalEnd) {
		throw new FileError('ENOSPC', 'no space is left that a block map could hold');
	}
	return run;
}

/** The nearest number before `index` of the list, or the list's own place, or a new file's. */
function goalIn(handle: Handle, inode: MutableInode, list: PointerList, index: number): number {
	for (let before = index - 1; before >= 0; before--) {
		const pointer = list.get(before);
		if (pointer !== 0) return pointer + (index - before);
	}
	return list.block === undefined ? goalFor(handle.volume, inode) : list.block.number + 1;
}

type Slot = {
	readonly list: PointerList;
	readonly index: number;
	/** The first index of the list that maps no data. */
	readonly end: number;
};

/** The slot of a data block; map blocks that lack on the way are made. */
function slotOf(handle: Handle, inode: MutableInode, logical: number): Slot {
	const {volume} = handle;
	const top = new PointerList(handle, inode);
	if (logical < directCount) return {list: top, index: logical, end: directCount};
	const perBlock = volume.geometry.blockSize / 4;
	let rest = logical - directCount;
	let levels = 1;
	while (rest >= perBlock ** levels) {
		rest -= perBlock ** levels;
		if (++levels > 3) throw new FileError('EFBIG', 'no block map reaches so far');
	}
	let list = top;
	let index = directCount + levels - 1;
	for (let below = levels - 1; below >= 0; below--) {
		list = openOrAddMap(handle, inode, list, index, logical);
		const span = perBlock ** below;
		index = Math.floor(rest / span);
		rest %= span;
	}
	return {list, index, end: perBlock};
}

function openOrAddMap(
	handle: Handle,
	inode: MutableInode,
	list: PointerList,
	index: number,
	logical: number,
): PointerList {
	const pointer = list.get(index);
	if (pointer !== 0) {
		assertPointer(handle.volume, inode, pointer, logical);
		return new PointerList(handle, inode, handle.volume.cache.read(pointer));
	}
	const goal = goalIn(handle, inode, list, index);
	const {start} = allocate(handle, inode, {goal, length: 1});
	const block = handle.create(start);
	list.set(index, start);
	return new PointerList(handle, inode, block);
}

/**
 * Gives the hole at `logical` space: one run, of at most `length` blocks, which ends at the latest
 * where the map block does.
 *
 * Throws `FileError` ENOSPC, EDQUOT; EFBIG where no map reaches; `RetryAfterCommit`,
 * `CorruptError`, `DeviceError`.
 */
export function insertIntoMap(
	handle: Handle,
	inode: MutableInode,
	logical: number,
	length: number,
): SpaceRun {
	assertNoClusters(handle, inode);
	const {list, index, end} = slotOf(handle, inode, logical);
	let wanted = 1;
	while (wanted < length && index + wanted < end && list.get(index + wanted) === 0) wanted++;
	const goal = goalIn(handle, inode, list, index);
	const run = allocate(handle, inode, {goal, length: wanted, logical});
	for (let step = 0; step < run.length; step++) list.set(index + step, run.start + step);
	return {kind: 'mapped', logical, length: run.length, physical: run.start};
}

/** What a removal needs to know on its way down. */
type Removal = {
	readonly handle: Handle;
	readonly inode: MutableInode;
	/** Logical blocks. */
	readonly from: number;
	readonly to: number;
	readonly kind: 'data' | 'metadata';
	readonly touchedBefore: number;
	/** Map blocks on the way: in a damaged map one may lead back to them. */
	readonly way: CachedBlock[];
};

function isLarge({handle, touchedBefore}: Removal): boolean {
	return handle.touchedBlocks - touchedBefore > touchedBlocksMax;
}

/**
 * Frees the data blocks at `[first, end)` of a list, in runs, from the end on. False where the handle
 * has grown large.
 */
function clearData(removal: Removal, list: PointerList, first: number, end: number): boolean {
	const {handle, inode, kind} = removal;
	const atOnce = freedAtOnceMax(handle.volume, kind);
	for (let index = end; index > first; ) {
		if (isLarge(removal)) return false;
		const last = list.get(--index);
		if (last === 0) continue;
		let length = 1;
		while (length < atOnce && index > first && list.get(index - 1) === last - length) {
			index--;
			length++;
		}
		for (let step = 0; step < length; step++) list.set(index + step, 0);
		assertPointer(handle.volume, inode, last - length + 1, index);
		freeBlocks(handle, inode, last - length + 1, length, kind);
	}
	return true;
}

/**
 * Clears what entry `index` of `list`, a tree of `levels` levels whose first logical block is
 * `base`, maps of the range. False where the handle has grown large.
 */
function clearTree(
	removal: Removal,
	list: PointerList,
	index: number,
	levels: number,
	base: number,
): boolean {
	const {handle, inode, way} = removal;
	const pointer = list.get(index);
	if (pointer === 0) return true;
	const {volume} = handle;
	assertPointer(volume, inode, pointer, base);
	const block = volume.cache.read(pointer);
	if (way.includes(block)) {
		throw new CorruptError('EXT4_BAD_BLOCK_MAP', 'a map block leads to itself', {
			inode: inode.number,
			block: pointer,
		});
	}
	const map = new PointerList(handle, inode, block);
	const span = map.count ** (levels - 1);
	const first = Math.max(0, Math.floor((removal.from - base) / span));
	const end = Math.min(map.count, Math.ceil((removal.to - base) / span));
	if (levels === 1) {
		if (!clearData(removal, map, first, end)) return false;
	} else {
		way.push(block);
		for (let child = end - 1; child >= first; child--) {
			if (!clearTree(removal, map, child, levels - 1, base + child * span)) return false;
		}
		way.pop();
	}
	if (map.isEmpty) {
		list.set(index, 0);
		freeBlocks(handle, inode, pointer, 1, 'metadata');
	}
	return !isLarge(removal);
}

/**
 * Takes away the space of logical blocks `[from, to)`, from the end on. False where the handle has
 * grown large and something may be left.
 */
export function removeFromMap(
	handle: Handle,
	inode: MutableInode,
	from: number,
	to: number,
	kind: 'data' | 'metadata',
): boolean {
	assertNoClusters(handle, inode);
	const perBlock = handle.volume.geometry.blockSize / 4;
	const top = new PointerList(handle, inode);
	const touchedBefore = handle.touchedBlocks;
	const removal = {handle, inode, from, to, kind, touchedBefore, way: []};
	let base = directCount + perBlock + perBlock ** 2;
	for (let levels = 3; levels >= 1; levels--) {
		if (base < to && base + perBlock ** levels > from) {
			if (!clearTree(removal, top, directCount + levels - 1, levels, base)) return false;
		}
		base -= perBlock ** (levels - 1);
	}
	return clearData(removal, top, Math.min(from, directCount), Math.min(to, directCount));
}
