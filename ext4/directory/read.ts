/**
 * Listing a directory from end to end, which reads indexed directories as well: the nodes of the
 * index look like blocks without entries. Kernel documentation, "Linear (Classic) Directories".
 *
 * A cursor is a place in the directory in bytes: 0 is the start, and every entry comes with the
 * cursor that stands behind it. In an inline directory it is the place that the entry would have in
 * a block, to which it moves when the directory grows.
 *
 * While a volume is open for writing, entries of an indexed directory move from block to block. It
 * is then read in the order of hashes, and so is one that may get an index: `ordered-read.ts`.
 */
import {CorruptError, FileError} from '../errors.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {directoryBlockCount, directoryRun, idleBlocksMax, readEntriesBlock} from './blocks.ts';
import {dotDotAt} from './dots.ts';
import {type EntryRules, entryNameLength, nameAt, recordLengthAt, rulesOf} from './entries.ts';
import {dotsLength} from './entry-edits.ts';
import {inlineEntriesAt, readInlineDirectory} from './inline.ts';
import {forEachEntryInOrder} from './ordered-read.ts';
import {
	dots,
	type EntryVisitor,
	type Listing,
	noKeyVisitor,
	type ShowEntry,
	typeAt,
} from './visitor.ts';

export type {EntryVisitor} from './visitor.ts';

/**
 * Visits the entries of a directory from `cursor` on, `.` and `..` included, in the order in which
 * they lie. A cursor from anywhere else goes to the next entry that begins at it or behind it.
 * Names in encrypted directories are visited in their no-key form.
 *
 * A callback and not a generator: 17 ns an entry, where yielding an object each takes 66.
 *
 * Throws `FileError` (ENOTDIR; EINVAL for a cursor that is no whole number), `CorruptError`
 * (EXT4_BAD_DIRECTORY, EXT4_BAD_DIRECTORY_ENTRY, EXT4_BAD_DIRECTORY_CHECKSUM and those of mapping
 * and inline data), `DeviceError`. A caller that wants what lies behind a bad block goes on with
 * the cursor at the start of the next one.
 */
export function forEachEntry(
	volume: Volume,
	directory: Inode,
	cursor: number,
	visit: EntryVisitor,
): void {
	if (directory.type !== 'directory') {
		throw new FileError('ENOTDIR', `inode ${directory.number} is a ${directory.type}`);
	}
	if (!Number.isInteger(cursor) || cursor < 0) {
		throw new FileError('EINVAL', `${cursor} is no place in a directory`);
	}
	const listing = listingOf(volume, directory, cursor, visit);
	const isOrdered = volume.transactions !== undefined && forEachEntryInOrder(listing);
	if (!isOrdered) walkInPlace(listing);
}

function listingOf(volume: Volume, directory: Inode, cursor: number, visit: EntryVisitor): Listing {
	const rules = rulesOf(volume, directory);
	const show = rules.isEncrypted ? noKeyVisitor(volume, directory, rules, visit) : undefined;
	return {volume, directory, rules, cursor, visit, show};
}

/** As `forEachEntry`, and always from end to end, in the order in which entries lie. */
export function forEachEntryInPlace(
	volume: Volume,
	directory: Inode,
	cursor: number,
	visit: EntryVisitor,
): void {
	walkInPlace(listingOf(volume, directory, cursor, visit));
}

function walkInPlace(listing: Listing): void {
	if ((listing.directory.flags & inodeFlags.inlineData) !== 0) walkInline(listing);
	else walkBlocks(listing);
}

function walkBlocks({volume, directory, rules, cursor, visit, show}: Listing): void {
	const {blockSize} = rules;
	const blockCount = directoryBlockCount(volume, directory);
	let from = cursor % blockSize;
	let idleBlocks = 0;
	for (let logical = Math.floor(cursor / blockSize); logical < blockCount; ) {
		if (idleBlocks >= idleBlocksMax(blockSize)) tooIdle(directory, blockCount, idleBlocks);
		const run = directoryRun(volume, directory, logical);
		const runEnd = Math.min(run.logical + run.length, blockCount);
		if (run.kind === 'hole') {
			logical = runEnd;
			from = 0;
			idleBlocks++;
			continue;
		}
		for (; logical < runEnd && idleBlocks < idleBlocksMax(blockSize); logical++) {
			const {bytes, view} = readEntriesBlock(volume, directory, rules, run, logical);
			const base = logical * blockSize;
			const visited = walk(bytes, view, 0, bytes.length, from, base, rules, visit, show);
			if (visited === stopped) return;
			from = 0;
			idleBlocks = visited === 0 ? idleBlocks + 1 : 0;
		}
	}
}

function tooIdle(directory: Inode, blockCount: number, idleBlocks: number): never {
	throw new CorruptError(
		'EXT4_BAD_DIRECTORY',
		`a directory of ${blockCount} blocks, of which ${idleBlocks} in a row are without an entry`,
		{inode: directory.number},
	);
}

function walkInline({volume, directory, rules, cursor, visit, show}: Listing): void {
	const {parent, stretches} = readInlineDirectory(volume, directory, rules);
	const type = rules.hasTypes ? 'directory' : undefined;
	if (cursor <= 0 && !visit(dots, 0, 1, directory.number, type, dotDotAt)) return;
	if (cursor <= dotDotAt && !visit(dots, 0, 2, parent, type, dotsLength)) return;
	const base = dotsLength - inlineEntriesAt;
	for (const {bytes, view, start, end} of stretches) {
		const from = cursor - base;
		if (walk(bytes, view, start, end, from, base, rules, visit, show) === stopped) return;
	}
}

const stopped = -1;

/**
 * Visits the entries in use of a checked stretch that begin at `from` or behind it; returns how
 * many, or `stopped`. Many arguments and no object: this is the inner loop of every listing.
 */
function walk(
	bytes: Uint8Array,
	view: DataView,
	start: number,
	end: number,
	from: number,
	base: number,
	rules: EntryRules,
	visit: EntryVisitor,
	show: ShowEntry | undefined,
): number {
	let visited = 0;
	for (let at = start; at < end; ) {
		const next = at + recordLengthAt(view, at, rules.blockSize);
		const inode = view.getUint32(at, true);
		if (inode !== 0 && at >= from) {
			const goesOn =
				show === undefined
					? visit(
							bytes,
							at + nameAt,
							entryNameLength(bytes, at),
							inode,
							typeAt(bytes, at, rules),
							base + next,
						)
					: show(bytes, view, at, base + next);
			if (!goesOn) return stopped;
			visited++;
		}
		at = next;
	}
	return visited;
}
