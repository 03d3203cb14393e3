/** Extended attributes. Kernel documentation, "Extended Attributes". */
import {structure} from './structure.ts';

/** At the start of a block of attributes. */
export const ext4_xattr_header = structure('ext4_xattr_header', 32, {
	h_magic: {at: 0x0, kind: 'u32'},
	h_refcount: {at: 0x4, kind: 'u32', about: 'inodes that share this block'},
	h_blocks: {at: 0x8, kind: 'u32', unit: 'blocks', about: 'always 1'},
	h_hash: {at: 0xc, kind: 'u32'},
	h_checksum: {at: 0x10, kind: 'u32'},
	h_reserved: {at: 0x14, kind: 'bytes', length: 12},
});

export const xattrChecksumAt = 0x10;

/** In the inode, behind its last field. */
export const ext4_xattr_ibody_header = structure('ext4_xattr_ibody_header', 4, {
	h_magic: {at: 0x0, kind: 'u32'},
});

/** Four bytes of zeros in place of an entry end the list. */
export const ext4_xattr_entry = structure('ext4_xattr_entry', 16, {
	e_name_len: {at: 0x0, kind: 'u8', unit: 'bytes'},
	e_name_index: {at: 0x1, kind: 'u8'},
	e_value_offs: {
		at: 0x2,
		kind: 'u16',
		unit: 'bytes',
		about: 'from the block, or in an inode from the first entry',
	},
	e_value_inum: {at: 0x4, kind: 'u32', about: 'the inode that holds the value; 0: it is here'},
	e_value_size: {at: 0x8, kind: 'u32', unit: 'bytes'},
	e_hash: {at: 0xc, kind: 'u32'},
});

export const xattrMagic = 0xea02_0000;

/** Names and values are padded to this many bytes; the end of the list takes as many. */
export const xattrAlignment = 4;

/** Bytes of a value; the kernel's EXT4_XATTR_SIZE_MAX. */
export const xattrValueSizeMax = 2 ** 24;

/** What e_name_index stands for, by the kernel's header; what precedes the name on disk. */
export const xattrIndex = {
	user: 1,
	posixAclAccess: 2,
	posixAclDefault: 3,
	trusted: 4,
	lustre: 5,
	security: 6,
	system: 7,
	richacl: 8,
	encryption: 9,
	hurd: 10,
} as const;

/** ext4's own form of a POSIX ACL, in four bytes; entries follow. */
export const ext4_acl_header = structure('ext4_acl_header', 4, {
	a_version: {at: 0x0, kind: 'u32'},
});

/** e_id is there only where e_tag names a user or a group. */
export const ext4_acl_entry = structure('ext4_acl_entry', 8, {
	e_tag: {at: 0x0, kind: 'u16'},
	e_perm: {at: 0x2, kind: 'u16'},
	e_id: {at: 0x4, kind: 'u32'},
});

export const aclShortEntrySize = 4;
export const aclVersion = 1;
