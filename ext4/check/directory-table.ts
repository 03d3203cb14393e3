/**
 * The directories that pass 1 found, in ascending order of inode, and where their blocks lie. A
 * column an array, in shared memory.
 */

/** What pass 1 has gathered of directories, in rows; runs follow each other as the directories do. */
export type FoundDirectories = {
	/** inode, generation, i_flags, length in blocks, number of runs. */
	readonly directories: Float64Array;
	/** Logical block, physical block, length; of each directory in logical order. */
	readonly directoryRuns: Float64Array;
};

export const directoryWidth = 5;
const runWidth = 3;

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

	/** Puts the pieces together, whatever the order of inodes in them. */
	constructor(pieces: readonly FoundDirectories[]) {
		let count = 0;
		let runCount = 0;
		for (const {directories, directoryRuns} of pieces) {
			count += directories.length / directoryWidth;
			runCount += directoryRuns.length / runWidth;
		}
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
		this.#fill(pieces);
	}

	#fill(pieces: readonly FoundDirectories[]): void {
		const {count} = this;
		const rows = new Float64Array(count * directoryWidth);
		const firstRuns = new Uint32Array(count);
		const runs = new Float64Array(this.runLogicals.length * runWidth);
		let row = 0;
		let run = 0;
		for (const {directories, directoryRuns} of pieces) {
			rows.set(directories, row * directoryWidth);
			runs.set(directoryRuns, run * runWidth);
			for (let at = 0; at < directories.length; at += directoryWidth, row++) {
				firstRuns[row] = run;
				run += directories[at + 4] ?? 0;
			}
		}
		const inodeOf = (index: number) => rows[index * directoryWidth] ?? 0;
		// Those whose mappings took further reads come later than their neighbours.
		const order = Uint32Array.from({length: count}, (_, index) => index);
		order.sort((a, b) => inodeOf(a) - inodeOf(b));
		let into = 0;
		for (let index = 0; index < count; index++) {
			const from = order[index] ?? 0;
			const at = from * directoryWidth;
			this.inodes[index] = rows[at] ?? 0;
			this.generations[index] = rows[at + 1] ?? 0;
			this.flags[index] = rows[at + 2] ?? 0;
			this.lengthsBlocks[index] = rows[at + 3] ?? 0;
			this.firstRuns[index] = into;
			let source = (firstRuns[from] ?? 0) * runWidth;
			for (let left = rows[at + 4] ?? 0; left > 0; left--, into++, source += runWidth) {
				this.runLogicals[into] = runs[source] ?? 0;
				this.runPhysicals[into] = runs[source + 1] ?? 0;
				this.runLengths[into] = runs[source + 2] ?? 0;
			}
		}
		this.firstRuns[count] = into;
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
