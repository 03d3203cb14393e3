/** The superblock. Kernel documentation, "Super Block". */
import {CorruptError} from '../errors.ts';
import {structure} from './structure.ts';

/** Bytes from the start of the file system to its primary superblock, whatever the block size. */
export const superblockPosition = 1024;
export const superblockMagic = 0xef53;

export const ext4_super_block = structure('ext4_super_block', 1024, {
	s_inodes_count: {at: 0x0, kind: 'u32'},
	s_blocks_count_lo: {at: 0x4, kind: 'u32', unit: 'blocks'},
	s_r_blocks_count_lo: {at: 0x8, kind: 'u32', unit: 'blocks', about: 'reserved for root'},
	s_free_blocks_count_lo: {at: 0xc, kind: 'u32', unit: 'blocks'},
	s_free_inodes_count: {at: 0x10, kind: 'u32'},
	s_first_data_block: {at: 0x14, kind: 'u32', unit: 'block'},
	s_log_block_size: {at: 0x18, kind: 'u32', about: 'block size is 2^(10 + this)'},
	s_log_cluster_size: {at: 0x1c, kind: 'u32', about: 'cluster size is 2^(10 + this)'},
	s_blocks_per_group: {at: 0x20, kind: 'u32', unit: 'blocks'},
	s_clusters_per_group: {at: 0x24, kind: 'u32', unit: 'clusters'},
	s_inodes_per_group: {at: 0x28, kind: 'u32'},
	s_mtime: {at: 0x2c, kind: 'u32', unit: 'seconds'},
	s_wtime: {at: 0x30, kind: 'u32', unit: 'seconds'},
	s_mnt_count: {at: 0x34, kind: 'u16'},
	s_max_mnt_count: {at: 0x36, kind: 'u16'},
	s_magic: {at: 0x38, kind: 'u16'},
	s_state: {at: 0x3a, kind: 'u16'},
	s_errors: {at: 0x3c, kind: 'u16'},
	s_minor_rev_level: {at: 0x3e, kind: 'u16'},
	s_lastcheck: {at: 0x40, kind: 'u32', unit: 'seconds'},
	s_checkinterval: {at: 0x44, kind: 'u32', unit: 'seconds'},
	s_creator_os: {at: 0x48, kind: 'u32'},
	s_rev_level: {at: 0x4c, kind: 'u32'},
	s_def_resuid: {at: 0x50, kind: 'u16'},
	s_def_resgid: {at: 0x52, kind: 'u16'},
	s_first_ino: {at: 0x54, kind: 'u32'},
	s_inode_size: {at: 0x58, kind: 'u16', unit: 'bytes'},
	s_block_group_nr: {at: 0x5a, kind: 'u16'},
	s_feature_compat: {at: 0x5c, kind: 'u32'},
	s_feature_incompat: {at: 0x60, kind: 'u32'},
	s_feature_ro_compat: {at: 0x64, kind: 'u32'},
	s_uuid: {at: 0x68, kind: 'bytes', length: 16},
	s_volume_name: {at: 0x78, kind: 'bytes', length: 16},
	s_last_mounted: {at: 0x88, kind: 'bytes', length: 64},
	s_algorithm_usage_bitmap: {at: 0xc8, kind: 'u32'},
	s_prealloc_blocks: {at: 0xcc, kind: 'u8'},
	s_prealloc_dir_blocks: {at: 0xcd, kind: 'u8'},
	s_reserved_gdt_blocks: {at: 0xce, kind: 'u16', unit: 'blocks'},
	s_journal_uuid: {at: 0xd0, kind: 'bytes', length: 16},
	s_journal_inum: {at: 0xe0, kind: 'u32'},
	s_journal_dev: {at: 0xe4, kind: 'u32'},
	s_last_orphan: {at: 0xe8, kind: 'u32', about: 'first inode of the orphan list'},
	s_hash_seed: {at: 0xec, kind: 'bytes', length: 16},
	s_def_hash_version: {at: 0xfc, kind: 'u8'},
	s_jnl_backup_type: {at: 0xfd, kind: 'u8'},
	s_desc_size: {at: 0xfe, kind: 'u16', unit: 'bytes'},
	s_default_mount_opts: {at: 0x100, kind: 'u32'},
	s_first_meta_bg: {at: 0x104, kind: 'u32'},
	s_mkfs_time: {at: 0x108, kind: 'u32', unit: 'seconds'},
	s_jnl_blocks: {at: 0x10c, kind: 'bytes', length: 68, about: "copy of the journal inode's map"},
	s_blocks_count_hi: {at: 0x150, kind: 'u32'},
	s_r_blocks_count_hi: {at: 0x154, kind: 'u32'},
	s_free_blocks_count_hi: {at: 0x158, kind: 'u32'},
	s_min_extra_isize: {at: 0x15c, kind: 'u16', unit: 'bytes'},
	s_want_extra_isize: {at: 0x15e, kind: 'u16', unit: 'bytes'},
	s_flags: {at: 0x160, kind: 'u32'},
	s_raid_stride: {at: 0x164, kind: 'u16', unit: 'blocks'},
	s_mmp_interval: {at: 0x166, kind: 'u16', unit: 'seconds'},
	s_mmp_block: {at: 0x168, kind: 'u64', unit: 'block'},
	s_raid_stripe_width: {at: 0x170, kind: 'u32', unit: 'blocks'},
	s_log_groups_per_flex: {at: 0x174, kind: 'u8'},
	s_checksum_type: {at: 0x175, kind: 'u8'},
	s_kbytes_written: {at: 0x178, kind: 'u64', unit: 'KiB'},
	s_snapshot_inum: {at: 0x180, kind: 'u32'},
	s_snapshot_id: {at: 0x184, kind: 'u32'},
	s_snapshot_r_blocks_count: {at: 0x188, kind: 'u64', unit: 'blocks'},
	s_snapshot_list: {at: 0x190, kind: 'u32'},
	s_error_count: {at: 0x194, kind: 'u32'},
	s_first_error_time: {at: 0x198, kind: 'u32', unit: 'seconds'},
	s_first_error_ino: {at: 0x19c, kind: 'u32'},
	s_first_error_block: {at: 0x1a0, kind: 'u64', unit: 'block'},
	s_first_error_func: {at: 0x1a8, kind: 'bytes', length: 32},
	s_first_error_line: {at: 0x1c8, kind: 'u32'},
	s_last_error_time: {at: 0x1cc, kind: 'u32', unit: 'seconds'},
	s_last_error_ino: {at: 0x1d0, kind: 'u32'},
	s_last_error_line: {at: 0x1d4, kind: 'u32'},
	s_last_error_block: {at: 0x1d8, kind: 'u64', unit: 'block'},
	s_last_error_func: {at: 0x1e0, kind: 'bytes', length: 32},
	s_mount_opts: {at: 0x200, kind: 'bytes', length: 64},
	s_usr_quota_inum: {at: 0x240, kind: 'u32'},
	s_grp_quota_inum: {at: 0x244, kind: 'u32'},
	s_overhead_clusters: {at: 0x248, kind: 'u32', unit: 'clusters'},
	s_backup_bgs_0: {at: 0x24c, kind: 'u32', unit: 'group'},
	s_backup_bgs_1: {at: 0x250, kind: 'u32', unit: 'group'},
	s_encrypt_algos: {at: 0x254, kind: 'bytes', length: 4},
	s_encrypt_pw_salt: {at: 0x258, kind: 'bytes', length: 16},
	s_lpf_ino: {at: 0x268, kind: 'u32'},
	s_prj_quota_inum: {at: 0x26c, kind: 'u32'},
	s_checksum_seed: {at: 0x270, kind: 'u32'},
	s_wtime_hi: {at: 0x274, kind: 'u8'},
	s_mtime_hi: {at: 0x275, kind: 'u8'},
	s_mkfs_time_hi: {at: 0x276, kind: 'u8'},
	s_lastcheck_hi: {at: 0x277, kind: 'u8'},
	s_first_error_time_hi: {at: 0x278, kind: 'u8'},
	s_last_error_time_hi: {at: 0x279, kind: 'u8'},
	s_first_error_errcode: {at: 0x27a, kind: 'u8'},
	s_last_error_errcode: {at: 0x27b, kind: 'u8'},
	s_encoding: {at: 0x27c, kind: 'u16'},
	s_encoding_flags: {at: 0x27e, kind: 'u16'},
	s_orphan_file_inum: {at: 0x280, kind: 'u32'},
	s_checksum: {at: 0x3fc, kind: 'u32'},
});

