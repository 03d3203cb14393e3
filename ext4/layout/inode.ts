/** Inodes. Kernel documentation, "Index Nodes". */
import {CorruptError} from '../errors.ts';
import {structure} from './structure.ts';

/** Every inode has these 128 bytes. Fields named l_ are those of Linux, h_ those of the Hurd. */
export const ext4_inode = structure('ext4_inode', 160, {
	i_mode: {at: 0x0, kind: 'u16'},
	i_uid: {at: 0x2, kind: 'u16'},
	i_size_lo: {at: 0x4, kind: 'u32', unit: 'bytes'},
	i_atime: {at: 0x8, kind: 'i32', unit: 'seconds'},
	i_ctime: {at: 0xc, kind: 'i32', unit: 'seconds'},
	i_mtime: {at: 0x10, kind: 'i32', unit: 'seconds'},
	i_dtime: {at: 0x14, kind: 'u32', unit: 'seconds', about: 'or the next inode of the orphan list'},
	i_gid: {at: 0x18, kind: 'u16'},
	i_links_count: {at: 0x1a, kind: 'u16'},
	i_blocks_lo: {at: 0x1c, kind: 'u32', unit: '512 bytes, or blocks with huge_file'},
	i_flags: {at: 0x20, kind: 'u32'},
	l_i_version: {at: 0x24, kind: 'u32'},
	i_block: {at: 0x28, kind: 'bytes', length: 60},
	i_generation: {at: 0x64, kind: 'u32'},
	i_file_acl_lo: {at: 0x68, kind: 'u32', unit: 'block'},
	i_size_high: {at: 0x6c, kind: 'u32'},
	i_obso_faddr: {at: 0x70, kind: 'u32'},
	l_i_blocks_high: {at: 0x74, kind: 'u16'},
	l_i_file_acl_high: {at: 0x76, kind: 'u16'},
	l_i_uid_high: {at: 0x78, kind: 'u16'},
	l_i_gid_high: {at: 0x7a, kind: 'u16'},
	l_i_checksum_lo: {at: 0x7c, kind: 'u16'},
	// From here on only in inodes of more than 128 bytes, and only as far as i_extra_isize says.
	i_extra_isize: {at: 0x80, kind: 'u16', unit: 'bytes'},
	i_checksum_hi: {at: 0x82, kind: 'u16'},
	i_ctime_extra: {at: 0x84, kind: 'u32'},
	i_mtime_extra: {at: 0x88, kind: 'u32'},
	i_atime_extra: {at: 0x8c, kind: 'u32'},
	i_crtime: {at: 0x90, kind: 'i32', unit: 'seconds'},
	i_crtime_extra: {at: 0x94, kind: 'u32'},
	i_version_hi: {at: 0x98, kind: 'u32'},
	i_projid: {at: 0x9c, kind: 'u32'},
});

/** The part of an inode that revision 0 knows; what follows is counted by i_extra_isize. */
export const inodeBaseSize = 128;
export const inodeChecksumLowAt = 0x7c;
export const inodeChecksumHighAt = 0x82;

/** Inodes below the first ordinary one that have a duty. */
export const reservedInode = {
	badBlocks: 1,
	root: 2,
	userQuota: 3,
	groupQuota: 4,
	bootLoader: 5,
	undeleteDirectory: 6,
	resize: 7,
	journal: 8,
	exclude: 9,
	replica: 10,
} as const;

/** Bits of i_flags. */
export const inodeFlags = {
	secureDelete: 0x1,
	undelete: 0x2,
	compress: 0x4,
	synchronous: 0x8,
	immutable: 0x10,
	appendOnly: 0x20,
	noDump: 0x40,
	noAtime: 0x80,
	dirty: 0x100,
	compressedBlocks: 0x200,
	noCompress: 0x400,
	encrypted: 0x800,
	hashIndexed: 0x1000,
	afsMagic: 0x2000,
	journalData: 0x4000,
	noTail: 0x8000,
	directorySync: 0x10000,
	topDirectory: 0x20000,
	hugeFile: 0x40000,
	extents: 0x80000,
	verity: 0x100000,
	eaInode: 0x200000,
	dax: 0x2000000,
	inlineData: 0x10000000,
	projectInherit: 0x20000000,
	casefold: 0x40000000,
} as const;

/** What no file has: EXT4_REG_FLMASK, turned round. */
export const directoryFlags =
	inodeFlags.directorySync |
	inodeFlags.topDirectory |
	inodeFlags.casefold |
	inodeFlags.projectInherit;
