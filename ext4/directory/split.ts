/** Entries taken out of a block in order to be laid out anew, in one block or in two. */
import {CorruptError} from '../errors.ts';
import {type EntryRules, recordLengthAt} from './entries.ts';
import {clearEntries, type EntryArea, usedLengthAt, writeRecordLength} from './entry-edits.ts';

/** Where an entry in use lies, and the bytes that it needs. */
export type PlacedEntry = {readonly at: number; readonly length: number};

export type HashedEntry = PlacedEntry & {
	/** The major hash. */
	readonly hash: number;
};

/** The entries in use that begin at `from` or behind it. Throws `CorruptError`. */
export function entriesInUse(area: EntryArea, from: number, rules: EntryRules): PlacedEntry[] {
	const {bytes, view, start, end} = area;
	const entries: PlacedEntry[] = [];
	for (let at = start; at < end; ) {
		const length = usedLengthAt(bytes, view, at, rules);
		if (length > 0 && at >= from) entries.push({at, length});
		at += recordLengthAt(view, at, rules.blockSize);
		if (at > end) {
			throw new CorruptError('EXT4_BAD_DIRECTORY_ENTRY', 'an entry reaches into the tail');
		}
	}
	return entries;
}

/** Makes `entries`, which lie in `source`, all that `area` holds, one right behind the other. */
export function layOut(
	area: EntryArea,
	source: Uint8Array,
	entries: readonly PlacedEntry[],
	rules: EntryRules,
): void {
	const {bytes, view, start, end} = area;
	const {blockSize} = rules;
	clearEntries(area, blockSize);
	let to = start;
	entries.forEach(({at, length}, index) => {
		bytes.set(source.subarray(at, at + length), to);
		const isLast = index === entries.length - 1;
		writeRecordLength(view, to, isLast ? end - to : length, blockSize);
		to += length;
	});
}

/**
 * How many of the entries, which ascend by hash, stay in their block when it is split: so many that
 * of the others half a block is filled, and the one in the middle more than half fits into it. Of
 * two entries or more, one at least stays and one goes.
 */
export function splitPoint(entries: readonly PlacedEntry[], blockSize: number): number {
	let moved = 0;
	for (let index = entries.length - 1; index >= 0; index--) {
		const length = entries[index]?.length ?? 0;
		if (moved + length / 2 > blockSize / 2) return index + 1;
		moved += length;
	}
	return entries.length >>> 1;
}
