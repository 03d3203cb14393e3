/** The journal's superblock, read and checked. Kernel documentation, "Journal (jbd2)". */
import {crc32cOf, crc32cOfZeros} from '../checksum.ts';
import {CorruptError} from '../errors.ts';
import {
	decodeJournalFeatures,
	type JournalFeatures,
	journal_superblock,
	journalBlockType,
	journalChecksumType,
	journalMagic,
	journalSuperblockChecksumAt,
} from '../layout/journal.ts';

/** All block numbers here are logical blocks of the journal. */
export type JournalSuperblock = {
	readonly version: 1 | 2;
	readonly features: JournalFeatures;
	/** csum_v2 or csum_v3: every block of the log carries its crc32c. */
	readonly hasBlockChecksums: boolean;
	readonly checksumSeed: number;
	readonly lengthBlocks: number;
	/** The log takes the blocks from `firstBlock` up to, not including, `endBlock`, in a circle. */
	readonly firstBlock: number;
	readonly endBlock: number;
	/** Where fast commits begin, up to `lengthBlocks`; undefined without the feature. */
	readonly fastCommitFirstBlock: number | undefined;
	/** The oldest transaction that may have to be replayed, and where it begins; 0 where none has. */
	readonly sequence: number;
	readonly startBlock: number;
	/** What made the kernel give the journal up, as a negative errno; 0 where nothing did. */
	readonly errorNumber: number;
	readonly uuid: Uint8Array;
};

/** The longest journal that any tool makes; 39 GiB with blocks of 4 KiB. */
const lengthBlocksMax = 10_240_000;
/** The log must keep this many blocks when fast commits take theirs, and to be written at all. */
export const logBlocksMin = 1024;
const fastCommitBlocksDefault = 256;
/** Pieces that a journal may lie in. A map of blocks can tell of more than the image has room for. */
export const journalPiecesMax = 2 ** 16;

/** How many blocks are kept for fast commits where `s_num_fc_blks` says so. */
export function fastCommitBlocksOf(s_num_fc_blks: number): number {
	return s_num_fc_blks === 0 ? fastCommitBlocksDefault : s_num_fc_blks;
}

function badJournal(problem: string): CorruptError {
	return new CorruptError('EXT4_BAD_JOURNAL', problem);
}

type RawJournalSuperblock = ReturnType<typeof journal_superblock.at>;

function readVersion(raw: RawJournalSuperblock): 1 | 2 {
	if (raw.h_magic !== journalMagic) {
		throw badJournal(`the journal begins with 0x${raw.h_magic.toString(16)}, not with its magic`);
	}
	const type = raw.h_blocktype;
	if (type === journalBlockType.superblockV1) return 1;
	if (type === journalBlockType.superblockV2) return 2;
	throw badJournal(`the journal's superblock has the block type ${type}`);
}

/** Refuses more than one kind of checksum, and verifies the superblock's own. */
function checkChecksum(
	raw: RawJournalSuperblock,
	bytes: Uint8Array,
	features: JournalFeatures,
): void {
	const {hasChecksumV2, hasChecksumV3, hasTransactionChecksum} = features;
	if ([hasChecksumV2, hasChecksumV3, hasTransactionChecksum].filter(Boolean).length > 1) {
		throw badJournal('the journal has more than one kind of checksum');
	}
	if (!hasChecksumV2 && !hasChecksumV3) return;
	if (raw.s_checksum_type !== journalChecksumType.crc32c) {
		throw badJournal(`the journal's checksum type is ${raw.s_checksum_type}`);
	}
	const before = crc32cOf(0xffff_ffff, bytes.subarray(0, journalSuperblockChecksumAt));
	const after = bytes.subarray(journalSuperblockChecksumAt + 4, journal_superblock.sizeBytes);
	if (crc32cOf(crc32cOfZeros(before, 4), after) !== raw.s_checksum) {
		throw new CorruptError(
			'EXT4_BAD_JOURNAL_CHECKSUM',
			"the checksum of the journal's superblock does not match",
		);
	}
}

function checkLength(raw: RawJournalSuperblock, blockSize: number, lengthBlocks: number): void {
	if (raw.s_blocksize !== blockSize) {
		throw badJournal(`the journal has blocks of ${raw.s_blocksize} bytes, not of ${blockSize}`);
	}
	if (raw.s_maxlen > lengthBlocks) {
		throw badJournal(`a journal of ${raw.s_maxlen} blocks in a file of ${lengthBlocks}`);
	}
	if (raw.s_maxlen > lengthBlocksMax) {
		throw badJournal(
			`a journal of ${raw.s_maxlen} blocks; at most ${lengthBlocksMax} are possible`,
		);
	}
	if (raw.s_first === 0 || raw.s_first >= raw.s_maxlen) {
		throw badJournal(`the log begins at block ${raw.s_first} of ${raw.s_maxlen}`);
	}
}

/** Where the log ends: before the blocks for fast commits, or with the journal. */
function readEnd(raw: RawJournalSuperblock, features: JournalFeatures): number {
	if (!features.hasFastCommit) return raw.s_maxlen;
	const count = fastCommitBlocksOf(raw.s_num_fc_blks);
	const end = raw.s_maxlen - count;
	if (end < logBlocksMin || end <= raw.s_first) {
		throw badJournal(`${count} blocks for fast commits in a journal of ${raw.s_maxlen}`);
	}
	return end;
}

/**
 * Reads the journal's superblock from `bytes`, block 0 of the journal (at least 1,024 bytes).
 * `lengthBlocks` is how many blocks the journal's file has.
 *
 * Throws `CorruptError` where it contradicts itself, the file or its checksum, `UnsupportedError`
 * for a feature that is not known.
 */
export function readJournalSuperblock(
	bytes: Uint8Array,
	blockSize: number,
	lengthBlocks: number,
): JournalSuperblock {
	const raw = journal_superblock.at(new DataView(bytes.buffer, bytes.byteOffset), 0);
	const version = readVersion(raw);
	const features =
		version === 1
			? decodeJournalFeatures(0, 0, 0)
			: decodeJournalFeatures(
					raw.s_feature_compat,
					raw.s_feature_incompat,
					raw.s_feature_ro_compat,
				);
	checkChecksum(raw, bytes, features);
	checkLength(raw, blockSize, lengthBlocks);
	const endBlock = readEnd(raw, features);
	if (raw.s_start !== 0 && (raw.s_start < raw.s_first || raw.s_start >= endBlock)) {
		throw badJournal(`the log begins at ${raw.s_start}, outside ${raw.s_first} to ${endBlock - 1}`);
	}
	return {
		version,
		features,
		hasBlockChecksums: features.hasChecksumV2 || features.hasChecksumV3,
		checksumSeed: crc32cOf(0xffff_ffff, raw.s_uuid),
		lengthBlocks: raw.s_maxlen,
		firstBlock: raw.s_first,
		endBlock,
		// The first block after the log is left out by all who write fast commits.
		fastCommitFirstBlock: features.hasFastCommit ? endBlock + 1 : undefined,
		sequence: raw.s_sequence,
		startBlock: raw.s_start,
		errorNumber: raw.s_errno | 0,
		uuid: raw.s_uuid.slice(),
	};
}
