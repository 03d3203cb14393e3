/** The end of inodes that have no name any more. */
import {freeInodeNumber} from '../allocator/inodes.ts';
import type {Handle} from '../journal/handle.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import {removeBlocks} from '../mapping/index.ts';
import {chargeInode} from '../quota/charge.ts';
import {isFastSymlink} from '../symlink.ts';
import type {Volume} from '../volume.ts';
import {freeSomeHeld, freeXattrs} from '../xattr/write.ts';
import {isOrphan, removeOrphan} from './orphans.ts';

/** Whether the inode's contents lie in blocks, so that its i_block is a map. */
export function hasMap(volume: Volume, inode: Inode): boolean {
	if ((inode.flags & inodeFlags.inlineData) !== 0) return false;
	if (inode.type === 'symlink') return !isFastSymlink(volume, inode);
	return inode.type === 'file' || inode.type === 'directory';
}

/**
 * Frees an inode that has lost its last name, with all that it has: nobody has it open any more. A
 * large one takes several handles; a crash between them leaves it an orphan. Nothing for an inode
 * that is no orphan, or that was given a name again.
 *
 * Throws `CorruptError`, `DeviceError`; `FileError` EROFS where the volume takes no changes.
 */
export function reapInode(volume: Volume, number: number): void {
	if (!isOrphan(volume, number)) return;
	while (!volume.transact(handle => reapSome(handle, number), {mayUseReserved: true}));
}

/** Inodes that hold values of attributes, each of which changes blocks of its own. */
const holdersAtOnce = 16;

/** Returns whether it is done; if not, it is to be called again in another handle. */
function reapSome(handle: Handle, number: number): boolean {
	const {volume} = handle;
	const inode = volume.readReservedInode(number);
	if (inode.linkCount > 0) return true;
	const edited = handle.edit(inode);
	if (hasMap(volume, inode) && !removeBlocks(handle, edited, 0, Number.POSITIVE_INFINITY)) {
		return false;
	}
	if (!freeSomeHeld(handle, edited, holdersAtOnce)) return false;
	freeXattrs(handle, edited);
	removeOrphan(handle, edited);
	chargeInode(handle, edited, -1);
	edited.sizeBytes = 0;
	// e2fsck takes an inode for a file yet unless it has a time of deletion, whatever the clock says.
	edited.deletionTime = Math.min(Math.max(handle.now.seconds, 1), 2 ** 32 - 1);
	freeInodeNumber(handle, edited);
	return true;
}
