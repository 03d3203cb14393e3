/**
 * Inode flags that bind everyone, root included: immutable and append-only. The kernel's VFS can't
 * enforce them through FUSE, which does not know of them; so whatever changes an inode asks here.
 */
import {FileError} from './errors.ts';
import {type Inode, inodeFlags} from './layout/inode.ts';

export function isImmutable(inode: Inode): boolean {
	return (inode.flags & inodeFlags.immutable) !== 0;
}

export function isAppendOnly(inode: Inode): boolean {
	return (inode.flags & inodeFlags.appendOnly) !== 0;
}

function assertMutable(inode: Inode): void {
	if (isImmutable(inode)) throw new FileError('EPERM', 'the inode is immutable');
}

/**
 * For changes that neither flag allows: mode, owner, explicit times, attributes, another link to
 * it, its removal and renaming, truncation, fallocate. Throws `FileError` EPERM.
 */
export function assertMayChange(inode: Inode): void {
	assertMutable(inode);
	if (isAppendOnly(inode)) throw new FileError('EPERM', 'the inode may only be appended to');
}

/**
 * For a write of a file's data from `position` on, and for times set to the present (position
 * infinite). Throws `FileError` EPERM.
 */
export function assertMayWrite(inode: Inode, position: number): void {
	assertMutable(inode);
	if (isAppendOnly(inode) && position < inode.sizeBytes) {
		throw new FileError('EPERM', 'the file may only be appended to');
	}
}

/** For opening a file for writing; `isAppending`: to its end alone. Throws `FileError` EPERM. */
export function assertMayOpenForWriting(inode: Inode, isAppending: boolean): void {
	assertMutable(inode);
	if (isAppendOnly(inode) && !isAppending) {
		throw new FileError('EPERM', 'the file may only be appended to');
	}
}

/** For a new name in a directory. Throws `FileError` EPERM. */
export function assertMayAddName(directory: Inode): void {
	assertMutable(directory);
}

/** For taking the name of `target` out of a directory. Throws `FileError` EPERM. */
export function assertMayRemoveName(directory: Inode, target: Inode): void {
	assertMayChange(directory);
	assertMayChange(target);
}
