/**
 * From a path in an image to an inode, and through its directories. Paths are bytes, as names on
 * disk are.
 */

import {
	CorruptError,
	FileError,
	type FileType,
	forEachEntry,
	type Inode,
	inodeFlags,
	lookup,
	reservedInode,
	type Volume,
} from '../ext4/index.ts';
import {readSymlink} from '../ext4/symlink.ts';
import {quoteName} from './output.ts';

const slash = 0x2f;
/** The kernel's limit for symbolic links met on the way through one path. */
const linksMax = 40;
/** Deeper trees are not walked: a path of Linux, at most 4,095 bytes, can't name them. */
export const depthMax = 2048;

function isName(component: Uint8Array, name: string): boolean {
	return (
		component.length === name.length && component.every((byte, at) => byte === name.charCodeAt(at))
	);
}

export const isDot = (name: Uint8Array) => isName(name, '.');
export const isDotDot = (name: Uint8Array) => isName(name, '..');

function split(path: Uint8Array): Uint8Array[] {
	const components: Uint8Array[] = [];
	let from = 0;
	for (let at = 0; at <= path.length; at++) {
		if (at < path.length && path[at] !== slash) continue;
		if (at > from) components.push(path.subarray(from, at));
		from = at + 1;
	}
	return components;
}

/** `directory/name`, with one slash between them. */
export function joinPath(directory: Uint8Array, name: Uint8Array): Uint8Array {
	const isRoot = directory.length === 0 || directory.at(-1) === slash;
	return Buffer.concat(isRoot ? [directory, name] : [directory, Uint8Array.of(slash), name]);
}

export type Found = {
	readonly inode: Inode;
	/** Absolute, without symbolic links; `<N>` for an inode that was named by its number. */
	readonly path: Uint8Array;
	/** The last component; empty for the root and for an inode named by its number. */
	readonly name: Uint8Array;
};

type Step = {readonly inode: Inode; readonly name: Uint8Array};

function found(steps: readonly Step[], root: Inode): Found {
	const last = steps.at(-1);
	let path: Uint8Array = Uint8Array.of(slash);
	for (const {name} of steps) path = joinPath(path, name);
	return {inode: last?.inode ?? root, path, name: last?.name ?? new Uint8Array()};
}

/**
 * The inode that `<N>` names, as in debugfs(8); undefined for any other path. Throws `FileError` ENOENT
 * for a number that no inode has: the asker's mistake, not the image's.
 */
function inodeByNumber(volume: Volume, path: Uint8Array): Found | undefined {
	const match = /^<([0-9]{1,10})>$/.exec(Buffer.from(path).toString('latin1'));
	if (match === null) return undefined;
	const number = Number(match[1]);
	const {inodeCount} = volume.geometry;
	if (number < 1 || number > inodeCount) {
		const message = `there is no inode ${number}: those of this file system are 1 to ${inodeCount}`;
		throw new FileError('ENOENT', message);
	}
	const inode = volume.readReservedInode(number);
	return {inode, path, name: new Uint8Array()};
}

/**
 * Finds what `path` names, from the root whether it starts with a slash or not. Symbolic links on
 * the way are followed inside the image, the last one where `followsLast` says so; `..` at the
 * root stays there. `<N>` is the inode of that number.
 *
 * Throws `FileError` (ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, ENOKEY), `CorruptError`, `DeviceError`.
 */
export function findPath(volume: Volume, path: Uint8Array, followsLast: boolean): Found {
	const byNumber = inodeByNumber(volume, path);
	if (byNumber !== undefined) return byNumber;
	const root = volume.readInode(reservedInode.root);
	const steps: Step[] = [];
	const isDirectoryWanted = path.at(-1) === slash;
	// The next component is last in the list.
	const left = split(path).reverse();
	let links = 0;
	for (let name = left.pop(); name !== undefined; name = left.pop()) {
		const directory = steps.at(-1)?.inode ?? root;
		if (directory.type !== 'directory') {
			throw new FileError('ENOTDIR', `${quoteName(found(steps, root).path)} is not a directory`);
		}
		if (isDot(name)) continue;
		if (isDotDot(name)) {
			steps.pop();
			continue;
		}
		const inode = findIn(volume, directory, name);
		const isLast = left.length === 0;
		if (inode.type !== 'symlink' || (isLast && !followsLast && !isDirectoryWanted)) {
			steps.push({inode, name});
			continue;
		}
		if (++links > linksMax) {
			throw new FileError('ELOOP', 'too many symbolic links');
		}
		if ((inode.flags & inodeFlags.encrypted) !== 0) {
			throw new FileError('ENOKEY', `the link ${quoteName(name)} is encrypted`);
		}
		const target = readSymlink(volume, inode);
		if (target[0] === slash) steps.length = 0;
		left.push(...split(target).reverse());
	}
	const result = found(steps, root);
	if (isDirectoryWanted && result.inode.type !== 'directory') {
		throw new FileError('ENOTDIR', 'not a directory');
	}
	return result;
}

