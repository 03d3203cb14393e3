/**
 * The journal, JBD2. Kernel documentation, "Journal (jbd2)". All of it is big-endian; the records
 * of a fast commit, which lie in the same file, are little-endian: `fast-commit.ts` beside this.
 */
import {UnsupportedError} from '../errors.ts';
import {structure} from './structure.ts';

/** First four bytes of every block of the log that is not a copy of a block of the file system. */
export const journalMagic = 0xc03b3998;

/** h_blocktype. */
export const journalBlockType = {
	descriptor: 1,
	commit: 2,
	superblockV1: 3,
	superblockV2: 4,
	revoke: 5,
} as const;

export const journal_header = structure('journal_header', 12, {
	h_magic: {at: 0x0, kind: 'be32'},
	h_blocktype: {at: 0x4, kind: 'be32'},
	h_sequence: {at: 0x8, kind: 'be32', about: 'the transaction that the block belongs to'},
});

/** The journal's own superblock, in its block 0. Version 1 ends before s_feature_compat. */
export const journal_superblock = structure('journal_superblock', 1024, {
	h_magic: {at: 0x0, kind: 'be32'},
	h_blocktype: {at: 0x4, kind: 'be32'},
	h_sequence: {at: 0x8, kind: 'be32'},
	s_blocksize: {at: 0xc, kind: 'be32', unit: 'bytes'},
	s_maxlen: {at: 0x10, kind: 'be32', unit: 'blocks', about: 'length of the journal'},
	s_first: {at: 0x14, kind: 'be32', unit: 'journal block', about: 'first block of the log'},
	s_sequence: {at: 0x18, kind: 'be32', about: 'first transaction expected in the log'},
	s_start: {at: 0x1c, kind: 'be32', unit: 'journal block', about: '0: nothing to replay'},
	s_errno: {at: 0x20, kind: 'be32'},
	s_feature_compat: {at: 0x24, kind: 'be32'},
	s_feature_incompat: {at: 0x28, kind: 'be32'},
	s_feature_ro_compat: {at: 0x2c, kind: 'be32'},
	s_uuid: {at: 0x30, kind: 'bytes', length: 16},
	s_nr_users: {at: 0x40, kind: 'be32', about: 'file systems that share the journal'},
	s_dynsuper: {at: 0x44, kind: 'be32', unit: 'block'},
	s_max_transaction: {at: 0x48, kind: 'be32', unit: 'blocks'},
	s_max_trans_data: {at: 0x4c, kind: 'be32', unit: 'blocks'},
	s_checksum_type: {at: 0x50, kind: 'u8'},
	s_num_fc_blks: {at: 0x54, kind: 'be32', unit: 'blocks', about: '0 means 256'},
	s_head: {at: 0x58, kind: 'be32', unit: 'journal block', about: 'where the log ended when clean'},
	s_checksum: {at: 0xfc, kind: 'be32', about: 'crc32c of these 1,024 bytes'},
	s_users: {at: 0x100, kind: 'bytes', length: 768},
});

/** Where s_checksum lies; it counts as zeros in its own sum. */
export const journalSuperblockChecksumAt = 0xfc;

/** s_checksum_type, and h_chksum_type of a commit block. */
export const journalChecksumType = {crc32: 1, md5: 2, sha1: 3, crc32c: 4} as const;

export const journalCompatFeatures = {checksum: 0x1} as const;

export const journalIncompatFeatures = {
	revoke: 0x1,
	'64bit': 0x2,
	async_commit: 0x4,
	csum_v2: 0x8,
	csum_v3: 0x10,
	fast_commit: 0x20,
} as const;

/** What a journal's features mean for how its blocks are read; all false in a version 1 journal. */
export type JournalFeatures = {
	/** One CRC-32 over a transaction's descriptors and data, in its commit block. */
	readonly hasTransactionChecksum: boolean;
	readonly hasRevoke: boolean;
	readonly has64bit: boolean;
	/** A commit block may reach the disk before what it commits. */
	readonly hasAsyncCommit: boolean;
	/** crc32c in each block and each tag, the tag's cut to 16 bits. */
	readonly hasChecksumV2: boolean;
	/** As v2, with tags of another form that hold all 32 bits. */
	readonly hasChecksumV3: boolean;
	readonly hasFastCommit: boolean;
};

function refuseUnknown(bits: number, known: number, prefix: string): void {
	const unknown = (bits & ~known) >>> 0;
	if (unknown === 0) return;
	const name = `FEATURE_${prefix}${31 - Math.clz32(unknown & -unknown)}`;
	throw new UnsupportedError(
		'EXT4_UNSUPPORTED_FEATURE',
		`journal ${name}`,
		`the journal uses ${name}, which ext4box does not read`,
	);
}

