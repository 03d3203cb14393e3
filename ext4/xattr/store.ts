/**
 * Where an attribute goes when it is set: into the inode where it fits, else into the inode's
 * block, else (ea_inode) its value into an inode of its own. It never is in two places. Whether the
 * caller may set it is decided before, in `write.ts`.
 */
import {FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import type {Inode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {
	exchangeReferences,
	fitsInBlock,
	readBlockEntries,
	withSorted,
	writeBlockEntries,
} from './block-write.ts';
import {aligned} from './entries.ts';
import {indexOfXattr, type StoredXattr} from './entry-list.ts';
import {hashEntry} from './hash.ts';
import {chargeHolder, makeHeldXattr} from './holder.ts';
import {readInodeEntries, writeInodeEntries} from './inode-write.ts';
import type {StoredName} from './names.ts';

/** As the flags of setxattr(2): XATTR_CREATE, XATTR_REPLACE. */
export type XattrMode = 'any' | 'create' | 'replace';

/** The attributes of an inode in both places, and where among them the one is that is changed. */
type Places = {
	readonly inodeList: readonly StoredXattr[];
	readonly inodeAt: number;
	readonly blockList: readonly StoredXattr[];
	readonly blockAt: number;
};

function readPlaces(volume: Volume, inode: Inode, {index, name}: StoredName): Places {
	const inodeList = readInodeEntries(volume, inode);
	const blockList = readBlockEntries(volume, inode);
	return {
		inodeList,
		inodeAt: indexOfXattr(inodeList, index, name),
		blockList,
		blockAt: indexOfXattr(blockList, index, name),
	};
}

/** Values longer than this do not go into a block where they can have an inode. */
function largeValueFrom(volume: Volume): number {
	// As the kernel: what a block holds with one name of three bytes in it.
	return volume.geometry.blockSize - 20 - 32 - 4;
}

/**
 * Sets the attribute `stored` to `value`, or removes it where that is undefined; nothing happens
 * where it is that already.
 *
 * Throws `FileError` EEXIST, ENODATA as `mode` has it, ENOSPC, EDQUOT, `CorruptError`,
 * `DeviceError`.
 */
export function storeXattr(
	handle: Handle,
	inode: Inode,
	stored: StoredName,
	value: Uint8Array | undefined,
	mode: XattrMode,
): void {
	const {volume} = handle;
	const places = readPlaces(volume, inode, stored);
	const {inodeList, inodeAt, blockList, blockAt} = places;
	const old = inodeList[inodeAt] ?? blockList[blockAt];
	if (old === undefined && mode === 'replace') {
		throw new FileError('ENODATA', 'there is no attribute of that name');
	}
	if (old !== undefined && mode === 'create') {
		throw new FileError('EEXIST', 'there is an attribute of that name');
	}
	if (old === undefined ? value === undefined : value !== undefined && hasValue(old, value)) return;
	for (const replaced of [inodeList[inodeAt], blockList[blockAt]]) {
		if (replaced !== undefined && replaced.holder !== 0) chargeHolder(handle, inode, replaced, -1);
	}
	if (value === undefined) {
		if (inodeAt !== -1) writeInodeList(handle, inode, places, withoutAt(inodeList, inodeAt), 0);
		// A damaged image may have the name in both.
		if (blockAt !== -1) writeBlockEntries(handle, inode, withoutAt(blockList, blockAt), 0);
	} else {
		put(handle, inode, places, stored, value);
	}
	handle.edit(inode).changeTime = handle.now;
	handle.addFeature('ext_attr');
}

/** As the kernel, a value in another inode is not compared. */
function hasValue(xattr: StoredXattr, value: Uint8Array): boolean {
	return (
		xattr.holder === 0 &&
		xattr.sizeBytes === value.length &&
		value.every((byte, at) => byte === xattr.value[at])
	);
}

function withoutAt(xattrs: readonly StoredXattr[], position: number): readonly StoredXattr[] {
	return position === -1 ? xattrs : xattrs.toSpliced(position, 1);
}

function put(
	handle: Handle,
	inode: Inode,
	places: Places,
	stored: StoredName,
	value: Uint8Array,
): void {
	const {volume} = handle;
	const mayHold = volume.features.has('ea_inode') && value.length > 0;
	const isLarge = aligned(value.length) > largeValueFrom(volume);
	if (!mayHold || !isLarge) {
		const {index, name} = stored;
		const here = {index, name, value, holder: 0, sizeBytes: value.length, hash: 0};
		if (place(handle, inode, places, here)) return;
	}
	if (mayHold && place(handle, inode, places, makeHeldXattr(handle, inode, stored, value))) return;
	throw new FileError('ENOSPC', `no room for an attribute of ${value.length} bytes`);
}

/** Puts an attribute where there is room for it; false, and nothing changed, where there is none. */
function place(handle: Handle, inode: Inode, places: Places, xattr: StoredXattr): boolean {
	const {inodeList, inodeAt, blockList, blockAt} = places;
	const inInode = inodeAt === -1 ? [...inodeList, xattr] : inodeList.with(inodeAt, xattr);
	// e2fsck takes a link that is charged for a value, and has no block of attributes, for one whose
	// target lies in blocks: so it gets one.
	const mayBeInInode = xattr.holder === 0 || inode.type !== 'symlink';
	if (mayBeInInode && writeInodeList(handle, inode, places, inInode, xattr.holder)) {
		if (blockAt !== -1) writeBlockEntries(handle, inode, withoutAt(blockList, blockAt), 0);
		return true;
	}
	const hash = xattr.holder === 0 ? hashEntry(xattr.name, xattr.value) : xattr.hash;
	const hashed = {...xattr, hash};
	const inBlock = withSorted(withoutAt(blockList, blockAt), hashed);
	if (!fitsInBlock(handle.volume, inBlock, hashed)) return false;
	writeBlockEntries(handle, inode, inBlock, xattr.holder);
	if (inodeAt !== -1) writeInodeList(handle, inode, places, withoutAt(inodeList, inodeAt), 0);
	return true;
}

/** False where they do not fit. `fresh` is as for `exchangeReferences`. */
function writeInodeList(
	handle: Handle,
	inode: Inode,
	places: Places,
	xattrs: readonly StoredXattr[],
	fresh: number,
): boolean {
	if (!writeInodeEntries(handle, inode, xattrs)) return false;
	exchangeReferences(handle, inode, places.inodeList, xattrs, fresh);
	return true;
}
