/**
 * Changing the entries of one block of a directory. Kernel documentation, "Linear (Classic)
 * Directories". The block was checked before: its entries fill it, and each is long enough.
 */
import {crc32cOf} from '../../checksum.ts';
import {entryNameLength, nameAt, recordLengthAt} from '../../directory/entries.ts';
import {
	ext4_dir_entry_2,
	ext4_dir_entry_tail,
	recordLengthMin,
	tailFileType,
} from '../../layout/directory.ts';
import type {EditedBlock} from './edited-blocks.ts';

/** What the form of entries depends on. */
export type EntryForm = {
	readonly blockSize: number;
	readonly hasTypes: boolean;
	readonly hasChecksums: boolean;
};

export type NewEntry = {
	readonly name: Uint8Array;
	readonly inode: number;
	/** file_type. */
	readonly type: number;
};

const {
	rec_len: recLenField,
	name_len: nameLenField,
	file_type: typeField,
} = ext4_dir_entry_2.fields;

function writeRecordLength(view: DataView, at: number, length: number, blockSize: number): void {
	// A length of 64 KiB has no 16-bit number of its own.
	const isWhole = length === 0x1_0000 && length === blockSize;
	const folded = isWhole ? 0xffff : (length & 0xfffc) | (length >>> 16);
	view.setUint16(at + recLenField.at, folded, true);
}

/** Where the entries of a block end. */
export function entriesEnd(form: EntryForm): number {
	return form.blockSize - (form.hasChecksums ? ext4_dir_entry_tail.sizeBytes : 0);
}

function writeEntry(
	block: EditedBlock,
	at: number,
	length: number,
	entry: NewEntry,
	form: EntryForm,
): void {
	const {view, bytes} = block;
	view.setUint32(at, entry.inode, true);
	writeRecordLength(view, at, length, form.blockSize);
	view.setUint8(at + nameLenField.at, entry.name.length);
	// Without types this byte is the upper half of the name's length.
	view.setUint8(at + typeField.at, form.hasTypes ? entry.type : 0);
	bytes.set(entry.name, at + nameAt);
}

/** A block, or an inode, whose entries are only looked at. */
export type EntryBytes = {readonly bytes: Uint8Array; readonly view: DataView};

/** Where an entry begins, and the one before it, in its stretch. */
export type FoundEntry = {readonly at: number; readonly previous: number | undefined};

/** The first entry in use in `[start, end)` that `matches`. */
export function findEntry(
	{bytes, view}: EntryBytes,
	start: number,
	end: number,
	blockSize: number,
	matches: (inode: number, name: Uint8Array) => boolean,
): FoundEntry | undefined {
	let previous: number | undefined;
	for (let at = start; at < end; at += recordLengthAt(view, at, blockSize)) {
		const inode = view.getUint32(at, true);
		const name = bytes.subarray(at + nameAt, at + nameAt + entryNameLength(bytes, at));
		if (inode !== 0 && matches(inode, name)) return {at, previous};
		previous = at;
	}
	return undefined;
}

/** Takes an entry out: the one before takes its room; the first of a stretch stays, not in use. */
export function removeEntry(
	{view}: EditedBlock,
	{at, previous}: FoundEntry,
	blockSize: number,
): void {
	if (previous === undefined) {
		view.setUint32(at, 0, true);
		return;
	}
	const length = recordLengthAt(view, previous, blockSize) + recordLengthAt(view, at, blockSize);
	writeRecordLength(view, previous, length, blockSize);
}

function usedLengthAt({bytes, view}: EntryBytes, at: number): number {
	const isUsed = view.getUint32(at, true) !== 0;
	return isUsed ? recordLengthMin(entryNameLength(bytes, at), false) : 0;
}

/** The first entry in `[start, end)` with room to spare for a name; undefined where none has. */
export function findRoom(
	block: EntryBytes,
	start: number,
	end: number,
	name: Uint8Array,
	blockSize: number,
): number | undefined {
	const needed = recordLengthMin(name.length, false);
	for (let at = start; at < end; ) {
		const length = recordLengthAt(block.view, at, blockSize);
		if (length - usedLengthAt(block, at) >= needed) return at;
		at += length;
	}
	return undefined;
}

/** Puts an entry into the room that `findRoom` found at `at`. */
export function insertEntry(
	block: EditedBlock,
	at: number,
	entry: NewEntry,
	form: EntryForm,
): void {
	const length = recordLengthAt(block.view, at, form.blockSize);
	const used = usedLengthAt(block, at);
	if (used > 0) writeRecordLength(block.view, at, used, form.blockSize);
	writeEntry(block, at + used, length - used, entry, form);
}

/** Makes a stretch one entry that is not in use. */
export function clearEntries(
	block: EditedBlock,
	start: number,
	end: number,
	blockSize: number,
): void {
	block.bytes.fill(0, start, end);
	writeRecordLength(block.view, start, end - start, blockSize);
}

/** Makes a block one of entries, with none in use. */
export function clearBlock(block: EditedBlock, form: EntryForm): void {
	block.bytes.fill(0);
	const end = entriesEnd(form);
	clearEntries(block, 0, end, form.blockSize);
	if (!form.hasChecksums) return;
	block.view.setUint16(
		end + ext4_dir_entry_tail.fields.det_rec_len.at,
		ext4_dir_entry_tail.sizeBytes,
		true,
	);
	block.view.setUint8(end + ext4_dir_entry_tail.fields.det_reserved_ft.at, tailFileType);
}

const directoryType = 2;

/** Makes a block the first one of a directory: `.` and `..`, and room behind them. */
export function writeFirstBlock(
	block: EditedBlock,
	inode: number,
	parent: number,
	form: EntryForm,
): void {
	clearBlock(block, form);
	const dot = {name: Uint8Array.of(0x2e), inode, type: directoryType};
	const dotDot = {name: Uint8Array.of(0x2e, 0x2e), inode: parent, type: directoryType};
	const dotLength = recordLengthMin(1, false);
	writeEntry(block, 0, dotLength, dot, form);
	writeEntry(block, dotLength, entriesEnd(form) - dotLength, dotDot, form);
}

/** Makes the checksum of a block of entries right; `seed` is the directory's. */
export function sealBlock(block: EditedBlock, seed: number, form: EntryForm): void {
	if (!form.hasChecksums) return;
	const at = entriesEnd(form);
	const sum = crc32cOf(seed, block.bytes.subarray(0, at));
	block.view.setUint32(at + ext4_dir_entry_tail.fields.det_checksum.at, sum, true);
}
