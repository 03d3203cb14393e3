/**
 * Extended attributes, in an inode and in a block. Kernel documentation, "Extended Attributes".
 * A place is looked at as a whole; the first thing that is wrong with it ends the look, as nothing
 * behind it can be found any more.
 */

import {CorruptError} from '../errors.ts';
import {
	ext4_xattr_entry,
	xattrAlignment,
	xattrIndex,
	xattrMagic,
	xattrValueSizeMax,
} from '../layout/xattr.ts';
import {parseDiskAcl} from '../xattr/acl.ts';
import {hashEntry, hashHeldEntry} from '../xattr/hash.ts';
import type {FindingCode} from './codes.ts';
import {hex} from './finding.ts';

/** Says that the value of an attribute is kept in an inode. */
export type HeldValue = {
	readonly holder: number;
	readonly hash: number;
	/** The hashes of the name alone, characters unsigned and signed. */
	readonly name: Uint8Array;
	readonly sizeBytes: number;
};

export type AttributeProblem = {
	readonly code: FindingCode;
	/** From where the area begins in its view. */
	readonly offset: number;
	readonly found?: number | string;
	readonly expected?: number | string;
};

/** A stretch of bytes with entries; offsets from the start of `view`. */
export type AttributeArea = {
	readonly view: DataView;
	readonly entriesAt: number;
	/** What the offsets of values count from. */
	readonly valuesFrom: number;
	readonly end: number;
	/** Whether entries must carry a hash; in inodes they may have none. */
	readonly needsHash: boolean;
	/** Whether where a value lies must make sense even where nothing of it lies there. */
	readonly needsOffsets: boolean;
};

const entrySize = ext4_xattr_entry.sizeBytes;

function aligned(length: number): number {
	return Math.ceil(length / xattrAlignment) * xattrAlignment;
}

function bytesOf(view: DataView, at: number, length: number): Uint8Array {
	return new Uint8Array(view.buffer, view.byteOffset + at, length);
}

function signedHashOf(name: Uint8Array, value: Uint8Array): number {
	// With an empty value both hashes are rotations of the name's; the value's part follows alone.
	const nameHash = hashHeldEntry(name, 0, true);
	// hashHeldEntry rotates once for the value; rotate back before the value's words.
	let hash = (nameHash >>> 16) | (nameHash << 16);
	for (let at = 0; at < value.length; at += 4) {
		const word =
			(value[at] ?? 0) |
			((value[at + 1] ?? 0) << 8) |
			((value[at + 2] ?? 0) << 16) |
			((value[at + 3] ?? 0) << 24);
		hash = ((hash << 16) | (hash >>> 16)) ^ word;
	}
	return hash >>> 0;
}

/**
 * Looks at the entries of an area, and gives each value that lies in an inode to `held`. Undefined
 * where all is well. `ranges` is a list to work with, emptied here.
 */
export function checkAttributes(
	area: AttributeArea,
	ranges: number[],
	held: (value: HeldValue) => void,
): AttributeProblem | undefined {
	const {view, end} = area;
	let at = area.entriesAt;
	while (true) {
		if (at + 4 > end) return {code: 'CHECK_ATTRIBUTE_LIST', offset: at};
		if (view.getUint32(at, true) === 0) break;
		const length = view.getUint8(at);
		if (at + aligned(entrySize + length) > end) {
			return {code: 'CHECK_ATTRIBUTE_NAME', offset: at, found: length};
		}
		at += aligned(entrySize + length);
	}
	const listEnd = at + 4;
	ranges.length = 0;
	for (at = area.entriesAt; at < listEnd - 4; ) {
		const length = view.getUint8(at);
		const problem = checkEntry(area, at, listEnd, ranges, held);
		if (problem !== undefined) return problem;
		at += aligned(entrySize + length);
	}
	return overlapOf(ranges, area.entriesAt);
}

