/**
 * The directories that pass 1 found, in ascending order of inode, and where their blocks lie. A
 * column an array, in shared memory.
 */

/** What pass 1 gathers of one directory. */
export type FoundDirectory = {
	readonly inode: number;
	readonly generation: number;
	/** i_flags. */
	readonly flags: number;
	/** Blocks, by i_size. */
	readonly lengthBlocks: number;
	/** Logical block, physical block, length; again and again, in logical order. */
	readonly runs: ArrayLike<number>;
};

function shared(bytesEach: number, count: number): SharedArrayBuffer {
	return new SharedArrayBuffer(bytesEach * count);
}

export class DirectoryTable {
	readonly inodes: Uint32Array;
	readonly generations: Uint32Array;
	/** i_flags. */
	readonly flags: Uint32Array;
	/** Blocks by i_size; 0 for an inline directory. */
	readonly lengthsBlocks: Uint32Array;
	/** Runs of directory `index` are those from `firstRuns[index]` up to, not including, the next's. */
	readonly firstRuns: Uint32Array;
	readonly runLogicals: Uint32Array;
	readonly runPhysicals: Float64Array;
	readonly runLengths: Uint32Array;
	/** The directory whose entry names it; 0 for none. Filled by pass 2. */
	readonly parents: Uint32Array;
	/** The inode that its `..` names; 0 for none. Filled by pass 2. */
	readonly dotDots: Uint32Array;

	/** `found` in ascending order of inode. */
	constructor(found: readonly FoundDirectory[]) {
		const count = found.length;
		let runCount = 0;
		for (const directory of found) runCount += directory.runs.length / 3;
		this.inodes = new Uint32Array(shared(4, count));
		this.generations = new Uint32Array(shared(4, count));
		this.flags = new Uint32Array(shared(4, count));
		this.lengthsBlocks = new Uint32Array(shared(4, count));
		this.firstRuns = new Uint32Array(shared(4, count + 1));
		this.parents = new Uint32Array(shared(4, count));
		this.dotDots = new Uint32Array(shared(4, count));
		this.runLogicals = new Uint32Array(shared(4, runCount));
		this.runPhysicals = new Float64Array(shared(8, runCount));
		this.runLengths = new Uint32Array(shared(4, runCount));
		let run = 0;
		for (const [index, directory] of found.entries()) {
			this.inodes[index] = directory.inode;
			this.generations[index] = directory.generation;
			this.flags[index] = directory.flags;
			this.lengthsBlocks[index] = directory.lengthBlocks;
			this.firstRuns[index] = run;
			for (let at = 0; at < directory.runs.length; at += 3, run++) {
				this.runLogicals[run] = directory.runs[at] ?? 0;
				this.runPhysicals[run] = directory.runs[at + 1] ?? 0;
				this.runLengths[run] = directory.runs[at + 2] ?? 0;
			}
		}
		this.firstRuns[count] = run;
	}

	get count(): number {
		return this.inodes.length;
	}

	/** Bytes that the columns take. */
	get sizeBytes(): number {
		return this.inodes.length * 32 + this.runLogicals.length * 16;
	}

	/** The index of a directory by its inode; -1 where it is none. */
	indexOf(inode: number): number {
		let low = 0;
		let high = this.inodes.length - 1;
		while (low <= high) {
			const middle = (low + high) >>> 1;
			const here = this.inodes[middle] ?? 0;
			if (here === inode) return middle;
			if (here < inode) low = middle + 1;
			else high = middle - 1;
		}
		return -1;
	}
}