/** What anything else than a file or a directory may have: EXT4_OTHER_FLMASK. */
export const specialFileFlags = inodeFlags.noDump | inodeFlags.noAtime;

export type FileType = 'file' | 'directory' | 'symlink' | 'character' | 'block' | 'fifo' | 'socket';

const typeOfMode: {readonly [mode: number]: FileType} = {
	4096: 'fifo',
	8192: 'character',
	16384: 'directory',
	24576: 'block',
	32768: 'file',
	40960: 'symlink',
	49152: 'socket',
};

/** Seconds since 1970, and nanoseconds, which a damaged inode may give as 10^9 or a little more. */
export type Timestamp = {readonly seconds: number; readonly nanoseconds: number};

/**
 * Two bits of the extra field extend the seconds beyond 2038, the other thirty are nanoseconds.
 * Kernel documentation, "Inode Timestamps".
 */
export function decodeTimestamp(seconds: number, extra: number): Timestamp {
	return {seconds: seconds + (extra & 3) * 2 ** 32, nanoseconds: extra >>> 2};
}

export type Inode = {
	readonly number: number;
	readonly type: FileType;
	/** All of i_mode: the type's bits and the permissions. */
	readonly mode: number;
	readonly uid: number;
	readonly gid: number;
	/** 0 where inodes have no room for it. */
	readonly projectId: number;
	readonly sizeBytes: number;
	readonly linkCount: number;
	/** Space used in units of 512 bytes, whatever unit the image counts in. */
	readonly sectors: number;
	readonly flags: number;
	readonly generation: number;
	readonly accessTime: Timestamp;
	readonly changeTime: Timestamp;
	readonly modificationTime: Timestamp;
	/** Undefined where inodes have no room for it. */
	readonly creationTime: Timestamp | undefined;
	/** Of a character or block device; undefined for all else. */
	readonly device: {readonly major: number; readonly minor: number} | undefined;
	/** The next inode of the orphan list, or the time of deletion. */
	readonly deletionTime: number;
	/** Physical block of the extended attributes; 0 where there is none. */
	readonly xattrBlock: number;
	/** Bytes beyond the first 128 that are fields; what remains may hold attributes. */
	readonly extraSizeBytes: number;
	/** The 60 bytes of i_block: an extent tree, a block map, inline data or a symlink's target. */
	readonly blockBytes: Uint8Array;
	readonly blockView: DataView;
	/** The seed of every checksum of this inode's own blocks; 0 without metadata_csum. */
	readonly checksumSeed: number;
};

/** What decoding an inode must know of its volume. */
export type InodeContext = {
	readonly inodeSize: number;
	readonly blockSize: number;
	readonly isHurd: boolean;
	readonly hasHugeFile: boolean;
	readonly hasLargeDirectory: boolean;
	readonly has64bit: boolean;
};

type RawInode = ReturnType<typeof ext4_inode.at>;

function sectorsOf(raw: RawInode, context: InodeContext): number {
	if (!context.hasHugeFile || context.isHurd) return raw.i_blocks_lo;
	const count = raw.l_i_blocks_high * 2 ** 32 + raw.i_blocks_lo;
	const unit = (raw.i_flags & inodeFlags.hugeFile) !== 0 ? context.blockSize / 512 : 1;
	return count * unit;
}

function deviceOf(view: DataView): {major: number; minor: number} {
	// The old 8:8 form in the first word; where that is zero, the new 12:20 form in the second.
	const old = view.getUint32(0, true);
	if (old !== 0) return {major: (old >>> 8) & 0xff, minor: old & 0xff};
	const word = view.getUint32(4, true);
	return {major: (word >>> 8) & 0xfff, minor: (word & 0xff) | ((word >>> 12) & 0xfff00)};
}

function sizeOf(raw: RawInode, type: FileType, context: InodeContext): number {
	// In other inodes the upper half was i_dir_acl, and may hold anything.
	const hasHigh = type === 'file' || (type === 'directory' && context.hasLargeDirectory);
	return raw.i_size_lo + (hasHigh ? raw.i_size_high * 2 ** 32 : 0);
}

/** Throws where i_extra_isize can't be; 0 for an inode of 128 bytes. */
function extraSizeOf(raw: RawInode, number: number, inodeSize: number): number {
	if (inodeSize === inodeBaseSize) return 0;
	const extra = raw.i_extra_isize;
	if (inodeBaseSize + extra > inodeSize || extra % 4 !== 0) {
		throw new CorruptError('EXT4_BAD_INODE', `i_extra_isize is ${extra}`, {inode: number});
	}
	return extra;
}

