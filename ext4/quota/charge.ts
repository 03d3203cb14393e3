/** Inodes and space charged to users, groups and projects, where the volume keeps quotas. */
import type {Handle} from '../journal/handle.ts';
import type {Inode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {blockArea, inodeArea, type XattrArea} from '../xattr/entries.ts';
import {readEntries} from '../xattr/entry-list.ts';
import {isCounted, ownerOf, type QuotaType, quotaFiles} from './file.ts';
import {findOrInsert} from './insert.ts';
import {changeUsage} from './usage.ts';

export {chargeSpace} from './space.ts';

/**
 * Counts one inode more (`1`) or less (`-1`) for the owners of `inode`: when it is made, before any
 * space is charged for it, and when it is freed. Does nothing where the volume keeps no quotas.
 *
 * Throws `FileError` EDQUOT beyond a limit, unless the handle may use what is reserved; ENOSPC
 * where there is no room for a new owner's entry; `CorruptError`, `DeviceError`.
 */
export function chargeInode(handle: Handle, inode: Inode, delta: 1 | -1): void {
	const files = quotaFiles(handle.volume);
	if (files.length === 0 || !isCounted(handle.volume, inode)) return;
	for (const file of files) {
		const id = ownerOf(inode, file.type);
		const place = delta > 0 ? findOrInsert(handle, file, id) : file.find(id);
		if (place !== undefined) changeUsage(handle, file, place, {bytes: 0, inodes: delta});
	}
}

/** The new owners; what is left out stays. */
export type NewOwners = {
	readonly uid?: number | undefined;
	readonly gid?: number | undefined;
	readonly projectId?: number | undefined;
};

function newOwner(to: NewOwners, type: QuotaType): number | undefined {
	if (type === 'user') return to.uid;
	return type === 'group' ? to.gid : to.projectId;
}

/** The inode itself and those that hold its attributes, each of which its owners are charged for. */
function inodesOf(volume: Volume, inode: Inode): number {
	const holders = (area: XattrArea | undefined) =>
		area === undefined ? 0 : readEntries(area, inode).filter(({holder}) => holder !== 0).length;
	if (!volume.features.has('ea_inode')) return 1;
	return 1 + holders(inodeArea(volume, inode)) + holders(blockArea(volume, inode));
}

/**
 * `inode` is about to get other owners: all that it counts for is moved to them. Called before its
 * fields are changed. Throws as `chargeInode`.
 */
export function transferQuota(handle: Handle, inode: Inode, to: NewOwners): void {
	const {volume} = handle;
	const files = quotaFiles(volume);
	if (files.length === 0 || !isCounted(volume, inode)) return;
	for (const file of files) {
		const before = ownerOf(inode, file.type);
		const after = newOwner(to, file.type);
		if (after === undefined || after === before) continue;
		const bytes = inode.sectors * 512;
		const inodes = inodesOf(volume, inode);
		changeUsage(handle, file, findOrInsert(handle, file, after), {bytes, inodes});
		const left = file.find(before);
		if (left !== undefined) changeUsage(handle, file, left, {bytes: -bytes, inodes: -inodes});
	}
}
