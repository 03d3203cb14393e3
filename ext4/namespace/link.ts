/** Another name for a file, and the end of one. */
import {assertMayAddName, assertMayChange, assertMayRemoveName} from '../attributes-binding.ts';
import {addEntry, isEmptyDirectory, removeEntry} from '../directory/write.ts';
import {FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import type {Inode} from '../layout/inode.ts';
import {removeOrphan} from '../orphans/orphans.ts';
import {
	assertMayBeLinked,
	dropName,
	noteChange,
	noteNamesChanged,
	removeSubdirectory,
} from './links.ts';
import {assertFree, assertName, assertTakesNames, findTarget} from './names.ts';
import {assertSameProject} from './projects.ts';

/**
 * Gives `inode` another name; an orphan, as `tmpfile` makes them, gets its first. Whether an inode
 * without a name may be given one is the caller's matter.
 *
 * Throws `FileError` EEXIST, EPERM for a directory and for what is immutable or append-only, EMLINK,
 * EXDEV where a directory keeps to one project, ENOSPC, EDQUOT and as `createFile`; `CorruptError`,
 * `DeviceError`.
 */
export function link(handle: Handle, inode: Inode, parent: Inode, name: Uint8Array): void {
	const {volume} = handle;
	assertName(name);
	if (inode.type === 'directory') throw new FileError('EPERM', 'a directory has one name');
	assertMayChange(inode);
	assertTakesNames(parent);
	assertMayAddName(parent);
	assertFree(volume, parent, name);
	assertMayBeLinked(inode);
	assertSameProject(volume, parent, inode);
	const edited = handle.edit(inode);
	edited.linkCount = inode.linkCount + 1;
	noteChange(handle, inode);
	addEntry(handle, parent, name, {inode: inode.number, type: inode.type});
	noteNamesChanged(handle, parent);
	if (edited.linkCount === 1) removeOrphan(handle, inode);
}

/**
 * Takes the name of a file away. With the last one it becomes an orphan, whose contents stay until
 * `reapInode`. Returns the inode.
 *
 * Throws `FileError` ENOENT, EISDIR for a directory, EPERM for what is immutable or append-only,
 * and as `createFile` for the name; `CorruptError`, `DeviceError`.
 */
export function unlink(handle: Handle, parent: Inode, name: Uint8Array): Inode {
	assertName(name);
	const inode = findTarget(handle.volume, parent, name);
	if (inode.type === 'directory') throw new FileError('EISDIR', 'a directory is not unlinked');
	assertMayRemoveName(parent, inode);
	removeEntry(handle, parent, name);
	noteNamesChanged(handle, parent);
	dropName(handle, inode);
	return inode;
}

/**
 * Removes an empty directory: it becomes an orphan, until `reapInode`. Returns its inode. Throws
 * `FileError` ENOTEMPTY, ENOTDIR, and as `unlink`.
 */
export function rmdir(handle: Handle, parent: Inode, name: Uint8Array): Inode {
	assertName(name);
	const {volume} = handle;
	const inode = findTarget(volume, parent, name);
	if (inode.type !== 'directory') throw new FileError('ENOTDIR', 'it is no directory');
	assertMayRemoveName(parent, inode);
	assertEmpty(handle, inode);
	removeEntry(handle, parent, name);
	noteNamesChanged(handle, parent);
	removeSubdirectory(handle, parent);
	dropName(handle, inode);
	return inode;
}

/** Throws `FileError` ENOTEMPTY. */
export function assertEmpty(handle: Handle, directory: Inode): void {
	if (!isEmptyDirectory(handle.volume, directory)) {
		throw new FileError('ENOTEMPTY', 'the directory is not empty');
	}
}