/** Throws `UnsupportedError` for an incompat or ro_compat bit that is not known. */
export function decodeJournalFeatures(
	compat: number,
	incompat: number,
	roCompat: number,
): JournalFeatures {
	const known = Object.values(journalIncompatFeatures).reduce((all, bit) => all | bit, 0);
	refuseUnknown(incompat, known, 'I');
	refuseUnknown(roCompat, 0, 'R');
	return {
		hasTransactionChecksum: (compat & journalCompatFeatures.checksum) !== 0,
		hasRevoke: (incompat & journalIncompatFeatures.revoke) !== 0,
		has64bit: (incompat & journalIncompatFeatures['64bit']) !== 0,
		hasAsyncCommit: (incompat & journalIncompatFeatures.async_commit) !== 0,
		hasChecksumV2: (incompat & journalIncompatFeatures.csum_v2) !== 0,
		hasChecksumV3: (incompat & journalIncompatFeatures.csum_v3) !== 0,
		hasFastCommit: (incompat & journalIncompatFeatures.fast_commit) !== 0,
	};
}

/** A tag of a descriptor block, with csum_v3. t_blocknr_high counts only with 64bit. */
export const journal_block_tag3 = structure('journal_block_tag3', 16, {
	t_blocknr: {at: 0x0, kind: 'be32', unit: 'block'},
	t_flags: {at: 0x4, kind: 'be32'},
	t_blocknr_high: {at: 0x8, kind: 'be32'},
	t_checksum: {at: 0xc, kind: 'be32'},
});

/** A tag without csum_v3: the last field only with 64bit, two unused bytes more with csum_v2. */
export const journal_block_tag = structure('journal_block_tag', 12, {
	t_blocknr: {at: 0x0, kind: 'be32', unit: 'block'},
	t_checksum: {at: 0x4, kind: 'be16'},
	t_flags: {at: 0x6, kind: 'be16'},
	t_blocknr_high: {at: 0x8, kind: 'be32'},
});

/** Bits of t_flags. */
export const tagFlags = {
	/** The block began with the journal's magic; its first four bytes were zeroed in the log. */
	escaped: 0x1,
	/** No UUID follows this tag. */
	sameUuid: 0x2,
	deleted: 0x4,
	lastTag: 0x8,
} as const;

const uuidSize = 16;
export const journalHeaderSize = 12;
/** The checksum at the end of descriptor and revoke blocks with csum_v2 or csum_v3. */
export const journalTailSize = 4;

export const journal_revoke_header = structure('journal_revoke_header', 16, {
	h_magic: {at: 0x0, kind: 'be32'},
	h_blocktype: {at: 0x4, kind: 'be32'},
	h_sequence: {at: 0x8, kind: 'be32'},
	r_count: {at: 0xc, kind: 'be32', unit: 'bytes', about: 'bytes in use, this header counted in'},
});

export const commit_header = structure('commit_header', 64, {
	h_magic: {at: 0x0, kind: 'be32'},
	h_blocktype: {at: 0x4, kind: 'be32'},
	h_sequence: {at: 0x8, kind: 'be32'},
	h_chksum_type: {at: 0xc, kind: 'u8'},
	h_chksum_size: {at: 0xd, kind: 'u8'},
	h_chksum: {at: 0x10, kind: 'be32', about: 'the first of eight words; the others are unused'},
	// Two halves: a block of stale data may hold anything here, and is only compared.
	h_commit_sec_high: {at: 0x30, kind: 'be32'},
	h_commit_sec_low: {at: 0x34, kind: 'be32', unit: 'seconds'},
	h_commit_nsec: {at: 0x38, kind: 'be32', unit: 'nanoseconds'},
});

/** Where the first word of h_chksum lies; it counts as zeros in its own sum. */
export const commitChecksumAt = 0x10;

/** One block that a transaction changed: the copy in the log stands for `block`. */
export type JournalTag = {
	/** Physical block of the file system. */
	readonly block: number;
	readonly isEscaped: boolean;
	/** crc32c with csum_v3, its lower 16 bits with csum_v2, of no meaning without either. */
	readonly checksum: number;
};

/** Bytes of a tag, the UUID after it not counted. */
export function tagSize(features: JournalFeatures): number {
	if (features.hasChecksumV3) return journal_block_tag3.sizeBytes;
	const base = features.has64bit ? journal_block_tag.sizeBytes : 8;
	// csum_v2 counts its 16-bit checksum twice; so the two bytes at the end are never used.
	return features.hasChecksumV2 ? base + 2 : base;
}

function decodeTag(
	view: DataView,
	at: number,
	features: JournalFeatures,
): JournalTag & {flags: number} {
	const raw = (features.hasChecksumV3 ? journal_block_tag3 : journal_block_tag).at(view, at);
	const high = features.has64bit ? raw.t_blocknr_high : 0;
	return {
		block: high * 2 ** 32 + raw.t_blocknr,
		isEscaped: (raw.t_flags & tagFlags.escaped) !== 0,
		checksum: raw.t_checksum,
		flags: raw.t_flags,
	};
}

