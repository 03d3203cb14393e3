/**
 * The block maps of ext2 and ext3: 12 direct numbers, then one tree each of one, two and three
 * levels. Kernel documentation, "Direct/Indirect Block Addressing".
 *
 * A map block has no checksum and no header: every number in it is checked as it is used. The
 * depth is at most three, so that a cycle costs three steps.
 */
import {CorruptError} from '../errors.ts';
import type {Inode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import type {Run} from './run.ts';

/** Numbers of data blocks in the inode itself. */
export const directCount = 12;

/** Logical blocks that a map reaches. */
export function mapReach(volume: Volume): number {
	const perBlock = volume.geometry.blockSize / 4;
	return directCount + perBlock + perBlock ** 2 + perBlock ** 3;
}

export function assertPointer(
	volume: Volume,
	inode: Inode,
	pointer: number,
	logical: number,
): void {
	const {blockCount, firstDataBlock} = volume.geometry;
	if (pointer >= blockCount || pointer <= firstDataBlock) {
		throw new CorruptError(
			'EXT4_BAD_BLOCK_MAP',
			`logical block ${logical} is mapped to block ${pointer}`,
			{inode: inode.number},
		);
	}
}

/**
 * The run that starts at entry `index` of a list of leaf pointers. `logical` is what the entry
 * maps. Follows physically contiguous pointers, or zeros, to the end of the list.
 */
function runInList(
	volume: Volume,
	inode: Inode,
	list: {view: DataView; entryCount: number},
	index: number,
	logical: number,
): Run {
	const first = list.view.getUint32(index * 4, true);
	let length = 1;
	const step = first === 0 ? 0 : 1;
	while (
		index + length < list.entryCount &&
		list.view.getUint32((index + length) * 4, true) === first + length * step
	) {
		length++;
	}
	if (first === 0) return {kind: 'hole', logical, length};
	assertPointer(volume, inode, first, logical);
	assertPointer(volume, inode, first + length - 1, logical + length - 1);
	return {kind: 'mapped', logical, length, physical: first};
}

/**
 * The run that starts at `logical`; it ends at the latest where its map block does. Throws
 * `CorruptError` for a number outside the file system or a block that no map can hold.
 */
export function mapIndirect(volume: Volume, inode: Inode, logical: number): Run {
	if (logical < directCount) {
		const list = {view: inode.blockView, entryCount: directCount};
		return runInList(volume, inode, list, logical, logical);
	}
	const perBlock = volume.geometry.blockSize / 4;
	let rest = logical - directCount;
	for (let levels = 1; levels <= 3; levels++) {
		const span = perBlock ** levels; // Logical blocks below one tree of so many levels.
		if (rest < span) return mapInTree(volume, inode, logical, rest, levels);
		rest -= span;
	}
	throw new CorruptError('EXT4_BAD_BLOCK_MAP', `no map reaches logical block ${logical}`, {
		inode: inode.number,
	});
}

/** `rest` counts logical blocks from the first that the tree of `levels` levels maps. */
function mapInTree(
	volume: Volume,
	inode: Inode,
	logical: number,
	rest: number,
	levels: number,
): Run {
	const perBlock = volume.geometry.blockSize / 4;
	let pointer = inode.blockView.getUint32((directCount + levels - 1) * 4, true);
	let below = perBlock ** levels; // Logical blocks below `pointer`.
	let remaining = rest;
	for (let level = levels; level > 0; level--) {
		if (pointer === 0) return {kind: 'hole', logical, length: below - remaining};
		assertPointer(volume, inode, pointer, logical);
		const block = volume.cache.read(pointer);
		below /= perBlock;
		const index = Math.floor(remaining / below);
		remaining %= below;
		if (level === 1) {
			return runInList(volume, inode, {view: block.view, entryCount: perBlock}, index, logical);
		}
		pointer = block.view.getUint32(index * 4, true);
	}
	throw new CorruptError('EXT4_BAD_BLOCK_MAP', 'a block map without levels', {
		inode: inode.number,
	});
}