function checkEntry(
	area: AttributeArea,
	at: number,
	listEnd: number,
	ranges: number[],
	held: (value: HeldValue) => void,
): AttributeProblem | undefined {
	const {view} = area;
	const name = bytesOf(view, at + entrySize, view.getUint8(at));
	const holder = view.getUint32(at + 4, true);
	const sizeBytes = view.getUint32(at + 8, true);
	const hash = view.getUint32(at + 12, true);
	const start = area.valuesFrom + view.getUint16(at + 2, true);
	// e2fsck lets it pass in inodes.
	if (area.needsHash && view.getUint8(at + 1) === 0) {
		return {code: 'CHECK_ATTRIBUTE_NAME_INDEX', offset: at, found: 0};
	}
	if (holder !== 0) {
		if (sizeBytes > xattrValueSizeMax || sizeBytes === 0) {
			return {code: 'CHECK_ATTRIBUTE_VALUE_SIZE', offset: at, found: sizeBytes};
		}
		if (name.includes(0)) return {code: 'CHECK_ATTRIBUTE_NAME_NUL', offset: at};
		if (area.needsOffsets && start > area.valuesFrom) return offsetProblemOf(area, at, start);
		held({holder, hash, name, sizeBytes});
		return undefined;
	}
	if (sizeBytes > 0) {
		if (sizeBytes > area.end - area.entriesAt || start + sizeBytes > area.end) {
			return {code: 'CHECK_ATTRIBUTE_VALUE_SIZE', offset: at, found: sizeBytes};
		}
		if (start < listEnd || start + aligned(sizeBytes) > area.end) {
			return {code: 'CHECK_ATTRIBUTE_OVERLAP', offset: at, found: start};
		}
		ranges.push(start, start + aligned(sizeBytes));
	} else if (area.needsOffsets && start > area.end) return offsetProblemOf(area, at, start);
	if (name.includes(0)) return {code: 'CHECK_ATTRIBUTE_NAME_NUL', offset: at};
	const ownProblem = aclProblemOf(area, at, start, sizeBytes);
	if (ownProblem !== undefined) return ownProblem;
	if (hash === 0 && !area.needsHash) return undefined;
	// Whole words are summed up, with whatever lies behind the value in the last.
	const value = bytesOf(view, sizeBytes > 0 ? start : at, aligned(sizeBytes));
	const expected = hashEntry(name, value);
	if (hash !== expected && hash !== signedHashOf(name, value)) {
		return {code: 'CHECK_ATTRIBUTE_HASH', offset: at, found: hex(hash), expected: hex(expected)};
	}
	return undefined;
}

function offsetProblemOf(area: AttributeArea, at: number, start: number): AttributeProblem {
	const {valuesFrom, end} = area;
	const values = {found: start - valuesFrom, expected: end - valuesFrom};
	return {code: 'CHECK_ATTRIBUTE_VALUE_OFFSET', offset: at, ...values};
}

/** An access control list that nobody can read: the value of an attribute at `start`. */
function aclProblemOf(
	{view}: AttributeArea,
	at: number,
	start: number,
	sizeBytes: number,
): AttributeProblem | undefined {
	const index = view.getUint8(at + 1);
	const isAcl = index === xattrIndex.posixAclAccess || index === xattrIndex.posixAclDefault;
	// Their kind is all of their name. An empty one is as none.
	if (!isAcl || view.getUint8(at) !== 0 || sizeBytes === 0) return undefined;
	try {
		parseDiskAcl(bytesOf(view, start, sizeBytes), {});
		return undefined;
	} catch (error) {
		if (!(error instanceof CorruptError)) throw error;
		return {code: 'CHECK_ATTRIBUTE_ACL', offset: at, found: error.message};
	}
}

/** Values that lie over each other. */
function overlapOf(ranges: readonly number[], offset: number): AttributeProblem | undefined {
	if (ranges.length < 4) return undefined;
	const starts: [number, number][] = [];
	for (let at = 0; at < ranges.length; at += 2) starts.push([ranges[at] ?? 0, ranges[at + 1] ?? 0]);
	starts.sort((a, b) => a[0] - b[0]);
	let end = 0;
	for (const [from, to] of starts) {
		if (from < end) return {code: 'CHECK_ATTRIBUTE_OVERLAP', offset, found: from};
		end = to;
	}
	return undefined;
}

/** Whether an inode's bytes from `at` on begin attributes. */
export function hasAttributes(view: DataView, at: number): boolean {
	return view.getUint32(at, true) === xattrMagic;
}

/** Where the value of an attribute lies in the view, and how long it is; it need not fit. */
export type FoundAttribute = {readonly at: number; readonly sizeBytes: number};

/**
 * The first attribute of a kind whose name `isName` takes, given where it lies and its length; the
 * area may be damaged.
 */
export function findAttribute(
	area: AttributeArea,
	index: number,
	isName: (view: DataView, at: number, length: number) => boolean,
): FoundAttribute | undefined {
	const {view, end} = area;
	for (let at = area.entriesAt; at + entrySize <= end && view.getUint32(at, true) !== 0; ) {
		const length = view.getUint8(at);
		const isInside = at + entrySize + length <= end;
		if (isInside && view.getUint8(at + 1) === index && isName(view, at + entrySize, length)) {
			const start = area.valuesFrom + view.getUint16(at + 2, true);
			return {at: start, sizeBytes: view.getUint32(at + 8, true)};
		}
		at += aligned(entrySize + length);
	}
	return undefined;
}

/** How long the attribute of inline data (`system.data`) is; -1 where there is none. */
export function inlineValueSize(area: AttributeArea): number {
	const isData = (view: DataView, at: number, length: number) =>
		length === 4 && view.getUint32(at, true) === 0x61746164;
	return findAttribute(area, xattrIndex.system, isData)?.sizeBytes ?? -1;
}
