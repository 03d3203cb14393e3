/**
 * The ioctls that ext4 has and that FUSE passes on: those that ask, with the bytes of the answer,
 * and those that change something, with the bytes that say what.
 */
import {
	FileError,
	type FlagsCaller,
	type Handle,
	type Inode,
	inodeFlags,
	setFlags,
	setFsxattr,
	setGeneration,
	setLabel,
	shownFlags,
	trimFree,
	type Volume,
} from '../ext4/index.ts';

/** Numbers of linux/fs.h and the kernel's ext4.h, on 64-bit machines and as 32-bit programs ask. */
export const ioctls = {
	FS_IOC_GETFLAGS: 0x8008_6601,
	FS_IOC32_GETFLAGS: 0x8004_6601,
	FS_IOC_GETVERSION: 0x8008_7601,
	FS_IOC32_GETVERSION: 0x8004_7601,
	EXT4_IOC_GETVERSION_OLD: 0x8008_6603,
	FS_IOC_FSGETXATTR: 0x801c_581f,
	FS_IOC_GETFSLABEL: 0x8100_9431,
	FS_IOC_GETFSUUID: 0x8011_1500,
	FS_IOC_SETFLAGS: 0x4008_6602,
	FS_IOC32_SETFLAGS: 0x4004_6602,
	FS_IOC_SETVERSION: 0x4008_7602,
	FS_IOC32_SETVERSION: 0x4004_7602,
	EXT4_IOC_SETVERSION_OLD: 0x4008_6604,
	FS_IOC_FSSETXATTR: 0x401c_5820,
	FS_IOC_SETFSLABEL: 0x4100_9432,
} as const;

/** EXT4_IOC_SHUTDOWN, which is XFS_IOC_GOINGDOWN. */
export const shutDownIoctl = 0x8004_587d;

/** FITRIM: _IOWR('X', 121, struct fstrim_range). */
export const trimIoctl = 0xc018_5879;

const trimRangeBytes = 24; // struct fstrim_range: start, len, minlen.

/**
 * Has the medium give up free blocks, as `bytes` say which, and returns them with the number of
 * bytes that were given up. Throws `FileError` EINVAL, and as `trimFree`.
 */
export function trimByIoctl(volume: Volume, bytes: Uint8Array): Uint8Array {
	if (bytes.length < trimRangeBytes) {
		throw new FileError('EINVAL', 'too little came with the ioctl');
	}
	const answer = bytes.slice(0, trimRangeBytes);
	const view = new DataView(answer.buffer);
	// No file system reaches that far: what is more means the same.
	const most = BigInt(Number.MAX_SAFE_INTEGER);
	const at = (offset: number): number => {
		const value = view.getBigUint64(offset, true);
		return Number(value < most ? value : most);
	};
	const trimmed = trimFree(volume, {start: at(0), length: at(8), minLength: at(16)});
	view.setBigUint64(8, BigInt(trimmed), true);
	return answer;
}

/** FS_XFLAG_*; those that an inode flag of ext4 stands for. */
const xflags: readonly (readonly [xflag: number, inodeFlag: number])[] = [
	[0x8, inodeFlags.immutable],
	[0x10, inodeFlags.appendOnly],
	[0x20, inodeFlags.synchronous],
	[0x40, inodeFlags.noAtime],
	[0x80, inodeFlags.noDump],
	[0x200, inodeFlags.projectInherit],
	[0x8000, inodeFlags.dax],
	[0x2_0000, inodeFlags.verity],
];

/** Extent sizes, which ext4 does not have, and "has attributes", which only tells: passed over. */
const passedOverXflags = 0x800 | 0x1000 | 0x8000_0000;

function u32(value: number): Uint8Array {
	const bytes = new Uint8Array(4);
	new DataView(bytes.buffer).setUint32(0, value, true);
	return bytes;
}

/** struct fsxattr: flags, three numbers that ext4 does not have but for the project, padding. */
function fsxattr(inode: Inode): Uint8Array {
	const bytes = new Uint8Array(28);
	const view = new DataView(bytes.buffer);
	const flags = shownFlags(inode);
	const bits = xflags.reduce((sum, [xflag, flag]) => sum | ((flags & flag) === 0 ? 0 : xflag), 0);
	view.setUint32(0, bits, true);
	view.setUint32(12, inode.projectId, true);
	return bytes;
}

