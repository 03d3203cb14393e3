/**
 * Setting and removing attributes by their full names, as the system calls have it. Kernel
 * documentation, "Extended Attributes".
 *
 * Who may do so is decided elsewhere, but for what no one may: `assertMayChange` is asked here.
 */
import {assertMayChange} from '../attributes-binding.ts';
import {FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import type {Inode} from '../layout/inode.ts';
import {xattrIndex} from '../layout/xattr.ts';
import type {Volume} from '../volume.ts';
import {type SetAclOptions, setWireAcl} from './acl-write.ts';
import {exchangeReferences, isAlone, readBlockEntries, releaseXattrBlock} from './block-write.ts';
import {chargeHolder} from './holder.ts';
import {readInodeEntries, writeInodeEntries} from './inode-write.ts';
import {isKnownPrefix, type StoredName, storedNameOf} from './names.ts';
import {storeXattr, type XattrMode} from './store.ts';

export {inlineRoom, storeInlineValue} from './inline-value.ts';
export type {XattrMode} from './store.ts';

/** The longest name in bytes, its prefix not counted; setxattr(2) allows as much with it. */
const nameBytesMax = 255;
/** XATTR_SIZE_MAX. */
const valueBytesMax = 65_536;

function isAcl({index}: StoredName): boolean {
	return index === xattrIndex.posixAclAccess || index === xattrIndex.posixAclDefault;
}

/** Throws `FileError` for a name that can't be set on this inode, whoever asks. */
function settableName(volume: Volume, inode: Inode, fullName: string): StoredName {
	const stored = storedNameOf(fullName);
	if (stored === undefined) {
		if (isKnownPrefix(fullName)) throw new FileError('EINVAL', 'a name that is only a prefix');
		throw new FileError('EOPNOTSUPP', 'no attributes of that kind can be set');
	}
	if (stored.name.length > nameBytesMax) throw new FileError('ERANGE', 'the name is too long');
	const {index} = stored;
	const isHurds = index === xattrIndex.hurd && !volume.superblock.isHurd;
	if (isHurds || index === xattrIndex.richacl) {
		throw new FileError('EOPNOTSUPP', 'no attributes of that kind can be set');
	}
	if (volume.superblock.revision === 0) {
		throw new FileError('EOPNOTSUPP', 'a file system of revision 0 has no attributes');
	}
	assertMayChange(inode);
	if (index === xattrIndex.user && inode.type !== 'file' && inode.type !== 'directory') {
		throw new FileError('EPERM', 'only files and directories have attributes of users');
	}
	return stored;
}

/**
 * Sets an attribute. `fullName` has one character a byte (latin1); ACLs come in the form that
 * setxattr gets, and setting one may change the inode's mode.
 *
 * Throws `FileError`: EEXIST, ENODATA by `mode`; EOPNOTSUPP for a prefix that can't be set, EINVAL
 * for an ACL that is none, EACCES for a default ACL on what is no directory, EPERM for user.* on
 * what is neither file nor directory and for an inode that may not be changed, ERANGE for a name and
 * E2BIG for a value too long for anyone, ENOSPC for one without room, EDQUOT. Else `CorruptError`,
 * `DeviceError`.
 */
export function setXattr(
	handle: Handle,
	inode: Inode,
	fullName: string,
	value: Uint8Array,
	mode: XattrMode,
	options: SetAclOptions = {},
): void {
	const stored = settableName(handle.volume, inode, fullName);
	if (value.length > valueBytesMax) throw new FileError('E2BIG', 'the value is too long');
	if (isAcl(stored)) setWireAcl(handle, inode, stored.index, value, options);
	else storeXattr(handle, inode, stored, value, mode);
}

/**
 * Removes an attribute. Throws `FileError` ENODATA where there is none of that name (for an ACL
 * that is no failure), and as `setXattr`.
 */
export function removeXattr(handle: Handle, inode: Inode, fullName: string): void {
	const stored = settableName(handle.volume, inode, fullName);
	if (isAcl(stored)) setWireAcl(handle, inode, stored.index, undefined, {});
	else storeXattr(handle, inode, stored, undefined, 'replace');
}

/** How many blocks of metadata setting a value of that length may change, for `RunOptions`. */
export function xattrCredits(volume: Volume, valueLength: number): number {
	const {blockSize} = volume.geometry;
	const valueBlocks = Math.ceil(valueLength / blockSize);
	return 64 + (volume.features.has('ea_inode') ? 2 * valueBlocks : 0);
}

/**
 * The inode is at its end, and may have more attributes with their values in inodes of their own than
 * one handle should let go of: then `atOnce` of them go, whatever their names and the inode's flags,
 * and it is to be called again in another handle. Returns whether few enough are left for `freeXattrs`.
 * Throws `FileError` ENOSPC, `CorruptError`, `DeviceError`.
 */
export function freeSomeHeld(handle: Handle, inode: Inode, atOnce: number): boolean {
	const {volume} = handle;
	// To let go of a block that others share too changes nothing else.
	const hasOwnBlock = inode.xattrBlock !== 0 && isAlone(volume, inode);
	const inBlock = hasOwnBlock ? readBlockEntries(volume, inode) : [];
	const held = [...readInodeEntries(volume, inode), ...inBlock].filter(each => each.holder !== 0);
	if (held.length <= atOnce) return true;
	for (const each of held.slice(0, atOnce)) storeXattr(handle, inode, each, undefined, 'any');
	return false;
}

/**
 * The inode is at its end: lets go of its block of attributes, which others may share, and of the
 * inodes that hold values of it. What lies in the inode itself and refers to nothing stays: among
 * it may be data. Throws `CorruptError`, `DeviceError`.
 */
export function freeXattrs(handle: Handle, inode: Inode): void {
	const {volume} = handle;
	const inInode = readInodeEntries(volume, inode);
	const held = inInode.filter(({holder}) => holder !== 0);
	for (const xattr of [...held, ...readBlockEntries(volume, inode)]) {
		if (xattr.holder !== 0) chargeHolder(handle, inode, xattr, -1);
	}
	if (held.length > 0) {
		const kept = inInode.filter(({holder}) => holder === 0);
		writeInodeEntries(handle, inode, kept);
		exchangeReferences(handle, inode, inInode, kept, 0);
	}
	releaseXattrBlock(handle, inode);
}
