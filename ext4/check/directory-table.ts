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

/** Which run is the first of each row. */
function runStartsOf(rows: Float64Array): Uint32Array {
	const starts = new Uint32Array(rows.length / directoryWidth);
	let run = 0;
	for (let row = 0; row < starts.length; row++) {
		starts[row] = run;
		run += rows[row * directoryWidth + 4] ?? 0;
	}
	return starts;
}

/** Rows in ascending order of inode: those whose mappings took further reads come later than their neighbours. */
function orderOf(rows: Float64Array): Uint32Array {
	const order = new Uint32Array(rows.length / directoryWidth);
	const inodeOf = (row: number) => rows[row * directoryWidth] ?? 0;
	let isInOrder = true;
	for (let row = 0; row < order.length; row++) {
		order[row] = row;
		if (row > 0 && inodeOf(row) < inodeOf(row - 1)) isInOrder = false;
	}
	return isInOrder ? order : order.sort((a, b) => inodeOf(a) - inodeOf(b));
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

	/**
	 * Puts the pieces together, which are in ascending order of inode; in each of them inodes may come
	 * in any.
	 */
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
		let index = 0;
		let run = 0;
		for (const {directories, directoryRuns} of pieces) {
			const runStarts = runStartsOf(directories);
			for (const row of orderOf(directories)) {
				const at = row * directoryWidth;
				this.inodes[index] = directories[at] ?? 0;
				this.generations[index] = directories[at + 1] ?? 0;
				this.flags[index] = directories[at + 2] ?? 0;
				this.lengthsBlocks[index] = directories[at + 3] ?? 0;
				this.firstRuns[index++] = run;
				let source = (runStarts[row] ?? 0) * runWidth;
				for (let left = directories[at + 4] ?? 0; left > 0; left--, run++, source += runWidth) {
					this.runLogicals[run] = directoryRuns[source] ?? 0;
					this.runPhysicals[run] = directoryRuns[source + 1] ?? 0;
					this.runLengths[run] = directoryRuns[source + 2] ?? 0;
				}
			}
		}
		this.firstRuns[index] = run;
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
