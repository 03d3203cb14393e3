/**
 * The tree of names: the path of every inode that is wanted, and what each directory holds in all.
 * Goes through all directories once, from the root; one that is named twice counts where it was
 * met first, so that loops end.
 */
import {forEachEntry, reservedInode, type Volume} from '../../ext4/index.ts';
import {decodeUtf8} from '../output.ts';
import type {Problems} from './problems.ts';

const directoriesMax = 300_000;
const nameBytesMax = 32 * 2 ** 20;
/** Of all directories together: hostile ones may share their blocks. */
const entriesMax = 50_000_000;
/** Broken blocks of directories, all together, after which one is left at its first. */
const blocksLostMax = 10_000;

export type Directory = {
	readonly inode: number;
	/** Index of the directory that it lies in; its own for the root. */
	readonly parent: number;
	readonly name: string;
	entries: number;
	/** Blocks of the files in it, each counted once, and with those of all below once it is summed up. */
	blocks: number;
};

export type Named = {readonly directory: number; readonly name: string};

// What would act on a page's text or hide in it: controls, and what turns the direction of writing.
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

/** A name as it can be shown: as it is where that is safe, else with all other bytes as \xNN. */
export function shownName(bytes: Uint8Array): string {
	const text = decodeUtf8(bytes);
	if (text !== undefined && !unsafe.test(text)) return text;
	let shown = '';
	for (const byte of bytes) {
		const isPlain = byte >= 0x20 && byte < 0x7f;
		shown += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
	}
	return shown;
}

export class Tree {
	readonly directories: Directory[] = [];
	/** Of the inodes that were wanted, the first name that was met. */
	readonly names = new Map<number, Named>();
	/** Not all directories could be kept. */
	isPartial = false;
	readonly #indices = new Map<number, number>();
	readonly #volume: Volume;
	readonly #problems: Problems;
	#nameBytes = 0;
	#blocksLost = 0;
	#entriesLeft = entriesMax;

	constructor(volume: Volume, problems: Problems) {
		this.#volume = volume;
		this.#problems = problems;
	}

	/** `blocksOf` is asked once for every entry, so that it can count a file with two names once. */
	walk(wanted: ReadonlySet<number>, blocksOf: (inode: number) => number): void {
		this.#addDirectory(reservedInode.root, 0, '');
		for (let index = 0; index < this.directories.length; index++) {
			const directory = this.directories[index];
			if (directory !== undefined) this.#walkOne(directory, index, wanted, blocksOf);
		}
		this.#sumUp();
	}

	path({directory, name}: Named): string {
		let path = name;
		// Each directory lies in one that was met before it.
		for (let at = directory; at > 0; at = this.directories[at]?.parent ?? 0) {
			path = `${this.directories[at]?.name ?? ''}/${path}`;
		}
		return `/${path}`;
	}

	pathOf(inode: number): string | undefined {
		if (inode === reservedInode.root) return '/';
		const named = this.names.get(inode) ?? this.#namedDirectory(inode);
		return named === undefined ? undefined : this.path(named);
	}

	#namedDirectory(inode: number): Named | undefined {
		const directory = this.directories[this.#indices.get(inode) ?? -1];
		if (directory === undefined) return undefined;
		return {directory: directory.parent, name: directory.name};
	}

	#addDirectory(inode: number, parent: number, name: string): void {
		if (this.#indices.has(inode)) return;
		if (this.directories.length >= directoriesMax || this.#nameBytes > nameBytesMax) {
			this.isPartial = true;
			return;
		}
		this.#nameBytes += 2 * name.length;
		this.#indices.set(inode, this.directories.length);
		this.directories.push({inode, parent, name, entries: 0, blocks: 0});
	}

	#walkOne(
		directory: Directory,
		index: number,
		wanted: ReadonlySet<number>,
		blocksOf: (inode: number) => number,
	): void {
		const volume = this.#volume;
		const inode = this.#problems.attempt(() => volume.readReservedInode(directory.inode));
		if (inode?.type !== 'directory') return;
		const {blockSize} = volume.geometry;
		let cursor = 0;
		const visit = (
			bytes: Uint8Array,
			start: number,
			length: number,
			number: number,
			type: string | undefined,
			next: number,
		) => {
			cursor = next;
			if (--this.#entriesLeft < 0) {
				this.isPartial = true;
				return false;
			}
			const isDot =
				bytes[start] === 0x2e && (length === 1 || (length === 2 && bytes[start + 1] === 0x2e));
			if (isDot) return true;
			directory.entries++;
			directory.blocks += blocksOf(number);
			const isWanted = wanted.has(number) && !this.names.has(number);
			const isDirectory = type === 'directory' || (type === undefined && this.#isDirectory(number));
			if (!isWanted && !isDirectory) return true;
			const name = shownName(bytes.subarray(start, start + length));
			if (isWanted) this.names.set(number, {directory: index, name});
			if (isDirectory) this.#addDirectory(number, index, name);
			return true;
		};
		// Behind a block that is broken it goes on with the next one.
		while (cursor < inode.sizeBytes) {
			const before = cursor;
			const isDone = this.#problems.attempt(() => {
				forEachEntry(volume, inode, cursor, visit);
				return true;
			});
			if (isDone === true) return;
			cursor = Math.max(cursor, before) + blockSize;
			cursor -= cursor % blockSize;
			if (++this.#blocksLost > blocksLostMax) return;
		}
	}

	#isDirectory(number: number): boolean {
		const inode = this.#problems.attempt(() => this.#volume.readReservedInode(number));
		return inode?.type === 'directory';
	}

	#sumUp(): void {
		for (let index = this.directories.length - 1; index > 0; index--) {
			const directory = this.directories[index];
			const parent = this.directories[directory?.parent ?? 0];
			if (directory !== undefined && parent !== undefined) parent.blocks += directory.blocks;
		}
	}
}
