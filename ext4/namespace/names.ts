/** What the operations on names ask of names and directories before they begin. */
import {type FoundEntry, lookup} from '../directory/lookup.ts';
import {CorruptError, FileError} from '../errors.ts';
import {nameLengthMax} from '../layout/directory.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';

const dot = 0x2e;
const slash = 0x2f;

function isDots(name: Uint8Array): boolean {
	return name[0] === dot && (name.length === 1 || (name.length === 2 && name[1] === dot));
}

/**
 * A name that may be given or taken away: one component, and neither `.` nor `..`. Throws
 * `FileError` ENOENT, ENAMETOOLONG, EINVAL.
 */
export function assertName(name: Uint8Array): void {
	if (name.length === 0) throw new FileError('ENOENT', 'a name of no bytes');
	if (name.length > nameLengthMax) {
		throw new FileError('ENAMETOOLONG', `a name of ${name.length} bytes`);
	}
	if (name.includes(0) || name.includes(slash)) {
		throw new FileError('EINVAL', 'a name with a slash or a NUL in it');
	}
	if (isDots(name)) throw new FileError('EINVAL', "'.' and '..' stay as they are");
}

/**
 * A directory that can be given another name: it was not removed, and its names are not encrypted.
 * Throws `FileError` ENOTDIR, ENOENT, ENOKEY.
 */
export function assertTakesNames(directory: Inode): void {
	if (directory.type !== 'directory') {
		throw new FileError('ENOTDIR', `inode ${directory.number} is a ${directory.type}`);
	}
	if (directory.linkCount === 0) throw new FileError('ENOENT', 'the directory was removed');
	if ((directory.flags & inodeFlags.encrypted) !== 0) {
		throw new FileError('ENOKEY', 'a name in an encrypted directory can only be made with its key');
	}
}

/** Throws `FileError` EEXIST where the directory has an entry of that name. */
export function assertFree(volume: Volume, directory: Inode, name: Uint8Array): void {
	if (lookup(volume, directory, name) !== undefined) {
		throw new FileError('EEXIST', 'there is a file of that name');
	}
}

/** The inode to which an entry leads. Throws `CorruptError`, also where the entry says another type. */
export function readTarget(volume: Volume, directory: Inode, entry: FoundEntry): Inode {
	const inode = volume.readInode(entry.inode);
	// As the kernel: an entry's type is a hint for listings, but a directory must not be half of one.
	const isDirectory = inode.type === 'directory';
	if (entry.type !== undefined && (entry.type === 'directory') !== isDirectory) {
		throw new CorruptError(
			'EXT4_BAD_DIRECTORY_ENTRY',
			`an entry says that inode ${inode.number} is a ${entry.type}, which is a ${inode.type}`,
			{inode: directory.number},
		);
	}
	return inode;
}

/** The entry of that name and its inode. Throws `FileError` ENOENT, ENOTDIR, `CorruptError`. */
export function findTarget(volume: Volume, directory: Inode, name: Uint8Array): Inode {
	const entry = lookup(volume, directory, name);
	if (entry === undefined) throw new FileError('ENOENT', 'there is no file of that name');
	return readTarget(volume, directory, entry);
}