/**
 * Decodes the inode that starts `at` bytes into `view`; its checksum is the caller's matter.
 * Throws `CorruptError` for a mode, a size or an extra size that can't be.
 */
export function decodeInode(
	number: number,
	view: DataView,
	at: number,
	checksumSeed: number,
	context: InodeContext,
): Inode {
	const raw = ext4_inode.at(view, at);
	const mode = raw.i_mode;
	const type = typeOfMode[mode & 0xf000];
	if (type === undefined) {
		throw new CorruptError('EXT4_BAD_INODE', `i_mode 0${mode.toString(8)} is no type of file`, {
			inode: number,
		});
	}
	const extra = extraSizeOf(raw, number, context.inodeSize);
	const reaches = (end: number) => inodeBaseSize + extra >= end;
	const sizeBytes = sizeOf(raw, type, context);
	if (sizeBytes > Number.MAX_SAFE_INTEGER) {
		throw new CorruptError('EXT4_BAD_INODE', `a size of ${sizeBytes} bytes`, {inode: number});
	}
	const blockBytes = raw.i_block.slice();
	const blockView = new DataView(blockBytes.buffer);
	// The Hurd keeps other things in this half.
	const hasWideXattrBlock = context.has64bit && !context.isHurd;
	return {
		number,
		type,
		mode,
		uid: raw.i_uid + raw.l_i_uid_high * 2 ** 16,
		gid: raw.i_gid + raw.l_i_gid_high * 2 ** 16,
		projectId: reaches(0xa0) ? raw.i_projid : 0,
		sizeBytes,
		linkCount: raw.i_links_count,
		sectors: sectorsOf(raw, context),
		flags: raw.i_flags,
		generation: raw.i_generation,
		accessTime: decodeTimestamp(raw.i_atime, reaches(0x90) ? raw.i_atime_extra : 0),
		changeTime: decodeTimestamp(raw.i_ctime, reaches(0x88) ? raw.i_ctime_extra : 0),
		modificationTime: decodeTimestamp(raw.i_mtime, reaches(0x8c) ? raw.i_mtime_extra : 0),
		creationTime: reaches(0x94)
			? decodeTimestamp(raw.i_crtime, reaches(0x98) ? raw.i_crtime_extra : 0)
			: undefined,
		device: type === 'character' || type === 'block' ? deviceOf(blockView) : undefined,
		deletionTime: raw.i_dtime,
		xattrBlock: raw.i_file_acl_lo + (hasWideXattrBlock ? raw.l_i_file_acl_high * 2 ** 32 : 0),
		extraSizeBytes: extra,
		blockBytes,
		blockView,
		checksumSeed,
	};
}

/**
 * The same inode for writing, as `Handle.edit` gives it. The bytes of `blockBytes` may be written,
 * too; whoever does so on an extent tree tells the mapping (`forgetRoot`).
 */
export type MutableInode = {-readonly [Name in keyof Inode]: Inode[Name]};

/** The two bits beyond 2038 and the nanoseconds, as the extra field holds them. */
export function encodeTimestampExtra(time: Timestamp): number {
	// As the kernel: from what the 32 signed bits leave over.
	const epoch = Math.floor((time.seconds - (time.seconds | 0)) / 2 ** 32) & 3;
	return ((time.nanoseconds << 2) | epoch) >>> 0;
}

/** The bounds of a time in seconds that an inode can hold, with and without the extra field. */
export const timestampBounds = {
	wide: {from: -(2 ** 31), to: 2 ** 31 - 1 + 3 * 2 ** 32},
	narrow: {from: -(2 ** 31), to: 2 ** 31 - 1},
} as const;

/** Where the extra field of each time ends, in bytes of the inode. */
const timeExtraEnd = {
	changeTime: 0x88,
	modificationTime: 0x8c,
	accessTime: 0x90,
	creationTime: 0x98,
};

/**
 * `time` as this inode can hold it: whole seconds up to 2038 without the extra field, nanoseconds up
 * to 2446 with it. What lies outside becomes the nearest bound.
 */
