/**
 * Finding a name in a directory: by the hash tree where there is one, else from end to end.
 * Kernel documentation, "Hash Tree Directories".
 */
import type {CachedBlock} from '../block-cache.ts';
import {CorruptError, FileError} from '../errors.ts';
import {entryTypeOf, nameLengthMax} from '../layout/directory.ts';
import {hashVersions} from '../layout/htree.ts';
import {type FileType, type Inode, inodeFlags} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {directoryBlockCount, directoryRun, readEntriesBlock, searchedBlocksMax} from './blocks.ts';
import {type FoldBudget, foldName, foldsTo} from './casefold.ts';
import {decodeNoKeyName, matchesNoKeyName, type NoKeyName, type Sha256} from './encrypted-name.ts';
import {
	type EntryRules,
	entryNameLength,
	entryTypeCode,
	isDotName,
	nameAt,
	recordLengthAt,
	rulesOf,
} from './entries.ts';
import {hashName} from './hash.ts';
import {LeafWalk, openTree, readLeaf} from './hash-tree.ts';
import {readInlineDirectory} from './inline.ts';
import {sha256Of} from './no-key.ts';

export type FoundEntry = {
	readonly inode: number;
	/** Undefined where entries do not say. */
	readonly type: FileType | undefined;
};

/** Where an entry lies: `at` bytes into a checked block, or into a copy of the inline data. */
export type LocatedEntry = {
	readonly at: number;
	readonly bytes: Uint8Array;
	readonly view: DataView;
	readonly place:
		| {readonly kind: 'block'; readonly block: CachedBlock; readonly logical: number}
		/** The stretch of the inline data that holds it. */
		| {readonly kind: 'inline'; readonly start: number; readonly end: number};
};

/** Bits of s_encoding_flags. */
const encodingFlags = {strict: 0x1, noLinearFallback: 0x2} as const;

/**
 * The form of a name that a casefolded directory compares and hashes; undefined for one that is not
 * UTF-8, which only its own bytes match. Throws `FileError` EINVAL where the image is strict.
 */
export function foldedNameOf(volume: Volume, name: Uint8Array): Uint8Array | undefined {
	const folded = foldName(name);
	if (folded === undefined && (volume.superblock.encodingFlags & encodingFlags.strict) !== 0) {
		throw new FileError('EINVAL', 'a name that is not UTF-8');
	}
	return folded;
}

/** What is searched for, by the way in which entries are compared with it. */
type Wanted =
	| {readonly kind: 'exact'; readonly name: Uint8Array}
	/** `folded` is undefined for a name that is not UTF-8, which only its own bytes match. */
	| {
			readonly kind: 'folded';
			readonly name: Uint8Array;
			readonly folded: Uint8Array | undefined;
			readonly budget: FoldBudget;
	  }
	| {readonly kind: 'noKey'; readonly noKey: NoKeyName; readonly sha256: Sha256};

/**
 * The entry `name` of a directory, or undefined when it has none. In casefolded directories case
 * does not matter; in encrypted ones `name` is a no-key name.
 *
 * Throws `FileError` (ENOTDIR, ENAMETOOLONG; EINVAL for a name that is not UTF-8 where the image
 * is strict about that), `CorruptError` (as `forEachEntry`; EXT4_BAD_HASH_TREE; an entry that leads
 * back to its own directory), `DeviceError`.
 */
export function lookup(volume: Volume, directory: Inode, name: Uint8Array): FoundEntry | undefined {
	assertNamable(directory, name);
	if (name.length === 0) return undefined;
	if (isDotName(name, 0, name.length)) return findDot(volume, directory, name);
	const rules = rulesOf(volume, directory);
	const located = locateIn(volume, directory, rules, name);
	return located && foundAt(directory, rules, located);
}

/**
 * As `lookup`, but says where the entry lies; `.` and `..` are never found. Throws `FileError`
 * (ENOTDIR, ENAMETOOLONG, EINVAL), `CorruptError`, `DeviceError`.
 */
export function locate(
	volume: Volume,
	directory: Inode,
	name: Uint8Array,
): LocatedEntry | undefined {
	assertNamable(directory, name);
	if (name.length === 0 || isDotName(name, 0, name.length)) return undefined;
	return locateIn(volume, directory, rulesOf(volume, directory), name);
}

function assertNamable(directory: Inode, name: Uint8Array): void {
	if (directory.type !== 'directory') {
		throw new FileError('ENOTDIR', `inode ${directory.number} is a ${directory.type}`);
	}
	if (name.length > nameLengthMax) {
		throw new FileError('ENAMETOOLONG', `a name of ${name.length} bytes`);
	}
}

