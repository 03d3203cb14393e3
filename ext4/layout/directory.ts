/** Directory entries. Kernel documentation, "Directory Entries". */
import type {FileType} from './inode.ts';
import {structure} from './structure.ts';

/** Without the filetype feature. The kernel never looks at the upper half of name_len. */
export const ext4_dir_entry = structure('ext4_dir_entry', 8, {
	inode: {at: 0x0, kind: 'u32', about: '0 for an entry that is not in use'},
	rec_len: {at: 0x4, kind: 'u16', unit: 'bytes'},
	name_len: {at: 0x6, kind: 'u16', unit: 'bytes'},
});

export const ext4_dir_entry_2 = structure('ext4_dir_entry_2', 8, {
	inode: {at: 0x0, kind: 'u32', about: '0 for an entry that is not in use'},
	rec_len: {at: 0x4, kind: 'u16', unit: 'bytes'},
	name_len: {at: 0x6, kind: 'u8', unit: 'bytes'},
	file_type: {at: 0x7, kind: 'u8'},
});

/**
 * ext4_extended_dir_entry_2's own part. In a directory that is both encrypted and casefolded it
 * follows the name, at the next multiple of four, in every entry but `.` and `..`.
 */
export const ext4_dir_entry_hash = structure('ext4_dir_entry_hash', 8, {
	hash: {at: 0x0, kind: 'u32'},
	minor_hash: {at: 0x4, kind: 'u32'},
});

/** Ends every block of entries with metadata_csum, in the guise of an entry not in use. */
export const ext4_dir_entry_tail = structure('ext4_dir_entry_tail', 12, {
	det_reserved_zero1: {at: 0x0, kind: 'u32'},
	det_rec_len: {at: 0x4, kind: 'u16', unit: 'bytes'},
	det_reserved_zero2: {at: 0x6, kind: 'u8'},
	det_reserved_ft: {at: 0x7, kind: 'u8'},
	det_checksum: {at: 0x8, kind: 'u32'},
});

/** det_reserved_ft of a tail. */
export const tailFileType = 0xde;

export const nameLengthMax = 255;

const typeOfCode: readonly (FileType | undefined)[] = [
	undefined,
	'file',
	'directory',
	'character',
	'block',
	'fifo',
	'socket',
	'symlink',
];

/** The type that a file_type stands for, with the filetype feature; undefined for none or nonsense. */
export function entryTypeOf(code: number): FileType | undefined {
	return typeOfCode[code];
}

/** The file_type of entries that lead to a file of that type. */
export function entryTypeCodeOf(type: FileType): number {
	return typeOfCode.indexOf(type);
}

/**
 * The length of an entry in bytes, from rec_len. Blocks of 64 KiB need a seventeenth bit: the two
 * that alignment leaves free hold it, and a whole block is 0 or 65535.
 */
export function recordLengthOf(recLen: number, blockSize: number): number {
	if (blockSize < 0x1_0000) return recLen;
	if (recLen === 0 || recLen === 0xffff) return blockSize;
	return (recLen & 0xfffc) | ((recLen & 3) << 16);
}

/** Bytes that an entry needs for a name of `nameLength` bytes, and for hashes behind it. */
export function recordLengthMin(nameLength: number, hasHashes: boolean): number {
	return ((ext4_dir_entry_2.sizeBytes + nameLength + 3) & ~3) + (hasHashes ? 8 : 0);
}
