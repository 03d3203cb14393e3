/**
 * Changing directories: linear ones, ones with an index, ones that lie in their inode. Kernel
 * documentation, "Directory Entries".
 *
 * Times and link counts are the caller's matter, and so is whether the name is there already and
 * whether the change is allowed. All changes go through the handle; where something is thrown, what
 * was changed before is taken back with it.
 */
import {assert, CorruptError, FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {entryTypeCodeOf, nameLengthMax} from '../layout/directory.ts';
import {type FileType, type Inode, inodeFlags, type MutableInode} from '../layout/inode.ts';
import {setUpMapping} from '../mapping/index.ts';
import type {Volume} from '../volume.ts';
import {appendEntriesBlock, touchBlock} from './changed-blocks.ts';
import {dotDotAt, readDots} from './dots.ts';
import {type EntryRules, isDotName, rulesOf} from './entries.ts';
import {blockArea, deleteEntry, type NewEntry, setTarget, writeDots} from './entry-edits.ts';
import {
	addInline,
	makeInline,
	mayLieInline,
	moveOut,
	removeInline,
	replaceInline,
} from './inline-write.ts';
import {addInNewBlock, addInRoom} from './linear-write.ts';
import {foldedNameOf, type LocatedEntry, locate} from './lookup.ts';
import {newTreeVersion} from './name-hash.ts';
import {forEachEntryInPlace} from './read.ts';
import {noteRoom} from './room-hints.ts';
import {addToTree, makeIndex} from './tree-write.ts';

/** What an entry leads to. */
export type EntryTarget = {readonly inode: number; readonly type: FileType};

/**
 * Adds an entry to a directory that has none of that name.
 *
 * Throws `FileError`: ENOTDIR, ENAMETOOLONG, EINVAL for what can't be a name, ENOKEY in an encrypted
 * directory, ENOSPC where the disk or the directory's index is full, EDQUOT. Throws `CorruptError`,
 * `DeviceError`.
 */
export function addEntry(
	handle: Handle,
	directory: Inode,
	name: Uint8Array,
	target: EntryTarget,
): void {
	const {volume} = handle;
	if (directory.type !== 'directory') {
		throw new FileError('ENOTDIR', `inode ${directory.number} is a ${directory.type}`);
	}
	let rules = rulesOf(volume, directory);
	assertNewName(name);
	assertHasKey(directory, rules);
	if (rules.isCasefolded) foldedNameOf(volume, name); // Refuses what a strict image has no form for.
	const entry = newEntry(name, target);
	if ((directory.flags & inodeFlags.inlineData) !== 0) {
		if (addInline(handle, directory, rules, entry)) return;
		moveOut(handle, directory, rules);
		rules = rulesOf(volume, directory);
	}
	if (addToTree(handle, directory, rules, entry)) return;
	if (rules.isIndexed) giveUpIndex(handle, directory, rules);
	addToBlocks(handle, directory, rules, entry);
}

function newEntry(name: Uint8Array, target: EntryTarget): NewEntry {
	return {name, inode: target.inode, typeCode: entryTypeCodeOf(target.type)};
}

const slash = 0x2f;

function assertNewName(name: Uint8Array): void {
	if (name.length > nameLengthMax) {
		throw new FileError('ENAMETOOLONG', `a name of ${name.length} bytes`);
	}
	const isName =
		name.length > 0 &&
		!isDotName(name, 0, name.length) &&
		!name.includes(0) &&
		!name.includes(slash);
	if (!isName) throw new FileError('EINVAL', 'no entry can have that name');
}

/** As fscrypt has it: without the key names can be removed, but neither made nor moved. */
function assertHasKey(directory: Inode, rules: EntryRules): void {
	if (!rules.isEncrypted) return;
	throw new FileError('ENOKEY', `the names in directory ${directory.number} are encrypted`);
}

/**
 * An index that is not understood is left aside from now on, as the kernel does. With checksums
 * that is damage: the nodes would be blocks of entries without a tail.
 */
function giveUpIndex(handle: Handle, directory: Inode, rules: EntryRules): void {
	if (rules.hasChecksums) {
		throw new CorruptError('EXT4_BAD_HASH_TREE', 'an index that is not understood', {
			inode: directory.number,
		});
	}
	handle.edit(directory).flags &= ~inodeFlags.hashIndexed;
}

function addToBlocks(handle: Handle, directory: Inode, before: EntryRules, entry: NewEntry): void {
	const rules = {...before, isIndexed: false};
	if (addInRoom(handle, directory, rules, entry)) return;
	const {volume} = handle;
	const isSmall = directory.sizeBytes === rules.blockSize;
	const version =
		isSmall && !before.isIndexed && volume.features.has('dir_index')
			? newTreeVersion(volume, rules)
			: undefined;
	if (version === undefined) {
		addInNewBlock(handle, directory, rules, entry);
		return;
	}
	makeIndex(handle, directory, rules, version);
	const isAdded = addToTree(handle, directory, rulesOf(volume, directory), entry);
	assert(isAdded, 'an index just made is understood');
}

/**
 * Removes the entry `name`; in an encrypted directory that is a no-key name. A directory never
 * gets smaller. Throws `FileError` ENOENT, `CorruptError`, `DeviceError`.
 */
export function removeEntry(handle: Handle, directory: Inode, name: Uint8Array): void {
	const rules = rulesOf(handle.volume, directory);
	const located = locateExisting(handle, directory, name);
	const {at, bytes, view, place} = located;
	if (place.kind === 'inline') {
		removeInline(handle, directory, rules, {at, bytes, view, ...place});
		return;
	}
	const {block, logical} = place;
	touchBlock(handle, directory, rules, block, logical);
	const room = deleteEntry(blockArea(block, rules), at, rules);
	noteRoom(directory, room, logical);
}

/**
 * Has the entry `name` lead elsewhere, as renaming over a file and exchanging two do. For `..` there
 * is `setParent`. Throws `FileError` (ENOENT, ENOKEY), `CorruptError`, `DeviceError`.
 */
export function replaceEntry(
	handle: Handle,
	directory: Inode,
	name: Uint8Array,
	target: EntryTarget,
): void {
	const rules = rulesOf(handle.volume, directory);
	assertHasKey(directory, rules);
	const located = locateExisting(handle, directory, name);
	const {at, bytes, view, place} = located;
	const {inode, typeCode} = newEntry(name, target);
	if (place.kind === 'inline') {
		replaceInline(handle, directory, rules, {at, bytes, view, ...place}, {inode, typeCode});
		return;
	}
	touchBlock(handle, directory, rules, place.block, place.logical);
	setTarget(blockArea(place.block, rules), at, {inode, typeCode}, rules);
}

function locateExisting(handle: Handle, directory: Inode, name: Uint8Array): LocatedEntry {
	const located = locate(handle.volume, directory, name);
	if (located === undefined) {
		throw new FileError('ENOENT', `directory ${directory.number} has no such entry`);
	}
	return located;
}

/**
 * Makes a new inode a directory with `.` and `..` alone: sets up where its contents lie, and its
 * size. Throws `FileError` ENOSPC, EDQUOT.
 */
export function makeDirectory(handle: Handle, directory: MutableInode, parent: number): void {
	const {volume} = handle;
	const rules = rulesOf(volume, directory);
	if (mayLieInline(volume, directory)) {
		makeInline(handle, directory, rules, parent);
		return;
	}
	setUpMapping(volume, directory);
	const {block} = appendEntriesBlock(handle, directory, rules);
	writeDots(blockArea(block, rules), directory.number, parent, rules);
}

/** Has `..` lead to another directory. Throws `CorruptError`, `DeviceError`. */
export function setParent(handle: Handle, directory: Inode, parent: number): void {
	if ((directory.flags & inodeFlags.inlineData) !== 0) {
		handle.edit(directory).blockView.setUint32(0, parent, true);
		return;
	}
	const rules = rulesOf(handle.volume, directory);
	const {block} = readDots(handle.volume, directory, rules);
	touchBlock(handle, directory, rules, block, 0);
	block.view.setUint32(dotDotAt, parent, true);
}

/** Whether a directory has no entries but `.` and `..`. Throws `CorruptError`, `DeviceError`. */
export function isEmptyDirectory(volume: Volume, directory: Inode): boolean {
	let isEmpty = true;
	forEachEntryInPlace(volume, directory, 0, (bytes, start, length) => {
		isEmpty = isDotName(bytes, start, length);
		return isEmpty;
	});
	return isEmpty;
}
