/** Storing POSIX ACLs, and keeping them and the modes of inodes in step. acl(5). */
import {CorruptError, FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import type {Inode, MutableInode} from '../layout/inode.ts';
import {xattrIndex} from '../layout/xattr.ts';
import type {Volume} from '../volume.ts';
import {type AclEntry, formatDiskAcl, parseDiskAcl, parseWireAcl} from './acl.ts';
import {aclProblem, aclWithMode, inheritedAcl, isJustMode, modeOfAcl} from './acl-rules.ts';
import {getStoredXattr} from './read.ts';
import {storeXattr} from './store.ts';

type AclIndex = typeof xattrIndex.posixAclAccess | typeof xattrIndex.posixAclDefault;

export type SetAclOptions = {
	/** The caller is neither in the inode's group nor privileged: setgid goes (as chmod(2) has it). */
	readonly clearsSetgid?: boolean;
};

const setgid = 0o2000;
const permissionBits = 0o777;
const noName = new Uint8Array(0);

function readAcl(volume: Volume, inode: Inode, index: AclIndex): AclEntry[] | undefined {
	const value = getStoredXattr(volume, inode, {index, name: noName});
	if (value === undefined) return undefined;
	const acl = parseDiskAcl(value, {inode: inode.number});
	if (acl.length === 0) return undefined;
	const problem = aclProblem(acl);
	if (problem !== undefined) {
		throw new CorruptError('EXT4_BAD_ACL', problem, {inode: inode.number});
	}
	return acl;
}

function storeAcl(
	handle: Handle,
	inode: Inode,
	index: AclIndex,
	acl: readonly AclEntry[] | undefined,
): void {
	const value = acl === undefined ? undefined : formatDiskAcl(acl);
	storeXattr(handle, inode, {index, name: noName}, value, 'any');
}

/** An access ACL: what the mode can say of it, it says; the rest is stored, if there is any. */
function storeAccessAcl(handle: Handle, inode: Inode, acl: readonly AclEntry[]): void {
	const edited = handle.edit(inode);
	edited.mode = (inode.mode & ~permissionBits) | modeOfAcl(acl);
	edited.changeTime = handle.now;
	storeAcl(handle, inode, xattrIndex.posixAclAccess, isJustMode(acl) ? undefined : acl);
}

/**
 * Sets an ACL from the form that setxattr gets; undefined, and one without entries, remove it.
 *
 * Throws `FileError` EINVAL for an ACL that is none, EOPNOTSUPP for a symlink, EACCES for a default
 * ACL on what is no directory, ENOSPC, EDQUOT, `CorruptError`, `DeviceError`.
 */
export function setWireAcl(
	handle: Handle,
	inode: Inode,
	index: number,
	value: Uint8Array | undefined,
	options: SetAclOptions,
): void {
	const parsed = value === undefined ? [] : parseWireAcl(value);
	const acl = parsed.length === 0 ? undefined : parsed;
	if (inode.type === 'symlink') throw new FileError('EOPNOTSUPP', 'a symlink has no ACLs');
	const problem = acl === undefined ? undefined : aclProblem(acl);
	if (problem !== undefined) throw new FileError('EINVAL', problem);
	if (index === xattrIndex.posixAclDefault) {
		if (inode.type === 'directory') storeAcl(handle, inode, index, acl);
		else if (acl !== undefined) throw new FileError('EACCES', 'only directories have default ACLs');
		return;
	}
	if (acl === undefined) {
		storeAcl(handle, inode, xattrIndex.posixAclAccess, undefined);
		return;
	}
	storeAccessAcl(handle, inode, acl);
	if (options.clearsSetgid === true) handle.edit(inode).mode &= ~setgid;
}

/**
 * Gives a new inode its mode and ACLs: `mode` is what was asked for, type and all. Where the parent
 * has a default ACL that bounds the mode, and the umask does not; directories hand it on.
 *
 * Throws `FileError` ENOSPC, EDQUOT, `CorruptError`, `DeviceError`.
 */
export function inheritAcls(
	handle: Handle,
	parent: Inode,
	child: MutableInode,
	mode: number,
	umask: number,
): void {
	child.mode = mode;
	if (child.type === 'symlink') return;
	const defaults = readAcl(handle.volume, parent, xattrIndex.posixAclDefault);
	if (defaults === undefined) {
		child.mode = mode & ~(umask & permissionBits);
		return;
	}
	if (child.type === 'directory') {
		storeAcl(handle, child, xattrIndex.posixAclDefault, defaults);
	}
	storeAccessAcl(handle, child, inheritedAcl(defaults, mode));
}

/** Sets the permissions (the low twelve bits of `mode`) as chmod(2) does, in the access ACL too. */
export function applyModeToAcl(handle: Handle, inode: Inode, mode: number): void {
	const edited = handle.edit(inode);
	edited.mode = (inode.mode & ~0o7777) | (mode & 0o7777);
	if (inode.type === 'symlink') return;
	const acl = readAcl(handle.volume, inode, xattrIndex.posixAclAccess);
	if (acl !== undefined) storeAccessAcl(handle, inode, aclWithMode(acl, mode));
}
