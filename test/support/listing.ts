/**
 * The listing of a whole file system through the library, in the format of the reference listings
 * (the head of shared/tools/ref-listing.mjs), and the comparison of two of them.
 */
import {createHash, type Hash} from 'node:crypto';
import {
	FileError,
	type FileType,
	forEachEntry,
	getXattr,
	type Inode,
	inodeFlags,
	listXattrs,
	readSymlink,
	type Timestamp,
	type Volume,
} from '../../ext4/index.ts';
import {Mapper, readRange} from '../../iomap/index.ts';

export type Entry = {
	readonly path?: string;
	readonly pathB64?: string;
	readonly type: string;
	readonly ino: number;
	readonly mode: string;
	readonly uid: number;
	readonly gid: number;
	readonly size: number;
	readonly nlink: number;
	readonly mtime: string;
	sha256?: string;
	target?: string;
	targetB64?: string;
	rdev?: string;
	xattrs?: {[name: string]: string};
	flags?: string;
	encrypted?: boolean;
};

export type Listing = {readonly source: string; readonly entries: readonly Entry[]};

const typeNames: {readonly [type in FileType]: string} = {
	file: 'file',
	directory: 'dir',
	symlink: 'symlink',
	character: 'chr',
	block: 'blk',
	fifo: 'fifo',
	socket: 'sock',
};

/** As lsattr(1) orders them: e2fsprogs, lib/e2p/pf.c. */
const flagLetters: readonly (readonly [number, string])[] = [
	[inodeFlags.secureDelete, 's'],
	[inodeFlags.undelete, 'u'],
	[inodeFlags.synchronous, 'S'],
	[inodeFlags.directorySync, 'D'],
	[inodeFlags.immutable, 'i'],
	[inodeFlags.appendOnly, 'a'],
	[inodeFlags.noDump, 'd'],
	[inodeFlags.noAtime, 'A'],
	[inodeFlags.compress, 'c'],
	[inodeFlags.encrypted, 'E'],
	[inodeFlags.journalData, 'j'],
	[inodeFlags.hashIndexed, 'I'],
	[inodeFlags.noTail, 't'],
	[inodeFlags.topDirectory, 'T'],
	[inodeFlags.extents, 'e'],
	[inodeFlags.dax, 'x'],
	[inodeFlags.casefold, 'F'],
	[inodeFlags.inlineData, 'N'],
	[inodeFlags.projectInherit, 'P'],
	[inodeFlags.verity, 'V'],
	[inodeFlags.noCompress, 'm'],
];

/** Bytes as text where they are UTF-8, else in base64 under another key. */
function textOr64<K extends string>(key: K, bytes: Uint8Array): {[key: string]: string} {
	const buffer = Buffer.from(bytes);
	const text = buffer.toString('utf8');
	return Buffer.from(text, 'utf8').equals(buffer)
		? {[key]: text}
		: {[`${key}B64`]: buffer.toString('base64')};
}

function timeText({seconds, nanoseconds}: Timestamp): string {
	return `${seconds}.${String(nanoseconds).padStart(9, '0')}`;
}

const chunk = new Uint8Array(1 << 20);

function hashContents(mapper: Mapper, inode: Inode): string {
	const hash: Hash = createHash('sha256');
	for (let position = 0; position < inode.sizeBytes; ) {
		const count = readRange(mapper, inode, position, chunk);
		hash.update(chunk.subarray(0, count));
		position += count;
	}
	return hash.digest('hex');
}

function isEncrypted(volume: Volume, inode: Inode): boolean {
	return (inode.flags & inodeFlags.encrypted) !== 0 && volume.features.has('encrypt');
}

function readXattrs(volume: Volume, inode: Inode): {[name: string]: string} {
	const xattrs: {[name: string]: string} = {};
	for (const {name} of listXattrs(volume, inode)) {
		if (name === 'system.data') continue;
		const value = getXattr(volume, inode, name);
		if (value !== undefined) xattrs[name] = Buffer.from(value).toString('base64');
	}
	return xattrs;
}

