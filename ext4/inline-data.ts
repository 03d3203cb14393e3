/** Data small enough to lie in the inode. Kernel documentation, "Inline Data". */
import {CorruptError} from './errors.ts';
import type {Inode} from './layout/inode.ts';
import {sizeBytesMax} from './mapping/limits.ts';
import type {Volume} from './volume.ts';
import {inlineDataValue} from './xattr/read.ts';

/** Bytes that lie in i_block, before those that lie in the attribute system.data. */
export const inlineBytesInBlock = 60;

/**
 * All the room that an inode with inline data has taken for it: 60 bytes of i_block, then the
 * value of system.data. A file's or a symlink's data is the first `inode.sizeBytes` of it; a
 * directory's are two stretches of entries, which `directory/` knows. A file alone may be longer, and
 * reads as zeros behind, as in the kernel: `mke2fs -d` makes those that begin with a hole so.
 *
 * Throws `CorruptError` with EXT4_BAD_INLINE_DATA when system.data is missing or the inode claims
 * to be longer than what is there, a file longer than any is, EXT4_BAD_XATTR for broken attributes.
 */
export function readInlineData(volume: Volume, inode: Inode): Uint8Array {
	const place = {inode: inode.number};
	const value = inlineDataValue(volume, inode);
	if (value === undefined) {
		throw new CorruptError('EXT4_BAD_INLINE_DATA', 'inline data without system.data', place);
	}
	const length = inlineBytesInBlock + value.length;
	const sizeMax = inode.type === 'file' ? sizeBytesMax(volume, inode) : length;
	if (inode.sizeBytes > sizeMax) {
		throw new CorruptError(
			'EXT4_BAD_INLINE_DATA',
			`inline data of ${length} bytes in an inode of ${inode.sizeBytes}`,
			place,
		);
	}
	const bytes = new Uint8Array(length);
	bytes.set(inode.blockBytes);
	bytes.set(value, inlineBytesInBlock);
	return bytes;
}