/**
 * The tags of a descriptor block, as many as fit where no tag is marked as the last. The blocks
 * they speak of follow in the log, in the same order.
 */
export function decodeTags(view: DataView, features: JournalFeatures): JournalTag[] {
	const hasTail = features.hasChecksumV2 || features.hasChecksumV3;
	const end = view.byteLength - (hasTail ? journalTailSize : 0);
	const size = tagSize(features);
	const tags: JournalTag[] = [];
	let at = journalHeaderSize;
	while (at + size <= end) {
		const {flags, ...tag} = decodeTag(view, at, features);
		tags.push(tag);
		if ((flags & tagFlags.lastTag) !== 0) break;
		at += size + ((flags & tagFlags.sameUuid) !== 0 ? 0 : uuidSize);
	}
	return tags;
}

/** Writes one tag of a descriptor block at `at`; of its checksum as many bits as the form has. */
function encodeTag(
	view: DataView,
	at: number,
	tag: JournalTag,
	flags: number,
	features: JournalFeatures,
): void {
	const raw = (features.hasChecksumV3 ? journal_block_tag3 : journal_block_tag).edit(view, at);
	raw.t_blocknr = tag.block % 2 ** 32;
	raw.t_flags = flags | (tag.isEscaped ? tagFlags.escaped : 0);
	if (features.hasChecksumV3) raw.t_checksum = tag.checksum;
	else if (features.hasChecksumV2) raw.t_checksum = tag.checksum & 0xffff;
	if (features.has64bit) raw.t_blocknr_high = Math.floor(tag.block / 2 ** 32);
}

/** How many tags fit into a descriptor block. */
export function tagsPerBlock(blockSize: number, features: JournalFeatures): number {
	const hasTail = features.hasChecksumV2 || features.hasChecksumV3;
	const room = blockSize - journalHeaderSize - uuidSize - (hasTail ? journalTailSize : 0);
	return Math.floor(room / tagSize(features));
}

/**
 * Writes `tags`, at most `tagsPerBlock` of them, into a descriptor block of zeros. The UUID of the
 * journal, 16 bytes, follows the first.
 */
export function encodeTags(
	view: DataView,
	tags: readonly JournalTag[],
	uuid: Uint8Array,
	features: JournalFeatures,
): void {
	const size = tagSize(features);
	let at = journalHeaderSize;
	tags.forEach((tag, index) => {
		const isLast = index === tags.length - 1;
		const flags = (index === 0 ? 0 : tagFlags.sameUuid) | (isLast ? tagFlags.lastTag : 0);
		encodeTag(view, at, tag, flags, features);
		at += size;
		if (index > 0) return;
		new Uint8Array(view.buffer, view.byteOffset + at, uuidSize).set(uuid);
		at += uuidSize;
	});
}

/** How many blocks a revoke block can name. */
export function revokesPerBlock(blockSize: number, features: JournalFeatures): number {
	const hasTail = features.hasChecksumV2 || features.hasChecksumV3;
	const room = blockSize - journal_revoke_header.sizeBytes - (hasTail ? journalTailSize : 0);
	return Math.floor(room / (features.has64bit ? 8 : 4));
}

/** Writes `blocks`, at most `revokesPerBlock` of them, and their length into a revoke block of zeros. */
export function encodeRevokes(
	view: DataView,
	blocks: readonly number[],
	features: JournalFeatures,
): void {
	const size = features.has64bit ? 8 : 4;
	let at = journal_revoke_header.sizeBytes;
	for (const block of blocks) {
		if (features.has64bit) view.setUint32(at, Math.floor(block / 2 ** 32), false);
		view.setUint32(at + size - 4, block % 2 ** 32, false);
		at += size;
	}
	journal_revoke_header.edit(view, 0).r_count = at;
}

/**
 * The blocks that a revoke block names; undefined where it counts more bytes than it can hold.
 */
export function decodeRevokes(view: DataView, features: JournalFeatures): number[] | undefined {
	const hasTail = features.hasChecksumV2 || features.hasChecksumV3;
	const end = journal_revoke_header.at(view, 0).r_count;
	if (end > view.byteLength - (hasTail ? journalTailSize : 0)) return undefined;
	const size = features.has64bit ? 8 : 4;
	const blocks: number[] = [];
	for (let at = journal_revoke_header.sizeBytes; at + size <= end; at += size) {
		const low = view.getUint32(at + size - 4, false);
		blocks.push(features.has64bit ? view.getUint32(at, false) * 2 ** 32 + low : low);
	}
	return blocks;
}
