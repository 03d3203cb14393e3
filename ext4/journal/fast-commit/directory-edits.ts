/** Names added to and taken from a directory, before they are written into its blocks. */
import {foldName} from '../../directory/casefold.ts';
import {rulesOf} from '../../directory/entries.ts';
import type {NewEntry} from '../../directory/entry-edits.ts';
import {openTree} from '../../directory/hash-tree.ts';
import {lookup} from '../../directory/lookup.ts';
import {forEachEntry} from '../../directory/read.ts';
import {type Inode, inodeFlags} from '../../layout/inode.ts';
import type {Volume} from '../../volume.ts';
import type {ReplayBounds} from './bounds.ts';

export class DirectoryEdits {
	/** The directory that a directory made anew names as `..`; undefined for one that was there. */
	readonly newParent: number | undefined;
	/** By the key of the name. */
	readonly added = new Map<string, NewEntry>();
	/** The inodes of entries that were there and are gone, by the key of the name. */
	readonly removed = new Map<string, number>();
	/** The inodes whose names came or went. */
	readonly concerned = new Set<number>();
	readonly #volume: Volume;
	readonly #bounds: ReplayBounds;
	/** The directory as it was; undefined where it is new. */
	readonly #base: Inode | undefined;
	readonly #isCasefolded: boolean;
	/** Inodes by the keys of their names, of a directory that has no index to find them by. */
	#names: Map<string, number> | undefined;

	constructor(
		volume: Volume,
		bounds: ReplayBounds,
		base: Inode | undefined,
		flags: number,
		newParent?: number,
	) {
		this.#volume = volume;
		this.#bounds = bounds;
		this.#base = newParent === undefined ? base : undefined;
		this.newParent = newParent;
		this.#isCasefolded = volume.features.has('casefold') && (flags & inodeFlags.casefold) !== 0;
	}

	/** What two names share when the directory takes them for the same. */
	keyOf(name: Uint8Array): string {
		const folded = this.#isCasefolded ? foldName(name) : undefined;
		return String.fromCharCode(...(folded ?? name));
	}

	/** The inode that the name leads to; undefined where it is not there. */
	find(name: Uint8Array): number | undefined {
		const key = this.keyOf(name);
		const added = this.added.get(key);
		if (added !== undefined) return added.inode;
		if (this.removed.has(key) || this.#base === undefined) return undefined;
		const hasTree = openTree(this.#volume, this.#base, rulesOf(this.#volume, this.#base));
		if (hasTree !== undefined && !this.#isCasefolded) {
			return lookup(this.#volume, this.#base, name)?.inode;
		}
		// One pass for all names: a search from end to end for each could take minutes.
		this.#names ??= this.#readNames(this.#base);
		return this.#names.get(key);
	}

	#readNames(base: Inode): Map<string, number> {
		const names = new Map<string, number>();
		forEachEntry(this.#volume, base, 0, (bytes, start, length, inode) => {
			this.#bounds.addName(base.number);
			names.set(this.keyOf(bytes.subarray(start, start + length)), inode);
			return true;
		});
		return names;
	}

	/** Adds a name that is not there. */
	add(entry: NewEntry): void {
		this.added.set(this.keyOf(entry.name), entry);
		this.concerned.add(entry.inode);
	}

	/** Takes away a name that is there and leads to `inode`. */
	remove(name: Uint8Array, inode: number): void {
		const key = this.keyOf(name);
		this.concerned.add(inode);
		if (!this.added.delete(key)) this.removed.set(key, inode);
	}
}
