/** Where the journal's blocks lie on the device, found once: a handful of runs as a rule. */
import {CorruptError} from '../errors.ts';
import {mapAt} from '../mapping/index.ts';
import type {Volume} from '../volume.ts';
import {journalInodeOf} from './recover.ts';
import {journalPiecesMax} from './superblock.ts';

/** A stretch of the journal; all three in blocks. */
type Stretch = {readonly logical: number; readonly physical: number; readonly length: number};

export class JournalPlaces {
	/** Ascending, without holes, from logical block 0. */
	readonly #stretches: readonly Stretch[];

	private constructor(stretches: readonly Stretch[]) {
		this.#stretches = stretches;
	}

	/**
	 * Of the first `lengthBlocks` blocks of the volume's journal. Throws `CorruptError` where the
	 * journal's inode is none, or leaves one of them out, or leads beyond the volume; `DeviceError`.
	 */
	static of(volume: Volume, lengthBlocks: number): JournalPlaces {
		const inode = journalInodeOf(volume);
		const {blockCount, firstDataBlock} = volume.geometry;
		const stretches: Stretch[] = [];
		for (let logical = 0; logical < lengthBlocks; ) {
			const run = mapAt(volume, inode, logical);
			const physical = run.kind === 'hole' ? 0 : run.physical + logical - run.logical;
			const length = Math.min(run.logical + run.length, lengthBlocks) - logical;
			// Block 0, or 1 with blocks of 1 KiB, is the superblock's.
			if (physical <= firstDataBlock || physical + length > blockCount) {
				throw new CorruptError('EXT4_BAD_JOURNAL', `block ${logical} of the journal lies nowhere`, {
					inode: inode.number,
					block: physical,
				});
			}
			const last = stretches.at(-1);
			if (last !== undefined && last.physical + last.length === physical) {
				stretches[stretches.length - 1] = {...last, length: last.length + length};
			} else stretches.push({logical, physical, length});
			if (stretches.length > journalPiecesMax) {
				throw new CorruptError('EXT4_BAD_JOURNAL', 'the journal lies in too many pieces', {
					inode: inode.number,
				});
			}
			logical += length;
		}
		return new JournalPlaces(stretches);
	}

	/** The physical block of `logical`, and how many blocks from there on follow one another. */
	locate(logical: number): {readonly physical: number; readonly length: number} {
		let low = 0;
		let high = this.#stretches.length - 1;
		while (low < high) {
			const middle = Math.ceil((low + high) / 2);
			if ((this.#stretches[middle]?.logical ?? 0) <= logical) low = middle;
			else high = middle - 1;
		}
		const stretch = this.#stretches[low];
		if (stretch === undefined || logical >= stretch.logical + stretch.length) {
			throw new CorruptError('EXT4_BAD_JOURNAL', `the journal has no block ${logical}`);
		}
		const skipped = logical - stretch.logical;
		return {physical: stretch.physical + skipped, length: stretch.length - skipped};
	}
}
