/** A new inode as a file, a directory or anything else begins. Kernel documentation, "Index Nodes". */
import {allocateInode} from '../allocator/inodes.ts';
import type {Handle} from '../journal/handle.ts';
import {
	deviceBytes,
	directoryFlags,
	type FileType,
	type Inode,
	inodeBaseSize,
	inodeFlags,
	type MutableInode,
	specialFileFlags,
} from '../layout/inode.ts';
import {ext4_super_block} from '../layout/superblock.ts';
import {setUpMapping} from '../mapping/index.ts';
import {chargeInode} from '../quota/charge.ts';
import type {Volume} from '../volume.ts';
import {inheritAcls} from '../xattr/acl-write.ts';
import {inheritsProject} from './projects.ts';

export type NewFile = {
	/** Permissions, setuid, setgid and the sticky bit; bits of a type are passed over. */
	readonly mode: number;
	/** As the image has it. Where the directory has setgid the new file gets its group instead. */
	readonly uid: number;
	readonly gid: number;
	/** Taken from the mode where the directory has no default ACL. */
	readonly umask: number;
};

export type DeviceNumber = {readonly major: number; readonly minor: number};

/** The bits of a mode that say the type. */
export const typeBits: {readonly [type in FileType]: number} = {
	fifo: 0o010000,
	character: 0o020000,
	directory: 0o040000,
	block: 0o060000,
	file: 0o100000,
	symlink: 0o120000,
	socket: 0o140000,
};

const setgid = 0o2000;
const permissionBits = 0o7777;

/** EXT4_FL_INHERITED. */
const inheritedFlags =
	inodeFlags.secureDelete |
	inodeFlags.undelete |
	inodeFlags.compress |
	inodeFlags.synchronous |
	inodeFlags.noDump |
	inodeFlags.noAtime |
	inodeFlags.noCompress |
	inodeFlags.journalData |
	inodeFlags.noTail |
	inodeFlags.directorySync |
	inodeFlags.projectInherit |
	inodeFlags.casefold |
	inodeFlags.dax;

function flagsFrom(parent: Inode, type: FileType): number {
	const inherited = parent.flags & inheritedFlags;
	if (type === 'directory') return inherited;
	return type === 'file' ? inherited & ~directoryFlags : inherited & specialFileFlags;
}

/** What the fields that Linux knows take behind the first 128 bytes. */
const knownExtraBytes = 32;

/** Bytes of fields behind the first 128, as the kernel reckons them when it mounts. */
function extraSizeOf(volume: Volume): number {
	const {superblock, geometry, features} = volume;
	if (geometry.inodeSize === inodeBaseSize) return 0;
	if (!features.has('extra_isize')) return knownExtraBytes;
	const raw = ext4_super_block.at(superblock.view, 0);
	const wanted = Math.max(knownExtraBytes, raw.s_want_extra_isize, raw.s_min_extra_isize);
	const isPossible = wanted % 4 === 0 && inodeBaseSize + wanted <= geometry.inodeSize;
	return isPossible ? wanted : knownExtraBytes;
}

/** Where i_crtime ends, in bytes behind the first 128. */
const creationTimeEnd = 0x94 - inodeBaseSize;

/**
 * Makes an inode of that type, in the directory `parent` or, later, in none: with its owners, mode
 * and ACLs, times and inherited flags, counted in quotas. It has no data and no entry yet, and a
 * link count of `linkCount`.
 *
 * Throws `FileError` ENOSPC, EDQUOT, `CorruptError`, `DeviceError`.
 */
export function newInode(
	handle: Handle,
	parent: Inode,
	type: FileType,
	file: NewFile,
	linkCount: number,
	device?: DeviceNumber,
): MutableInode {
	const {volume, now} = handle;
	const isGroupInherited = (parent.mode & setgid) !== 0;
	const inheritedBits = isGroupInherited && type === 'directory' ? setgid : 0;
	const mode = typeBits[type] | (file.mode & permissionBits) | inheritedBits;
	const number = allocateInode(handle, parent, mode);
	const generation = volume.random() >>> 0;
	const extraSizeBytes = extraSizeOf(volume);
	const blockBytes = device === undefined ? new Uint8Array(60) : deviceBytes(device);
	const inode: MutableInode = {
		number,
		type,
		mode,
		uid: file.uid,
		gid: isGroupInherited ? parent.gid : file.gid,
		projectId: inheritsProject(volume, parent) ? parent.projectId : 0,
		sizeBytes: 0,
		linkCount,
		sectors: 0,
		flags: flagsFrom(parent, type),
		generation,
		accessTime: now,
		changeTime: now,
		modificationTime: now,
		creationTime: extraSizeBytes >= creationTimeEnd ? now : undefined,
		device,
		deletionTime: 0,
		xattrBlock: 0,
		extraSizeBytes,
		blockBytes,
		blockView: new DataView(blockBytes.buffer),
		checksumSeed: volume.inodeChecksumSeed(number, generation),
	};
	if (type === 'file' || type === 'directory' || type === 'symlink') setUpMapping(volume, inode);
	handle.addInode(inode);
	chargeInode(handle, inode, 1);
	inheritAcls(handle, parent, inode, mode, file.umask);
	return inode;
}
