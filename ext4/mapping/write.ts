/** Logical to physical for writing, whichever way the inode keeps it. */
import {allocatorOf} from '../allocator/state.ts';
import {AssertionError, CorruptError, FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {ext4_extent_header, extentMagic} from '../layout/extent.ts';
import {type Inode, inodeFlags, type MutableInode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {mapReach} from './block-map.ts';
import {insertIntoMap, removeFromMap} from './block-map-write.ts';
import {forgetRoot, roomIn} from './extent-node.ts';
import {convertExtent, insertExtent, removeExtents, shiftLeft, shiftRight} from './extent-write.ts';
import {mapAt} from './map.ts';
import {logicalBlocksMax, type WritableRun} from './run.ts';

export function hasExtents(inode: Inode): boolean {
	return (inode.flags & inodeFlags.extents) !== 0;
}

/** What a file of that type has in its blocks. */
function kindOf(inode: Inode): 'data' | 'metadata' {
	const isData = inode.type === 'file' && (inode.flags & inodeFlags.eaInode) === 0;
	return isData ? 'data' : 'metadata';
}

/**
 * Makes an empty map of the kind that the volume's files have, in an inode that has none: an empty
 * extent tree, or a block map. Changes only the inode's flags and `blockBytes`; the inode is under
 * a handle's leave.
 */
export function setUpMapping(volume: Volume, inode: MutableInode): void {
	inode.blockBytes.fill(0);
	forgetRoot(inode);
	inode.flags &= ~(inodeFlags.extents | inodeFlags.inlineData);
	if (!volume.features.has('extent')) return;
	inode.flags |= inodeFlags.extents;
	const header = ext4_extent_header.edit(inode.blockView, 0);
	header.eh_magic = extentMagic;
	header.eh_max = roomIn(inode.blockBytes.length);
}

/** No space is allocated to the inode's map, not even for the map itself. */
export function isMapEmpty(inode: Inode): boolean {
	if (hasExtents(inode)) return ext4_extent_header.at(inode.blockView, 0).eh_entries === 0;
	return inode.blockBytes.every(byte => byte === 0);
}

/** Whether any of these blocks is the file system's own (superblocks, bitmaps, inodes, journal). */
export function isMetadata(volume: Volume, start: number, length: number): boolean {
	return allocatorOf(volume).zones.overlaps(start, start + length);
}

/** What was known of blocks when they were metadata is not so any more. */
function dropCached(volume: Volume, run: {physical: number; length: number}): void {
	for (let block = run.physical; block < run.physical + run.length; block++) {
		const cached = volume.cache.peek(block);
		if (cached === undefined) continue;
		if (cached.isRunning || cached.isLogged) {
			throw new CorruptError('EXT4_BLOCK_IN_USE', 'a block that is in use is marked as free', {
				block,
			});
		}
		volume.cache.drop(block);
	}
}

/**
 * The run at `logical`, of at most `length` blocks, with space: a hole gets some, and where `kind`
 * is `written` unwritten space becomes written (the caller writes to it before the handle ends).
 * Space that a block map has is always written. `length` is in blocks and at least 1.
 *
 * Throws `FileError` ENOSPC, EDQUOT; EFBIG beyond what a map can reach; `RetryAfterCommit`,
 * `CorruptError`, `DeviceError`.
 */
export function mapForWriting(
	handle: Handle,
	inode: MutableInode,
	logical: number,
	length: number,
	kind: 'written' | 'unwritten',
): WritableRun {
	const {volume} = handle;
	// The last block number is left alone, as in the kernel: the number behind it must fit, too.
	const reached = hasExtents(inode) ? logicalBlocksMax - 1 : mapReach(volume);
	if (logical + length > reached) {
		throw new FileError('EFBIG', `no map reaches logical block ${logical + length - 1}`);
	}
	const run = mapAt(volume, inode, logical);
	const end = Math.min(logical + length, run.logical + run.length);
	if (run.kind === 'hole') {
		handle.edit(inode);
		const isUnwritten = kind === 'unwritten' && hasExtents(inode);
		const made = hasExtents(inode)
			? insertExtent(handle, inode, logical, end - logical, isUnwritten)
			: insertIntoMap(handle, inode, logical, end - logical);
		dropCached(volume, made);
		return {...made, isNew: true};
	}
	const physical = run.physical + (logical - run.logical);
	const stretch = {logical, length: end - logical, physical};
	if (run.kind === 'mapped' || kind === 'unwritten') {
		return {kind: run.kind, ...stretch, isNew: run.kind === 'unwritten'};
	}
	convertExtent(handle, inode, logical, end, false);
	return {kind: 'mapped', ...stretch, isNew: true};
}

/**
 * Makes the written space at `logical`, of at most `length` blocks, read as zeros without writing
 * them. Only in extent trees. Returns the logical block behind what was looked at: a hole, or
 * space that is unwritten already, stays as it is.
 */
export function makeUnwritten(
	handle: Handle,
	inode: MutableInode,
	logical: number,
	length: number,
): number {
	const run = mapAt(handle.volume, inode, logical);
	const end = Math.min(logical + length, run.logical + run.length);
	if (run.kind === 'mapped') convertExtent(handle, inode, logical, end, true);
	return end;
}

/**
 * Gives the hole at `logical` of a directory, a symlink or an attribute's value a block, and
 * returns its physical number; its contents are the caller's to make, with `Handle.create`.
 *
 * Throws as `mapForWriting`; `CorruptError` where there is a block already.
 */
export function mapMetadataBlock(handle: Handle, inode: MutableInode, logical: number): number {
	const run = mapForWriting(handle, inode, logical, 1, 'written');
	if (!run.isNew) {
		throw new CorruptError('EXT4_BAD_EXTENT', `logical block ${logical} is mapped already`, {
			inode: inode.number,
		});
	}
	return run.physical;
}

/**
 * Takes away the space of logical blocks `[from, to)`, from the end on, and the parts of the map
 * that are needed no more. Returns false where it has stopped because the transaction is getting
 * large: call it again, with the same range, in another handle.
 *
 * Throws `FileError` ENOSPC, where a map must be split and there is no room for that;
 * `RetryAfterCommit`, `CorruptError`, `DeviceError`.
 */
export function removeBlocks(
	handle: Handle,
	inode: MutableInode,
	from: number,
	to: number,
): boolean {
	if (from >= to) return true;
	handle.edit(inode);
	const remove = hasExtents(inode) ? removeExtents : removeFromMap;
	return remove(handle, inode, from, Math.min(to, logicalBlocksMax), kindOf(inode));
}

/**
 * Moves the file's space from logical block `from` on by `by` blocks: towards the end, which leaves
 * a hole, or with a negative `by` towards the start, onto a hole as long. Only in extent trees, and
 * with bigalloc only by whole clusters.
 *
 * Returns undefined when all is moved. Where the transaction is getting large it returns `resume`
 * for the next call in another handle, which goes on where this one has stopped.
 */
export function shiftBlocks(
	handle: Handle,
	inode: MutableInode,
	from: number,
	by: number,
	resume?: number,
): number | undefined {
	if (!hasExtents(inode)) throw new AssertionError('only extents can be moved');
	return by < 0
		? shiftLeft(handle, inode, resume ?? from, -by)
		: shiftRight(handle, inode, from, by, resume ?? logicalBlocksMax);
}
