/** The ioctls that ext4 answers and that FUSE passes on: what is asked, and the bytes of the answer. */
import {type Inode, inodeFlags, type Volume} from '../ext4/index.ts';

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
} as const;

/** EXT4_FL_USER_VISIBLE: all but what is only for the file system itself. */
const visibleFlags = 0x725b_dfff;

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

function visibleFlagsOf(inode: Inode): number {
	// On a file the flag would mean nothing, and the kernel does not show it there.
	const hidden = inode.type === 'file' ? inodeFlags.projectInherit : 0;
	return inode.flags & visibleFlags & ~hidden;
}

function u32(value: number): Uint8Array {
	const bytes = new Uint8Array(4);
	new DataView(bytes.buffer).setUint32(0, value, true);
	return bytes;
}

/** struct fsxattr: flags, three numbers that ext4 does not have but for the project, padding. */
function fsxattr(inode: Inode): Uint8Array {
	const bytes = new Uint8Array(28);
	const view = new DataView(bytes.buffer);
	const flags = visibleFlagsOf(inode);
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
			return u32(visibleFlagsOf(inode));
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
