/** The size of a file, and who may change what is in it. */
import {
	FileError,
	type Handle,
	type Inode,
	inodeFlags,
	type MutableInode,
	sizeBytesMax,
	type Volume,
} from '../ext4/index.ts';

/** Sizes beyond this need the feature large_file. */
const smallFileMax = 2 ** 31 - 1;

/** Makes the file at least so many bytes long. */
export function growTo(handle: Handle, inode: MutableInode, sizeBytes: number): void {
	if (sizeBytes <= inode.sizeBytes) return;
	handle.edit(inode).sizeBytes = sizeBytes;
	if (sizeBytes > smallFileMax) handle.addFeature('large_file');
}

/** Throws `FileError` EFBIG where a file like `inode` can't be so many bytes long. */
export function assertSize(volume: Volume, inode: Inode, sizeBytes: number): void {
	if (sizeBytes <= sizeBytesMax(volume, inode)) return;
	throw new FileError('EFBIG', `${sizeBytes} bytes are more than such a file can have`);
}

/**
 * Throws `FileError` where the contents of `inode` can't be changed: EISDIR and EINVAL for what is
 * no regular file, ENOKEY for encrypted and EPERM for verity files. Flags that bind (immutable,
 * append-only) are the caller's matter.
 */
export function assertContentsMayChange(inode: Inode): void {
	if (inode.type === 'directory') throw new FileError('EISDIR', 'a directory has no contents');
	if (inode.type !== 'file') throw new FileError('EINVAL', `a ${inode.type} has no contents`);
	if ((inode.flags & inodeFlags.encrypted) !== 0) {
		throw new FileError('ENOKEY', 'the contents are encrypted and the key is not here');
	}
	if ((inode.flags & inodeFlags.verity) !== 0) {
		throw new FileError('EPERM', 'the contents are sealed by verity');
	}
}
