/** Entries of a directory's block as a replay makes and finds them; how they are changed: `entry-edits.ts`. */
import {crc32cOf} from '../../checksum.ts';
import {type EntryForm, entryNameLength, nameAt, recordLengthAt} from '../../directory/entries.ts';
import {
	blockArea,
	blockEntriesEnd,
	clearEntries,
	type EntryArea,
	writeDots,
	writeTail,
} from '../../directory/entry-edits.ts';
import {ext4_dir_entry_tail} from '../../layout/directory.ts';
import type {EditedBlock} from './edited-blocks.ts';

/** Where the first entry in use that `matches` begins; -1 where none does. */
export function findEntry(
	{bytes, view, start, end}: EntryArea,
	blockSize: number,
	matches: (inode: number, name: Uint8Array) => boolean,
): number {
	for (let at = start; at < end; at += recordLengthAt(view, at, blockSize)) {
		const inode = view.getUint32(at, true);
		const name = bytes.subarray(at + nameAt, at + nameAt + entryNameLength(bytes, at));
		if (inode !== 0 && matches(inode, name)) return at;
	}
	return -1;
}

/** Makes a block one of entries, with none in use. */
export function clearBlock(block: EditedBlock, form: EntryForm): void {
	block.bytes.fill(0);
	clearEntries(blockArea(block, form), form.blockSize);
	writeTail(block.view, form);
}

/** Makes a block the first one of a directory: `.` and `..`, and room behind them. */
export function writeFirstBlock(
	block: EditedBlock,
	inode: number,
	parent: number,
	form: EntryForm,
): void {
	clearBlock(block, form);
	writeDots(blockArea(block, form), inode, parent, form);
}

/** Makes the checksum of a block of entries right; `seed` is the directory's. */
export function sealBlock(block: EditedBlock, seed: number, form: EntryForm): void {
	if (!form.hasChecksums) return;
	const at = blockEntriesEnd(form);
	const sum = crc32cOf(seed, block.bytes.subarray(0, at));
	block.view.setUint32(at + ext4_dir_entry_tail.fields.det_checksum.at, sum, true);
}
