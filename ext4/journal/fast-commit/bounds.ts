/**
 * What one replay of fast commits may hold in memory and look at, all its files together. It is done
 * when a file system is opened, where no request's budget counts; and an image may have any number of
 * inodes lead to the same blocks of a map, or of a directory, any number of times.
 */
import {BudgetError, CorruptError} from '../../errors.ts';
import type {Volume} from '../../volume.ts';

/** Runs and blocks of mappings. */
const piecesMax = 2 ** 18;
/** Names of directories that have no index to find them by. */
const namesMax = 2 ** 18;
/** Looks at blocks of metadata, and at mappings; some seconds' work. */
const looksMax = 2 ** 23;
/** Of metadata, from the device. */
const readBytesMax = 2 ** 30;

function tooMuch(what: string, inode?: number): CorruptError {
	return new CorruptError('EXT4_BAD_JOURNAL', `fast commits that ${what}`, {inode});
}

export class ReplayBounds {
	readonly #volume: Volume;
	#pieces = 0;
	#names = 0;

	constructor(volume: Volume) {
		this.#volume = volume;
	}

	/**
	 * Runs `action`, in which each block of metadata that is read counts as a look. Throws
	 * `CorruptError` where it takes more than any sound image would have it take.
	 */
	within(action: () => void): void {
		const {budget} = this.#volume.cache;
		const endless = Number.POSITIVE_INFINITY;
		budget.limit(
			{
				accesses: looksMax,
				readBytes: readBytesMax,
				cpuMilliseconds: endless,
				milliseconds: endless,
			},
			{milliseconds: () => 0, cpuMilliseconds: () => 0, working: () => {}},
		);
		budget.begin();
		try {
			action();
		} catch (error) {
			throw error instanceof BudgetError ? tooMuch('want too much looked at') : error;
		} finally {
			budget.end();
		}
	}

	/** Something is looked at without a block being read. */
	look(): void {
		this.#volume.cache.budget.access();
	}

	/** One more run, or block of a mapping, is kept. Throws `CorruptError`. */
	addPiece(inode: number): void {
		if (++this.#pieces > piecesMax)
			throw tooMuch(`change files of over ${piecesMax} pieces`, inode);
	}

	/** One more name is kept. Throws `CorruptError`. */
	addName(directory: number): void {
		if (++this.#names > namesMax) {
			throw tooMuch(`change directories of over ${namesMax} names without an index`, directory);
		}
	}
}
