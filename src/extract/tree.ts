/**
 * Walks a tree of the image and makes it anew in the target. Depth first, with a list in place of
 * recursion. What fails is told and left out, and the rest goes on; only what would make everything
 * fail (a full disk) ends it.
 */

import {closeSync} from 'node:fs';
import {
	CorruptError,
	FileError,
	type Inode,
	inodeFlags,
	isExpectedError,
	readSymlink,
	type Volume,
} from '../../ext4/index.ts';
import {CliError} from '../cli-error.ts';
import {
	depthMax,
	directoryMetTwice,
	type Entry,
	entriesOf,
	InodeSet,
	inodeOf,
	joinPath,
} from '../paths.ts';
import * as syscalls from '../syscalls.ts';
import {Attributes, type Rights} from './attributes.ts';
import {Contents} from './contents.ts';
import {LeftOut} from './left-out.ts';
import {createFile, enterDirectory, makeName, type TargetDirectory} from './target.ts';

export type TreeOptions = Rights & {
	/** What is in the way is replaced. */
	readonly force: boolean;
	/** Called with what failed and where, in the image. */
	readonly report: (path: Uint8Array, error: unknown) => void;
	/** Awaited between files and between chunks; throws to end the extraction. */
	readonly breathe: () => Promise<void> | undefined;
};

/** A directory whose entries are being extracted. */
type Frame = {
	readonly directory: TargetDirectory;
	readonly inode: Inode;
	readonly entries: Iterator<Entry>;
};

type Place = {readonly directory: TargetDirectory; readonly name: Uint8Array; namesLeft: number};

// What goes on failing for every file after the first.
const fatalCodes: readonly string[] = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'ENOMEM'];

export class Tree {
	readonly leftOut = new LeftOut();
	readonly counts = {files: 0, directories: 0, symlinks: 0, hardLinks: 0, special: 0, failures: 0};
	readonly #volume: Volume;
	readonly #options: TreeOptions;
	readonly #attributes: Attributes;
	readonly #contents: Contents;
	readonly #met = new InodeSet();
	readonly #links = new Map<number, Place>();
	/** Directories that their owner can't enter get their mode when nobody needs to any more. */
	readonly #lateModes: {directory: TargetDirectory; mode: number}[] = [];

