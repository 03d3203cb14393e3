/**
 * Inodes that hold the value of an attribute too large to lie beside its name (ea_inode). They
 * count the entries that refer to them, in fields that mean something else in files: the lower half
 * of the count in i_version, the upper one in the change time, and in place of the access time the
 * value's checksum. Kernel documentation, "Large Extended Attribute Values".
 *
 * The space and the inode are charged to the owner of the attribute, once for each entry.
 */
import {allocateInode, freeInodeNumber} from '../allocator/inodes.ts';
import {crc32cOf} from '../checksum.ts';
import {CorruptError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {ext4_inode, type Inode, inodeFlags, type MutableInode} from '../layout/inode.ts';
import {mapForWriting, removeBlocks, setUpMapping} from '../mapping/index.ts';
import {chargeInode, chargeSpace} from '../quota/charge.ts';
import type {Volume} from '../volume.ts';
import type {StoredXattr} from './entry-list.ts';
import {hashHeldEntry} from './hash.ts';
import {isLustreHolder, openHolder} from './value.ts';

/** A regular file that only its owner may read. */
const holderMode = 0o100600;

function versionOf(volume: Volume, inode: Inode): number {
	const {block, at} = volume.locateInode(inode.number);
	return ext4_inode.at(block.view, at).l_i_version;
}

function referencesOf(volume: Volume, holder: Inode): number {
	return (holder.changeTime.seconds >>> 0) * 2 ** 32 + versionOf(volume, holder);
}

function setReferences(handle: Handle, holder: MutableInode, count: number): void {
	holder.changeTime = {seconds: Math.floor(count / 2 ** 32) | 0, nanoseconds: 0};
	// Not among the fields of `Inode`: in files it counts changes, and nobody reads it.
	const {block, at} = handle.volume.locateInode(holder.number);
	handle.touchFixed(block);
	ext4_inode.edit(block.view, at).l_i_version = count % 2 ** 32;
}

/** Charges `owner` for an entry whose value lies in an inode, or gives back what it was charged. */
export function chargeHolder(
	handle: Handle,
	owner: Inode,
	xattr: Pick<StoredXattr, 'holder' | 'sizeBytes'>,
	sign: 1 | -1,
): void {
	const {volume} = handle;
	if (sign === -1) {
		const holder = openHolder(volume, owner, xattr.holder, xattr.sizeBytes);
		if (isLustreHolder(holder, owner)) return; // Lustre's were never charged.
	}
	const {clusterSize} = volume.geometry;
	const bytes = Math.ceil(xattr.sizeBytes / clusterSize) * clusterSize;
	chargeSpace(handle, owner, sign * bytes);
	chargeInode(handle, owner, sign);
	const edited = handle.edit(owner);
	edited.sectors = Math.max(0, edited.sectors + (sign * bytes) / 512);
}

function writeContents(handle: Handle, holder: MutableInode, value: Uint8Array): void {
	const {blockSize} = handle.volume.geometry;
	const blockCount = Math.ceil(value.length / blockSize);
	for (let logical = 0; logical < blockCount; ) {
		const run = mapForWriting(handle, holder, logical, blockCount - logical, 'written');
		const end = Math.min(run.logical + run.length, blockCount);
		for (; logical < end; logical++) {
			const block = handle.create(run.physical + (logical - run.logical));
			block.bytes.set(value.subarray(logical * blockSize, (logical + 1) * blockSize));
		}
	}
}

/**
 * Makes an inode with `value` in it, which counts one reference, and charges `owner` for it.
 * Returns the entry that refers to it. Throws `FileError` ENOSPC, EDQUOT, `CorruptError`,
 * `DeviceError`.
 */
export function makeHeldXattr(
	handle: Handle,
	owner: Inode,
	name: {readonly index: number; readonly name: Uint8Array},
	value: Uint8Array,
): StoredXattr {
	const {volume, now} = handle;
	const hash = crc32cOf(volume.superblock.checksumSeed, value);
	const number = allocateInode(handle, owner, holderMode);
	const generation = volume.random();
	const blockBytes = new Uint8Array(60);
	const holder: MutableInode = {
		number,
		type: 'file',
		mode: holderMode,
		uid: owner.uid,
		gid: owner.gid,
		projectId: 0,
		sizeBytes: value.length,
		linkCount: 1,
		sectors: 0,
		flags: inodeFlags.eaInode,
		generation,
		// Its 32 bits as the seconds of a time, which have a sign.
		accessTime: {seconds: hash | 0, nanoseconds: 0},
		changeTime: now,
		modificationTime: now,
		creationTime: now,
		device: undefined,
		deletionTime: 0,
		xattrBlock: 0,
		extraSizeBytes: owner.extraSizeBytes,
		blockBytes,
		blockView: new DataView(blockBytes.buffer),
		checksumSeed: volume.inodeChecksumSeed(number, generation),
	};
	setUpMapping(volume, holder);
	handle.addInode(holder);
	setReferences(handle, holder, 1);
	writeContents(handle, holder, value);
	const xattr: StoredXattr = {
		index: name.index,
		name: name.name,
		value: new Uint8Array(0),
		holder: number,
		sizeBytes: value.length,
		hash: hashHeldEntry(name.name, hash),
	};
	chargeHolder(handle, owner, xattr, 1);
	return xattr;
}

/** One more entry of an inode or a block refers to the holder. Throws `CorruptError`. */
export function addReference(
	handle: Handle,
	number: number,
	owner: Inode,
	sizeBytes: number,
): void {
	const {volume} = handle;
	const holder = openHolder(volume, owner, number, sizeBytes);
	setReferences(handle, handle.edit(holder), referencesOf(volume, holder) + 1);
}

/** One entry less refers to it: the last one frees it. Throws `CorruptError`, `DeviceError`. */
export function dropReference(
	handle: Handle,
	number: number,
	owner: Inode,
	sizeBytes: number,
): void {
	const {volume} = handle;
	const holder = handle.edit(openHolder(volume, owner, number, sizeBytes));
	const count = isLustreHolder(holder, owner) ? 1 : referencesOf(volume, holder);
	if (count === 0) {
		throw new CorruptError('EXT4_BAD_XATTR', "an attribute's value to which nothing refers", {
			inode: number,
		});
	}
	if (count > 1) {
		setReferences(handle, holder, count - 1);
		return;
	}
	setReferences(handle, holder, 0);
	const blockCount = Math.ceil(holder.sizeBytes / volume.geometry.blockSize);
	// A value has 16 MiB at most: that much of a map changes few blocks, whatever the answer.
	while (!removeBlocks(handle, holder, 0, blockCount));
	holder.sizeBytes = 0;
	holder.linkCount = 0;
	// e2fsck takes the inode for one in use unless this is set, whatever the clock says.
	holder.deletionTime = Math.min(Math.max(handle.now.seconds, 1), 2 ** 32 - 1);
	freeInodeNumber(handle, holder);
}
