/** Group descriptors. Kernel documentation, "Block Group Descriptors". */
import {structure} from './structure.ts';

/** The 32-byte form; with 64bit the upper halves follow, from 0x20. */
export const ext4_group_desc = structure('ext4_group_desc', 64, {
	bg_block_bitmap_lo: {at: 0x0, kind: 'u32', unit: 'block'},
	bg_inode_bitmap_lo: {at: 0x4, kind: 'u32', unit: 'block'},
	bg_inode_table_lo: {at: 0x8, kind: 'u32', unit: 'block'},
	bg_free_blocks_count_lo: {at: 0xc, kind: 'u16', unit: 'clusters'},
	bg_free_inodes_count_lo: {at: 0xe, kind: 'u16'},
	bg_used_dirs_count_lo: {at: 0x10, kind: 'u16'},
	bg_flags: {at: 0x12, kind: 'u16'},
	bg_exclude_bitmap_lo: {at: 0x14, kind: 'u32'},
	bg_block_bitmap_csum_lo: {at: 0x18, kind: 'u16'},
	bg_inode_bitmap_csum_lo: {at: 0x1a, kind: 'u16'},
	bg_itable_unused_lo: {at: 0x1c, kind: 'u16'},
	bg_checksum: {at: 0x1e, kind: 'u16'},
	bg_block_bitmap_hi: {at: 0x20, kind: 'u32'},
	bg_inode_bitmap_hi: {at: 0x24, kind: 'u32'},
	bg_inode_table_hi: {at: 0x28, kind: 'u32'},
	bg_free_blocks_count_hi: {at: 0x2c, kind: 'u16'},
	bg_free_inodes_count_hi: {at: 0x2e, kind: 'u16'},
	bg_used_dirs_count_hi: {at: 0x30, kind: 'u16'},
	bg_itable_unused_hi: {at: 0x32, kind: 'u16'},
	bg_exclude_bitmap_hi: {at: 0x34, kind: 'u32'},
	bg_block_bitmap_csum_hi: {at: 0x38, kind: 'u16'},
	bg_inode_bitmap_csum_hi: {at: 0x3a, kind: 'u16'},
	bg_reserved: {at: 0x3c, kind: 'u32'},
});

/** Where bg_checksum lies and how long it is; it counts as absent in its own sum. */
export const groupChecksumAt = 0x1e;

/** Bits of bg_flags. */
export const groupFlags = {inodeUninit: 0x1, blockUninit: 0x2, inodeZeroed: 0x4} as const;

/** One group of blocks, as its descriptor tells. Block numbers are physical. */
export type Group = {
	readonly index: number;
	readonly blockBitmap: number;
	readonly inodeBitmap: number;
	readonly inodeTable: number;
	readonly freeClusterCount: number;
	readonly freeInodeCount: number;
	readonly usedDirectoryCount: number;
	/** Inodes at the end of the table that were never used. */
	readonly unusedInodeCount: number;
	readonly flags: number;
	readonly blockBitmapChecksum: number;
	readonly inodeBitmapChecksum: number;
	readonly checksum: number;
};

/** Decodes the descriptor of group `index` at `at`; `isWide` says that it has the 64-byte form. */
export function decodeGroup(index: number, view: DataView, at: number, isWide: boolean): Group {
	const raw = ext4_group_desc.at(view, at);
	const wide = isWide ? raw : undefined; // In the short form the upper halves belong to the next group.
	return {
		index,
		blockBitmap: raw.bg_block_bitmap_lo + (wide?.bg_block_bitmap_hi ?? 0) * 2 ** 32,
		inodeBitmap: raw.bg_inode_bitmap_lo + (wide?.bg_inode_bitmap_hi ?? 0) * 2 ** 32,
		inodeTable: raw.bg_inode_table_lo + (wide?.bg_inode_table_hi ?? 0) * 2 ** 32,
		freeClusterCount: raw.bg_free_blocks_count_lo + (wide?.bg_free_blocks_count_hi ?? 0) * 2 ** 16,
		freeInodeCount: raw.bg_free_inodes_count_lo + (wide?.bg_free_inodes_count_hi ?? 0) * 2 ** 16,
		usedDirectoryCount: raw.bg_used_dirs_count_lo + (wide?.bg_used_dirs_count_hi ?? 0) * 2 ** 16,
		unusedInodeCount: raw.bg_itable_unused_lo + (wide?.bg_itable_unused_hi ?? 0) * 2 ** 16,
		flags: raw.bg_flags,
		blockBitmapChecksum:
			raw.bg_block_bitmap_csum_lo + (wide?.bg_block_bitmap_csum_hi ?? 0) * 2 ** 16,
		inodeBitmapChecksum:
			raw.bg_inode_bitmap_csum_lo + (wide?.bg_inode_bitmap_csum_hi ?? 0) * 2 ** 16,
		checksum: raw.bg_checksum,
	};
}

export type MutableGroup = {-readonly [Name in keyof Group]: Group[Name]};

/** Writes a descriptor back where `decodeGroup` read it; its checksum is `group.checksum`. */
export function encodeGroup(group: Group, view: DataView, at: number, isWide: boolean): void {
	const raw = ext4_group_desc.edit(view, at);
	raw.bg_free_blocks_count_lo = group.freeClusterCount & 0xffff;
	raw.bg_free_inodes_count_lo = group.freeInodeCount & 0xffff;
	raw.bg_used_dirs_count_lo = group.usedDirectoryCount & 0xffff;
	raw.bg_itable_unused_lo = group.unusedInodeCount & 0xffff;
	raw.bg_flags = group.flags;
	raw.bg_block_bitmap_csum_lo = group.blockBitmapChecksum & 0xffff;
	raw.bg_inode_bitmap_csum_lo = group.inodeBitmapChecksum & 0xffff;
	raw.bg_checksum = group.checksum;
	if (!isWide) return;
	raw.bg_free_blocks_count_hi = group.freeClusterCount >>> 16;
	raw.bg_free_inodes_count_hi = group.freeInodeCount >>> 16;
	raw.bg_used_dirs_count_hi = group.usedDirectoryCount >>> 16;
	raw.bg_itable_unused_hi = group.unusedInodeCount >>> 16;
	raw.bg_block_bitmap_csum_hi = group.blockBitmapChecksum >>> 16;
	raw.bg_inode_bitmap_csum_hi = group.inodeBitmapChecksum >>> 16;
}