	constructor(volume: Volume, options: TreeOptions) {
		this.#volume = volume;
		this.#options = options;
		this.#attributes = new Attributes(volume, options, this.leftOut, (path, error) =>
			this.#fail(path, error),
		);
		this.#contents = new Contents(volume);
	}

	get bytes(): number {
		return this.#contents.bytes;
	}

	get itemCount(): number {
		const {files, directories, symlinks, hardLinks, special} = this.counts;
		return files + directories + symlinks + hardLinks + special;
	}

	/**
	 * Extracts what is in `inode`, a directory, into `target`, which gets its attributes where
	 * `target` is new. Directories that were begun are finished even if `breathe` throws.
	 */
	async extractDirectory(inode: Inode, target: TargetDirectory, isNew: boolean): Promise<void> {
		this.#met.add(inode.number);
		const stack: Frame[] = [this.#frame(target, inode)];
		try {
			for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
				const {value: entry, done} = frame.entries.next();
				if (done === true) {
					stack.pop();
					if (stack.length > 0 || isNew) this.#finish(frame);
					continue;
				}
				const below = await this.#extractEntry(frame.directory, entry);
				if (below !== undefined) stack.push(below);
			}
		} finally {
			for (const frame of stack.reverse()) {
				if (frame.directory !== target || isNew) this.#finish(frame);
			}
			this.#setLateModes();
		}
	}

	/** Extracts one thing that is no directory. */
	async extractFile(inode: Inode, target: TargetDirectory, name: Uint8Array): Promise<void> {
		await this.#guard(joinPath(target.path, name), () => this.#make(inode, target, name));
	}

	#frame(directory: TargetDirectory, inode: Inode): Frame {
		const report = (error: CorruptError) => this.#fail(directory.path, error);
		return {directory, inode, entries: entriesOf(this.#volume, inode, report)};
	}

	#fail(path: Uint8Array, error: unknown): void {
		if (error instanceof syscalls.SystemError) {
			if (fatalCodes.includes(error.code)) {
				throw new CliError(`the target takes no more (${error.message})`);
			}
		} else if (!isExpectedError(error)) throw error;
		this.counts.failures++;
		this.#options.report(path, error);
	}

	async #guard<T>(path: Uint8Array, action: () => Promise<T> | T): Promise<T | undefined> {
		try {
			return await action();
		} catch (error) {
			this.#fail(path, error);
			return undefined;
		}
	}

	/** Returns the directory to go down into, if the entry is one. */
	async #extractEntry(parent: TargetDirectory, entry: Entry): Promise<Frame | undefined> {
		await this.#options.breathe();
		return await this.#guard(joinPath(parent.path, entry.name), async () => {
			const inode = inodeOf(this.#volume, entry);
			if (inode.type === 'directory') return this.#enter(inode, parent, entry.name);
			await this.#make(inode, parent, entry.name);
			return undefined;
		});
	}

	#enter(inode: Inode, parent: TargetDirectory, name: Uint8Array): Frame {
		if (!this.#met.add(inode.number)) throw directoryMetTwice(inode.number);
		if (parent.depth >= depthMax) {
			throw new FileError('ENAMETOOLONG', `deeper than ${depthMax} directories`);
		}
		const directory = enterDirectory(parent, name, this.#options.force);
		this.counts.directories++;
		return this.#frame(directory, inode);
	}

	/** A directory that is whole gets its attributes: until now its times changed with its contents. */
	#finish({directory, inode}: Frame): void {
		const mode = inode.mode & 0o7777;
		const isLate = !this.#options.isRoot && (mode & 0o500) !== 0o500;
		try {
			this.#attributes.onDescriptor(
				inode,
				directory.path,
				directory.descriptor,
				isLate ? 0o700 : 0,
			);
			if (isLate) this.#lateModes.push({directory, mode});
		} catch (error) {
			this.#fail(directory.path, error);
		} finally {
			// The target's own stays open: hard links are reached from there.
			if (directory.parent !== undefined) directory.close();
		}
	}

	#setLateModes(): void {
		// Those below come first, so that those above can still be entered.
		for (const {directory, mode} of this.#lateModes) {
			const {parent, name} = directory;
			try {
				if (parent === undefined) {
					directory.whileOpen(descriptor => syscalls.changeMode(descriptor, mode));
				} else parent.whileOpen(above => syscalls.changeModeAt(above, name, mode));
			} catch (error) {
				this.#fail(directory.path, error);
			}
		}
		this.#lateModes.length = 0;
	}

	async #make(inode: Inode, directory: TargetDirectory, name: Uint8Array): Promise<void> {
		const isLinked = inode.linkCount > 1;
		if (isLinked && this.#link(inode, directory, name)) return;
		if (!isLinked && !this.#met.add(inode.number)) {
			throw new CorruptError('EXT4_BAD_INODE', 'a file with one link has two names', {
				inode: inode.number,
			});
		}
		const isMade = await this.#makeNew(inode, directory, name);
		if (isMade && isLinked) {
			this.#links.set(inode.number, {directory, name, namesLeft: inode.linkCount - 1});
		}
	}

	/** Links to what was extracted under another name; false where there is none, or it can't be. */
	#link(inode: Inode, directory: TargetDirectory, name: Uint8Array): boolean {
		const first = this.#links.get(inode.number);
		if (first === undefined) return false;
		try {
			first.directory.whileOpen(from =>
				makeName(directory, name, this.#options.force, to =>
					syscalls.linkAt(from, first.name, to, name),
				),
			);
		} catch (error) {
			// A name that is taken is so for a copy as well.
			const isOther = ['EEXIST', 'EISDIR', ...fatalCodes];
			const isRefused = error instanceof syscalls.SystemError && !isOther.includes(error.code);
			if (!isRefused) throw error;
			this.leftOut.hardLinks++;
			this.#contents.allowAgain(inode);
			return false;
		}
		this.counts.hardLinks++;
		if (--first.namesLeft <= 0) this.#links.delete(inode.number);
		return true;
	}

	/** Returns whether it was made, not left out. */
	async #makeNew(inode: Inode, directory: TargetDirectory, name: Uint8Array): Promise<boolean> {
		switch (inode.type) {
			case 'file':
				await this.#makeFile(inode, directory, name);
				return true;
			case 'symlink':
				this.#makeSymlink(inode, directory, name);
				return true;
			case 'character':
			case 'block':
				// Of another's making, a device is a way round all permissions.
				if (this.#options.keepsOwners) break;
				this.leftOut.devices++;
				return false;
			case 'fifo':
			case 'socket':
				break;
			case 'directory':
				throw new TypeError('directories are entered');
		}
		makeName(directory, name, this.#options.force, at =>
			syscalls.makeNodeAt(at, name, (inode.mode & 0o170000) | 0o600, inode.device),
		);
		this.#attributes.onName(inode, joinPath(directory.path, name), directory.descriptor, name);
		this.counts.special++;
		return true;
	}

	#makeSymlink(inode: Inode, directory: TargetDirectory, name: Uint8Array): void {
		if ((inode.flags & inodeFlags.encrypted) !== 0) {
			throw new FileError('ENOKEY', 'the link is encrypted and the key is not here');
		}
		const target = readSymlink(this.#volume, inode);
		makeName(directory, name, this.#options.force, at => syscalls.symlinkAt(target, at, name));
		this.#attributes.onName(inode, joinPath(directory.path, name), directory.descriptor, name);
		this.counts.symlinks++;
	}

	async #makeFile(inode: Inode, directory: TargetDirectory, name: Uint8Array): Promise<void> {
		const descriptor = createFile(directory, name, this.#options.force);
		let isWhole = false;
		try {
			for (const _ of this.#contents.copy(inode, descriptor)) await this.#options.breathe();
			this.#attributes.onDescriptor(inode, joinPath(directory.path, name), descriptor);
			isWhole = true;
			this.counts.files++;
		} finally {
			closeSync(descriptor);
			// Half a file under its full name would be taken for all of it.
			if (!isWhole) syscalls.unlinkAt(directory.descriptor, name);
		}
	}
}
