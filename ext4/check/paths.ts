/**
 * Paths for findings, found when a finding asks: the directories above are known by their inodes,
 * and each one's name is looked for in the directory that it lies in.
 */
import {ext4_dir_entry_2, recordLengthOf} from '../layout/directory.ts';
import {inodeFlags, reservedInode} from '../layout/inode.ts';
import {inlineDataOf} from './inline-directory.ts';
import type {CheckState} from './state.ts';

const nameAt = ext4_dir_entry_2.sizeBytes;
/** Directories above one; more are told without a path. */
const depthMax = 256;
/** Blocks that are read for paths, all findings taken together. */
const blocksMax = 20_000;
const inlineEntriesAt = 4;

export class Paths {
	readonly #state: CheckState;
	readonly #names = new Map<number, string | undefined>();
	#blocksLeft = blocksMax;
	#lastDirectory = 0;
	#lastPath: string | undefined;

	constructor(state: CheckState) {
		this.#state = state;
	}

	/**
	 * The path of a directory, by its inode; undefined where it is not known (yet) how to reach it.
	 * Names are as they lie on disk, a character a byte.
	 */
	of(directory: number): string | undefined {
		const {directories} = this.#state;
		const names: string[] = [];
		let inode = directory;
		while (inode !== reservedInode.root) {
			const index = directories.indexOf(inode);
			const parent = index === -1 ? 0 : (directories.parents[index] ?? 0);
			const name =
				parent === 0 || names.length >= depthMax ? undefined : this.#nameOf(inode, parent);
			if (name === undefined) return undefined;
			names.push(name);
			inode = parent;
		}
		return `/${names.reverse().join('/')}`;
	}

	/** The path of an entry of a directory. */
	ofEntry(directory: number, name: string): string | undefined {
		// Findings come in crowds, one directory after another.
		if (this.#lastDirectory !== directory) {
			this.#lastDirectory = directory;
			this.#lastPath = this.of(directory);
		}
		const path = this.#lastPath;
		if (path === undefined) return undefined;
		return path === '/' ? `/${name}` : `${path}/${name}`;
	}

	#nameOf(inode: number, parent: number): string | undefined {
		if (this.#names.has(inode)) return this.#names.get(inode);
		const name = this.#find(inode, parent);
		this.#names.set(inode, name);
		return name;
	}

	#find(inode: number, parent: number): string | undefined {
		const state = this.#state;
		const {directories, geometry} = state;
		const index = directories.indexOf(parent);
		if (index === -1) return undefined;
		if (((directories.flags[index] ?? 0) & inodeFlags.inlineData) !== 0) {
			const raw = state.readInode(parent);
			const bytes = raw === undefined ? undefined : inlineDataOf(raw);
			return bytes === undefined ? undefined : this.#findIn(bytes, inlineEntriesAt, inode);
		}
		const bytes = new Uint8Array(geometry.blockSize);
		const {firstRuns, runPhysicals, runLengths} = directories;
		for (let run = firstRuns[index] ?? 0; run < (firstRuns[index + 1] ?? 0); run++) {
			const first = runPhysicals[run] ?? 0;
			for (let step = 0; step < (runLengths[run] ?? 0); step++) {
				if (--this.#blocksLeft < 0) return undefined;
				const isRead = state.readBlocks(first + step, bytes);
				const name = isRead ? this.#findIn(bytes, 0, inode) : undefined;
				if (name !== undefined) return name;
			}
		}
		return undefined;
	}

	#findIn(bytes: Uint8Array, start: number, inode: number): string | undefined {
		const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		let at = start;
		while (at + nameAt <= bytes.length) {
			const length = recordLengthOf(view.getUint16(at + 4, true), this.#state.geometry.blockSize);
			const nameLength = bytes[at + 6] ?? 0;
			if (length < nameAt + nameLength) return undefined;
			const name = String.fromCharCode(...bytes.subarray(at + nameAt, at + nameAt + nameLength));
			if (view.getUint32(at, true) === inode && name !== '.' && name !== '..') return name;
			at += length;
		}
		return undefined;
	}
}
