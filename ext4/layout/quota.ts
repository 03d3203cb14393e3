/**
 * Quota files, format vfsv1: a header, then a radix tree over ids in blocks of 1 KiB, whatever the
 * size of the file system's own. The kernel documentation names the inodes alone ("Special inodes");
 * the format is that of the kernel's `quota_v2` and `quota_tree`.
 */
import {structure} from './structure.ts';

export const quotaBlockSize = 1024;
/** Number of the tree's root; block 0 holds the header. */
export const quotaRootBlock = 1;
/** Levels of references above the entries: each takes eight bits of the id. */
export const quotaTreeDepth = 4;
export const quotaVersion = 1;

export const quotaMagic = {user: 0xd9c01f11, group: 0xd9c01927, project: 0xd9c03f14} as const;

export const v2_disk_dqheader = structure('v2_disk_dqheader', 32, {
	dqh_magic: {at: 0x0, kind: 'u32'},
	dqh_version: {at: 0x4, kind: 'u32'},
	// v2_disk_dqinfo follows.
	dqi_bgrace: {at: 0x8, kind: 'u32', unit: 'seconds', about: 'above the soft limit of space'},
	dqi_igrace: {at: 0xc, kind: 'u32', unit: 'seconds', about: 'above the soft limit of inodes'},
	dqi_flags: {at: 0x10, kind: 'u32'},
	dqi_blocks: {at: 0x14, kind: 'u32', unit: '1 KiB', about: 'of the file'},
	dqi_free_blk: {at: 0x18, kind: 'u32', about: 'first of the list of free blocks'},
	dqi_free_entry: {at: 0x1c, kind: 'u32', about: 'first of the list of blocks with free entries'},
});

/** The head of a block of entries. */
export const qt_disk_dqdbheader = structure('qt_disk_dqdbheader', 16, {
	dqdh_next_free: {at: 0x0, kind: 'u32'},
	dqdh_prev_free: {at: 0x4, kind: 'u32'},
	dqdh_entries: {at: 0x8, kind: 'u16'},
});

/** One user, group or project. An entry of zeros is free. */
export const v2r1_disk_dqblk = structure('v2r1_disk_dqblk', 72, {
	dqb_id: {at: 0x0, kind: 'u32'},
	dqb_ihardlimit: {at: 0x8, kind: 'u64', unit: 'inodes'},
	dqb_isoftlimit: {at: 0x10, kind: 'u64', unit: 'inodes'},
	dqb_curinodes: {at: 0x18, kind: 'u64', unit: 'inodes'},
	dqb_bhardlimit: {at: 0x20, kind: 'u64', unit: '1 KiB'},
	dqb_bsoftlimit: {at: 0x28, kind: 'u64', unit: '1 KiB'},
	dqb_curspace: {at: 0x30, kind: 'u64', unit: 'bytes'},
	dqb_btime: {at: 0x38, kind: 'u64', unit: 'seconds', about: 'when the soft limit of space binds'},
	dqb_itime: {at: 0x40, kind: 'u64', unit: 'seconds', about: 'when the soft limit of inodes binds'},
});

/** Entries in a block. */
export const quotaEntriesMax = Math.floor(
	(quotaBlockSize - qt_disk_dqdbheader.sizeBytes) / v2r1_disk_dqblk.sizeBytes,
);
