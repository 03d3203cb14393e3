/** Writing the target of a new symbolic link. Kernel documentation, "Symbolic Links". */
import {FileError} from './errors.ts';
import type {Handle} from './journal/handle.ts';
import {inodeFlags, type MutableInode} from './layout/inode.ts';
import {mapMetadataBlock} from './mapping/index.ts';
import {pathLengthMax} from './symlink.ts';
import type {Volume} from './volume.ts';

/**
 * Throws `FileError` ENAMETOOLONG where a target with the NUL behind it does not fit into a block,
 * ENOENT for an empty one, EINVAL for one with a NUL.
 */
export function assertStorableTarget(volume: Volume, target: Uint8Array): void {
	if (target.length === 0) throw new FileError('ENOENT', 'a symbolic link to nowhere');
	if (target.includes(0)) throw new FileError('EINVAL', 'a target with a NUL in it');
	if (target.length >= Math.min(volume.geometry.blockSize, pathLengthMax)) {
		throw new FileError('ENAMETOOLONG', `a symbolic link to ${target.length} bytes`);
	}
}

/**
 * Gives a symbolic link that was just made its target, which `assertStorableTarget` has passed: in
 * place of the map where it fits there with a NUL, else in a block. As the kernel does, never among
 * inline data.
 *
 * Throws `FileError` ENOSPC, EDQUOT, `CorruptError`, `DeviceError`.
 */
export function writeSymlink(handle: Handle, inode: MutableInode, target: Uint8Array): void {
	inode.sizeBytes = target.length;
	if (target.length < inode.blockBytes.length) {
		inode.flags &= ~inodeFlags.extents;
		inode.blockBytes.fill(0);
		inode.blockBytes.set(target);
		return;
	}
	const block = handle.create(mapMetadataBlock(handle, inode, 0));
	block.bytes.set(target);
}
