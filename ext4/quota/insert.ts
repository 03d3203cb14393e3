/** A new entry in a quota file's tree, with the blocks that it needs. */
import type {Handle} from '../journal/handle.ts';
import type {MutableInode} from '../layout/inode.ts';
import {
	qt_disk_dqdbheader,
	quotaBlockSize,
	quotaEntriesMax,
	quotaRootBlock,
	quotaTreeDepth,
	v2_disk_dqheader,
	v2r1_disk_dqblk,
} from '../layout/quota.ts';
import {mapMetadataBlock} from '../mapping/index.ts';
import {isFreeEntry, type Place, type QuotaFile} from './file.ts';
import {entriesAreMadeBy} from './space.ts';
import {keepDistinct} from './usage.ts';

function editInfo(handle: Handle, file: QuotaFile) {
	const {block, at} = file.blockAt(0);
	handle.touch(block);
	return v2_disk_dqheader.edit(block.view, at);
}

function editBlock(handle: Handle, file: QuotaFile, number: number): Place {
	if (number <= quotaRootBlock) file.fail(`block ${number} in a list of blocks`);
	const place = file.blockAt(number);
	handle.touch(place.block);
	return place;
}

/** Makes the file reach to the end of quota block `number`, with a block of the device behind it. */
function growTo(handle: Handle, file: QuotaFile, number: number): void {
	const {volume, inode} = file;
	const sizeBytes = (number + 1) * quotaBlockSize;
	if (inode.sizeBytes < sizeBytes) handle.edit(inode).sizeBytes = sizeBytes;
	if (file.physicalOf(number) !== undefined) return;
	const {blockSize} = volume.geometry;
	const edited: MutableInode = handle.edit(inode);
	const logical = Math.floor((number * quotaBlockSize) / blockSize);
	handle.create(mapMetadataBlock(handle, edited, logical));
}

/** A quota block of zeros: one that was given up, or the next at the file's end. */
function takeBlock(handle: Handle, file: QuotaFile): number {
	const info = editInfo(handle, file);
	let number = info.dqi_free_blk;
	if (number !== 0) {
		const {block, at} = editBlock(handle, file, number);
		info.dqi_free_blk = qt_disk_dqdbheader.at(block.view, at).dqdh_next_free;
	} else {
		number = info.dqi_blocks;
		if (number < quotaRootBlock || number >= 2 ** 31) file.fail(`${number} blocks in the header`);
		info.dqi_blocks = number + 1;
		growTo(handle, file, number);
	}
	const {block, at} = file.blockAt(number);
	handle.touch(block);
	block.bytes.fill(0, at, at + quotaBlockSize);
	return number;
}

/** Takes a block of entries that has become full out of the list of those with room. */
function unlist(handle: Handle, file: QuotaFile, place: Place): void {
	const header = qt_disk_dqdbheader.edit(place.block.view, place.at);
	const {dqdh_next_free: next, dqdh_prev_free: previous} = header;
	if (next !== 0) {
		const {block, at} = editBlock(handle, file, next);
		qt_disk_dqdbheader.edit(block.view, at).dqdh_prev_free = previous;
	}
	if (previous !== 0) {
		const {block, at} = editBlock(handle, file, previous);
		qt_disk_dqdbheader.edit(block.view, at).dqdh_next_free = next;
	} else {
		editInfo(handle, file).dqi_free_entry = next;
	}
	header.dqdh_next_free = 0;
	header.dqdh_prev_free = 0;
}

/** Makes the entry in the first block that has room; returns that block's number and its place. */
function addEntry(handle: Handle, file: QuotaFile, id: number): {number: number; place: Place} {
	const info = editInfo(handle, file);
	let number = info.dqi_free_entry;
	if (number === 0) {
		number = takeBlock(handle, file);
		info.dqi_free_entry = number;
	}
	const {block, at} = editBlock(handle, file, number);
	const header = qt_disk_dqdbheader.edit(block.view, at);
	header.dqdh_entries++;
	if (header.dqdh_entries >= quotaEntriesMax) unlist(handle, file, {block, at});
	for (let index = 0; index < quotaEntriesMax; index++) {
		const entryAt = at + qt_disk_dqdbheader.sizeBytes + index * v2r1_disk_dqblk.sizeBytes;
		if (!isFreeEntry({block, at: entryAt})) continue;
		const entry = v2r1_disk_dqblk.edit(block.view, entryAt);
		entry.dqb_id = id;
		keepDistinct(entry);
		return {number, place: {block, at: entryAt}};
	}
	return file.fail(`block ${number} is listed as having room, and is full`);
}

/**
 * The entry of `id`, made where it has none. Throws `FileError` ENOSPC, `RetryAfterCommit`,
 * `CorruptError`, `DeviceError`.
 */
export function findOrInsert(handle: Handle, file: QuotaFile, id: number): Place {
	const found = file.find(id);
	if (found !== undefined) return found;
	let number: number = quotaRootBlock;
	for (let level = 0; level < quotaTreeDepth - 1; level++) {
		const parent = file.blockAt(number);
		number = file.referenceAt(parent, level, id);
		if (number !== 0) continue;
		number = takeBlock(handle, file);
		setReference(handle, file, parent, level, id, number);
	}
	const parent = file.blockAt(number);
	const added = addEntry(handle, file, id);
	setReference(handle, file, parent, quotaTreeDepth - 1, id, added.number);
	file.remember(handle, id, added.place);
	return added.place;
}

function setReference(
	handle: Handle,
	file: QuotaFile,
	parent: Place,
	level: number,
	id: number,
	number: number,
): void {
	handle.touch(parent.block);
	const at = parent.at + file.referenceOffset(level, id);
	parent.block.view.setUint32(at, number, true);
}

entriesAreMadeBy(findOrInsert);
