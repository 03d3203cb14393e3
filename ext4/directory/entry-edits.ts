/**
 * Changing the entries of one stretch of a directory: a block, or a part of an inode. Kernel
 * documentation, "Linear (Classic) Directories". The stretch was checked before: its entries fill
 * it, and each is long enough for its name.
 */
import {CorruptError} from '../errors.ts';
import {
	ext4_dir_entry_2,
	ext4_dir_entry_tail,
	recordLengthMin,
	tailFileType,
} from '../layout/directory.ts';
import {type EntryForm, entryNameLength, isDotName, nameAt, recordLengthAt} from './entries.ts';

/** Bytes with entries in `[start, end)`, as `Stretch`; offsets count from the start of `bytes`. */
export type EntryArea = {
	readonly bytes: Uint8Array;
	readonly view: DataView;
	readonly start: number;
	readonly end: number;
};

export type NewEntry = {
	readonly name: Uint8Array;
	readonly inode: number;
	/** file_type; 0 where entries do not say. */
	readonly typeCode: number;
};

const {
	rec_len: recLenField,
	name_len: nameLenField,
	file_type: typeField,
} = ext4_dir_entry_2.fields;

/** The reverse of `recordLengthOf`. */
export function writeRecordLength(
	view: DataView,
	at: number,
	length: number,
	blockSize: number,
): void {
	// A length of 64 KiB has no 16-bit number of its own.
	const isWhole = length === 0x1_0000 && length === blockSize;
	const stored = isWhole ? 0xffff : (length & 0xfffc) | (length >>> 16);
	view.setUint16(at + recLenField.at, stored, true);
}

/** Where the entries of a block end: behind them lies the tail with the checksum. */
export function blockEntriesEnd(form: EntryForm): number {
	return form.blockSize - (form.hasChecksums ? ext4_dir_entry_tail.sizeBytes : 0);
}

/** Bytes that the entry at `at` needs; 0 for one that is not in use. */
export function usedLengthAt(
	bytes: Uint8Array,
	view: DataView,
	at: number,
	form: EntryForm,
): number {
	if (view.getUint32(at, true) === 0) return 0;
	const length = entryNameLength(bytes, at);
	const hasHashes = form.hasHashes && !isDotName(bytes, at + nameAt, length);
	return recordLengthMin(length, hasHashes);
}

/**
 * The first entry with `needed` bytes to spare, -1 where none has them. Throws `CorruptError` for
 * an entry that reaches into the tail.
 */
export function findRoom(area: EntryArea, needed: number, form: EntryForm): number {
	const {bytes, view, start, end} = area;
	for (let at = start; at < end; ) {
		const length = recordLengthAt(view, at, form.blockSize);
		if (at + length > end) reachesBeyond(at);
		// Most entries have nothing to spare, which their length alone tells.
		if (length >= needed && length - usedLengthAt(bytes, view, at, form) >= needed) return at;
		at += length;
	}
	return -1;
}

function reachesBeyond(offset: number): never {
	throw new CorruptError(
		'EXT4_BAD_DIRECTORY_ENTRY',
		"an entry reaches into the tail with the block's checksum",
		{offset},
	);
}

/** Writes an entry that is `length` bytes long. */
export function writeEntry(
	area: EntryArea,
	at: number,
	length: number,
	entry: NewEntry,
	form: EntryForm,
): void {
	const {bytes, view} = area;
	view.setUint32(at, entry.inode, true);
	writeRecordLength(view, at, length, form.blockSize);
	view.setUint8(at + nameLenField.at, entry.name.length);
	setTarget(area, at, entry, form);
	bytes.set(entry.name, at + nameAt);
}

/** Puts an entry into the room that `findRoom` found at `at`. */
export function insertEntry(area: EntryArea, at: number, entry: NewEntry, form: EntryForm): void {
	const {bytes, view} = area;
	const length = recordLengthAt(view, at, form.blockSize);
	const used = usedLengthAt(bytes, view, at, form);
	if (used > 0) writeRecordLength(view, at, used, form.blockSize);
	writeEntry(area, at + used, length - used, entry, form);
}

/** Has the entry at `at` lead elsewhere. */
export function setTarget(
	{view}: EntryArea,
	at: number,
	target: {readonly inode: number; readonly typeCode: number},
	form: EntryForm,
): void {
	view.setUint32(at, target.inode, true);
	// Without types this byte is the upper half of the name's length.
	view.setUint8(at + typeField.at, form.hasTypes ? target.typeCode : 0);
}

/**
 * Takes the entry at `at` out, and its name off the disk: the entry before takes its room; the
 * first of a stretch stays, not in use. Returns the bytes of room that there is now in its place.
 * Throws `CorruptError` for an entry that reaches into the tail.
 */
export function deleteEntry(area: EntryArea, at: number, form: EntryForm): number {
	const {bytes, view, start, end} = area;
	const {blockSize} = form;
	const length = recordLengthAt(view, at, blockSize);
	if (at + length > end) reachesBeyond(at);
	let previous = -1;
	for (let entry = start; entry < at; entry += recordLengthAt(view, entry, blockSize)) {
		previous = entry;
	}
	bytes.fill(0, at, at + length);
	if (previous === -1) {
		writeRecordLength(view, at, length, blockSize);
		return length;
	}
	const merged = recordLengthAt(view, previous, blockSize) + length;
	writeRecordLength(view, previous, merged, blockSize);
	return merged - usedLengthAt(bytes, view, previous, form);
}

/** Makes the stretch one entry that is not in use. */
export function clearEntries({bytes, view, start, end}: EntryArea, blockSize: number): void {
	bytes.fill(0, start, end);
	writeRecordLength(view, start, end - start, blockSize);
}

/** Lengthens the last entry of `[start, from)` so that it ends where the stretch does. */
export function extendLastEntry(area: EntryArea, from: number, blockSize: number): void {
	const {view, start, end} = area;
	let last = start;
	for (let at = start; at < from; at += recordLengthAt(view, at, blockSize)) last = at;
	writeRecordLength(view, last, end - last, blockSize);
}

/** All of a block that may hold entries. */
export function blockArea(
	block: {readonly bytes: Uint8Array; readonly view: DataView},
	form: EntryForm,
): EntryArea {
	return {bytes: block.bytes, view: block.view, start: 0, end: blockEntriesEnd(form)};
}

/** Writes the tail that ends a block of entries, its checksum still to be made. */
export function writeTail(view: DataView, form: EntryForm): void {
	if (!form.hasChecksums) return;
	const tail = ext4_dir_entry_tail.edit(view, blockEntriesEnd(form));
	tail.det_reserved_zero1 = 0;
	tail.det_rec_len = ext4_dir_entry_tail.sizeBytes;
	tail.det_reserved_zero2 = 0;
	tail.det_reserved_ft = tailFileType;
	tail.det_checksum = 0;
}

const dot = Uint8Array.of(0x2e);
const dotDot = Uint8Array.of(0x2e, 0x2e);
const directoryTypeCode = 2;

/** Bytes that `.` and `..` take at the start of a directory's first block. */
export const dotsLength = 2 * recordLengthMin(1, false);

/** Writes `.` and `..`, the second as long as the rest of the stretch. */
export function writeDots(area: EntryArea, inode: number, parent: number, form: EntryForm): void {
	const {start, end} = area;
	const dotLength = recordLengthMin(1, false);
	const typeCode = directoryTypeCode;
	writeEntry(area, start, dotLength, {name: dot, inode, typeCode}, form);
	writeEntry(
		area,
		start + dotLength,
		end - start - dotLength,
		{name: dotDot, inode: parent, typeCode},
		form,
	);
}
