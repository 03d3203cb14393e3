/**
 * Three kinds of failure, never mixed.
 *
 * - The disk is wrong: `CorruptError`, or it needs what we do not have: `UnsupportedError`.
 * - The caller asks for something that is not so: `FileError`, an ordinary result with the name of
 *   the errno that POSIX gives it.
 * - The bytes could not be had: `DeviceError`; or getting them would cost too much: `BudgetError`.
 *
 * An `AssertionError` is a fault of this program and is none of the above.
 */

/** Codes are stable: scripts and tests may rely on them. One code for one way to be wrong. */
export type CorruptCode =
	| 'EXT4_NOT_EXT'
	| 'EXT4_TRUNCATED'
	| 'EXT4_BAD_SUPERBLOCK'
	| 'EXT4_NUMBER_TOO_LARGE'
	| 'EXT4_BAD_SUPERBLOCK_CHECKSUM'
	| 'EXT4_BAD_GROUP_DESCRIPTOR'
	| 'EXT4_BAD_GROUP_CHECKSUM'
	| 'EXT4_BAD_BITMAP_CHECKSUM'
	| 'EXT4_BAD_BITMAP'
	| 'EXT4_BLOCK_IN_USE'
	| 'EXT4_BAD_INODE_NUMBER'
	| 'EXT4_BAD_INODE'
	| 'EXT4_BAD_INODE_CHECKSUM'
	| 'EXT4_INODE_FREE'
	| 'EXT4_BAD_EXTENT_HEADER'
	| 'EXT4_BAD_EXTENT'
	| 'EXT4_BAD_EXTENT_CHECKSUM'
	| 'EXT4_BAD_BLOCK_MAP'
	| 'EXT4_BAD_BLOCK_NUMBER'
	| 'EXT4_BAD_INLINE_DATA'
	| 'EXT4_BAD_DIRECTORY'
	| 'EXT4_BAD_DIRECTORY_CHECKSUM'
	| 'EXT4_BAD_DIRECTORY_ENTRY'
	| 'EXT4_BAD_HASH_TREE'
	| 'EXT4_BAD_SYMLINK'
	| 'EXT4_BAD_XATTR'
	| 'EXT4_BAD_XATTR_CHECKSUM'
	| 'EXT4_BAD_ACL'
	| 'EXT4_BAD_JOURNAL'
	| 'EXT4_BAD_JOURNAL_CHECKSUM'
	| 'EXT4_BAD_ORPHANS'
	| 'EXT4_BAD_QUOTA'
	| 'EXT4_BAD_MMP'
	| 'EXT4_BAD_VERITY';

export type UnsupportedCode =
	| 'EXT4_UNSUPPORTED_FEATURE'
	| 'EXT4_UNSUPPORTED_FOR_WRITING'
	| 'EXT4_UNSUPPORTED_JOURNAL_DEVICE'
	| 'EXT4_UNSUPPORTED_EXTERNAL_JOURNAL'
	| 'EXT4_UNSUPPORTED_ENCODING';

/** Where in the image: a physical block of the file system, an inode, a group; whichever are known. */
export type Place = {
	readonly block?: number | undefined;
	readonly inode?: number | undefined;
	readonly group?: number | undefined;
	readonly offset?: number | undefined;
};

function describePlace(place: Place): string {
	const parts: string[] = [];
	if (place.inode !== undefined) parts.push(`inode ${place.inode}`);
	if (place.group !== undefined) parts.push(`group ${place.group}`);
	if (place.block !== undefined) parts.push(`block ${place.block}`);
	if (place.offset !== undefined) parts.push(`offset ${place.offset}`);
	return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** The image breaks a rule of the format. EUCLEAN on the wire. */
export class CorruptError extends Error {
	override readonly name = 'CorruptError';
	readonly code: CorruptCode;
	readonly place: Place;

	/** `problem` is one plain sentence without a full stop: what was found, what was expected. */
	constructor(code: CorruptCode, problem: string, place: Place = {}) {
		super(`${problem}${describePlace(place)}`);
		this.code = code;
		this.place = place;
	}
}

/** The image is well but uses something that this program does not read; `feature` names it. */
export class UnsupportedError extends Error {
	override readonly name = 'UnsupportedError';
	readonly code: UnsupportedCode;
	readonly feature: string;

	constructor(code: UnsupportedCode, feature: string, problem: string) {
		super(problem);
		this.code = code;
		this.feature = feature;
	}
}

/** The names of the ordinary results; `src/errno.ts` gives each its number. */
export type Errno =
	| 'E2BIG'
	| 'EACCES'
	| 'EAGAIN'
	| 'EBUSY'
	| 'EDQUOT'
	| 'EEXIST'
	| 'EFBIG'
	| 'EINVAL'
	| 'EISDIR'
	| 'ELOOP'
	| 'EMLINK'
	| 'ENAMETOOLONG'
	| 'ENODATA'
	| 'ENOENT'
	| 'ENOKEY'
	| 'ENOSPC'
	| 'ENOTDIR'
	| 'ENOTEMPTY'
	| 'ENOTTY'
	| 'ENXIO'
	| 'EOPNOTSUPP'
	| 'EPERM'
	| 'ERANGE'
	| 'EROFS'
	| 'ETXTBSY'
	| 'EXDEV';

/** The caller asked for something that is not so. */
export class FileError extends Error {
	override readonly name = 'FileError';
	readonly code: Errno;

	constructor(code: Errno, message: string) {
		super(message);
		this.code = code;
	}
}

/** The device would not give or take the bytes. EIO on the wire. */
export class DeviceError extends Error {
	override readonly name = 'DeviceError';
	readonly code = 'EXT4_DEVICE';
	readonly position: number;
	readonly length: number;

	constructor(message: string, position: number, length: number, cause?: unknown) {
		super(message, cause === undefined ? undefined : {cause});
		this.position = position;
		this.length = length;
	}
}

/** What is asked costs more than any sound image would have it cost. EIO on the wire. */
export class BudgetError extends Error {
	override readonly name = 'BudgetError';
	readonly code = 'EXT4_BUDGET';
}

/** A fault of this program, not of the image and not of the caller. */
export class AssertionError extends Error {
	override readonly name = 'AssertionError';
	readonly code = 'EXT4BOX_BUG';
}

/** Throws `AssertionError` where this program has broken its own rule; never for what an image says. */
export function assert(condition: boolean, rule: string): asserts condition {
	if (!condition) throw new AssertionError(rule);
}

/** An error that an image or a caller can provoke, as opposed to a fault of this program. */
export type ExpectedError = CorruptError | UnsupportedError | FileError | DeviceError | BudgetError;

export function isExpectedError(error: unknown): error is ExpectedError {
	return (
		error instanceof CorruptError ||
		error instanceof UnsupportedError ||
		error instanceof FileError ||
		error instanceof DeviceError ||
		error instanceof BudgetError
	);
}
