/**
 * Changing directories that lie in their inode, until they are too large for it. Kernel
 * documentation, "Inline Directories".
 */

import {inlineBytesInBlock} from '../inline-data.ts';
import type {Handle} from '../journal/handle.ts';
import {recordLengthMin} from '../layout/directory.ts';
import {type Inode, inodeFlags, type MutableInode} from '../layout/inode.ts';
import {setUpMapping} from '../mapping/index.ts';
import type {Volume} from '../volume.ts';
import {inlineRoom, storeInlineValue} from '../xattr/inline-value.ts';
import {appendEntriesBlock} from './changed-blocks.ts';
import {dotDotAt} from './dots.ts';
import type {EntryRules} from './entries.ts';
import {
	blockArea,
	clearEntries,
	deleteEntry,
	dotsLength,
	type EntryArea,
	extendLastEntry,
	findRoom,
	insertEntry,
	type NewEntry,
	setTarget,
	writeDots,
	writeRecordLength,
} from './entry-edits.ts';
import {inlineEntriesAt, readInlineDirectory} from './inline.ts';

/** True where a new directory may lie in its inode. */
export function mayLieInline(volume: Volume, directory: Inode): boolean {
	return volume.features.has('inline_data') && inlineRoom(volume, directory) >= 0;
}

/** Makes an inode without contents an inline directory without entries. */
export function makeInline(
	handle: Handle,
	directory: MutableInode,
	rules: EntryRules,
	parent: number,
): void {
	directory.flags = (directory.flags & ~inodeFlags.extents) | inodeFlags.inlineData;
	const {blockBytes, blockView} = directory;
	blockBytes.fill(0);
	blockView.setUint32(0, parent, true);
	const area = {
		bytes: blockBytes,
		view: blockView,
		start: inlineEntriesAt,
		end: inlineBytesInBlock,
	};
	clearEntries(area, rules.blockSize);
	storeInlineValue(handle, directory, new Uint8Array(0));
	directory.sizeBytes = inlineBytesInBlock;
}

/** Adds an entry; false where there is no room in the inode. Throws `CorruptError`. */
export function addInline(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	entry: NewEntry,
): boolean {
	const {volume} = handle;
	const {stretches} = readInlineDirectory(volume, directory, rules);
	const needed = recordLengthMin(entry.name.length, false);
	for (const area of stretches) {
		const at = findRoom(area, needed, rules);
		if (at === -1) continue;
		insertEntry(area, at, entry, rules);
		store(handle, directory, area);
		return true;
	}
	const room = inlineRoom(volume, directory);
	const [, value] = stretches;
	if (value === undefined || room - (value.end - value.start) < needed) return false;
	const area = grown(value, room, rules);
	insertEntry(area, findRoom(area, needed, rules), entry, rules);
	store(handle, directory, area);
	return true;
}

/** The stretch of system.data with `room` bytes for it. */
function grown(value: EntryArea, room: number, rules: EntryRules): EntryArea {
	const bytes = new Uint8Array(value.start + room);
	bytes.set(value.bytes);
	const area = {bytes, view: new DataView(bytes.buffer), start: value.start, end: bytes.length};
	if (value.end === value.start) clearEntries(area, rules.blockSize);
	else extendLastEntry(area, value.end, rules.blockSize);
	return area;
}

/** Writes a changed stretch back. */
function store(handle: Handle, directory: Inode, {bytes, start}: EntryArea): void {
	const inode = handle.edit(directory);
	if (start < inlineBytesInBlock) inode.blockBytes.set(bytes.subarray(0, inlineBytesInBlock));
	else storeInlineValue(handle, inode, bytes.subarray(inlineBytesInBlock));
	inode.sizeBytes = bytes.length;
}

/** An entry in a copy of the inline data, as `locate` gives it. */
export type InlinePlace = EntryArea & {readonly at: number};

export function removeInline(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	place: InlinePlace,
): void {
	deleteEntry(place, place.at, rules);
	store(handle, directory, place);
}

export function replaceInline(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	place: InlinePlace,
	target: {readonly inode: number; readonly typeCode: number},
): void {
	setTarget(place, place.at, target, rules);
	store(handle, directory, place);
}

/**
 * Moves the entries to a block, each as far from the others as it was, so that the cursors of a
 * listing stay good. Throws `FileError` ENOSPC, EDQUOT, `CorruptError`.
 */
export function moveOut(handle: Handle, directory: Inode, rules: EntryRules): void {
	const {parent, stretches} = readInlineDirectory(handle.volume, directory, rules);
	const inode = handle.edit(directory);
	storeInlineValue(handle, inode, undefined);
	inode.flags &= ~(inodeFlags.inlineData | inodeFlags.hashIndexed);
	inode.blockBytes.fill(0);
	inode.sizeBytes = 0;
	setUpMapping(handle.volume, inode);
	const {block} = appendEntriesBlock(handle, inode, rules);
	const area = blockArea(block, rules);
	writeDots(area, inode.number, parent, rules);
	writeRecordLength(block.view, dotDotAt, dotsLength - dotDotAt, rules.blockSize);
	let end = dotsLength;
	for (const stretch of stretches) {
		block.bytes.set(stretch.bytes.subarray(stretch.start, stretch.end), end);
		end += stretch.end - stretch.start;
	}
	extendLastEntry(area, end, rules.blockSize);
}
