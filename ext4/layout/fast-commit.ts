/**
 * Fast commits: what changed since the last full commit, told file by file at the end of the
 * journal. Kernel documentation, "Journal (jbd2)", fast commits. Records of a type, a length and a
 * value, all little-endian; none crosses a block.
 */
import {structure} from './structure.ts';

export const ext4_fc_tl = structure('ext4_fc_tl', 4, {
	fc_tag: {at: 0x0, kind: 'u16'},
	fc_len: {at: 0x2, kind: 'u16', unit: 'bytes', about: 'of the value that follows'},
});

/** fc_tag. */
export const fastCommitTag = {
	addRange: 1,
	deleteRange: 2,
	create: 3,
	link: 4,
	unlink: 5,
	inode: 6,
	pad: 7,
	tail: 8,
	head: 9,
} as const;

/** Begins the first fast commit after a full one. */
export const ext4_fc_head = structure('ext4_fc_head', 8, {
	fc_features: {at: 0x0, kind: 'u32', about: 'none is known yet'},
	fc_tid: {at: 0x4, kind: 'u32', about: 'the transaction that the log would have had next'},
});

/** Ends each fast commit, filling its last block. */
export const ext4_fc_tail = structure('ext4_fc_tail', 8, {
	fc_tid: {at: 0x0, kind: 'u32'},
	fc_crc: {at: 0x4, kind: 'u32', about: 'crc32c of all records since the tail before'},
});

export const ext4_fc_add_range = structure('ext4_fc_add_range', 16, {
	fc_ino: {at: 0x0, kind: 'u32'},
	// An ext4_extent.
	ee_block: {at: 0x4, kind: 'u32', unit: 'logical block'},
	ee_len: {at: 0x8, kind: 'u16', unit: 'blocks'},
	ee_start_hi: {at: 0xa, kind: 'u16'},
	ee_start_lo: {at: 0xc, kind: 'u32'},
});

export const ext4_fc_del_range = structure('ext4_fc_del_range', 12, {
	fc_ino: {at: 0x0, kind: 'u32'},
	fc_lblk: {at: 0x4, kind: 'u32', unit: 'logical block'},
	fc_len: {at: 0x8, kind: 'u32', unit: 'blocks'},
});

/** Of create, link and unlink; the name follows. */
export const ext4_fc_dentry_info = structure('ext4_fc_dentry_info', 8, {
	fc_parent_ino: {at: 0x0, kind: 'u32'},
	fc_ino: {at: 0x4, kind: 'u32'},
});

/** The inode follows as it lies in its table: its fields, or all of it where it holds data. */
export const ext4_fc_inode = structure('ext4_fc_inode', 4, {
	fc_ino: {at: 0x0, kind: 'u32'},
});
