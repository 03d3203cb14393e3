/** An inode as the kernel wants to hear of it: `fuse_attr`, `fuse_statx`, `fuse_statfs_out`. */
import {type Inode, inodeFlags, type Statistics, type Timestamp} from '../ext4/index.ts';
import {attr, entryOut, statfsOut, statx, sxTime, writeU64} from './fuse/layout.ts';
import type {Owners} from './owners.ts';

/** The kernel takes the root as node 1 and refuses any other node of that number. */
const rootNodeId = 1;
export const rootInode = 2;

export function inodeOfNode(nodeId: number): number {
	return nodeId === rootNodeId ? rootInode : nodeId;
}

export function nodeOfInode(inode: number): number {
	return inode === rootInode ? rootNodeId : inode;
}

/**
 * Seconds that what was told stays true: nobody but this server can change the image, so for ever.
 * The kernel turns it into a time that it counts in 64 bits.
 */
export const validSeconds = 2 ** 31 - 1;

/** What an inode's own fields don't tell. */
export type Shown = {
	readonly owners: Owners;
	readonly blockSize: number;
	/** The size that is shown: the inode's own, but for encrypted links. */
	sizeOf(inode: Inode): number;
	/** `fuse_attr.flags`. */
	flagsOf(inode: Inode): number;
};

const nanosecondsMax = 999_999_999;

/** A damaged inode may hold up to 2^30 nanoseconds. */
function nanosecondsOf(time: Timestamp): number {
	return Math.min(time.nanoseconds, nanosecondsMax);
}

/** As the kernel's new_encode_dev: 12 bits of major inside 20 bits of minor. */
function encodeDevice(device: {readonly major: number; readonly minor: number}): number {
	const {major, minor} = device;
	return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/** Writes all of a `fuse_attr` at `at`; it may hold anything before. */
export function writeAttributes(view: DataView, at: number, inode: Inode, shown: Shown): void {
	writeU64(view, at + attr.at.ino, inode.number);
	writeU64(view, at + attr.at.size, shown.sizeOf(inode));
	writeU64(view, at + attr.at.blocks, inode.sectors);
	writeU64(view, at + attr.at.atime, inode.accessTime.seconds);
	writeU64(view, at + attr.at.mtime, inode.modificationTime.seconds);
	writeU64(view, at + attr.at.ctime, inode.changeTime.seconds);
	view.setUint32(at + attr.at.atimensec, nanosecondsOf(inode.accessTime), true);
	view.setUint32(at + attr.at.mtimensec, nanosecondsOf(inode.modificationTime), true);
	view.setUint32(at + attr.at.ctimensec, nanosecondsOf(inode.changeTime), true);
	view.setUint32(at + attr.at.mode, inode.mode, true);
	view.setUint32(at + attr.at.nlink, inode.linkCount, true);
	view.setUint32(at + attr.at.uid, shown.owners.users.shown(inode.uid), true);
	view.setUint32(at + attr.at.gid, shown.owners.groups.shown(inode.gid), true);
	const {device} = inode;
	view.setUint32(at + attr.at.rdev, device === undefined ? 0 : encodeDevice(device), true);
	view.setUint32(at + attr.at.blksize, shown.blockSize, true);
	view.setUint32(at + attr.at.flags, shown.flagsOf(inode), true);
}

/** Writes all of a `fuse_entry_out` at `at`: the kernel may look the name up no more. */
export function writeEntry(view: DataView, at: number, inode: Inode, shown: Shown): void {
	writeU64(view, at + entryOut.at.nodeid, nodeOfInode(inode.number));
	writeU64(view, at + entryOut.at.generation, inode.generation);
	writeU64(view, at + entryOut.at.entry_valid, validSeconds);
	writeU64(view, at + entryOut.at.attr_valid, validSeconds);
	view.setUint32(at + entryOut.at.entry_valid_nsec, 0, true);
	view.setUint32(at + entryOut.at.attr_valid_nsec, 0, true);
	writeAttributes(view, at + entryOut.at.attr, inode, shown);
}

const statxBasicStats = 0x7ff;
const statxBirthTime = 0x800;

/** STATX_ATTR_*; those that an inode flag of ext4 stands for. */
const statxAttributes: readonly (readonly [attribute: number, inodeFlag: number])[] = [
	[0x4, inodeFlags.compress],
	[0x10, inodeFlags.immutable],
	[0x20, inodeFlags.appendOnly],
	[0x40, inodeFlags.noDump],
	[0x800, inodeFlags.encrypted],
	[0x10_0000, inodeFlags.verity],
	[0x20_0000, inodeFlags.dax],
];
const statxAttributesMask = statxAttributes.reduce((mask, [attribute]) => mask | attribute, 0);

function writeStatxTime(view: DataView, at: number, time: Timestamp): void {
	writeU64(view, at + sxTime.at.tv_sec, time.seconds);
	view.setUint32(at + sxTime.at.tv_nsec, nanosecondsOf(time), true);
}

/** Writes a `fuse_statx` into zeros at `at`. */
export function writeStatx(view: DataView, at: number, inode: Inode, shown: Shown): void {
	const created = inode.creationTime;
	const mask = statxBasicStats | (created === undefined ? 0 : statxBirthTime);
	const attributes = statxAttributes.reduce(
		(bits, [attribute, flag]) => bits | ((inode.flags & flag) === 0 ? 0 : attribute),
		0,
	);
	view.setUint32(at + statx.at.mask, mask, true);
	view.setUint32(at + statx.at.blksize, shown.blockSize, true);
	writeU64(view, at + statx.at.attributes, attributes);
	writeU64(view, at + statx.at.attributes_mask, statxAttributesMask);
	view.setUint32(at + statx.at.nlink, inode.linkCount, true);
	view.setUint32(at + statx.at.uid, shown.owners.users.shown(inode.uid), true);
	view.setUint32(at + statx.at.gid, shown.owners.groups.shown(inode.gid), true);
	view.setUint16(at + statx.at.mode, inode.mode, true);
	writeU64(view, at + statx.at.ino, inode.number);
	writeU64(view, at + statx.at.size, shown.sizeOf(inode));
	writeU64(view, at + statx.at.blocks, inode.sectors);
	writeStatxTime(view, at + statx.at.atime, inode.accessTime);
	writeStatxTime(view, at + statx.at.mtime, inode.modificationTime);
	writeStatxTime(view, at + statx.at.ctime, inode.changeTime);
	if (created !== undefined) writeStatxTime(view, at + statx.at.btime, created);
	view.setUint32(at + statx.at.rdev_major, inode.device?.major ?? 0, true);
	view.setUint32(at + statx.at.rdev_minor, inode.device?.minor ?? 0, true);
}

/** The longest name that a directory of ext2, ext3 or ext4 holds, in bytes. */
export const nameBytesMax = 255;

/** Writes a `fuse_statfs_out` into zeros at `at`. */
export function writeStatistics(view: DataView, at: number, statistics: Statistics): void {
	writeU64(view, at + statfsOut.at.blocks, statistics.blockCount);
	writeU64(view, at + statfsOut.at.bfree, statistics.freeBlockCount);
	writeU64(view, at + statfsOut.at.bavail, statistics.availableBlockCount);
	writeU64(view, at + statfsOut.at.files, statistics.inodeCount);
	writeU64(view, at + statfsOut.at.ffree, statistics.freeInodeCount);
	view.setUint32(at + statfsOut.at.bsize, statistics.blockSize, true);
	view.setUint32(at + statfsOut.at.frsize, statistics.blockSize, true);
	view.setUint32(at + statfsOut.at.namelen, nameBytesMax, true);
}