/** Bits of s_state. */
export const superblockState = {clean: 0x1, errorsSeen: 0x2, orphansBeingRecovered: 0x4} as const;

/** Bits of s_flags that choose how names are hashed. */
export const superblockFlags = {signedHash: 0x1, unsignedHash: 0x2, testFilesystem: 0x4} as const;

export const creatorOs = {linux: 0, hurd: 1} as const;

/** How the volume is laid out; derived from the superblock once and checked there. */
export type Geometry = {
	readonly blockSize: number;
	readonly clusterSize: number;
	/** log2(clusterSize / blockSize); 0 without bigalloc. */
	readonly clusterBits: number;
	/** Blocks of the file system, its first block (0, or 1 with 1 KiB blocks) counted in. */
	readonly blockCount: number;
	readonly firstDataBlock: number;
	readonly blocksPerGroup: number;
	readonly clustersPerGroup: number;
	readonly inodesPerGroup: number;
	/** Blocks of the inode table of each group. */
	readonly inodeTableBlocks: number;
	readonly inodeCount: number;
	readonly inodeSize: number;
	readonly firstInode: number;
	readonly groupCount: number;
	readonly descriptorSize: number;
	readonly descriptorsPerBlock: number;
};

/** Seconds since 1970 from a 32-bit low part and the 8 high bits beside it. */
export function superblockTime(low: number, high: number): number {
	return high * 0x1_0000_0000 + low;
}

