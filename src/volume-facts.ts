/** What a superblock and a journal say, as facts to print: `info`'s JSON, see docs/cli.md. */
import {ext4_super_block, type Features, type Volume} from '../ext4/index.ts';
import {readJournalBlock} from '../ext4/journal/log.ts';
import {journalFileOf} from '../ext4/journal/recover.ts';
import {readJournalSuperblock} from '../ext4/journal/superblock.ts';
import type {OpenedImage} from '../images/index.ts';
import {isoTime, uuidText} from './format.ts';
import {jsonBytes} from './output.ts';

type Raw = ReturnType<typeof ext4_super_block.at>;

// What ext3's driver knew; a file system with any other such feature is ext4, as blkid(8) has it.
const ext3Incompat = 0x2 | 0x4 | 0x10; // filetype, needs_recovery, meta_bg
const ext3RoCompat = 0x1 | 0x2 | 0x4; // sparse_super, large_file, btree_dir

export function generationOf(features: Features): 'ext2' | 'ext3' | 'ext4' {
	const beyond = (features.incompat & ~ext3Incompat) | (features.roCompat & ~ext3RoCompat);
	if (beyond !== 0) return 'ext4';
	return features.has('has_journal') ? 'ext3' : 'ext2';
}

function upToNul(bytes: Uint8Array): Uint8Array {
	const end = bytes.indexOf(0);
	return end < 0 ? bytes : bytes.subarray(0, end);
}

/** Null for never. */
function timeOf(low: number, high: number): string | null {
	const seconds = high * 2 ** 32 + low;
	return seconds === 0 ? null : isoTime({seconds, nanoseconds: 0});
}

type SeenError = {
	readonly time: string | null;
	readonly inode: number;
	readonly block: number;
	readonly function: string;
	readonly line: number;
};

function errorsOf(raw: Raw) {
	// Names of functions in a kernel: what is not text has no business there.
	const functionName = (bytes: Uint8Array) => new TextDecoder('latin1').decode(upToNul(bytes));
	const first: SeenError = {
		time: timeOf(raw.s_first_error_time, raw.s_first_error_time_hi),
		inode: raw.s_first_error_ino,
		block: raw.s_first_error_block,
		function: functionName(raw.s_first_error_func),
		line: raw.s_first_error_line,
	};
	const last: SeenError = {
		time: timeOf(raw.s_last_error_time, raw.s_last_error_time_hi),
		inode: raw.s_last_error_ino,
		block: raw.s_last_error_block,
		function: functionName(raw.s_last_error_func),
		line: raw.s_last_error_line,
	};
	const policies: readonly string[] = ['unset', 'continue', 'remount-ro', 'panic'];
	const isSeen = raw.s_error_count > 0;
	return {
		policy: policies[raw.s_errors] ?? `unknown (${raw.s_errors})`,
		count: raw.s_error_count,
		first: isSeen ? first : null,
		last: isSeen ? last : null,
	};
}

function journalOf(volume: Volume) {
	const {superblock, features, recovery} = volume;
	if (!features.has('has_journal')) return null;
	const file = journalFileOf(volume);
	const block = readJournalBlock(file, 0);
	const journal = readJournalSuperblock(block, file.blockSize, file.lengthBlocks);
	const replayed =
		recovery === undefined
			? null
			: {
					transactions: recovery.transactions,
					blocks: recovery.blocksReplayed,
					revoked: recovery.blocksRevoked,
				};
	return {
		inode: superblock.journalInode,
		sizeBytes: file.lengthBlocks * file.blockSize,
		blockCount: journal.lengthBlocks,
		version: journal.version,
		features: Object.entries(journal.features)
			.filter(([, isOn]) => isOn)
			.map(([name]) => name.replace(/^has/, '').replace(/^./, letter => letter.toLowerCase())),
		sequence: journal.sequence,
		startBlock: journal.startBlock,
		errno: journal.errorNumber,
		replayed,
	};
}

const hashNames: readonly string[] = [
	'legacy',
	'half_md4',
	'tea',
	'legacy_unsigned',
	'half_md4_unsigned',
	'tea_unsigned',
	'siphash',
];

const creators: readonly string[] = ['Linux', 'Hurd', 'Masix', 'FreeBSD', 'Lites'];

