/**
 * Writing the block of attributes that an inode may have beside itself. Several inodes share one
 * where their attributes are the same, byte for byte: it counts them (h_refcount), and is copied
 * before one of them changes it. Each of them is charged for it. Kernel documentation, "Extended
 * Attributes".
 */
import {allocateBlocks, freeBlocks, goalFor} from '../allocator/blocks.ts';
import type {CachedBlock} from '../block-cache.ts';
import {CorruptError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import type {Inode} from '../layout/inode.ts';
import {ext4_xattr_header, xattrMagic} from '../layout/xattr.ts';
import {chargeSpace} from '../quota/charge.ts';
import type {Volume} from '../volume.ts';
import {aligned, blockArea, xattrBlockRole} from './entries.ts';
import {neededBytes, readEntries, type StoredXattr, writeEntries} from './entry-list.ts';
import {hashBlock} from './hash.ts';
import {addReference, dropReference} from './holder.ts';
import {sharedBlocks} from './shared-blocks.ts';

/** EXT4_XATTR_REFCOUNT_MAX: more inodes do not share one block. */
const refcountMax = 1024;

/** What lies in the inode's block; an empty list where it has none. Throws `CorruptError`. */
export function readBlockEntries(volume: Volume, inode: Inode): StoredXattr[] {
	const area = blockArea(volume, inode);
	return area === undefined ? [] : readEntries(area, inode);
}

/** By index, then length, then bytes: the order in which the kernel keeps and searches a block. */
function compareNames(left: StoredXattr, right: StoredXattr): number {
	const byIndex = left.index - right.index;
	if (byIndex !== 0) return byIndex;
	const byLength = left.name.length - right.name.length;
	if (byLength !== 0) return byLength;
	const at = left.name.findIndex((byte, position) => byte !== right.name[position]);
	return at === -1 ? 0 : (left.name[at] ?? 0) - (right.name[at] ?? 0);
}

/** `xattrs` of a block with one more, which has none of its name yet, in its place. */
export function withSorted(xattrs: readonly StoredXattr[], added: StoredXattr): StoredXattr[] {
	const after = xattrs.findIndex(each => compareNames(each, added) > 0);
	return after === -1 ? [...xattrs, added] : xattrs.toSpliced(after, 0, added);
}

/** Whether a block has room for `xattrs`, of which `changed` is the one that is new. */
export function fitsInBlock(
	volume: Volume,
	xattrs: readonly StoredXattr[],
	changed: StoredXattr,
): boolean {
	const {blockSize} = volume.geometry;
	if (neededBytes(xattrs) > blockSize - ext4_xattr_header.sizeBytes) return false;
	if (!volume.features.has('ea_inode') || changed.value.length === 0) return true;
	// As the kernel: long values move out before they leave no room for further names.
	const values = xattrs.reduce((sum, {value}) => sum + aligned(value.length), 0);
	return blockSize - values >= Math.min(blockSize / 8, 1024);
}

function sameXattr(left: StoredXattr, right: StoredXattr): boolean {
	return (
		left.holder === right.holder &&
		left.sizeBytes === right.sizeBytes &&
		left.value.every((byte, at) => byte === right.value[at]) &&
		compareNames(left, right) === 0
	);
}

/** A block other than the inode's own that holds the very same attributes and may be shared. */
function findShareable(
	volume: Volume,
	inode: Inode,
	hash: number,
	xattrs: readonly StoredXattr[],
): CachedBlock | undefined {
	const number = hash === 0 ? undefined : sharedBlocks(volume).find(hash);
	if (number === undefined || number === inode.xattrBlock) return undefined;
	const area = blockArea(volume, {...inode, xattrBlock: number});
	if (area === undefined) return undefined;
	const block = volume.cache.read(number);
	const header = ext4_xattr_header.at(block.view, 0);
	if (header.h_hash !== hash || header.h_refcount >= refcountMax || header.h_refcount === 0) {
		return undefined;
	}
	const held = readEntries(area, inode);
	const isSame =
		held.length === xattrs.length &&
		held.every((each, at) => {
			const other = xattrs[at];
			return other !== undefined && sameXattr(each, other);
		});
	return isSame ? block : undefined;
}

/** The run of blocks that is taken and freed for one block of attributes: a whole cluster. */
function clusterOf(volume: Volume, block: number): {start: number; length: number} {
	const {clusterBits, firstDataBlock} = volume.geometry;
	const length = 2 ** clusterBits;
	return {start: block - ((block - firstDataBlock) % length), length};
}

/** A sharer is charged for the block as if it were its own. */
function charge(handle: Handle, inode: Inode, sign: 1 | -1): void {
	const {clusterSize} = handle.volume.geometry;
	chargeSpace(handle, inode, sign * clusterSize);
	const edited = handle.edit(inode);
	edited.sectors = Math.max(0, edited.sectors + (sign * clusterSize) / 512);
}

function share(handle: Handle, inode: Inode, block: CachedBlock): void {
	charge(handle, inode, 1);
	handle.touch(block, sharedBlocks(handle.volume).seal);
	ext4_xattr_header.edit(block.view, 0).h_refcount += 1;
}

function fill(block: CachedBlock, xattrs: readonly StoredXattr[], hash: number): void {
	const header = ext4_xattr_header.edit(block.view, 0);
	header.h_magic = xattrMagic;
	header.h_refcount = 1;
	header.h_blocks = 1;
	header.h_hash = hash;
	const {bytes, view} = block;
	const entriesAt = ext4_xattr_header.sizeBytes;
	writeEntries({bytes, view, entriesAt, valuesFrom: 0, end: bytes.length}, xattrs);
}

/**
 * Makes `xattrs`, which fit, all that lies in the inode's block: in place where it is the inode's
 * alone, else in another; with none left the inode has no block any more.
 *
 * `fresh` is the inode that was just made to hold one of the values, already counting its one
 * reference; 0 for none. Throws `FileError` ENOSPC, EDQUOT, `CorruptError`, `DeviceError`.
 */
export function writeBlockEntries(
	handle: Handle,
	inode: Inode,
	xattrs: readonly StoredXattr[],
	fresh: number,
): void {
	const {volume} = handle;
	const before = inode.xattrBlock;
	const edited = handle.edit(inode);
	if (xattrs.length === 0) {
		edited.xattrBlock = 0;
		if (before !== 0) releaseBlock(handle, inode, before);
		return;
	}
	const hash = hashBlock(xattrs);
	const shareable = findShareable(volume, inode, hash, xattrs);
	if (shareable !== undefined) {
		share(handle, inode, shareable);
		edited.xattrBlock = shareable.number;
	} else if (before !== 0 && isAlone(volume, inode)) {
		rewrite(handle, inode, xattrs, hash, fresh);
		return;
	} else {
		edited.xattrBlock = writeNew(handle, inode, xattrs, hash, fresh);
	}
	if (before !== 0) releaseBlock(handle, inode, before);
}

/** Whether no other inode has the block of attributes that this one has. */
export function isAlone(volume: Volume, inode: Inode): boolean {
	const {view} = volume.cache.read(inode.xattrBlock);
	return ext4_xattr_header.at(view, 0).h_refcount === 1;
}

function rewrite(
	handle: Handle,
	inode: Inode,
	xattrs: readonly StoredXattr[],
	hash: number,
	fresh: number,
): void {
	const {volume} = handle;
	const old = readBlockEntries(volume, inode);
	const block = volume.cache.read(inode.xattrBlock);
	const shared = sharedBlocks(volume);
	shared.remove(ext4_xattr_header.at(block.view, 0).h_hash, block.number);
	handle.touch(block, shared.seal);
	fill(block, xattrs, hash);
	shared.add(handle, hash, block.number);
	exchangeReferences(handle, inode, old, xattrs, fresh);
}

function writeNew(
	handle: Handle,
	inode: Inode,
	xattrs: readonly StoredXattr[],
	hash: number,
	fresh: number,
): number {
	const {volume} = handle;
	const goal = goalFor(volume, inode);
	const {start} = allocateBlocks(handle, handle.edit(inode), {goal, length: 1});
	const shared = sharedBlocks(volume);
	const block = handle.create(start, shared.seal);
	fill(block, xattrs, hash);
	block.checkedAs = xattrBlockRole;
	shared.add(handle, hash, start);
	exchangeReferences(handle, inode, [], xattrs, fresh);
	return start;
}

/** One inode less has the block: the last one frees it, and what its entries refer to. */
function releaseBlock(handle: Handle, inode: Inode, number: number): void {
	const {volume} = handle;
	const area = blockArea(volume, {...inode, xattrBlock: number});
	if (area === undefined) return;
	const block = volume.cache.read(number);
	const header = ext4_xattr_header.edit(block.view, 0);
	const shared = sharedBlocks(volume);
	if (header.h_refcount === 0) {
		throw new CorruptError('EXT4_BAD_XATTR', 'a block of attributes that nobody has', {
			inode: inode.number,
			block: number,
		});
	}
	if (header.h_refcount > 1) {
		handle.touch(block, shared.seal);
		header.h_refcount -= 1;
		shared.add(handle, header.h_hash, number);
		charge(handle, inode, -1);
		return;
	}
	shared.remove(header.h_hash, number);
	exchangeReferences(handle, inode, readEntries(area, inode), [], 0);
	const {start, length} = clusterOf(volume, number);
	freeBlocks(handle, handle.edit(inode), start, length, 'metadata');
}

/**
 * A place that held the entries `old` holds `now`: the inodes with values count the places that
 * refer to them. `fresh` counts its one already.
 */
export function exchangeReferences(
	handle: Handle,
	owner: Inode,
	old: readonly StoredXattr[],
	now: readonly StoredXattr[],
	fresh: number,
): void {
	const kept = [...old];
	for (const {holder, sizeBytes} of now) {
		if (holder === 0) continue;
		const at = kept.findIndex(each => each.holder === holder);
		if (at !== -1) kept.splice(at, 1);
		else if (holder !== fresh) addReference(handle, holder, owner, sizeBytes);
	}
	for (const {holder, sizeBytes} of kept) {
		if (holder !== 0) dropReference(handle, holder, owner, sizeBytes);
	}
}

/** The inode is at its end: it has no block of attributes any more. */
export function releaseXattrBlock(handle: Handle, inode: Inode): void {
	if (inode.xattrBlock === 0) return;
	const number = inode.xattrBlock;
	handle.edit(inode).xattrBlock = 0;
	releaseBlock(handle, inode, number);
}
