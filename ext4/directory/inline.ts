/**
 * Directories small enough to lie in their inode. Kernel documentation, "Inline Directories".
 *
 * Four bytes name the parent; `.` and `..` have no entries. What remains of i_block is one stretch
 * of entries, the value of system.data another.
 */
import {CorruptError} from '../errors.ts';
import {inlineBytesInBlock, readInlineData} from '../inline-data.ts';
import type {Inode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {checkEntries, type EntryRules, type Stretch} from './entries.ts';

export type InlineDirectory = {
	readonly parent: number;
	/** Checked; offsets count from the start of the inline data. */
	readonly stretches: readonly Stretch[];
};

/** Bytes before the first entry: the number of the parent. */
export const inlineEntriesAt = 4;

/**
 * Throws `CorruptError` (EXT4_BAD_INLINE_DATA, EXT4_BAD_DIRECTORY_ENTRY, EXT4_BAD_DIRECTORY for a
 * parent that can't be, EXT4_BAD_XATTR).
 */
export function readInlineDirectory(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
): InlineDirectory {
	const bytes = readInlineData(volume, directory);
	const view = new DataView(bytes.buffer);
	const parent = view.getUint32(0, true);
	if (parent === 0 || parent > rules.inodeCount) {
		throw new CorruptError('EXT4_BAD_DIRECTORY', `a directory whose parent is inode ${parent}`, {
			inode: directory.number,
		});
	}
	const place = {bytes, view, inode: directory.number, block: undefined};
	const stretches = [
		{...place, start: inlineEntriesAt, end: inlineBytesInBlock},
		{...place, start: inlineBytesInBlock, end: bytes.length},
	];
	for (const stretch of stretches) checkEntries(stretch, rules);
	return {parent, stretches};
}
