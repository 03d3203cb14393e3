/** Making files, directories, devices, symbolic links; and files that have no name yet. */
import {assertMayAddName} from '../attributes-binding.ts';
import {addEntry, makeDirectory} from '../directory/write.ts';
import {FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import type {FileType, Inode, MutableInode} from '../layout/inode.ts';
import {addOrphan} from '../orphans/orphans.ts';
import {assertStorableTarget, writeSymlink} from '../symlink-write.ts';
import {addSubdirectory, assertMayHoldMore, noteNamesChanged} from './links.ts';
import {assertFree, assertName, assertTakesNames} from './names.ts';
import {type DeviceNumber, type NewFile, newInode, typeBits} from './new-inode.ts';

function assertMayCreate(handle: Handle, parent: Inode, name: Uint8Array): void {
	assertName(name);
	assertTakesNames(parent);
	assertMayAddName(parent);
	assertFree(handle.volume, parent, name);
}

function addName(handle: Handle, parent: Inode, name: Uint8Array, inode: Inode): void {
	addEntry(handle, parent, name, {inode: inode.number, type: inode.type});
	noteNamesChanged(handle, parent);
}

/**
 * Makes an empty file. `file.mode` may have the bits of its type. Whether the caller may write to
 * the directory is asked before.
 *
 * Throws `FileError` EEXIST, ENOSPC, EDQUOT, ENOTDIR, EINVAL and ENAMETOOLONG for the name, EPERM
 * for an immutable directory, ENOKEY for an encrypted one, ENOENT for one that was removed;
 * `CorruptError`, `DeviceError`. So do the others here.
 */
export function createFile(
	handle: Handle,
	parent: Inode,
	name: Uint8Array,
	file: NewFile,
): MutableInode {
	assertMayCreate(handle, parent, name);
	const inode = newInode(handle, parent, 'file', file, 1);
	addName(handle, parent, name, inode);
	return inode;
}

/** What mknod(2) makes; no bits of a type mean a file. */
function nodeTypeOf(mode: number): FileType {
	switch (mode & 0o170000) {
		case 0:
		case typeBits.file:
			return 'file';
		case typeBits.fifo:
			return 'fifo';
		case typeBits.socket:
			return 'socket';
		case typeBits.character:
			return 'character';
		case typeBits.block:
			return 'block';
		case typeBits.directory:
			throw new FileError('EPERM', 'a directory is not made as a node');
		default:
			throw new FileError('EINVAL', `no node has the mode 0${mode.toString(8)}`);
	}
}

/** Bits of a device's numbers that an inode has room for. */
const majorMax = 0xfff;
const minorMax = 0xf_ffff;

/**
 * Makes what mknod(2) makes: a file, a fifo, a socket or a device, by the type in `file.mode`. Throws
 * as `createFile`; `FileError` EPERM for a directory, EINVAL for other types and for numbers of a
 * device that do not fit.
 */
export function makeNode(
	handle: Handle,
	parent: Inode,
	name: Uint8Array,
	file: NewFile & {readonly device?: DeviceNumber},
): MutableInode {
	const type = nodeTypeOf(file.mode);
	const isDevice = type === 'character' || type === 'block';
	const device = isDevice ? (file.device ?? {major: 0, minor: 0}) : undefined;
	if (device !== undefined && (device.major > majorMax || device.minor > minorMax)) {
		throw new FileError('EINVAL', `no inode holds the device ${device.major}:${device.minor}`);
	}
	assertMayCreate(handle, parent, name);
	const inode = newInode(handle, parent, type, file, 1, device);
	addName(handle, parent, name, inode);
	return inode;
}

/** Makes an empty directory. Throws as `createFile`; `FileError` EMLINK in one that is full of them. */
export function mkdir(
	handle: Handle,
	parent: Inode,
	name: Uint8Array,
	file: NewFile,
): MutableInode {
	assertMayCreate(handle, parent, name);
	assertMayHoldMore(handle.volume, parent);
	const inode = newInode(handle, parent, 'directory', file, 2);
	makeDirectory(handle, inode, parent.number);
	addName(handle, parent, name, inode);
	addSubdirectory(handle, parent);
	return inode;
}

/**
 * Makes a symbolic link to `target`, any bytes but NUL. Its mode is 0777, whatever `file` says. Throws
 * as `createFile`; `FileError` ENAMETOOLONG for a target of a block or more, ENOENT for an empty one.
 */
export function symlink(
	handle: Handle,
	parent: Inode,
	name: Uint8Array,
	target: Uint8Array,
	file: NewFile,
): MutableInode {
	assertStorableTarget(handle.volume, target);
	assertMayCreate(handle, parent, name);
	const inode = newInode(handle, parent, 'symlink', {...file, mode: 0o777, umask: 0}, 1);
	writeSymlink(handle, inode, target);
	addName(handle, parent, name, inode);
	return inode;
}

/**
 * Makes a file without a name (O_TMPFILE), near `parent` and with what files inherit from it. It is
 * an orphan: `link` gives it a name, or `reapInode` ends it. Throws as `createFile`.
 */
export function tmpfile(handle: Handle, parent: Inode, file: NewFile): MutableInode {
	assertTakesNames(parent);
	assertMayAddName(parent);
	const inode = newInode(handle, parent, 'file', file, 0);
	addOrphan(handle, inode);
	return inode;
}