export function storableTime(
	inode: Inode,
	time: Timestamp,
	field: keyof typeof timeExtraEnd = 'changeTime',
): Timestamp {
	const isWide = inodeBaseSize + inode.extraSizeBytes >= timeExtraEnd[field];
	const {from, to} = isWide ? timestampBounds.wide : timestampBounds.narrow;
	// As the kernel: at a bound there are no nanoseconds.
	if (time.seconds <= from) return {seconds: from, nanoseconds: 0};
	if (time.seconds >= to) return {seconds: to, nanoseconds: 0};
	return isWide ? time : {seconds: time.seconds, nanoseconds: 0};
}

type EditRawInode = ReturnType<typeof ext4_inode.edit>;

function writeSectors(raw: EditRawInode, inode: MutableInode, context: InodeContext): void {
	if (context.isHurd) {
		raw.i_blocks_lo = inode.sectors;
		return;
	}
	inode.flags &= ~inodeFlags.hugeFile;
	let count = inode.sectors;
	if (context.hasHugeFile) {
		// Beyond 48 bits of sectors, which 2^57 bytes take, blocks are counted.
		if (count >= 2 ** 48) {
			inode.flags |= inodeFlags.hugeFile;
			count = Math.floor(count / (context.blockSize / 512));
		}
		raw.l_i_blocks_high = Math.floor(count / 2 ** 32);
	}
	raw.i_blocks_lo = count % 2 ** 32;
}

function writeTimes(
	raw: EditRawInode,
	inode: MutableInode,
	reaches: (end: number) => boolean,
): void {
	// What the image can't hold is not to be seen for as long as the inode stays in memory.
	inode.accessTime = storableTime(inode, inode.accessTime, 'accessTime');
	inode.changeTime = storableTime(inode, inode.changeTime);
	inode.modificationTime = storableTime(inode, inode.modificationTime, 'modificationTime');
	raw.i_atime = inode.accessTime.seconds | 0;
	raw.i_ctime = inode.changeTime.seconds | 0;
	raw.i_mtime = inode.modificationTime.seconds | 0;
	if (reaches(0x88)) raw.i_ctime_extra = encodeTimestampExtra(inode.changeTime);
	if (reaches(0x8c)) raw.i_mtime_extra = encodeTimestampExtra(inode.modificationTime);
	if (reaches(0x90)) raw.i_atime_extra = encodeTimestampExtra(inode.accessTime);
	if (inode.creationTime === undefined) return;
	inode.creationTime = storableTime(inode, inode.creationTime, 'creationTime');
	if (reaches(0x94)) raw.i_crtime = inode.creationTime.seconds | 0;
	if (reaches(0x98)) raw.i_crtime_extra = encodeTimestampExtra(inode.creationTime);
}

/**
 * Writes the fields back where `decodeInode` read them; not the checksum. A device's number lies
 * in `blockBytes`, see `deviceBytes`.
 */
export function encodeInode(
	inode: MutableInode,
	view: DataView,
	at: number,
	context: InodeContext,
): void {
	const raw = ext4_inode.edit(view, at);
	const reaches = (end: number) => inodeBaseSize + inode.extraSizeBytes >= end;
	writeSectors(raw, inode, context);
	raw.i_mode = inode.mode;
	raw.i_uid = inode.uid & 0xffff;
	raw.l_i_uid_high = inode.uid >>> 16;
	raw.i_gid = inode.gid & 0xffff;
	raw.l_i_gid_high = inode.gid >>> 16;
	raw.i_size_lo = inode.sizeBytes % 2 ** 32;
	raw.i_size_high = Math.floor(inode.sizeBytes / 2 ** 32);
	raw.i_dtime = inode.deletionTime;
	raw.i_links_count = inode.linkCount;
	raw.i_flags = inode.flags >>> 0;
	raw.i_block = inode.blockBytes;
	raw.i_generation = inode.generation;
	raw.i_file_acl_lo = inode.xattrBlock % 2 ** 32;
	if (context.has64bit && !context.isHurd) {
		raw.l_i_file_acl_high = Math.floor(inode.xattrBlock / 2 ** 32);
	}
	if (context.inodeSize > inodeBaseSize) raw.i_extra_isize = inode.extraSizeBytes;
	writeTimes(raw, inode, reaches);
	if (reaches(0xa0)) raw.i_projid = inode.projectId;
}

/** A device's number as i_block holds it. */
export function deviceBytes(device: {readonly major: number; readonly minor: number}): Uint8Array {
	const {major, minor} = device;
	const bytes = new Uint8Array(60);
	const view = new DataView(bytes.buffer);
	if (major < 256 && minor < 256) view.setUint32(0, (major << 8) | minor, true);
	else view.setUint32(4, ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0, true);
	return bytes;
}
