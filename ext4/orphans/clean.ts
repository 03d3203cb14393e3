/** What mounting does about the orphans of a crash. */
import {isSet} from '../allocator/bitmap.ts';
import {readInodeBits} from '../allocator/bitmaps.ts';
import {CorruptError, FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {type Inode, inodeFlags, type MutableInode} from '../layout/inode.ts';
import {isMetadata, mapAt, removeBlocks} from '../mapping/index.ts';
import type {Volume} from '../volume.ts';
import type {OrphanSlot} from './orphan-file.ts';
import {
	adoptFirst,
	adoptSlot,
	forgetKnownOrphans,
	isOrphan,
	knownOrphans,
	orphanFileOf,
	removeOrphan,
} from './orphans.ts';
import {hasMap, reapInode} from './reap.ts';

export type CleanedOrphans = {
	/** Inodes without a name that were freed. */
	readonly freed: number;
	/** Files that were cut off at their size. */
	readonly truncated: number;
	/** Why some were left as they are: the image is damaged, or there is no room to free them in. */
	readonly problem: CorruptError | FileError | undefined;
};

function badOrphan(problem: string, inode: number): never {
	throw new CorruptError('EXT4_BAD_ORPHANS', problem, {inode});
}

/** An inode that a file may have, and that is in use. Throws `CorruptError`. */
function readOrphan(volume: Volume, number: number): Inode {
	const {geometry, journalInode, quotaInodes, orphanFileInode} = volume.superblock;
	const {user, group, project} = quotaInodes;
	const special = [journalInode, user, group, project, orphanFileInode];
	if (number < geometry.firstInode || number > geometry.inodeCount || special.includes(number)) {
		badOrphan(`inode ${number} can't be an orphan`, number);
	}
	const bits = readInodeBits(volume, Math.floor((number - 1) / geometry.inodesPerGroup));
	if (!isSet(bits, (number - 1) % geometry.inodesPerGroup)) {
		badOrphan('an orphan that is not in use', number);
	}
	const inode = volume.readReservedInode(number);
	// Nothing can be taken from such: it would stay an orphan for ever.
	if (inode.linkCount > 0 && !hasMap(volume, inode) && !isInlineFile(inode)) {
		badOrphan(`an orphan with ${inode.linkCount} links that is a ${inode.type}`, number);
	}
	return inode;
}

function isInlineFile({type, flags}: Inode): boolean {
	return (type === 'file' || type === 'directory') && (flags & inodeFlags.inlineData) !== 0;
}

/**
 * Frees the inodes that had lost their last name before a crash, and takes from others the blocks
 * behind their end. Called when the volume has just been opened for writing.
 *
 * Neither damage nor a full disk makes the mount fail. Damage is noted in the superblock; what cannot
 * be understood stays as it is, for e2fsck, and what there is no room to free for the next mount. Both
 * are reported in the result. Throws `DeviceError`.
 */
export function cleanOrphans(volume: Volume): CleanedOrphans {
	const counts: Counts = {freed: 0, truncated: 0, noSpace: undefined};
	let damage: CorruptError | undefined;
	try {
		if (volume.superblock.hasErrors) {
			// As the kernel does: in what state they are only e2fsck can tell, which needs no list.
			forgetList(volume);
		} else {
			cleanList(volume, counts);
			cleanFile(volume, counts);
		}
	} catch (error) {
		if (!(error instanceof CorruptError)) throw error;
		damage = error;
		if (volume.transactions?.isWritable === true) forgetList(volume);
	}
	const {freed, truncated, noSpace} = counts;
	return {freed, truncated, problem: damage ?? noSpace};
}

/**
 * Frees all inodes without a name: nobody can have any of them open any more. For the end of a mount.
 * What there is no room to free is left to the next one. Throws as `reapInode`.
 */
export function reapOrphans(volume: Volume): void {
	for (const number of knownOrphans(volume)) {
		noSpaceOf(() => reapInode(volume, number));
	}
}

/** The ENOSPC that `action` throws; undefined where it comes to its end. Throws its other errors. */
function noSpaceOf(action: () => void): FileError | undefined {
	try {
		action();
		return undefined;
	} catch (error) {
		if (error instanceof FileError && error.code === 'ENOSPC') return error;
		throw error;
	}
}

/** Of an orphan that could not be cleaned up nothing more is tried: it is e2fsck's. */
function forgetList(volume: Volume): void {
	forgetKnownOrphans(volume);
	volume.transact(handle => {
		if (volume.superblock.lastOrphan !== 0) handle.editSuperblock().lastOrphan = 0;
	});
}

type Counts = {freed: number; truncated: number; noSpace: FileError | undefined};

/** Orphans of which it is noticed that the list leads back to them. */
const metMax = 2 ** 16;

function cleanList(volume: Volume, counts: Counts): void {
	// One that was freed or cut off leads nowhere: a longer circle than this comes to its end as well.
	const met = new Set<number>();
	while (volume.superblock.lastOrphan !== 0) {
		const number = volume.superblock.lastOrphan;
		const inode = volume.transact(handle => {
			if (met.has(number)) badOrphan('a list of orphans that leads back to itself', number);
			const found = readOrphan(volume, number);
			if (!isOrphan(volume, number)) adoptFirst(handle);
			return found;
		});
		if (met.size >= metMax) met.clear();
		met.add(number);
		counts.noSpace = noSpaceOf(() => end(volume, inode, counts));
		// It stays the first, and leads to the others.
		if (counts.noSpace !== undefined) return;
	}
}

function cleanFile(volume: Volume, counts: Counts): void {
	const entries = volume.transact(() => orphanFileOf(volume)?.entries() ?? []);
	for (const {number, slot} of entries) {
		const inode = volume.transact(handle => adoptFromFile(handle, number, slot));
		counts.noSpace = noSpaceOf(() => end(volume, inode, counts)) ?? counts.noSpace;
	}
}

function adoptFromFile(handle: Handle, number: number, slot: OrphanSlot): Inode {
	const {volume} = handle;
	const inode = readOrphan(volume, number);
	if (isOrphan(volume, number)) badOrphan('an orphan that is counted twice', number);
	adoptSlot(handle, number, slot);
	return inode;
}

function end(volume: Volume, inode: Inode, counts: Counts): void {
	if (inode.linkCount === 0) {
		reapInode(volume, inode.number);
		counts.freed++;
		return;
	}
	const {number} = inode;
	while (!volume.transact(handle => cutSome(handle, number), {mayUseReserved: true}));
	counts.truncated++;
}

/** Takes blocks behind the end. Returns whether all are gone. */
function cutSome(handle: Handle, number: number): boolean {
	const {volume} = handle;
	const inode = handle.edit(volume.readReservedInode(number));
	if (hasMap(volume, inode)) {
		const from = Math.ceil(inode.sizeBytes / volume.geometry.blockSize);
		if (!removeBlocks(handle, inode, from, Number.POSITIVE_INFINITY)) return false;
		clearTail(volume, inode);
	}
	removeOrphan(handle, inode);
	return true;
}

/** What lies behind a file's end in its last block must be zeros, should the file grow again. */
function clearTail(volume: Volume, inode: MutableInode): void {
	const {blockSize} = volume.geometry;
	const used = inode.sizeBytes % blockSize;
	// The tail of an encrypted block can't be told from its rest without the key.
	const isEncrypted = (inode.flags & inodeFlags.encrypted) !== 0;
	if (used === 0 || inode.type !== 'file' || isEncrypted) return;
	const logical = Math.floor(inode.sizeBytes / blockSize);
	const run = mapAt(volume, inode, logical);
	if (run.kind !== 'mapped') return;
	const physical = run.physical + (logical - run.logical);
	volume.cache.assertInside(physical);
	if (isMetadata(volume, physical, 1)) {
		throw new CorruptError('EXT4_BLOCK_IN_USE', "a file's blocks are the file system's own", {
			inode: inode.number,
			block: physical,
		});
	}
	volume.device.write(physical * blockSize + used, new Uint8Array(blockSize - used));
	volume.transactions?.noteData();
}
