/**
 * Hash trees of directories. Kernel documentation, "Hash Tree Directories".
 *
 * The kernel's dx_root and dx_node embed their first dx_entry, whose hash is overlaid by the
 * limit and the count; here the headers end where the entries begin.
 */
import {structure} from './structure.ts';

/** Block 0 of an indexed directory: `.`, then `..` whose length hides the rest of the block. */
export const dx_root = structure('dx_root', 32, {
	dot_inode: {at: 0x0, kind: 'u32'},
	dot_rec_len: {at: 0x4, kind: 'u16', unit: 'bytes'},
	dot_name_len: {at: 0x6, kind: 'u8', unit: 'bytes'},
	dot_file_type: {at: 0x7, kind: 'u8'},
	dot_name: {at: 0x8, kind: 'bytes', length: 4},
	dotdot_inode: {at: 0xc, kind: 'u32'},
	dotdot_rec_len: {at: 0x10, kind: 'u16', unit: 'bytes'},
	dotdot_name_len: {at: 0x12, kind: 'u8', unit: 'bytes'},
	dotdot_file_type: {at: 0x13, kind: 'u8'},
	dotdot_name: {at: 0x14, kind: 'bytes', length: 4},
	reserved_zero: {at: 0x18, kind: 'u32'},
	hash_version: {at: 0x1c, kind: 'u8'},
	info_length: {at: 0x1d, kind: 'u8', unit: 'bytes'},
	indirect_levels: {at: 0x1e, kind: 'u8'},
	unused_flags: {at: 0x1f, kind: 'u8'},
});

/** Where dx_root_info, which info_length is the length of, begins. */
export const rootInfoAt = 0x18;
export const rootInfoLength = 8;

/** An inner node: one entry not in use whose length hides the block. */
export const dx_node = structure('dx_node', 8, {
	fake_inode: {at: 0x0, kind: 'u32'},
	fake_rec_len: {at: 0x4, kind: 'u16', unit: 'bytes'},
	fake_name_len: {at: 0x6, kind: 'u8', unit: 'bytes'},
	fake_file_type: {at: 0x7, kind: 'u8'},
});

/** Stands in place of the hash of a node's first entry, which is without one. */
export const dx_countlimit = structure('dx_countlimit', 4, {
	limit: {at: 0x0, kind: 'u16', about: 'entries that there is room for, this one counted in'},
	count: {at: 0x2, kind: 'u16', about: 'entries in use, this one counted in'},
});

export const dx_entry = structure('dx_entry', 8, {
	hash: {at: 0x0, kind: 'u32', about: 'lowest bit set: its hash began in the leaf before'},
	block: {at: 0x4, kind: 'u32', unit: 'logical block', about: 'the upper four bits are reserved'},
});

/** Follows the last entry that there is room for, with metadata_csum. */
export const dx_tail = structure('dx_tail', 8, {
	dt_reserved: {at: 0x0, kind: 'u32'},
	dt_checksum: {at: 0x4, kind: 'u32'},
});

export const dxEntrySize = dx_entry.sizeBytes;
export const dxBlockMask = 0x0fff_ffff;

/** Levels of nodes above the leaves, the root counted in. */
export const treeLevelsMax = 2;
export const treeLevelsMaxLargeDirectory = 3;

/** hash_version, and s_def_hash_version of the superblock. */
export const hashVersions = {
	legacy: 0,
	halfMd4: 1,
	tea: 2,
	legacyUnsigned: 3,
	halfMd4Unsigned: 4,
	teaUnsigned: 5,
	siphash: 6,
} as const;