function label(volume: Volume): Uint8Array {
	const bytes = new Uint8Array(256);
	bytes.set(volume.superblock.label);
	return bytes;
}

/** struct fsuuid2: the length, the bytes. */
function uuid(volume: Volume): Uint8Array {
	return Uint8Array.of(16, ...volume.superblock.uuid);
}

/** The bytes that `command` reads; undefined for a command that ext4 has not (ENOTTY). */
export function answerIoctl(volume: Volume, inode: Inode, command: number): Uint8Array | undefined {
	switch (command) {
		case ioctls.FS_IOC_GETFLAGS:
		case ioctls.FS_IOC32_GETFLAGS:
			return u32(shownFlags(inode));
		// "long" in the number, but an int is what the kernel's ext4 writes.
		case ioctls.FS_IOC_GETVERSION:
		case ioctls.FS_IOC32_GETVERSION:
		case ioctls.EXT4_IOC_GETVERSION_OLD:
			return u32(inode.generation);
		case ioctls.FS_IOC_FSGETXATTR:
			return fsxattr(inode);
		case ioctls.FS_IOC_GETFSLABEL:
			return label(volume);
		case ioctls.FS_IOC_GETFSUUID:
			return uuid(volume);
		default:
			return undefined;
	}
}

/** Bytes that come with each command that changes something. */
const changingIoctls = new Map<number, number>([
	[ioctls.FS_IOC_SETFLAGS, 4],
	[ioctls.FS_IOC32_SETFLAGS, 4],
	[ioctls.FS_IOC_SETVERSION, 4],
	[ioctls.FS_IOC32_SETVERSION, 4],
	[ioctls.EXT4_IOC_SETVERSION_OLD, 4],
	[ioctls.FS_IOC_FSSETXATTR, 28],
	[ioctls.FS_IOC_SETFSLABEL, 256],
]);

/** Whether `changeByIoctl` is what answers `command`. */
export function isChangingIoctl(command: number): boolean {
	return changingIoctls.has(command);
}

export type IoctlCaller = FlagsCaller & {
	/** Owns the inode, or may act for who does. */
	readonly isOwner: boolean;
};

/**
 * Does what `command` asks for, `bytes` being what came with it; nothing goes back but success.
 * Throws `FileError`: EINVAL for too few bytes, EPERM, and as the functions that do it.
 */
export function changeByIoctl(
	handle: Handle,
	inode: Inode,
	command: number,
	bytes: Uint8Array,
	caller: IoctlCaller,
): void {
	const wantedBytes = changingIoctls.get(command);
	if (wantedBytes === undefined) throw new FileError('ENOTTY', 'there is no such ioctl');
	if (bytes.length < wantedBytes) throw new FileError('EINVAL', 'too little came with the ioctl');
	if (command === ioctls.FS_IOC_SETFSLABEL) {
		setLabel(handle, bytes.subarray(0, wantedBytes), caller);
		return;
	}
	if (!caller.isOwner) throw new FileError('EPERM', 'only the owner may do that');
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const word = view.getUint32(0, true);
	if (command === ioctls.FS_IOC_SETFLAGS || command === ioctls.FS_IOC32_SETFLAGS) {
		setFlags(handle, inode, word, caller);
	} else if (command === ioctls.FS_IOC_FSSETXATTR) {
		const projectId = view.getUint32(12, true);
		setFsxattr(handle, inode, flagsOfXflags(word), projectId, caller);
	} else {
		setGeneration(handle, inode, word);
	}
}

function flagsOfXflags(word: number): number {
	let flags = 0;
	let unknown = word & ~passedOverXflags;
	for (const [xflag, flag] of xflags) {
		if ((word & xflag) === 0) continue;
		flags |= flag;
		unknown &= ~xflag;
	}
	if (unknown !== 0) throw new FileError('EOPNOTSUPP', 'ext4 has no such flag');
	return flags & ~inodeFlags.verity; // Shown, never set.
}
