/**
 * Writing data that lies in the inode: 60 bytes in i_block, the rest in system.data, which is as
 * long as it must be and no longer. Kernel documentation, "Inline Data".
 */
import {inlineBytesInBlock, readInlineData} from './inline-data.ts';
import type {Handle} from './journal/handle.ts';
import {type Inode, inodeFlags, type MutableInode} from './layout/inode.ts';
import {isMapEmpty, mapForWriting, setUpMapping} from './mapping/index.ts';
import type {Volume} from './volume.ts';
import {inlineRoom, storeInlineValue} from './xattr/inline-value.ts';

/**
 * Bytes of a file that fit into its inode now; undefined where none may lie there, be it that the
 * volume knows nothing of it or that attributes leave no room. Throws `CorruptError`.
 */
export function inlineCapacity(volume: Volume, inode: Inode): number | undefined {
	if (!volume.features.has('inline_data')) return undefined;
	const room = inlineRoom(volume, inode);
	return room < 0 ? undefined : inlineBytesInBlock + room;
}

/** Whether the file's data lies in the inode, or may begin to, as it has none yet. */
export function mayBeInline(inode: Inode): boolean {
	if ((inode.flags & inodeFlags.inlineData) !== 0) return true;
	return inode.type === 'file' && inode.sizeBytes === 0 && isMapEmpty(inode);
}

/**
 * Makes `bytes` all that the file holds, in its inode, and their number its size. They fit
 * (`inlineCapacity`), and the file has no blocks. Throws `FileError` ENOSPC, `CorruptError`.
 */
export function writeInlineData(handle: Handle, inode: MutableInode, bytes: Uint8Array): void {
	storeInlineValue(handle, inode, bytes.subarray(inlineBytesInBlock));
	handle.edit(inode);
	if ((inode.flags & inodeFlags.inlineData) === 0) {
		setUpMapping(handle.volume, inode); // Nothing that is known of the map holds any more.
		inode.flags = (inode.flags & ~inodeFlags.extents) | inodeFlags.inlineData;
	}
	inode.blockBytes.fill(0);
	inode.blockBytes.set(bytes.subarray(0, inlineBytesInBlock));
	inode.sizeBytes = bytes.length;
}

/**
 * Moves a file's data from its inode to a block, or to none where there is no data; the size stays.
 *
 * Throws `FileError` ENOSPC, EDQUOT; `RetryAfterCommit`, `CorruptError`, `DeviceError`.
 */
export function growOutOfInline(handle: Handle, inode: MutableInode): void {
	const {volume} = handle;
	const {blockSize} = volume.geometry;
	const data = readInlineData(volume, inode).subarray(0, inode.sizeBytes);
	storeInlineValue(handle, inode, undefined);
	handle.edit(inode);
	setUpMapping(volume, inode);
	if (data.length === 0) return;
	// An inode is no larger than a block.
	const {physical} = mapForWriting(handle, inode, 0, 1, 'written');
	const block = new Uint8Array(blockSize);
	block.set(data);
	volume.device.write(physical * blockSize, block);
	volume.transactions?.noteData();
}