function entryOf(volume: Volume, mapper: Mapper, path: Uint8Array, inode: Inode): Entry {
	const hasFlags = inode.type === 'file' || inode.type === 'directory';
	const entry: Entry = {
		...textOr64('path', path),
		type: typeNames[inode.type],
		ino: inode.number,
		mode: (inode.mode & 0o7777).toString(8).padStart(4, '0'),
		uid: inode.uid,
		gid: inode.gid,
		size: inode.sizeBytes,
		nlink: inode.linkCount,
		mtime: timeText(inode.modificationTime),
	};
	if (inode.type === 'file') {
		try {
			entry.sha256 = hashContents(mapper, inode);
		} catch (error) {
			if (!(error instanceof FileError) || error.code !== 'ENOKEY') throw error;
			entry.encrypted = true;
		}
	} else if (inode.type === 'symlink') {
		Object.assign(entry, textOr64('target', readSymlink(volume, inode)));
	} else if (inode.device !== undefined) {
		entry.rdev = `${inode.device.major}:${inode.device.minor}`;
	} else if (inode.type === 'directory' && isEncrypted(volume, inode)) entry.encrypted = true;
	if (entry.encrypted !== true) entry.xattrs = readXattrs(volume, inode);
	if (hasFlags) {
		const letters = flagLetters.filter(([bit]) => (inode.flags & bit) !== 0);
		entry.flags = letters.map(([, letter]) => letter).join('');
	}
	return entry;
}

/** Lists all files, sorted by the bytes of their paths. Throws what reading them throws. */
export function listVolume(volume: Volume): Listing {
	const mapper = new Mapper(volume);
	const found: {path: Uint8Array; entry: Entry}[] = [];
	const todo: {path: Uint8Array; number: number}[] = [{path: new Uint8Array(0), number: 2}];
	for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
		const {path, number} = next;
		const inode = volume.readInode(number);
		const entry = entryOf(volume, mapper, path, inode);
		found.push({path, entry});
		if (inode.type !== 'directory' || entry.encrypted === true) continue;
		forEachEntry(volume, inode, 0, (bytes, start, length, child) => {
			const name = bytes.slice(start, start + length);
			if (name[0] === 0x2e && (length === 1 || (length === 2 && name[1] === 0x2e))) return true;
			const childPath = path.length === 0 ? name : Buffer.concat([path, Buffer.from('/'), name]);
			todo.push({path: childPath, number: child});
			return true;
		});
	}
	found.sort((a, b) => Buffer.compare(a.path, b.path));
	return {source: 'ext4box', entries: found.map(({entry}) => entry)};
}

/**
 * Names of attributes in one order, so that two listings compare as text; without those that the
 * kernel's VFS hides, whatever the file system says: `user.` ones of what is neither file nor
 * directory.
 */
function normalized(entry: Entry, isDebugfs: boolean): Entry {
	if (entry.xattrs === undefined) return entry;
	const hidesUser = !isDebugfs && entry.type !== 'file' && entry.type !== 'dir';
	const shown = Object.entries(entry.xattrs)
		.filter(([name]) => !hidesUser || !name.startsWith('user.'))
		.sort(([a], [b]) => (a < b ? -1 : 1));
	return {...entry, xattrs: Object.fromEntries(shown)};
}

function keyOf(entry: Entry): string {
	return entry.path ?? `base64:${entry.pathB64}`;
}

function brief(text: string | undefined): string {
	if (text === undefined || text.length <= 200) return String(text);
	return `${text.slice(0, 200)} … (${text.length} characters)`;
}

/**
 * Every difference between what was found and the reference, in words; empty where there is none.
 * A reference through debugfs has no flags, and no names with a newline in them.
 */
export function compareListings(found: Listing, reference: Listing): string[] {
	const isDebugfs = reference.source === 'debugfs';
	const expected = new Map(
		reference.entries.map(entry => [keyOf(entry), normalized(entry, isDebugfs)]),
	);
	const differences: string[] = [];
	for (const entry of found.entries) {
		const key = keyOf(entry);
		const wanted = expected.get(key);
		expected.delete(key);
		if (wanted === undefined) {
			if (!isDebugfs || !key.includes('\n')) differences.push(`${key}: not in the reference`);
			continue;
		}
		// The reference leaves flags out of large trees, and of names that lsattr can't take.
		const {flags, ...rest} = normalized(entry, isDebugfs);
		const comparable: {[name: string]: unknown} = {...rest};
		if (wanted.flags !== undefined) comparable['flags'] = flags;
		for (const name of new Set([...Object.keys(comparable), ...Object.keys(wanted)])) {
			const [a, b] = [comparable[name], wanted[name as keyof Entry]].map(v => JSON.stringify(v));
			if (a !== b) differences.push(`${key}: ${name} is ${brief(a)}, in the reference ${brief(b)}`);
		}
	}
	for (const key of expected.keys()) differences.push(`${key}: missing`);
	return differences;
}
