/** Adding to directories without an index: the first room that is found, else a new block. */
import type {CachedBlock} from '../block-cache.ts';
import {CorruptError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {recordLengthMin} from '../layout/directory.ts';
import type {Inode} from '../layout/inode.ts';
import {directoryBlockCount, directoryRun, readEntriesBlock, searchedBlocksMax} from './blocks.ts';
import {addEntriesBlock, appendEntriesBlock, touchBlock} from './changed-blocks.ts';
import {type EntryRules, recordLengthAt} from './entries.ts';
import {blockArea, type EntryArea, findRoom, insertEntry, type NewEntry} from './entry-edits.ts';
import {firstWithRoom, noteNoRoom} from './room-hints.ts';

/**
 * Adds an entry where the blocks that are there have room; false where none has. Throws
 * `CorruptError`; `FileError` ENOSPC, EDQUOT where a hole would have to be filled.
 */
export function addInRoom(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	entry: NewEntry,
): boolean {
	const {volume} = handle;
	const needed = recordLengthMin(entry.name.length, false);
	const blockCount = directoryBlockCount(volume, directory);
	const first = firstWithRoom(directory, needed);
	for (let logical = first; logical < blockCount; logical++) {
		if (logical - first >= searchedBlocksMax(rules)) tooLong(directory, blockCount);
		const block = openBlock(handle, directory, rules, logical);
		const area = areaOf(block, rules, logical);
		const at = findRoom(area, needed, rules);
		if (at === -1) continue;
		touchBlock(handle, directory, rules, block, logical);
		insertEntry(area, at, entry, rules);
		noteNoRoom(directory, needed, logical);
		return true;
	}
	noteNoRoom(directory, needed, blockCount);
	return false;
}

/** Adds an entry in a new block at the end. Throws `FileError` ENOSPC, EDQUOT, `CorruptError`. */
export function addInNewBlock(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	entry: NewEntry,
): void {
	const {block} = appendEntriesBlock(handle, directory, rules);
	insertEntry(blockArea(block, rules), 0, entry, rules);
}

function openBlock(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	logical: number,
): CachedBlock {
	const run = directoryRun(handle.volume, directory, logical);
	return run.kind === 'hole'
		? addEntriesBlock(handle, directory, rules, logical)
		: readEntriesBlock(handle.volume, directory, rules, run, logical);
}

/** Nothing goes between `.` and `..`. */
function areaOf(block: CachedBlock, rules: EntryRules, logical: number): EntryArea {
	const area = blockArea(block, rules);
	if (logical !== 0) return area;
	return {...area, start: recordLengthAt(block.view, 0, rules.blockSize)};
}

function tooLong(directory: Inode, blockCount: number): never {
	throw new CorruptError('EXT4_BAD_DIRECTORY', `a directory of ${blockCount} blocks without room`, {
		inode: directory.number,
	});
}
