/**
 * Counts of links, and the times that change with names. A directory counts its own `.`, its name,
 * and the `..` of each directory in it: up to 65,000, beyond which one with an index counts no more
 * and says 1. Kernel documentation, "Directory Entries"; feature dir_nlink.
 */
import {FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import {addOrphan} from '../orphans/orphans.ts';
import type {Volume} from '../volume.ts';

export const linksMax = 65_000;

/** A count that is kept no more. */
const uncounted = 1;

function hasIndex(volume: Volume, directory: Inode): boolean {
	return volume.features.has('dir_index') && (directory.flags & inodeFlags.hashIndexed) !== 0;
}

/** Throws `FileError` EMLINK where the directory can't hold another directory. */
export function assertMayHoldMore(volume: Volume, directory: Inode): void {
	if (directory.linkCount < linksMax) return;
	if (volume.features.has('dir_nlink') && hasIndex(volume, directory)) return;
	throw new FileError('EMLINK', `a directory with ${directory.linkCount} links`);
}

/** Throws `FileError` EMLINK where there can't be another name for the inode. */
export function assertMayBeLinked(inode: Inode): void {
	if (inode.linkCount >= linksMax) {
		throw new FileError('EMLINK', `an inode with ${inode.linkCount} links`);
	}
}

/** The directory holds one directory more; `assertMayHoldMore` was asked. */
export function addSubdirectory(handle: Handle, directory: Inode): void {
	const edited = handle.edit(directory);
	if (directory.linkCount === uncounted) return;
	const count = directory.linkCount + 1;
	edited.linkCount = count > linksMax ? uncounted : count;
}

/** The directory holds one directory less. */
export function removeSubdirectory(handle: Handle, directory: Inode): void {
	const edited = handle.edit(directory);
	if (directory.linkCount > 2) edited.linkCount = directory.linkCount - 1;
}

/** Names in the directory were made, taken away or changed. */
export function noteNamesChanged(handle: Handle, directory: Inode): void {
	const edited = handle.edit(directory);
	edited.modificationTime = edited.changeTime = handle.now;
}

/** The inode was given a name, or lost or changed one. */
export function noteChange(handle: Handle, inode: Inode): void {
	handle.edit(inode).changeTime = handle.now;
}

/** One name less; with its last one the inode becomes an orphan. A directory has one name. */
export function dropName(handle: Handle, inode: Inode): void {
	const edited = handle.edit(inode);
	edited.linkCount = inode.type === 'directory' ? 0 : inode.linkCount - 1;
	noteChange(handle, inode);
	if (edited.linkCount === 0) addOrphan(handle, inode);
}
