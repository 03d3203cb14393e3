/** Space charged to owners. The allocator's part of quotas: it needs no allocator. */
import type {Handle} from '../journal/handle.ts';
import type {Inode} from '../layout/inode.ts';
import {isCounted, ownerOf, quotaFiles} from './file.ts';
import {bytesLeft, changeUsage} from './usage.ts';

/**
 * Counts `deltaBytes` of space for the owners of `inode`: whole clusters, as in the inode's count.
 * Does nothing where the volume keeps no quotas, and for inodes that do not count (those of the
 * file system itself, and those that hold attributes: charge the attribute's owner).
 *
 * Throws `FileError` EDQUOT beyond a limit, unless the handle may use what is reserved;
 * `CorruptError` with EXT4_BAD_QUOTA where an owner has no entry, which it got when it was charged
 * for the inode; `DeviceError`.
 */
export function chargeSpace(handle: Handle, inode: Inode, deltaBytes: number): void {
	const files = quotaFiles(handle.volume);
	if (files.length === 0 || deltaBytes === 0 || !isCounted(handle.volume, inode)) return;
	for (const file of files) {
		const id = ownerOf(inode, file.type);
		const place = file.find(id);
		if (place !== undefined) changeUsage(handle, file, place, {bytes: deltaBytes, inodes: 0});
		else if (deltaBytes > 0) file.fail(`inode ${inode.number} of ${id}, for which nothing counts`);
	}
}

/** Bytes of space that the quotas of its owners leave for `inode`; `Infinity` without limits. */
export function spaceLeft(handle: Handle, inode: Inode): number {
	const files = quotaFiles(handle.volume);
	let left = Number.POSITIVE_INFINITY;
	if (files.length === 0 || !isCounted(handle.volume, inode)) return left;
	for (const file of files) {
		const place = file.find(ownerOf(inode, file.type));
		if (place !== undefined) left = Math.min(left, bytesLeft(handle, place));
	}
	return left;
}