function badSuperblock(problem: string): CorruptError {
	return new CorruptError('EXT4_BAD_SUPERBLOCK', problem);
}

function isPowerOfTwo(value: number): boolean {
	return value > 0 && (value & (value - 1)) === 0;
}

type RawSuperblock = ReturnType<typeof ext4_super_block.at>;

function checkSizes(raw: RawSuperblock, has64bit: boolean, hasBigalloc: boolean): void {
	if (raw.s_log_block_size > 6) {
		throw badSuperblock(
			`s_log_block_size is ${raw.s_log_block_size}; at most 6 (64 KiB) is possible`,
		);
	}
	const blockSize = 1024 << raw.s_log_block_size;
	if (
		hasBigalloc &&
		(raw.s_log_cluster_size > 20 || raw.s_log_cluster_size < raw.s_log_block_size)
	) {
		throw badSuperblock(`s_log_cluster_size is ${raw.s_log_cluster_size}`);
	}
	if (!hasBigalloc && raw.s_log_cluster_size !== raw.s_log_block_size && raw.s_rev_level > 0) {
		throw badSuperblock(
			`s_log_cluster_size is ${raw.s_log_cluster_size} without bigalloc; expected ${raw.s_log_block_size}`,
		);
	}
	if (raw.s_rev_level > 0) {
		if (!isPowerOfTwo(raw.s_inode_size) || raw.s_inode_size < 128 || raw.s_inode_size > blockSize) {
			throw badSuperblock(`s_inode_size is ${raw.s_inode_size}`);
		}
		if (has64bit) {
			const size = raw.s_desc_size;
			if (!isPowerOfTwo(size) || size < 64 || size > blockSize || size > 1024) {
				throw badSuperblock(`s_desc_size is ${size}`);
			}
		}
	}
	const first = blockSize === 1024 && !hasBigalloc ? 1 : 0;
	if (raw.s_first_data_block !== first && !(hasBigalloc && raw.s_first_data_block <= 1)) {
		throw badSuperblock(`s_first_data_block is ${raw.s_first_data_block}; expected ${first}`);
	}
}

