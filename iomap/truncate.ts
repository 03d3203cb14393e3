/** Sets the size of a file. */
import {
	addOrphan,
	growOutOfInline,
	type Handle,
	inlineCapacity,
	inodeFlags,
	type MutableInode,
	readInlineData,
	removeBlocks,
	removeOrphan,
	writeInlineData,
} from '../ext4/index.ts';
import type {Mapper} from './mapper.ts';
import {assertContentsMayChange, assertSize, growTo} from './size.ts';
import {type ChangeOptions, inSteps} from './steps.ts';
import {zeroBehindEnd, zeroInBlock} from './zero.ts';

/** Logical blocks are 32 bits wide. */
const lastBlockEnd = 2 ** 32;

/** False where the data does not lie in the inode, now or any more. */
function resizeInline(
	mapper: Mapper,
	handle: Handle,
	inode: MutableInode,
	sizeBytes: number,
): boolean {
	const {volume} = mapper;
	if ((inode.flags & inodeFlags.inlineData) === 0) return false;
	const before = readInlineData(volume, inode); // First: this finds the size to be a possible one.
	const capacity = inlineCapacity(volume, inode) ?? 0;
	if (sizeBytes > Math.max(capacity, before.length)) {
		growOutOfInline(handle, inode);
		return false;
	}
	const bytes = new Uint8Array(sizeBytes);
	bytes.set(before.subarray(0, Math.min(sizeBytes, inode.sizeBytes)));
	writeInlineData(handle, inode, bytes);
	return true;
}

type Progress = {
	/** The size is set; what remains is to give space back. */
	readonly isBegun: boolean;
	/** The inode is on the orphan list because of this. */
	readonly isListed: boolean;
};

/**
 * Makes the file `number` so many bytes long: what it gains reads as zeros, what it loses is gone,
 * and space behind the end is given back even where the size stays. Where that takes several
 * transactions, the inode is on the orphan list until it is done, so that a mount after a crash does
 * the rest. Times, and flags that bind, are the caller's matter.
 *
 * Throws `FileError` EFBIG, ENOSPC, EDQUOT, EISDIR, EINVAL, ENOKEY, EPERM, EROFS; `CorruptError`,
 * `DeviceError`.
 */
export function truncate(
	mapper: Mapper,
	number: number,
	sizeBytes: number,
	options: ChangeOptions = {},
): void {
	const {volume} = mapper;
	const {blockSize} = volume.geometry;
	const firstBehind = Math.ceil(sizeBytes / blockSize);
	const first: Progress = {isBegun: false, isListed: false};
	inSteps(volume, number, options, first, (handle, inode, {isBegun, isListed}) => {
		if (!isBegun) {
			assertContentsMayChange(inode);
			assertSize(volume, inode, sizeBytes);
			if (resizeInline(mapper, handle, inode, sizeBytes)) return 'done';
			handle.edit(inode);
			if (sizeBytes > inode.sizeBytes) {
				zeroBehindEnd(mapper, inode, sizeBytes);
				growTo(handle, inode, sizeBytes);
				return 'done';
			}
			zeroInBlock(mapper, inode, sizeBytes, firstBehind * blockSize);
			inode.sizeBytes = sizeBytes;
		}
		if (removeBlocks(handle, inode, firstBehind, lastBlockEnd)) {
			if (isListed) removeOrphan(handle, inode);
			return 'done';
		}
		// An unlinked file that is still open is an orphan already.
		const mustBeListed = !isListed && inode.linkCount > 0;
		if (mustBeListed) addOrphan(handle, inode);
		return {next: {isBegun: true, isListed: isListed || mustBeListed}};
	});
}
