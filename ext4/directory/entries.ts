/**
 * The entries of one stretch of a directory: a block, or a part of an inode. Kernel documentation,
 * "Linear (Classic) Directories".
 *
 * Entries are checked once, all of a stretch at a time; whoever walks them afterwards needs no
 * checks, and can't run in circles: a checked entry is at least twelve bytes long.
 */
import {CorruptError} from '../errors.ts';
import {
	ext4_dir_entry_2,
	ext4_dir_entry_hash,
	recordLengthMin,
	recordLengthOf,
	tailFileType,
} from '../layout/directory.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {encryptedNameLengthMin} from './encrypted-name.ts';
import type {NameHash} from './hash.ts';

/** How the entries of one directory are to be understood. */
export type EntryRules = {
	readonly blockSize: number;
	readonly inodeCount: number;
	readonly hasTypes: boolean;
	readonly hasChecksums: boolean;
	/** The inode says that a hash tree is there; whether it can be used is another question. */
	readonly isIndexed: boolean;
	readonly isEncrypted: boolean;
	readonly isCasefolded: boolean;
	/** Hashes follow the names: the kernel can't compute them while it lacks the key. */
	readonly hasHashes: boolean;
};

/** What the bytes of an entry depend on. */
export type EntryForm = Pick<EntryRules, 'blockSize' | 'hasTypes' | 'hasChecksums' | 'hasHashes'>;

export function rulesOf(volume: Volume, directory: Pick<Inode, 'flags'>): EntryRules {
	const {features, geometry} = volume;
	const has = (flag: number) => (directory.flags & flag) !== 0;
	const isEncrypted = has(inodeFlags.encrypted) && features.has('encrypt');
	const isCasefolded = has(inodeFlags.casefold) && features.has('casefold');
	return {
		blockSize: geometry.blockSize,
		inodeCount: geometry.inodeCount,
		hasTypes: features.has('filetype'),
		hasChecksums: features.has('metadata_csum'),
		isIndexed: has(inodeFlags.hashIndexed),
		isEncrypted,
		isCasefolded,
		hasHashes: isEncrypted && isCasefolded,
	};
}

const recLenAt = ext4_dir_entry_2.fields.rec_len.at;
const nameLenAt = ext4_dir_entry_2.fields.name_len.at;
const fileTypeAt = ext4_dir_entry_2.fields.file_type.at;
/** Where the name begins in an entry. */
export const nameAt = ext4_dir_entry_2.sizeBytes;

const dot = 0x2e;
const slash = 0x2f;

/** The length in bytes of the entry at `at`, as the entry itself says. */
export function recordLengthAt(view: DataView, at: number, blockSize: number): number {
	return recordLengthOf(view.getUint16(at + recLenAt, true), blockSize);
}

/** The length in bytes of the name of the entry at `at`. */
export function entryNameLength(bytes: Uint8Array, at: number): number {
	return bytes[at + nameLenAt] ?? 0;
}

export function entryTypeCode(bytes: Uint8Array, at: number): number {
	return bytes[at + fileTypeAt] ?? 0;
}

/** `.` and `..`, which even encrypted directories hold in clear. */
export function isDotName(bytes: Uint8Array, start: number, length: number): boolean {
	return (
		(length === 1 && bytes[start] === dot) ||
		(length === 2 && bytes[start] === dot && bytes[start + 1] === dot)
	);
}

/** The hashes behind the name of a checked entry in a directory that has them there. */
export function entryHash(bytes: Uint8Array, view: DataView, at: number): NameHash {
	const hashAt = at + recordLengthMin(entryNameLength(bytes, at), false);
	const raw = ext4_dir_entry_hash.at(view, hashAt);
	return {major: raw.hash, minor: raw.minor_hash};
}

/** A stretch of entries and where to say that it lies. */
export type Stretch = {
	readonly bytes: Uint8Array;
	readonly view: DataView;
	readonly start: number;
	readonly end: number;
	readonly inode: number;
	/** The physical block; undefined for a part of an inode. */
	readonly block: number | undefined;
};

/**
 * Checks every entry of a stretch, those not in use as well: lengths, alignment, that none reaches
 * beyond the end nor leaves less behind it than an entry takes, inode numbers, names.
 *
 * Throws `CorruptError` with EXT4_BAD_DIRECTORY_ENTRY.
 */
export function checkEntries(stretch: Stretch, rules: EntryRules): void {
	const {view, start, end} = stretch;
	for (let at = start; at < end; ) {
		const problem = end - at < nameAt ? 'no room for an entry' : problemOf(stretch, rules, at);
		if (problem !== undefined) {
			throw new CorruptError('EXT4_BAD_DIRECTORY_ENTRY', problem, {
				inode: stretch.inode,
				block: stretch.block,
				offset: at,
			});
		}
		at += recordLengthAt(view, at, rules.blockSize);
	}
}

/** What is wrong with the entry at `at`, of which the first eight bytes are there. */
function problemOf(stretch: Stretch, rules: EntryRules, at: number): string | undefined {
	const {bytes, view, end} = stretch;
	const length = recordLengthAt(view, at, rules.blockSize);
	const nameLength = entryNameLength(bytes, at);
	const isDot = end - at >= nameAt + nameLength && isDotName(bytes, at + nameAt, nameLength);
	const hasHash = rules.hasHashes && !isDot && entryTypeCode(bytes, at) !== tailFileType;
	if (length % 4 !== 0) return `rec_len ${length} is not a multiple of 4`;
	const needed = recordLengthMin(Math.max(nameLength, 1), hasHash);
	if (length < needed) return `rec_len ${length} is less than ${needed} for this name`;
	const left = end - at - length;
	if (left < 0) return `rec_len ${length} reaches ${-left} bytes beyond the end`;
	const leastLeft = recordLengthMin(1, rules.hasHashes && !rules.hasChecksums);
	if (left !== 0 && left < leastLeft) return `rec_len ${length} leaves ${left} bytes at the end`;
	const inode = view.getUint32(at, true);
	if (inode > rules.inodeCount) return `inode ${inode} of ${rules.inodeCount}`;
	if (inode === 0 || isDot) return undefined;
	return nameProblemOf(bytes, at + nameAt, nameLength, rules);
}

function nameProblemOf(
	bytes: Uint8Array,
	start: number,
	length: number,
	rules: EntryRules,
): string | undefined {
	if (rules.isEncrypted) {
		return length < encryptedNameLengthMin ? `an encrypted name of ${length} bytes` : undefined;
	}
	if (length === 0) return 'an empty name';
	for (let at = start; at < start + length; at++) {
		if (bytes[at] === slash) return 'a name with a slash';
		if (bytes[at] === 0) return 'a name with a NUL';
	}
	return undefined;
}
