/** What is to be seen at a path: in an image that nobody has mounted, or below a mount. */
import {createHash} from 'node:crypto';
import {lstatSync, readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {join} from 'node:path';
import {
	forEachEntry,
	getXattr,
	type Inode,
	inodeFlags,
	lookup,
	readInlineData,
	readSymlink,
	type Volume,
} from '../../../ext4/index.ts';
import {Mapper, readRange} from '../../../iomap/index.ts';
import * as calls from '../calls.ts';

/** One line: `absent`, `directory`, `symlink TARGET`, `file LENGTH HASH`. Equal for what is equal. */
export type Seen = string;

export const absent: Seen = 'absent';
export const directory: Seen = 'directory';

export function file(bytes: Uint8Array): Seen {
	const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
	return `file ${bytes.length} ${hash}`;
}

export function symlink(target: string): Seen {
	return `symlink ${target}`;
}

/** Paths are relative to the file system's root, without a slash in front. */
export interface Look {
	see(path: string): Seen;
	/** Of a regular file that is there. */
	bytes(path: string): Uint8Array;
	/** Names in a directory that is there, sorted, without `.`, `..` and `lost+found`. */
	names(path: string): string[];
	/** Undefined where there is none of this name. */
	xattr(path: string, name: string): string | undefined;
	links(path: string): number;
}

export class VolumeLook implements Look {
	readonly volume: Volume;
	readonly #mapper: Mapper;

	constructor(volume: Volume) {
		this.volume = volume;
		this.#mapper = new Mapper(volume);
	}

	see(path: string): Seen {
		const inode = this.#find(path);
		if (inode === undefined) return absent;
		if (inode.type === 'symlink') {
			return symlink(Buffer.from(readSymlink(this.volume, inode)).toString());
		}
		return inode.type === 'file' ? file(this.#read(inode)) : inode.type;
	}

	bytes(path: string): Uint8Array {
		return this.#read(this.#must(path));
	}

	names(path: string): string[] {
		const names: string[] = [];
		forEachEntry(this.volume, this.#must(path), 0, (bytes, start, length) => {
			names.push(Buffer.from(bytes.subarray(start, start + length)).toString());
			return true;
		});
		return names.filter(isOfTests).sort();
	}

	xattr(path: string, name: string): string | undefined {
		const value = getXattr(this.volume, this.#must(path), name);
		return value === undefined ? undefined : Buffer.from(value).toString();
	}

	links(path: string): number {
		return this.#must(path).linkCount;
	}

	#read(inode: Inode): Uint8Array {
		if ((inode.flags & inodeFlags.inlineData) !== 0) return readInlineData(this.volume, inode);
		const bytes = new Uint8Array(inode.sizeBytes);
		readRange(this.#mapper, inode, 0, bytes);
		return bytes;
	}

	#must(path: string): Inode {
		const inode = this.#find(path);
		if (inode === undefined) throw new Error(`${path} is not there`);
		return inode;
	}

	#find(path: string): Inode | undefined {
		let inode = this.volume.readInode(2);
		for (const name of path.split('/').filter(part => part !== '')) {
			const found = lookup(this.volume, inode, Buffer.from(name));
			if (found === undefined) return undefined;
			inode = this.volume.readInode(found.inode);
		}
		return inode;
	}
}

export class MountedLook implements Look {
	readonly #root: string;

	constructor(root: string) {
		this.#root = root;
	}

	see(path: string): Seen {
		const stat = lstatSync(join(this.#root, path), {throwIfNoEntry: false});
		if (stat === undefined) return absent;
		if (stat.isSymbolicLink()) return symlink(readlinkSync(join(this.#root, path)));
		return stat.isDirectory() ? directory : file(this.bytes(path));
	}

	bytes(path: string): Uint8Array {
		return readFileSync(join(this.#root, path));
	}

	names(path: string): string[] {
		return readdirSync(join(this.#root, path)).filter(isOfTests).sort();
	}

	xattr(path: string, name: string): string | undefined {
		try {
			return calls.getXattr(join(this.#root, path), name).toString();
		} catch (error) {
			if (calls.errorCode(error) === 'ENODATA') return undefined;
			throw error;
		}
	}

	links(path: string): number {
		return lstatSync(join(this.#root, path)).nlink;
	}
}

function isOfTests(name: string): boolean {
	return !['.', '..', 'lost+found'].includes(name);
}
