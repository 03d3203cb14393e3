/**
 * Transactions of a file system without a journal: written to their places, in an order that loses
 * least when it is interrupted. What that is worth: docs/decisions/no-journal.md.
 *
 *   1. file data, which was written before, and blocks of metadata that nothing leads to yet
 *   2. inodes, bitmaps, group descriptors
 *   3. all other metadata: directories, inner blocks of mappings, attributes; the superblock
 *
 * After each step everything is on the medium before the next begins.
 */
import {allocatorOf} from '../allocator/state.ts';
import type {CachedBlock} from '../block-cache.ts';
import {superblockPosition} from '../layout/superblock.ts';
import type {Volume} from '../volume.ts';
import type {CommitLog, CommittedTransaction} from './commit-log.ts';
import {writeHome} from './write-home.ts';

export class InPlaceLog implements CommitLog {
	readonly transactionBlocksMax = Number.POSITIVE_INFINITY;
	readonly transactionBlocksLimit = Number.POSITIVE_INFINITY;
	readonly isInPlace = true;
	readonly needsCheckpoint = false;
	readonly #volume: Volume;

	constructor(volume: Volume) {
		this.#volume = volume;
	}

	commit({blocks}: CommittedTransaction): void {
		const {device, geometry} = this.#volume;
		const steps: [CachedBlock[], CachedBlock[], CachedBlock[]] = [[], [], []];
		for (const block of blocks) steps[this.#stepOf(block)].push(block);
		for (const [index, step] of steps.entries()) {
			// The first flush is for file data too, of which there is no list.
			if (index > 0 && step.length === 0) continue;
			writeHome(device, geometry.blockSize, step);
			device.flush();
		}
	}

	checkpointed(): void {
		// Nothing ever waits to be brought to its place.
	}

	#stepOf(block: CachedBlock): 0 | 1 | 2 {
		if (block.isNew) return 0;
		return this.#isFixed(block.number) ? 1 : 2;
	}

	/** Whether `number` lies in an inode table, a bitmap or the group descriptors. */
	#isFixed(number: number): boolean {
		const superblock = Math.floor(superblockPosition / this.#volume.geometry.blockSize);
		return number !== superblock && allocatorOf(this.#volume).zones.overlaps(number, number + 1);
	}
}
