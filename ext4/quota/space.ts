/** Space charged to owners. The allocator's part of quotas: it imports nothing that allocates. */
import type {Handle} from '../journal/handle.ts';
import type {Inode} from '../layout/inode.ts';
import {isCounted, ownerOf, type Place, type QuotaFile, quotaFiles} from './file.ts';
import {bytesLeft, changeUsage} from './usage.ts';

/** The entry of an id, made where it has none. */
type EntryMaker = (handle: Handle, file: QuotaFile, id: number) => Place;

let makeEntry: EntryMaker = (_handle, file, id) => file.fail(`nothing counts for ${id}`);

/**
 * To make an entry takes space, and so leads back here: who can do it can't be imported, and hands
 * itself in.
 */
export function entriesAreMadeBy(maker: EntryMaker): void {
	makeEntry = maker;
}

/**
 * Counts `deltaBytes` of space for the owners of `inode`: whole clusters, as in the inode's count.
 * Does nothing where the volume keeps no quotas, and for inodes that do not count (those of the
 * file system itself, and those that hold attributes: charge the attribute's owner).
 *
 * An owner has an entry since it was charged for the inode; where an image lacks it, it is made, as
 * by the kernel.
 *
 * Throws `FileError` EDQUOT beyond a limit, unless the handle may use what is reserved; ENOSPC where
 * there is no room for an entry; `CorruptError`, `DeviceError`.
 */
export function chargeSpace(handle: Handle, inode: Inode, deltaBytes: number): void {
	const files = quotaFiles(handle.volume);
	if (files.length === 0 || deltaBytes === 0 || !isCounted(handle.volume, inode)) return;
	for (const file of files) {
		const id = ownerOf(inode, file.type);
		const place = file.find(id) ?? (deltaBytes > 0 ? makeEntry(handle, file, id) : undefined);
		if (place !== undefined) changeUsage(handle, file, place, {bytes: deltaBytes, inodes: 0});
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
