/**
 * What the passes remember of each inode: six bytes, in shared memory. Only inodes that were
 * scanned have a slot: those at the end of a group's table that were never used have none.
 */
import type {Geometry} from '../layout/superblock.ts';

/** Bits of a slot's `flags`. */
export const factFlags = {
	/** What its fields say can't be; it was told in pass 1. */
	hasBadFields: 0x1,
	/** It holds the value of an attribute of other inodes. */
	valueHolder: 0x2,
	encrypted: 0x4,
	casefold: 0x8,
	hashIndexed: 0x10,
	inlineData: 0x20,
	/** Not for directories to name: reserved, or one of the file system's own files. */
	reserved: 0x40,
	/** Free by its link count, yet on the list of orphans. */
	orphan: 0x80,
} as const;

/** `types` of an inode that is in use and of no type that there is; others are codes of entries. */
export const typeUnknown = 15;

export class InodeFacts {
	readonly #inodesPerGroup: number;
	readonly #inodeCount: number;
	/** The slot of each group's first inode, and how many of its inodes have one. */
	readonly #bases: Float64Array<SharedArrayBuffer>;
	readonly #counts: Uint32Array<SharedArrayBuffer>;
	/**
	 * By slot: 0 for an inode that is not in use, else what a directory entry's file_type would say
	 * (1 file, 2 directory, … 7 symlink), or `typeUnknown`. Filled by pass 1.
	 */
	readonly types: Uint8Array<SharedArrayBuffer>;
	/** By slot: bits of `factFlags`. Filled by pass 1. */
	readonly flags: Uint8Array<SharedArrayBuffer>;
	/** By slot: i_links_count. Filled by pass 1. */
	readonly linkCounts: Uint16Array<SharedArrayBuffer>;
	/**
	 * By slot: entries of directories that name it, `.` and `..` counted in; it stays at 65,535.
	 * Filled by pass 2, mended by pass 3, compared by pass 4.
	 */
	readonly references: Uint16Array<SharedArrayBuffer>;
	readonly slotCount: number;

	/** `scanned`: how many inodes of each group are looked at, from its first on. */
	constructor(geometry: Geometry, from: Uint32Array | SharedInodeFacts) {
		this.#inodesPerGroup = geometry.inodesPerGroup;
		this.#inodeCount = geometry.inodeCount;
		if (from instanceof Uint32Array) {
			const groupCount = from.length;
			this.#bases = new Float64Array(new SharedArrayBuffer(groupCount * 8));
			this.#counts = new Uint32Array(new SharedArrayBuffer(groupCount * 4));
			this.#counts.set(from);
			let slotCount = 0;
			for (let group = 0; group < groupCount; group++) {
				this.#bases[group] = slotCount;
				slotCount += from[group] ?? 0;
			}
			this.slotCount = slotCount;
			this.types = new Uint8Array(new SharedArrayBuffer(slotCount));
			this.flags = new Uint8Array(new SharedArrayBuffer(slotCount));
			this.linkCounts = new Uint16Array(new SharedArrayBuffer(slotCount * 2));
			this.references = new Uint16Array(new SharedArrayBuffer(slotCount * 2));
			return;
		}
		this.#bases = new Float64Array(from.bases);
		this.#counts = new Uint32Array(from.counts);
		this.types = new Uint8Array(from.types);
		this.flags = new Uint8Array(from.flags);
		this.linkCounts = new Uint16Array(from.linkCounts);
		this.references = new Uint16Array(from.references);
		this.slotCount = this.types.length;
	}

	share(): SharedInodeFacts {
		return {
			bases: this.#bases.buffer,
			counts: this.#counts.buffer,
			types: this.types.buffer,
			flags: this.flags.buffer,
			linkCounts: this.linkCounts.buffer,
			references: this.references.buffer,
		};
	}

	/** The slot of an inode; -1 for a number that does not exist or that was not scanned. */
	slotOf(inode: number): number {
		if (inode < 1 || inode > this.#inodeCount) return -1;
		const group = Math.floor((inode - 1) / this.#inodesPerGroup);
		const within = inode - 1 - group * this.#inodesPerGroup;
		if (within >= (this.#counts[group] ?? 0)) return -1;
		return (this.#bases[group] ?? 0) + within;
	}

	/** The slot of a group's first inode, and how many follow each other from there. */
	slotsOfGroup(group: number): {readonly first: number; readonly count: number} {
		return {first: this.#bases[group] ?? 0, count: this.#counts[group] ?? 0};
	}

	/** The inode's type as `types` has it; 0 where it is not in use or was not scanned. */
	typeOf(inode: number): number {
		const slot = this.slotOf(inode);
		return slot === -1 ? 0 : (this.types[slot] ?? 0);
	}

	isUsed(inode: number): boolean {
		return this.typeOf(inode) !== 0;
	}

	/** How many are in use: those before `firstInode` all are, whatever is in them. */
	countUsed(firstInode: number): number {
		let count = Math.min(firstInode - 1, this.#inodeCount);
		for (const [group, base] of this.#bases.entries()) {
			const end = base + (this.#counts[group] ?? 0);
			const before = Math.max(0, firstInode - 1 - group * this.#inodesPerGroup);
			for (let slot = base + before; slot < end; slot++) {
				if (this.types[slot] !== 0) count++;
			}
		}
		return count;
	}

	/** Counts one more entry that names the inode, as far as can be counted. One thread at a time. */
	addReference(slot: number): void {
		const before = this.references[slot] ?? 0;
		if (before < 0xffff) this.references[slot] = before + 1;
	}
}

export type SharedInodeFacts = {
	readonly bases: SharedArrayBuffer;
	readonly counts: SharedArrayBuffer;
	readonly types: SharedArrayBuffer;
	readonly flags: SharedArrayBuffer;
	readonly linkCounts: SharedArrayBuffer;
	readonly references: SharedArrayBuffer;
};