function findIn(volume: Volume, directory: Inode, name: Uint8Array): Inode {
	const entry = lookup(volume, directory, name);
	if (entry === undefined) {
		throw new FileError('ENOENT', 'no such file or directory');
	}
	return volume.readInode(entry.inode);
}

export type Entry = {
	/** A copy: it may be kept. */
	readonly name: Uint8Array;
	readonly inode: number;
	/** Undefined where directories do not say. */
	readonly type: FileType | undefined;
};

const batchEntries = 512;
/** A directory with more bad blocks than this is given up. */
const problemsMax = 16;

/**
 * The entries of a directory, without `.` and `..`, in the order in which they lie. A bad block is
 * given to `report`, and what lies behind it is still listed. Throws `DeviceError`.
 */
export function* entriesOf(
	volume: Volume,
	directory: Inode,
	report: (error: CorruptError) => void,
): Generator<Entry> {
	const {blockSize} = volume.geometry;
	let cursor = 0;
	let problems = 0;
	let lastProblem = '';
	for (;;) {
		const batch: Entry[] = [];
		try {
			forEachEntry(volume, directory, cursor, (bytes, start, length, inode, type, next) => {
				cursor = next;
				const name = bytes.slice(start, start + length);
				if (!isDot(name) && !isDotDot(name)) batch.push({name, inode, type});
				return batch.length < batchEntries;
			});
		} catch (error) {
			if (!(error instanceof CorruptError)) throw error;
			yield* batch;
			if (error.message !== lastProblem) report(error);
			lastProblem = error.message;
			if (++problems >= problemsMax || (directory.flags & inodeFlags.inlineData) !== 0) return;
			// Blocks are checked before their entries are given: the cursor stands before the bad one.
			cursor = (Math.floor(cursor / blockSize) + 1) * blockSize;
			continue;
		}
		yield* batch;
		if (batch.length < batchEntries) return;
	}
}

/** The numbers of inodes that were met; grows with the numbers, not with the image. */
export class InodeSet {
	readonly #chunks = new Map<number, Uint8Array>();

	/** Returns whether it was new. */
	add(inode: number): boolean {
		const chunkIndex = Math.floor(inode / 2 ** 15);
		let chunk = this.#chunks.get(chunkIndex);
		if (chunk === undefined) {
			chunk = new Uint8Array(2 ** 12);
			this.#chunks.set(chunkIndex, chunk);
		}
		const at = (inode % 2 ** 15) >>> 3;
		const bit = 1 << (inode & 7);
		const before = chunk[at] ?? 0;
		chunk[at] = before | bit;
		return (before & bit) === 0;
	}
}

/** The error of a directory that two names lead to: the tree is none, and may turn in a circle. */
export function directoryMetTwice(inode: number): CorruptError {
	return new CorruptError(
		'EXT4_BAD_DIRECTORY',
		'a directory that was met already under another name',
		{
			inode,
		},
	);
}

/** The inode of an entry. Throws `CorruptError` where the entry names another type than the inode. */
export function inodeOf(volume: Volume, entry: Entry): Inode {
	const inode = volume.readInode(entry.inode);
	if (entry.type !== undefined && entry.type !== inode.type) {
		throw new CorruptError(
			'EXT4_BAD_DIRECTORY_ENTRY',
			`an entry says ${entry.type} of a ${inode.type}`,
			{inode: inode.number},
		);
	}
	return inode;
}
