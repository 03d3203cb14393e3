/** Writing the attributes that lie in the inode itself, behind its fields. */
import type {Handle} from '../journal/handle.ts';
import {ext4_inode, type Inode, inodeBaseSize} from '../layout/inode.ts';
import {ext4_xattr_ibody_header, xattrMagic} from '../layout/xattr.ts';
import type {Volume} from '../volume.ts';
import {inodeArea, inodeSpan} from './entries.ts';
import {
	neededBytes,
	readEntries,
	type StoredXattr,
	spanSizeBytes,
	writeEntries,
} from './entry-list.ts';

/** What lies in the inode; an empty list where nothing does. Throws `CorruptError`. */
export function readInodeEntries(volume: Volume, inode: Inode): StoredXattr[] {
	const area = inodeArea(volume, inode);
	return area === undefined ? [] : readEntries(area, inode);
}

/**
 * Gives an inode made by an ext2 that knew no extra fields the ones that all others have: it is
 * what the kernel does with it, and only behind them there is room for attributes.
 */
function addExtraFields(handle: Handle, inode: Inode): void {
	const {volume} = handle;
	const {inodeSize} = volume.geometry;
	if (inodeSize === inodeBaseSize || inode.extraSizeBytes !== 0) return;
	const {block, at} = volume.locateInode(inode.number);
	handle.touchFixed(block);
	block.bytes.fill(0, at + inodeBaseSize, at + inodeSize);
	handle.edit(inode).extraSizeBytes = ext4_inode.sizeBytes - inodeBaseSize;
}

/**
 * Makes `xattrs` all that lies in the inode. False, and nothing changed, where they do not fit.
 */
export function writeInodeEntries(
	handle: Handle,
	inode: Inode,
	xattrs: readonly StoredXattr[],
): boolean {
	const {volume} = handle;
	if (xattrs.length > 0) addExtraFields(handle, inode);
	const span = inodeSpan(volume, inode);
	if (span === undefined) return xattrs.length === 0;
	if (neededBytes(xattrs) > spanSizeBytes(span)) return false;
	handle.touchFixed(volume.cache.read(span.block));
	handle.edit(inode); // The inode's checksum covers its attributes.
	const headerAt = span.entriesAt - ext4_xattr_ibody_header.sizeBytes;
	ext4_xattr_ibody_header.edit(span.view, headerAt).h_magic = xattrs.length === 0 ? 0 : xattrMagic;
	writeEntries(span, xattrs);
	return true;
}