function layoutOf({geometry, features, superblock}: Volume, raw: Raw) {
	return {
		blockSize: geometry.blockSize,
		clusterSize: geometry.clusterSize,
		blockCount: geometry.blockCount,
		freeBlockCount: superblock.freeBlockCount,
		reservedBlockCount: superblock.reservedBlockCount,
		overheadClusterCount: superblock.overheadClusterCount,
		firstDataBlock: geometry.firstDataBlock,
		inodeCount: geometry.inodeCount,
		freeInodeCount: superblock.freeInodeCount,
		firstInode: geometry.firstInode,
		inodeSize: geometry.inodeSize,
		minimumExtraInodeSize: raw.s_min_extra_isize,
		wantedExtraInodeSize: raw.s_want_extra_isize,
		groupCount: geometry.groupCount,
		blocksPerGroup: geometry.blocksPerGroup,
		clustersPerGroup: geometry.clustersPerGroup,
		inodesPerGroup: geometry.inodesPerGroup,
		groupsPerFlexGroup: features.has('flex_bg') ? 2 ** raw.s_log_groups_per_flex : 1,
		descriptorSize: geometry.descriptorSize,
		reservedDescriptorBlockCount: superblock.reservedDescriptorBlocks,
	};
}

function usageOf(raw: Raw) {
	const hasLimit = raw.s_max_mnt_count !== 0 && raw.s_max_mnt_count !== 0xffff;
	return {
		times: {
			created: timeOf(raw.s_mkfs_time, raw.s_mkfs_time_hi),
			lastMounted: timeOf(raw.s_mtime, raw.s_mtime_hi),
			lastWritten: timeOf(raw.s_wtime, raw.s_wtime_hi),
			lastChecked: timeOf(raw.s_lastcheck, raw.s_lastcheck_hi),
		},
		...jsonBytes('lastMountedOn', upToNul(raw.s_last_mounted)),
		mountCount: raw.s_mnt_count,
		mountCountMaximum: hasLimit ? raw.s_max_mnt_count : null,
		checkIntervalSeconds: raw.s_checkinterval,
		writtenKibibytes: raw.s_kbytes_written,
		reservedFor: {uid: raw.s_def_resuid, gid: raw.s_def_resgid},
	};
}

/** All facts. Throws `CorruptError` where the journal's superblock is damaged, `DeviceError`. */
export function gatherFacts(volume: Volume, image: OpenedImage) {
	const {superblock, features} = volume;
	const raw = ext4_super_block.at(superblock.view, 0);
	const {defaultHashVersion: hash} = superblock;
	return {
		image: {
			sizeBytes: image.raw.sizeBytes,
			offsetBytes: image.offsetBytes,
			partition: image.partition?.number ?? null,
		},
		type: generationOf(features),
		...jsonBytes('label', superblock.label),
		uuid: uuidText(superblock.uuid),
		revision: superblock.revision,
		creator: creators[raw.s_creator_os] ?? `unknown (${raw.s_creator_os})`,
		features: features.names(),
		state: {
			isClean: superblock.isClean,
			hasErrors: superblock.hasErrors,
			needsRecovery: volume.recovery !== undefined || features.has('needs_recovery'),
			hasOrphans: superblock.lastOrphan !== 0 || features.has('orphan_present'),
		},
		layout: layoutOf(volume, raw),
		...usageOf(raw),
		errors: errorsOf(raw),
		journal: journalOf(volume),
		directoryHash: {
			version: hashNames[hash] ?? `unknown (${hash})`,
			isUnsigned: superblock.isHashUnsigned,
			seed: uuidText(raw.s_hash_seed),
		},
		checksums: features.has('metadata_csum')
			? {type: 'crc32c', seed: superblock.checksumSeed, superblock: raw.s_checksum}
			: null,
		quotaInodes: superblock.quotaInodes,
		orphanFileInode: superblock.orphanFileInode,
		encoding: features.has('casefold')
			? {number: superblock.encoding, flags: superblock.encodingFlags}
			: null,
		multipleMountProtection: features.has('mmp')
			? {block: raw.s_mmp_block, intervalSeconds: raw.s_mmp_interval}
			: null,
	};
}

export type Facts = ReturnType<typeof gatherFacts> & {
	readonly label?: string;
	readonly labelBase64?: string;
	readonly lastMountedOn?: string;
	readonly lastMountedOnBase64?: string;
};
