/**
 * Writes file data. The bytes go to the device at once; the metadata that makes them reachable
 * waits for the commit, which flushes the device before: "ordered" mode. So space may be mapped as
 * written in the same handle, and a crash before the commit leaves the file as it was, but for bytes
 * that were written over in place.
 *
 * Times of files, privileges that a write takes away, and flags that bind are the caller's matter.
 */
import {
	FileError,
	growOutOfInline,
	type Handle,
	type Inode,
	inlineCapacity,
	inodeFlags,
	type MutableInode,
	mayBeInline,
	readInlineData,
	sizeBytesMax,
	touchedBlocksMax,
	writeInlineData,
} from '../ext4/index.ts';
import type {Mapper} from './mapper.ts';
import type {WritableMapping} from './mapping.ts';
import {assertContentsMayChange, growTo} from './size.ts';
import type {ChangeOptions} from './steps.ts';
import {zeroBehindEnd, zerosOf} from './zero.ts';

/** Writes `bytes` at `position`, and zeros to what is left of new blocks. */
function store(
	mapper: Mapper,
	mapping: WritableMapping,
	position: number,
	bytes: Uint8Array,
): void {
	const {device, geometry} = mapper.volume;
	const head = position - mapping.offset;
	if (!mapping.isNew) {
		device.write(mapping.address + head, bytes);
		return;
	}
	const end = head + bytes.length;
	const tail = Math.ceil(end / geometry.blockSize) * geometry.blockSize - end;
	if (head === 0 && tail === 0) device.write(mapping.address, bytes);
	else device.writeScattered(mapping.address, [zerosOf(head), bytes, zerosOf(tail)]);
}

/** Writes within the inode where the data lies there, or may begin to; false where it must not. */
function writeInline(
	mapper: Mapper,
	handle: Handle,
	inode: MutableInode,
	position: number,
	bytes: Uint8Array,
): boolean {
	const {volume} = mapper;
	if (!mayBeInline(inode)) return false;
	const isInline = (inode.flags & inodeFlags.inlineData) !== 0;
	const end = position + bytes.length;
	const capacity = inlineCapacity(volume, inode);
	if (capacity === undefined || Math.max(end, inode.sizeBytes) > capacity) {
		if (isInline) growOutOfInline(handle, inode);
		return false;
	}
	const before = isInline ? readInlineData(volume, inode).subarray(0, inode.sizeBytes) : undefined;
	const all = new Uint8Array(Math.max(end, inode.sizeBytes));
	if (before !== undefined) all.set(before);
	all.set(bytes, position);
	writeInlineData(handle, inode, all);
	return true;
}

/**
 * Writes `bytes` at byte `position` of `inode` and makes the file as long as it must be. Returns
 * how many were written: at least one, but less than all where the transaction is getting large, or
 * the file as large as it can be; call it again in another handle for the rest.
 *
 * Throws `FileError` ENOSPC, EDQUOT (then nothing is written: `writeFile` writes what fits), EFBIG,
 * EISDIR, EINVAL, ENOKEY, EPERM; `RetryAfterCommit`, `CorruptError`, `DeviceError`.
 */
export function writeRange(
	mapper: Mapper,
	handle: Handle,
	inode: MutableInode,
	position: number,
	bytes: Uint8Array,
): number {
	const {volume} = mapper;
	assertContentsMayChange(inode);
	if (bytes.length === 0) return 0;
	const max = sizeBytesMax(volume, inode);
	if (position >= max) throw new FileError('EFBIG', `a file has at most ${max} bytes`);
	const wanted = Math.min(bytes.length, max - position);
	if (writeInline(mapper, handle, inode, position, bytes.subarray(0, wanted))) return wanted;
	handle.edit(inode);
	zeroBehindEnd(mapper, inode, position);
	const touchedBefore = handle.touchedBlocks;
	let done = 0;
	while (done < wanted) {
		const at = position + done;
		const mapping = mapper.beginWrite(handle, inode, at, wanted - done, 'written');
		const length = Math.min(mapping.offset + mapping.length - at, wanted - done);
		store(mapper, mapping, at, bytes.subarray(done, done + length));
		done += length;
		if (handle.touchedBlocks - touchedBefore > touchedBlocksMax) break;
	}
	volume.transactions?.noteData();
	growTo(handle, inode, position + done);
	return done;
}

/**
 * Writes over bytes that the file has, as far as they lie in written space and before its end; needs
 * no handle, as no metadata changes. Returns how many of `bytes` were written, from the first on: the
 * rest is `writeRange`'s.
 *
 * Throws `FileError` as `writeRange`, EROFS where the volume takes no changes; `CorruptError`,
 * `DeviceError`.
 */
export function overwriteRange(
	mapper: Mapper,
	inode: Inode,
	position: number,
	bytes: Uint8Array,
): number {
	const {device, transactions} = mapper.volume;
	assertContentsMayChange(inode);
	if (transactions?.isWritable !== true) {
		throw new FileError('EROFS', 'the file system takes no changes');
	}
	const wanted = Math.min(bytes.length, inode.sizeBytes - position);
	let done = 0;
	while (done < wanted) {
		const at = position + done;
		const mapping = mapper.begin(inode, at, 'report');
		if (mapping.kind !== 'mapped') break;
		mapper.assertData(inode, mapping);
		const length = Math.min(mapping.offset + mapping.length - at, wanted - done);
		device.write(mapping.address + at - mapping.offset, bytes.subarray(done, done + length));
		done += length;
	}
	if (done > 0) transactions.noteData();
	return done;
}

function isOutOfSpace(error: unknown): boolean {
	return error instanceof FileError && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/**
 * Writes `bytes` at byte `position` of the inode `number`, in as many transactions as it takes, and
 * in none where all is written over in place. Returns how many were written: less than all only
 * where space or the limit of sizes was reached after some.
 *
 * Throws as `writeRange` where nothing was written.
 */
export function writeFile(
	mapper: Mapper,
	number: number,
	position: number,
	bytes: Uint8Array,
	options: ChangeOptions = {},
): number {
	const {volume} = mapper;
	const {blockSize} = volume.geometry;
	let done = overwriteRange(mapper, volume.readReservedInode(number), position, bytes);
	let atOnce = bytes.length;
	while (done < bytes.length) {
		const part = bytes.subarray(done, done + atOnce);
		try {
			done += volume.transact(
				handle =>
					writeRange(mapper, handle, volume.readReservedInode(number), position + done, part),
				options,
			);
		} catch (error) {
			const isFull = error instanceof FileError && error.code === 'EFBIG';
			if (isFull && done > 0) return done;
			if (!isOutOfSpace(error)) throw error;
			// A handle happens as a whole: fewer blocks may find room.
			if (part.length <= blockSize) {
				if (done > 0) return done;
				throw error;
			}
			atOnce = Math.ceil(part.length / 2 / blockSize) * blockSize;
		}
	}
	return done;
}
