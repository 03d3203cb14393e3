/** How the entries of a listing are given to who wants them. */
import {entryTypeOf} from '../layout/directory.ts';
import type {FileType, Inode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {encodeNoKeyName, noKeyNameLengthMax} from './encrypted-name.ts';
import {type EntryRules, entryNameLength, entryTypeCode, isDotName, nameAt} from './entries.ts';
import {noKeyHasher, sha256Of} from './no-key.ts';

/**
 * Gets one entry: its name is the `length` bytes of `bytes` from `start` on, which are only lent
 * and must be copied to be kept; `type` is undefined where the directory does not say; `next` is
 * the cursor behind the entry. Return false to stop there.
 */
export type EntryVisitor = (
	bytes: Uint8Array,
	start: number,
	length: number,
	inode: number,
	type: FileType | undefined,
	next: number,
) => boolean;

/** What is listed, from where on, and to whom. */
export type Listing = {
	readonly volume: Volume;
	readonly directory: Inode;
	readonly rules: EntryRules;
	readonly cursor: number;
	readonly visit: EntryVisitor;
	/** In place of `visit`, where names can't be shown as they are. */
	readonly show: ShowEntry | undefined;
};

/** The names of the two entries that an inline directory does not hold. */
export const dots = Uint8Array.of(0x2e, 0x2e);

/** Visits an entry whose name can't be shown as it is. */
export type ShowEntry = (bytes: Uint8Array, view: DataView, at: number, next: number) => boolean;

export function typeAt(bytes: Uint8Array, at: number, rules: EntryRules): FileType | undefined {
	return rules.hasTypes ? entryTypeOf(entryTypeCode(bytes, at)) : undefined;
}

export function noKeyVisitor(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
	visit: EntryVisitor,
): ShowEntry {
	const sha256 = sha256Of(volume);
	const hashOf = noKeyHasher(volume, directory, rules);
	const shown = new Uint8Array(noKeyNameLengthMax);
	return (bytes, view, at, next) => {
		const start = at + nameAt;
		const length = entryNameLength(bytes, at);
		const inode = view.getUint32(at, true);
		const type = typeAt(bytes, at, rules);
		if (isDotName(bytes, start, length)) return visit(bytes, start, length, inode, type, next);
		const encrypted = bytes.subarray(start, start + length);
		const shownLength = encodeNoKeyName(encrypted, hashOf(bytes, view, at), sha256, shown);
		return visit(shown, 0, shownLength, inode, type, next);
	};
}