/**
 * Derives the layout from the superblock and refuses one that contradicts itself or that could
 * not be addressed. `view` holds the 1,024 bytes. Throws `CorruptError`.
 */
export function readGeometry(
	raw: RawSuperblock,
	features: {has64bit: boolean; hasBigalloc: boolean; hasMetaBg: boolean},
): Geometry {
	const {has64bit, hasBigalloc} = features;
	checkSizes(raw, has64bit, hasBigalloc);
	const blockSize = 1024 << raw.s_log_block_size;
	const clusterBits = hasBigalloc ? raw.s_log_cluster_size - raw.s_log_block_size : 0;
	const blockCount = raw.s_blocks_count_lo + (has64bit ? raw.s_blocks_count_hi * 0x1_0000_0000 : 0);
	if (!Number.isSafeInteger(blockCount * blockSize)) {
		throw badSuperblock(
			`${blockCount} blocks of ${blockSize} bytes are more than can be addressed`,
		);
	}
	const blocksPerGroup = raw.s_blocks_per_group;
	const clustersPerGroup = hasBigalloc ? raw.s_clusters_per_group : blocksPerGroup;
	if (clustersPerGroup === 0 || clustersPerGroup > blockSize * 8) {
		throw badSuperblock(`${clustersPerGroup} clusters a group; a bitmap holds ${blockSize * 8}`);
	}
	if (blocksPerGroup !== clustersPerGroup * 2 ** clusterBits) {
		throw badSuperblock(
			`s_blocks_per_group is ${blocksPerGroup}, s_clusters_per_group ${clustersPerGroup}`,
		);
	}
	const inodeSize = raw.s_rev_level === 0 ? 128 : raw.s_inode_size;
	const inodesPerGroup = raw.s_inodes_per_group;
	if (inodesPerGroup < blockSize / inodeSize || inodesPerGroup > blockSize * 8) {
		throw badSuperblock(`s_inodes_per_group is ${inodesPerGroup}`);
	}
	if (blockCount <= raw.s_first_data_block) {
		throw badSuperblock(`s_blocks_count is ${blockCount}`);
	}
	const groupCount = Math.ceil((blockCount - raw.s_first_data_block) / blocksPerGroup);
	if (raw.s_inodes_count !== groupCount * inodesPerGroup) {
		throw badSuperblock(
			`s_inodes_count is ${raw.s_inodes_count}; ${groupCount} groups of ${inodesPerGroup} make ${groupCount * inodesPerGroup}`,
		);
	}
	const firstInode = raw.s_rev_level === 0 ? 11 : raw.s_first_ino;
	if (firstInode < 11) throw badSuperblock(`s_first_ino is ${firstInode}; at least 11 is possible`);
	const descriptorSize = has64bit && raw.s_rev_level > 0 ? raw.s_desc_size : 32;
	const descriptorsPerBlock = blockSize / descriptorSize;
	if (features.hasMetaBg && raw.s_first_meta_bg > Math.ceil(groupCount / descriptorsPerBlock)) {
		throw badSuperblock(`s_first_meta_bg is ${raw.s_first_meta_bg}`);
	}
	return {
		blockSize,
		clusterSize: blockSize * 2 ** clusterBits,
		clusterBits,
		blockCount,
		firstDataBlock: raw.s_first_data_block,
		blocksPerGroup,
		clustersPerGroup,
		inodesPerGroup,
		inodeTableBlocks: Math.ceil((inodesPerGroup * inodeSize) / blockSize),
		inodeCount: raw.s_inodes_count,
		inodeSize,
		firstInode,
		groupCount,
		descriptorSize,
		descriptorsPerBlock,
	};
}