function foundAt(directory: Inode, rules: EntryRules, {view, bytes, at}: LocatedEntry): FoundEntry {
	const inode = view.getUint32(at, true);
	if (inode === directory.number) {
		throw new CorruptError('EXT4_BAD_DIRECTORY_ENTRY', 'a directory that holds itself', {
			inode: directory.number,
		});
	}
	return {inode, type: rules.hasTypes ? entryTypeOf(entryTypeCode(bytes, at)) : undefined};
}

/** `.` and `..` always lie in the first block, unknown to the index; an inline directory has none. */
function findDot(volume: Volume, directory: Inode, name: Uint8Array): FoundEntry | undefined {
	const rules = rulesOf(volume, directory);
	if ((directory.flags & inodeFlags.inlineData) !== 0) {
		const {parent} = readInlineDirectory(volume, directory, rules);
		return {inode: name.length === 1 ? directory.number : parent, type: 'directory'};
	}
	const blockCount = Math.min(directoryBlockCount(volume, directory), 1);
	const found = findLinear(volume, directory, rules, exactly(name), blockCount);
	if (found === undefined) return undefined;
	const {view, bytes, at} = found;
	const type = rules.hasTypes ? entryTypeOf(entryTypeCode(bytes, at)) : undefined;
	return {inode: view.getUint32(at, true), type};
}

function locateIn(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
	name: Uint8Array,
): LocatedEntry | undefined {
	const wanted = wantedOf(volume, rules, name);
	if (wanted === undefined) return undefined;
	return (directory.flags & inodeFlags.inlineData) !== 0
		? findInline(volume, directory, rules, wanted)
		: findInBlocks(volume, directory, rules, wanted);
}

function exactly(name: Uint8Array): Wanted {
	return {kind: 'exact', name};
}

function wantedOf(volume: Volume, rules: EntryRules, name: Uint8Array): Wanted | undefined {
	if (rules.isEncrypted) {
		const noKey = decodeNoKeyName(name);
		return noKey && {kind: 'noKey', noKey, sha256: sha256Of(volume)};
	}
	if (!rules.isCasefolded) return exactly(name);
	return {kind: 'folded', name, folded: foldedNameOf(volume, name), budget: {foldsLeft: foldsMax}};
}

function findInline(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
	wanted: Wanted,
): LocatedEntry | undefined {
	const {stretches} = readInlineDirectory(volume, directory, rules);
	for (const {bytes, view, start, end} of stretches) {
		const at = find(bytes, view, start, end, rules, wanted);
		if (at !== -1) return {at, bytes, view, place: {kind: 'inline', start, end}};
	}
	return undefined;
}

function findInBlocks(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
	wanted: Wanted,
): LocatedEntry | undefined {
	const blockCount = directoryBlockCount(volume, directory);
	const leaves = leavesFor(volume, directory, rules, wanted);
	if (leaves !== undefined) {
		const found = findInLeaves(volume, directory, rules, wanted, leaves);
		if (found !== undefined || !mayLieElsewhere(volume, rules)) return found;
		// What the index does not know is next to certainly not there: this makes sure within reason.
		const limit = Math.min(blockCount, searchedBlocksMax(rules));
		return findLinear(volume, directory, rules, wanted, limit);
	}
	const found = findLinear(volume, directory, rules, wanted, blockCount);
	if (found === undefined && isExhausted(wanted)) tooLong(directory, 'names that need folding');
	return found;
}

/**
 * Casefolded names may have been indexed by a kernel that folded some characters differently, as
 * a few versions did. Unless the image rules it out, the kernel makes sure by searching everything.
 */
function mayLieElsewhere(volume: Volume, rules: EntryRules): boolean {
	const isRuledOut = (volume.superblock.encodingFlags & encodingFlags.noLinearFallback) !== 0;
	return rules.isCasefolded && !isRuledOut;
}

/** The leaves where the name would be; undefined without an index that can be used. */
function leavesFor(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
	wanted: Wanted,
): LeafWalk | undefined {
	const root = openTree(volume, directory, rules);
	if (root === undefined) return undefined;
	const hash = majorHashOf(volume, root.hashVersion, wanted);
	return hash === undefined ? undefined : LeafWalk.start(volume, directory, rules, root, hash);
}

function majorHashOf(volume: Volume, version: number, wanted: Wanted): number | undefined {
	const {isHashUnsigned, hashSeed} = volume.superblock;
	if (wanted.kind === 'noKey') {
		// Where the hash can't be computed from what the name holds, the name holds the hash.
		const {hash, bytes, digest} = wanted.noKey;
		if (version === hashVersions.siphash || digest !== undefined) return (hash.major & ~1) >>> 0;
		return hashName(version, isHashUnsigned, hashSeed, bytes)?.major;
	}
	const name = wanted.kind === 'folded' ? (wanted.folded ?? wanted.name) : wanted.name;
	return hashName(version, isHashUnsigned, hashSeed, name)?.major;
}

