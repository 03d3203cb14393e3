/** Where the blocks of a directory under check lie, and reading them in as few reads as their places allow. */
import {inodeFlags} from '../layout/inode.ts';
import {crc32cOfWord} from './checksum.ts';
import type {CheckState} from './state.ts';

/** What of a directory the checks of its blocks go by. */
export type DirectoryUnderCheck = {
	readonly state: CheckState;
	/** Its inode, and its index in `state.directories`. */
	readonly number: number;
	readonly index: number;
	readonly blockSize: number;
	readonly hasChecksums: boolean;
	/** Of its blocks' checksums. */
	readonly seed: number;
	readonly isEncrypted: boolean;
	readonly isCasefolded: boolean;
	/** Hashes follow the names. */
	readonly hasHashes: boolean;
	readonly isInline: boolean;
	/** Its inode says so; whether the file system knows of hash trees is another question. */
	readonly isIndexed: boolean;
	/** Of an indexed one: the how many-th of its mapped blocks a logical block is; -1 for none. */
	readonly ordinalOf: (logical: number) => number;
};

const noOrdinal = () => -1;

export function directoryUnderCheck(state: CheckState, index: number): DirectoryUnderCheck {
	const {directories, features, geometry, superblock} = state;
	const number = directories.inodes[index] ?? 0;
	const flags = directories.flags[index] ?? 0;
	const has = (flag: number) => (flags & flag) !== 0;
	const isEncrypted = has(inodeFlags.encrypted) && features.has('encrypt');
	const isCasefolded = has(inodeFlags.casefold) && features.has('casefold');
	const generation = directories.generations[index] ?? 0;
	return {
		state,
		number,
		index,
		blockSize: geometry.blockSize,
		hasChecksums: features.has('metadata_csum'),
		seed: crc32cOfWord(crc32cOfWord(superblock.checksumSeed, number), generation),
		isEncrypted,
		isCasefolded,
		hasHashes: isEncrypted && isCasefolded,
		isInline: has(inodeFlags.inlineData) && features.has('inline_data'),
		isIndexed: has(inodeFlags.hashIndexed),
		ordinalOf: has(inodeFlags.hashIndexed) ? ordinalsOf(state, index) : noOrdinal,
	};
}

/** Counts the mapped blocks of a directory in their order; runs are in order and do not overlap. */
function ordinalsOf(state: CheckState, index: number): (logical: number) => number {
	const {firstRuns, runLogicals, runLengths} = state.directories;
	const firstRun = firstRuns[index] ?? 0;
	const runCount = (firstRuns[index + 1] ?? 0) - firstRun;
	const before = new Uint32Array(runCount);
	for (let run = 1; run < runCount; run++) {
		before[run] = (before[run - 1] ?? 0) + (runLengths[firstRun + run - 1] ?? 0);
	}
	return logical => {
		let low = 0;
		let high = runCount - 1;
		while (low < high) {
			const middle = (low + high + 1) >>> 1;
			if ((runLogicals[firstRun + middle] ?? 0) <= logical) low = middle;
			else high = middle - 1;
		}
		const within = logical - (runLogicals[firstRun + low] ?? 0);
		const isInside = within >= 0 && within < (runLengths[firstRun + low] ?? 0);
		return isInside ? (before[low] ?? 0) + within : -1;
	};
}

/** Bytes that are read at once while blocks come one behind the other. */
const windowBytesMax = 2 ** 18;

/**
 * Reads single blocks, and what follows them as well as soon as they come in the order in which
 * they lie: directories made one after another lie one behind the other.
 */
export class BlockWindow {
	readonly #state: CheckState;
	readonly #bytes: Uint8Array;
	readonly #blockSize: number;
	#first = 0;
	#count = 0;
	#wanted = 1;

	constructor(state: CheckState) {
		this.#state = state;
		this.#blockSize = state.geometry.blockSize;
		this.#bytes = new Uint8Array(Math.max(windowBytesMax, this.#blockSize));
	}

	/**
	 * The bytes of a block, good until the next call; undefined, and reported, where they can't be
	 * had. `atOnce`: how many blocks from this one on are wanted anyway.
	 */
	read(block: number, atOnce: number): Uint8Array | undefined {
		const isHere = block >= this.#first && block < this.#first + this.#count;
		if (!isHere && !this.#load(block, atOnce)) return undefined;
		const at = (block - this.#first) * this.#blockSize;
		return this.#bytes.subarray(at, at + this.#blockSize);
	}

	#load(block: number, atOnce: number): boolean {
		const {blockCount} = this.#state.geometry;
		const isNext = block === this.#first + this.#count;
		const most = Math.min(this.#bytes.length / this.#blockSize, blockCount - block);
		this.#wanted = Math.max(1, Math.min(most, isNext ? this.#wanted * 2 : atOnce));
		this.#first = block;
		this.#count = this.#wanted;
		if (this.#tryRead()) return true;
		// One bad block must not hide its neighbours, nor be told where nobody asked for it.
		this.#count = 1;
		this.#wanted = 1;
		if (this.#state.readBlocks(block, this.#bytes.subarray(0, this.#blockSize))) return true;
		this.#count = 0;
		return false;
	}

	#tryRead(): boolean {
		const bytes = this.#bytes.subarray(0, this.#count * this.#blockSize);
		return this.#state.tryRead(this.#first * this.#blockSize, bytes) === undefined;
	}
}
