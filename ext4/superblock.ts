/** Opens the superblock: is it one, is it whole, can it be read; and says what it means. */
import {crc32cFiller, crc32cOf} from './checksum.ts';
import type {BlockDevice} from './device.ts';
import {CorruptError, UnsupportedError} from './errors.ts';
import {Features} from './layout/features.ts';
import {
	creatorOs,
	ext4_super_block,
	type Geometry,
	readGeometry,
	superblockFlags,
	superblockMagic,
	superblockPosition,
	superblockState,
	superblockTime,
} from './layout/superblock.ts';

export type Superblock = {
	readonly features: Features;
	readonly geometry: Geometry;
	/** The 1,024 bytes, for printing by `describe(ext4_super_block, view, 0)`. */
	readonly view: DataView;
	readonly revision: number;
	readonly uuid: Uint8Array;
	/** As stored, up to the first NUL; any bytes. */
	readonly label: Uint8Array;
	readonly isHurd: boolean;
	readonly isClean: boolean;
	readonly hasErrors: boolean;
	/** Seconds since 1970; 0 for never. */
	readonly mkfsTime: number;
	readonly mountTime: number;
	readonly writeTime: number;
	readonly freeBlockCount: number;
	readonly freeInodeCount: number;
	readonly reservedBlockCount: number;
	readonly overheadClusterCount: number;
	/** Four words, as the hash functions take them. */
	readonly hashSeed: readonly [number, number, number, number];
	readonly defaultHashVersion: number;
	/** Names hash as unsigned characters; where the image does not say, as on x86: signed. */
	readonly isHashUnsigned: boolean;
	readonly encoding: number;
	readonly encodingFlags: number;
	readonly journalInode: number;
	readonly journalDevice: number;
	readonly lastOrphan: number;
	readonly firstMetaGroup: number;
	readonly reservedDescriptorBlocks: number;
	readonly backupGroups: readonly [number, number];
	readonly quotaInodes: {readonly user: number; readonly group: number; readonly project: number};
	readonly orphanFileInode: number;
	/** The seed of all checksums of metadata, and of the hashes of ea_inode. */
	readonly checksumSeed: number;
	/** Only Linux keeps them in inodes, as e2fsprogs has it: the Hurd has other things there. */
	readonly hasInodeChecksums: boolean;
};

/** The same for writing, as `Handle.editSuperblock` gives it. */
export type MutableSuperblock = {-readonly [Name in keyof Superblock]: Superblock[Name]};

const checksumTypeCrc32c = 1;
/** s_encoding of Unicode 12.1 in UTF-8, the only one there is. */
const encodingUtf8 = 1;

function upToNul(bytes: Uint8Array): Uint8Array {
	const end = bytes.indexOf(0);
	return end === -1 ? bytes.slice() : bytes.slice(0, end);
}

function assertChecksum(view: DataView, bytes: Uint8Array, expectedType: number): void {
	if (expectedType !== checksumTypeCrc32c) {
		throw new CorruptError('EXT4_BAD_SUPERBLOCK', `s_checksum_type is ${expectedType}; expected 1`);
	}
	const found = view.getUint32(0x3fc, true);
	const expected = crc32cOf(0xffffffff, bytes.subarray(0, 0x3fc));
	if (found !== expected) {
		throw new CorruptError(
			'EXT4_BAD_SUPERBLOCK_CHECKSUM',
			`the superblock's checksum is 0x${found.toString(16)}; its contents make 0x${expected.toString(16)}`,
		);
	}
}

/**
 * Reads and checks the primary superblock, or the copy of it that lies at `position`.
 *
 * Throws `CorruptError` (EXT4_NOT_EXT where the magic number is missing), `UnsupportedError` for a
 * feature that reading can't do without, `DeviceError`.
 */
export function readSuperblock(device: BlockDevice, position = superblockPosition): Superblock {
	const bytes = new Uint8Array(1024);
	if (device.sizeBytes < position + bytes.length) {
		throw new CorruptError(
			'EXT4_NOT_EXT',
			`${device.sizeBytes} bytes are too few to hold an ext2, ext3 or ext4 superblock`,
		);
	}
	device.read(position, bytes);
	return parseSuperblock(bytes);
}

/** The same for the 1,024 bytes of a superblock, of which it makes its view. */
export function parseSuperblock(bytes: Uint8Array): Superblock {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
	const raw = ext4_super_block.at(view, 0);
	if (raw.s_magic !== superblockMagic) {
		throw new CorruptError(
			'EXT4_NOT_EXT',
			`no ext2, ext3 or ext4 superblock: its magic number is 0x${raw.s_magic.toString(16)}, not 0xef53`,
		);
	}
	// Revision 0 knows no features; what stands in their place is not to be believed.
	const features =
		raw.s_rev_level === 0
			? new Features(0, 0, 0)
			: new Features(raw.s_feature_compat, raw.s_feature_incompat, raw.s_feature_ro_compat);
	features.assertReadable();
	if (features.has('metadata_csum')) assertChecksum(view, bytes, raw.s_checksum_type);
	if (features.has('has_journal') && raw.s_journal_inum === 0) {
		throw new UnsupportedError(
			'EXT4_UNSUPPORTED_EXTERNAL_JOURNAL',
			'external journal',
			'the journal of this file system lies on another device, which ext4box does not read',
		);
	}
	if (features.has('casefold') && raw.s_encoding !== encodingUtf8) {
		throw new UnsupportedError(
			'EXT4_UNSUPPORTED_ENCODING',
			'casefold',
			`names are compared in the encoding ${raw.s_encoding}, which is not known; 1 is UTF-8`,
		);
	}
	return decodeSuperblock(raw, view, features);
}

