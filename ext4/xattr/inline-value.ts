/**
 * The part of a file's data that lies among the attributes in its inode: the value of system.data.
 * Kernel documentation, "Inline Data". It has no other place than the inode: where it does not fit,
 * the data moves to blocks, which is for the caller to do.
 */
import {FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {ext4_inode, type Inode, inodeBaseSize} from '../layout/inode.ts';
import {ext4_xattr_ibody_header, xattrAlignment, xattrIndex} from '../layout/xattr.ts';
import type {Volume} from '../volume.ts';
import {entrySizeBytes, indexOfXattr, neededBytes, type StoredXattr} from './entry-list.ts';
import {readInodeEntries, writeInodeEntries} from './inode-write.ts';

const systemData = Uint8Array.from('data', character => character.charCodeAt(0));

function withoutData(xattrs: readonly StoredXattr[]): StoredXattr[] {
	const at = indexOfXattr(xattrs, xattrIndex.system, systemData);
	return xattrs.filter((_, position) => position !== at);
}

/**
 * How many bytes system.data of this inode may hold, whether or not it is there now; -1 where there
 * is no room even for an empty one, so that the inode can hold no inline data at all.
 *
 * Throws `CorruptError`, `DeviceError`.
 */
export function inlineRoom(volume: Volume, inode: Inode): number {
	const {inodeSize} = volume.geometry;
	if (inodeSize === inodeBaseSize) return -1;
	const extra = inode.extraSizeBytes || ext4_inode.sizeBytes - inodeBaseSize;
	const span = inodeSize - inodeBaseSize - extra - ext4_xattr_ibody_header.sizeBytes;
	const others = neededBytes(withoutData(readInodeEntries(volume, inode)));
	const room = span - others - entrySizeBytes(systemData.length);
	return room < 0 ? -1 : room - (room % xattrAlignment);
}

/**
 * Makes `bytes` the value of system.data, or removes it where they are undefined. Only the value:
 * the flag, the 60 bytes before it in i_block and the size are the caller's matter.
 *
 * Throws `FileError` ENOSPC where they do not fit (`inlineRoom` tells before), `CorruptError`,
 * `DeviceError`.
 */
export function storeInlineValue(
	handle: Handle,
	inode: Inode,
	bytes: Uint8Array | undefined,
): void {
	const xattrs = readInodeEntries(handle.volume, inode);
	const at = indexOfXattr(xattrs, xattrIndex.system, systemData);
	if (bytes === undefined) {
		if (at !== -1) writeInodeEntries(handle, inode, withoutData(xattrs));
		return;
	}
	const data: StoredXattr = {
		index: xattrIndex.system,
		name: systemData,
		value: bytes,
		holder: 0,
		sizeBytes: bytes.length,
		hash: 0,
	};
	if (at === -1) xattrs.push(data);
	else xattrs[at] = data;
	if (!writeInodeEntries(handle, inode, xattrs)) {
		throw new FileError('ENOSPC', `no room for ${bytes.length} bytes of data in the inode`);
	}
}
