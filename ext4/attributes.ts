/**
 * Changing what stat(2) shows of an inode, but for its size: mode, owner, times; and what any change
 * of a file takes from it, its privileges.
 */
import type {Handle} from './journal/handle.ts';
import type {Inode, Timestamp} from './layout/inode.ts';
import {xattrIndex} from './layout/xattr.ts';
import {transferQuota} from './quota/charge.ts';
import {applyModeToAcl} from './xattr/acl-write.ts';
import {getStoredXattr} from './xattr/read.ts';
import {storeXattr} from './xattr/store.ts';

const setuid = 0o4000;
const setgid = 0o2000;
const groupMayExecute = 0o10;

export type AttributeChanges = {
	/** The low twelve bits count; the type stays. */
	readonly mode?: number;
	/** As the image has it: mapping of owners is done before. */
	readonly uid?: number;
	readonly gid?: number;
	readonly accessTime?: Timestamp;
	readonly modificationTime?: Timestamp;
	/** The present where it is not given. */
	readonly changeTime?: Timestamp;
	/** As a change of owner by anyone does it: takes setuid, setgid and capabilities away. */
	readonly killsPrivileges?: boolean;
	/** With `killsPrivileges`: by one who is not of its group, so that setgid goes in any case. */
	readonly isStranger?: boolean;
};

/**
 * Makes the changes that SETATTR asks for, all but that of the size. Whether the caller may, and
 * whether the inode's flags allow it (`assertMayChange`), is asked before.
 *
 * A new mode is carried into the access ACL; a new owner takes what the inode uses of quotas along.
 * Throws `FileError` EDQUOT, ENOSPC, `CorruptError`, `DeviceError`.
 */
export function setAttributes(handle: Handle, inode: Inode, changes: AttributeChanges): void {
	const edited = handle.edit(inode);
	const {uid = inode.uid, gid = inode.gid, mode, accessTime, modificationTime} = changes;
	if (uid !== inode.uid || gid !== inode.gid) {
		transferQuota(handle, inode, {uid, gid});
		edited.uid = uid;
		edited.gid = gid;
	}
	if (changes.killsPrivileges === true) {
		killPrivileges(handle, inode);
		const isFile = inode.type !== 'directory';
		if (changes.isStranger === true && isFile) edited.mode = inode.mode & ~setgid;
	}
	if (mode !== undefined) applyModeToAcl(handle, inode, mode);
	if (accessTime !== undefined) {
		edited.accessTime = accessTime;
	}
	if (modificationTime !== undefined) {
		edited.modificationTime = modificationTime;
	}
	edited.changeTime = changes.changeTime ?? handle.now;
}

/** The bits of a mode that a change of a file's data or owner leaves of it. */
export function withoutPrivileges(inode: Inode): number {
	if (inode.type === 'directory') return inode.mode;
	// Without execution for the group setgid once meant mandatory locking, and stays.
	const lost = (inode.mode & groupMayExecute) === 0 ? setuid : setuid | setgid;
	return inode.mode & ~lost;
}

const capabilityName = Uint8Array.from('capability', character => character.charCodeAt(0));

/**
 * What a write, a truncation or a change of owner takes from a file: setuid, setgid where the group
 * may execute it, and the capabilities of its program (security.capability).
 *
 * Costs next to nothing where there is none of them. Throws `CorruptError`, `DeviceError`.
 */
export function killPrivileges(handle: Handle, inode: Inode): void {
	const mode = withoutPrivileges(inode);
	if (mode !== inode.mode) handle.edit(inode).mode = mode;
	if (inode.type === 'directory') return;
	const capability = {index: xattrIndex.security, name: capabilityName};
	// Asked before every write: looking is cheaper than setting out to remove it.
	if (getStoredXattr(handle.volume, inode, capability) === undefined) return;
	storeXattr(handle, inode, capability, undefined, 'any');
}