function findInLeaves(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
	wanted: Wanted,
	leaves: LeafWalk,
): LocatedEntry | undefined {
	let searched = 0;
	do {
		const logical = leaves.leaf;
		const block = readLeaf(volume, directory, rules, logical);
		const {bytes, view} = block;
		const at = find(bytes, view, 0, bytes.length, rules, wanted);
		if (at !== -1) return {at, bytes, view, place: {kind: 'block', block, logical}};
		if (++searched >= searchedBlocksMax(rules) || isExhausted(wanted)) {
			tooLong(directory, `${searched} leaves for one hash`);
		}
	} while (leaves.next());
	return undefined;
}

/** Names beyond ASCII that one search folds, at two microseconds each. */
const foldsMax = 2 ** 18;

function isExhausted(wanted: Wanted): boolean {
	return wanted.kind === 'folded' && wanted.budget.foldsLeft <= 0;
}

function tooLong(directory: Inode, what: string): never {
	throw new CorruptError('EXT4_BAD_DIRECTORY', `a search goes on for too long: ${what}`, {
		inode: directory.number,
	});
}

/** Gives up, with undefined, where no more names can be folded. */
function findLinear(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
	wanted: Wanted,
	blockCount: number,
): LocatedEntry | undefined {
	for (let logical = 0; logical < blockCount; ) {
		if (logical >= searchedBlocksMax(rules)) {
			tooLong(directory, `the first ${logical} of ${blockCount} blocks do not hold the name`);
		}
		const run = directoryRun(volume, directory, logical);
		const runEnd = Math.min(run.logical + run.length, blockCount);
		if (run.kind === 'hole') {
			logical = runEnd;
			continue;
		}
		for (; logical < runEnd; logical++) {
			const block = readEntriesBlock(volume, directory, rules, run, logical);
			const {bytes, view} = block;
			const at = find(bytes, view, 0, bytes.length, rules, wanted);
			if (at !== -1) return {at, bytes, view, place: {kind: 'block', block, logical}};
			if (isExhausted(wanted)) return undefined;
		}
	}
	return undefined;
}

/** Searches a checked stretch of entries; -1 where it is not there. */
function find(
	bytes: Uint8Array,
	view: DataView,
	start: number,
	end: number,
	rules: EntryRules,
	wanted: Wanted,
): number {
	return wanted.kind === 'exact'
		? findExact(bytes, view, start, end, rules, wanted.name)
		: findMatch(bytes, view, start, end, rules, wanted);
}

/** Where the entry is, or -1. The inner loop of most lookups: most entries cost three loads. */
function findExact(
	bytes: Uint8Array,
	view: DataView,
	start: number,
	end: number,
	rules: EntryRules,
	name: Uint8Array,
): number {
	const {blockSize} = rules;
	const length = name.length;
	const lastAt = nameAt + length - 1;
	const last = name[length - 1];
	for (let at = start; at < end; at += recordLengthAt(view, at, blockSize)) {
		if (entryNameLength(bytes, at) !== length || bytes[at + lastAt] !== last) continue;
		if (isSame(bytes, at + nameAt, name) && view.getUint32(at, true) !== 0) return at;
	}
	return -1;
}

/** From the end, where names in one directory differ most. */
function isSame(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
	let index = name.length - 1;
	while (index >= 0 && bytes[start + index] === name[index]) index--;
	return index < 0;
}

function findMatch(
	bytes: Uint8Array,
	view: DataView,
	start: number,
	end: number,
	rules: EntryRules,
	wanted: Exclude<Wanted, {kind: 'exact'}>,
): number {
	for (let at = start; at < end; at += recordLengthAt(view, at, rules.blockSize)) {
		if (view.getUint32(at, true) === 0) continue;
		const from = at + nameAt;
		const length = entryNameLength(bytes, at);
		if (!isDotName(bytes, from, length) && matches(bytes, from, length, wanted)) return at;
	}
	return -1;
}

function matches(
	bytes: Uint8Array,
	start: number,
	length: number,
	wanted: Exclude<Wanted, {kind: 'exact'}>,
): boolean {
	switch (wanted.kind) {
		case 'folded':
			return (
				(length === wanted.name.length && isSame(bytes, start, wanted.name)) ||
				(wanted.folded !== undefined && foldsTo(bytes, start, length, wanted.folded, wanted.budget))
			);
		case 'noKey': {
			const encrypted = bytes.subarray(start, start + length);
			return matchesNoKeyName(wanted.noKey, encrypted, wanted.sha256);
		}
	}
}
