/** Renaming, as renameat2(2) has it. */
import {assertMayAddName, assertMayRemoveName} from '../attributes-binding.ts';
import {lookup} from '../directory/lookup.ts';
import {addEntry, removeEntry, replaceEntry, setParent} from '../directory/write.ts';
import {FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import type {Inode} from '../layout/inode.ts';
import {isAtOrBelow} from './ancestry.ts';
import {assertEmpty} from './link.ts';
import {
	addSubdirectory,
	assertMayHoldMore,
	dropName,
	noteChange,
	noteNamesChanged,
	removeSubdirectory,
} from './links.ts';
import {assertName, assertTakesNames, findTarget, readTarget} from './names.ts';
import {newInode} from './new-inode.ts';
import {assertSameProject} from './projects.ts';

/** A name in a directory. */
export type NamePlace = {readonly parent: Inode; readonly name: Uint8Array};

export type RenameOptions = {
	/**
	 * `noreplace`: not over an existing file; `exchange`: with an existing file, which gets the old
	 * name. Without either a file of the new name is replaced.
	 */
	readonly kind?: 'replace' | 'noreplace' | 'exchange';
	/** The owner of a whiteout, the device 0:0, that is left behind in the old place. */
	readonly whiteout?: {readonly uid: number; readonly gid: number};
};

/** The inode that has been renamed, and the one that was replaced or exchanged with it. */
export type Renamed = {readonly inode: Inode; readonly other: Inode | undefined};

/** What a rename is about, once both ends are known. */
type Ends = {
	readonly from: NamePlace;
	readonly to: NamePlace;
	readonly inode: Inode;
	readonly target: Inode | undefined;
};

/**
 * Renames a file or directory; what was replaced has one name less, and is an orphan if that was the
 * last. Two names of one file are left as they are, as POSIX wants it.
 *
 * Throws `FileError`: ENOENT, EEXIST with `noreplace`, EISDIR and ENOTDIR for a directory in place of
 * something else, ENOTEMPTY, EINVAL for a directory that would lie in itself, EMLINK, EXDEV where a
 * directory keeps to one project, EPERM for what is immutable or append-only, ENOKEY in encrypted
 * directories, ENOSPC, EDQUOT, EINVAL and ENAMETOOLONG for names; `CorruptError`, `DeviceError`.
 */
export function rename(
	handle: Handle,
	from: NamePlace,
	to: NamePlace,
	options: RenameOptions = {},
): Renamed {
	const {volume} = handle;
	const {kind = 'replace', whiteout} = options;
	if (kind === 'exchange' && whiteout !== undefined) {
		throw new FileError('EINVAL', 'what is exchanged leaves no room for a whiteout');
	}
	for (const {parent, name} of [from, to]) {
		assertName(name);
		assertTakesNames(parent);
	}
	const inode = findTarget(volume, from.parent, from.name);
	const entry = lookup(volume, to.parent, to.name);
	if (entry !== undefined && kind === 'noreplace') {
		throw new FileError('EEXIST', 'there is a file of the new name');
	}
	const target = entry && readTarget(volume, to.parent, entry);
	if (target?.number === inode.number) return {inode, other: undefined};
	// From here on they stay the same objects, however many directories lie on the way to the root.
	for (const end of [from.parent, to.parent, inode, target]) {
		if (end !== undefined) handle.edit(end);
	}
	const ends = {from, to, inode, target};
	if (kind === 'exchange') exchange(handle, ends);
	else move(handle, ends, whiteout);
	return {inode, other: target};
}

/** Throws `FileError` for a directory that would come to lie in `directory`, which lies below it. */
function assertNoLoop(handle: Handle, moved: Inode, directory: Inode): void {
	if (moved.type === 'directory' && isAtOrBelow(handle.volume, directory, moved)) {
		throw new FileError('EINVAL', 'a directory can not lie in itself');
	}
}

function assertMayMove(handle: Handle, {from, to, inode, target}: Ends): void {
	assertMayRemoveName(from.parent, inode);
	if (target === undefined) assertMayAddName(to.parent);
	else assertMayRemoveName(to.parent, target);
	if (from.parent.number !== to.parent.number) assertNoLoop(handle, inode, to.parent);
	assertSameProject(handle.volume, to.parent, inode);
}

/** Throws `FileError` where one may not take the other's place. */
function assertReplaces(handle: Handle, {inode, target}: Ends): void {
	if (target === undefined) return;
	if (inode.type !== 'directory') {
		if (target.type === 'directory') throw new FileError('EISDIR', 'a directory is in the way');
		return;
	}
	if (target.type !== 'directory') throw new FileError('ENOTDIR', 'a file is in the way');
	assertEmpty(handle, target);
}

function move(handle: Handle, ends: Ends, whiteout: RenameOptions['whiteout']): void {
	const {from, to, inode, target} = ends;
	assertMayMove(handle, ends);
	assertReplaces(handle, ends);
	const isDirectory = inode.type === 'directory';
	const isElsewhere = from.parent.number !== to.parent.number;
	if (isDirectory && isElsewhere && target === undefined) {
		assertMayHoldMore(handle.volume, to.parent);
	}
	putEntry(handle, to, inode, target);
	if (whiteout === undefined) removeEntry(handle, from.parent, from.name);
	else leaveWhiteout(handle, from, whiteout);
	noteNamesChanged(handle, from.parent);
	if (isElsewhere) noteNamesChanged(handle, to.parent);
	noteChange(handle, inode);
	if (target !== undefined) dropName(handle, target);
	if (!isDirectory) return;
	if (isElsewhere) setParent(handle, inode, to.parent.number);
	if (isElsewhere || target !== undefined) removeSubdirectory(handle, from.parent);
	if (isElsewhere && target === undefined) addSubdirectory(handle, to.parent);
}

function putEntry(handle: Handle, place: NamePlace, inode: Inode, replaced?: Inode): void {
	const target = {inode: inode.number, type: inode.type};
	if (replaced === undefined) addEntry(handle, place.parent, place.name, target);
	else replaceEntry(handle, place.parent, place.name, target);
}

/** As overlayfs wants it: what hides a file of that name in the layer below. */
function leaveWhiteout(
	handle: Handle,
	place: NamePlace,
	owner: {readonly uid: number; readonly gid: number},
): void {
	const device = {major: 0, minor: 0};
	const file = {...owner, mode: 0, umask: 0};
	const inode = newInode(handle, place.parent, 'character', file, 1, device);
	replaceEntry(handle, place.parent, place.name, {inode: inode.number, type: inode.type});
}

function exchange(handle: Handle, ends: Ends): void {
	const {from, to, inode, target} = ends;
	const {volume} = handle;
	if (target === undefined) throw new FileError('ENOENT', 'there is no file of the new name');
	assertMayMove(handle, ends);
	assertSameProject(volume, from.parent, target);
	const isElsewhere = from.parent.number !== to.parent.number;
	if (isElsewhere) {
		assertNoLoop(handle, target, from.parent);
		exchangeSubdirectories(handle, ends, target);
	}
	putEntry(handle, to, inode, target);
	putEntry(handle, from, target, inode);
	noteNamesChanged(handle, from.parent);
	noteNamesChanged(handle, to.parent);
	noteChange(handle, inode);
	noteChange(handle, target);
	if (!isElsewhere) return;
	if (inode.type === 'directory') setParent(handle, inode, to.parent.number);
	if (target.type === 'directory') setParent(handle, target, from.parent.number);
}

/** Where a directory and something else change places, one parent gets a directory from the other. */
function exchangeSubdirectories(handle: Handle, {from, to, inode}: Ends, target: Inode): void {
	const goes = inode.type === 'directory';
	const comes = target.type === 'directory';
	if (goes === comes) return;
	const [gains, loses] = goes ? [to.parent, from.parent] : [from.parent, to.parent];
	assertMayHoldMore(handle.volume, gains);
	addSubdirectory(handle, gains);
	removeSubdirectory(handle, loses);
}
