/** Giving out inode numbers and taking them back. Kernel documentation, "Index Nodes". */
import {CorruptError, FileError} from '../errors.ts';
import {hasGroupChecksums} from '../groups.ts';
import {type Handle, RetryAfterCommit} from '../journal/handle.ts';
import {type Group, groupFlags} from '../layout/group.ts';
import {ext4_inode, type Inode, type MutableInode, reservedInode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {clearRange, firstClear, isSet, loadWords, setRange} from './bitmap.ts';
import {editBlockBits, editInodeBits, hasFlag, readInodeBits} from './bitmaps.ts';
import {findRun} from './find-run.ts';
import {directoryGroup, fileGroup} from './spread.ts';
import {type AllocatorState, allocatorOf} from './state.ts';

const directoryMode = 0o040000;
const modeTypeMask = 0o170000;

/** Inodes that no file may have, whatever their bit in the bitmap says. */
function isSpecial(volume: Volume, number: number): boolean {
	const {geometry, journalInode, quotaInodes, orphanFileInode} = volume.superblock;
	return (
		number < geometry.firstInode ||
		(volume.features.has('has_journal') && number === journalInode) ||
		number === quotaInodes.user ||
		number === quotaInodes.group ||
		number === quotaInodes.project ||
		number === orphanFileInode
	);
}

/** Inodes at the start of the group's table that were ever used. */
function usedInodesOf(volume: Volume, group: Group): number {
	const {inodesPerGroup} = volume.geometry;
	if (!hasGroupChecksums(volume.features)) return inodesPerGroup;
	if (hasFlag(volume, group, groupFlags.inodeUninit)) return 0;
	return Math.max(0, inodesPerGroup - group.unusedInodeCount);
}

/** The index of the first inode of the group that is free to take; undefined where none is. */
function findFree(volume: Volume, state: AllocatorState, group: number): number | undefined {
	const {inodesPerGroup, firstInode} = volume.geometry;
	const from = group === 0 ? firstInode - 1 : 0;
	const bits = readInodeBits(volume, group);
	const pending = state.pendingInodes.of(group);
	if (pending === undefined) return firstClear(bits, from, inodesPerGroup);
	const words = new Uint32Array(Math.ceil(inodesPerGroup / 32));
	loadWords(bits, words, pending);
	return findRun({words, bitCount: inodesPerGroup}, from, inodesPerGroup, 1).found?.start;
}

/** The bitmap is not alone in knowing what is in use: e2fsck goes by the count of links. */
function assertUnused(volume: Volume, group: Group, index: number, number: number): void {
	if (isSpecial(volume, number)) {
		throw new CorruptError('EXT4_BAD_BITMAP', 'an inode of the file system is marked as free', {
			inode: number,
		});
	}
	if (index >= usedInodesOf(volume, group)) return; // Whatever lies there was never an inode.
	const {block, at} = volume.locateInode(number);
	const raw = ext4_inode.at(block.view, at);
	if (raw.i_mode === 0 || raw.i_links_count === 0) return;
	throw new CorruptError('EXT4_BAD_BITMAP', 'an inode that has links is marked as free', {
		inode: number,
	});
}

/** All groups from `first` on, round to it again. */
function* groupsFrom(volume: Volume, first: number): Generator<number> {
	const {groupCount} = volume.geometry;
	for (let step = 0; step < groupCount; step++) yield (first + step) % groupCount;
}

/**
 * Takes a free inode for a file of that mode in the directory `parent`: files near it, directories
 * spread over the volume where `parent` lies at the top, and near it below. The slot is made with
 * `Handle.addInode`, which the caller does; quota is charged once the owners are known.
 *
 * Throws `FileError` ENOSPC, `RetryAfterCommit`, `CorruptError`, `DeviceError`.
 */
export function allocateInode(handle: Handle, parent: Inode, mode: number): number {
	const {volume} = handle;
	const state = allocatorOf(volume);
	const isDirectory = (mode & modeTypeMask) === directoryMode;
	if (volume.superblock.freeInodeCount > 0) {
		const first = isDirectory ? directoryGroup(volume, state, parent) : fileGroup(volume, parent);
		for (const group of groupsFrom(volume, first)) {
			if (volume.group(group).freeInodeCount === 0) continue;
			const index = findFree(volume, state, group);
			if (index !== undefined) return take(handle, state, group, index, isDirectory);
		}
		if (state.pendingInodes.count > 0) throw new RetryAfterCommit('all free inodes are just freed');
	}
	throw new FileError('ENOSPC', 'no inode is left on the file system');
}

function take(
	handle: Handle,
	state: AllocatorState,
	index: number,
	bit: number,
	isDirectory: boolean,
): number {
	const {volume} = handle;
	const {inodesPerGroup} = volume.geometry;
	const number = index * inodesPerGroup + bit + 1;
	assertUnused(volume, volume.group(index), bit, number);
	const group = handle.editGroup(index);
	const usedBefore = usedInodesOf(volume, group);
	// The inode is in use of a group then, so its blocks must be told from free ones, as in the kernel.
	if (hasFlag(volume, group, groupFlags.blockUninit)) editBlockBits(handle, index);
	setRange(editInodeBits(handle, index), bit, bit + 1);
	if (hasGroupChecksums(volume.features)) {
		group.unusedInodeCount = inodesPerGroup - Math.max(usedBefore, bit + 1);
	}
	group.freeInodeCount--;
	handle.editSuperblock().freeInodeCount--;
	if (isDirectory) {
		group.usedDirectoryCount++;
		countDirectory(handle, state, 1);
	}
	return number;
}

function countDirectory(handle: Handle, state: AllocatorState, delta: 1 | -1): void {
	state.directoryCount += delta;
	handle.onRollback(() => {
		state.directoryCount -= delta;
	});
}

/**
 * Gives back the number of an inode that nothing refers to any more; what it had is freed already.
 * With a journal the number may be given out again at once, without one after the commit:
 * `decisions/allocator.md` says why.
 *
 * Throws `CorruptError` where it is free already or is one of the file system's own; `DeviceError`.
 */
export function freeInodeNumber(handle: Handle, inode: MutableInode): void {
	const {volume} = handle;
	const {inodesPerGroup} = volume.geometry;
	const {number} = inode;
	const state = allocatorOf(volume);
	const index = Math.floor((number - 1) / inodesPerGroup);
	const bit = (number - 1) % inodesPerGroup;
	if (isSpecial(volume, number) || number === reservedInode.root) {
		throw new CorruptError('EXT4_BAD_INODE_NUMBER', 'an inode of the file system is freed', {
			inode: number,
		});
	}
	const bits = editInodeBits(handle, index);
	if (!isSet(bits, bit)) {
		throw new CorruptError('EXT4_BAD_BITMAP', 'an inode that is in use is marked as free', {
			inode: number,
		});
	}
	clearRange(bits, bit, bit + 1);
	const group = handle.editGroup(index);
	group.freeInodeCount++;
	handle.editSuperblock().freeInodeCount++;
	if (inode.type === 'directory') {
		// A count that was wrong before us must not become a large one.
		group.usedDirectoryCount = Math.max(0, group.usedDirectoryCount - 1);
		countDirectory(handle, state, -1);
	}
	state.dropWindow(number);
	if (!volume.features.has('has_journal')) {
		state.pendingInodes.add(handle, index, {start: bit, length: 1}, () => {
			// Nothing is remembered of free inodes that would have to be forgotten.
		});
	}
}