function decodeSuperblock(
	raw: ReturnType<typeof ext4_super_block.at>,
	view: DataView,
	features: Features,
): Superblock {
	const has64bit = features.has('64bit');
	const geometry = readGeometry(raw, {
		has64bit,
		hasBigalloc: features.has('bigalloc'),
		hasMetaBg: features.has('meta_bg'),
	});
	const wide = (low: number, high: number) => (has64bit ? high * 2 ** 32 + low : low);
	const uuid = raw.s_uuid.slice();
	const seed = new DataView(raw.s_hash_seed.slice().buffer);
	const hasProject = features.has('project');
	return {
		features,
		geometry,
		view,
		revision: raw.s_rev_level,
		uuid,
		label: upToNul(raw.s_volume_name),
		isHurd: raw.s_creator_os === creatorOs.hurd,
		isClean: (raw.s_state & superblockState.clean) !== 0,
		hasErrors: (raw.s_state & superblockState.errorsSeen) !== 0,
		mkfsTime: superblockTime(raw.s_mkfs_time, raw.s_mkfs_time_hi),
		mountTime: superblockTime(raw.s_mtime, raw.s_mtime_hi),
		writeTime: superblockTime(raw.s_wtime, raw.s_wtime_hi),
		freeBlockCount: wide(raw.s_free_blocks_count_lo, raw.s_free_blocks_count_hi),
		freeInodeCount: raw.s_free_inodes_count,
		reservedBlockCount: wide(raw.s_r_blocks_count_lo, raw.s_r_blocks_count_hi),
		overheadClusterCount: raw.s_overhead_clusters,
		hashSeed: [
			seed.getUint32(0, true),
			seed.getUint32(4, true),
			seed.getUint32(8, true),
			seed.getUint32(12, true),
		],
		defaultHashVersion: raw.s_def_hash_version,
		isHashUnsigned: (raw.s_flags & superblockFlags.unsignedHash) !== 0,
		encoding: raw.s_encoding,
		encodingFlags: raw.s_encoding_flags,
		journalInode: raw.s_journal_inum,
		journalDevice: raw.s_journal_dev,
		lastOrphan: raw.s_last_orphan,
		firstMetaGroup: features.has('meta_bg') ? raw.s_first_meta_bg : geometry.groupCount,
		reservedDescriptorBlocks: raw.s_reserved_gdt_blocks,
		backupGroups: [raw.s_backup_bgs_0, raw.s_backup_bgs_1],
		quotaInodes: {
			user: raw.s_usr_quota_inum,
			group: raw.s_grp_quota_inum,
			project: hasProject ? raw.s_prj_quota_inum : 0,
		},
		orphanFileInode: features.has('orphan_file') ? raw.s_orphan_file_inum : 0,
		checksumSeed: features.has('metadata_csum_seed')
			? raw.s_checksum_seed
			: crc32cOf(0xffffffff, uuid),
		hasInodeChecksums: features.has('metadata_csum') && raw.s_creator_os === creatorOs.linux,
	};
}

/**
 * Writes into `superblock.view` what may have changed since it was read: counts, features, state,
 * orphans, times; then the checksum. Fields of no meaning to us stay as they are.
 */
export function encodeSuperblock(superblock: Superblock): void {
	const {view, features} = superblock;
	const raw = ext4_super_block.edit(view, 0);
	raw.s_free_blocks_count_lo = superblock.freeBlockCount % 2 ** 32;
	if (features.has('64bit')) {
		raw.s_free_blocks_count_hi = Math.floor(superblock.freeBlockCount / 2 ** 32);
	}
	raw.s_free_inodes_count = superblock.freeInodeCount;
	raw.s_last_orphan = superblock.lastOrphan;
	if (superblock.revision > 0) {
		raw.s_feature_compat = features.compat;
		raw.s_feature_incompat = features.incompat;
		raw.s_feature_ro_compat = features.roCompat;
	}
	const known = superblockState.clean | superblockState.errorsSeen;
	const state =
		(superblock.isClean ? superblockState.clean : 0) |
		(superblock.hasErrors ? superblockState.errorsSeen : 0);
	raw.s_state = (raw.s_state & ~known) | state;
	raw.s_mtime = superblock.mountTime % 2 ** 32;
	raw.s_mtime_hi = Math.floor(superblock.mountTime / 2 ** 32);
	raw.s_wtime = superblock.writeTime % 2 ** 32;
	raw.s_wtime_hi = Math.floor(superblock.writeTime / 2 ** 32);
	if (features.has('metadata_csum')) sealSuperblock(view);
}

/**
 * Makes the checksum right. It lies in the second of the superblock's two sectors of 512 bytes, while almost all
 * that ever changes lies in the first: should one of the two not reach the medium, nothing could
 * open the file system any more, not even to replay its journal. So the sum stays as it is, and a
 * field that no system uses takes the value that makes it right: a change is one sector's then,
 * there or not. See docs/decisions/superblock.md.
 */
function sealSuperblock(view: DataView): void {
	const raw = ext4_super_block.edit(view, 0);
	const bytes = new Uint8Array(view.buffer, view.byteOffset, 0x3fc);
	// Something stands there only where the abandoned snapshot feature was in use.
	if (
		raw.s_snapshot_inum !== 0 ||
		new Features(0, 0, raw.s_feature_ro_compat).has('has_snapshot')
	) {
		raw.s_checksum = crc32cOf(0xffffffff, bytes);
		return;
	}
	const {at} = ext4_super_block.fields.s_snapshot_id;
	raw.s_snapshot_id = crc32cFiller(0xffffffff, bytes, at, raw.s_checksum);
}
