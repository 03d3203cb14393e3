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
import type {CachedBlock} from '../block-cache.ts';
import {descriptorBlock} from '../groups.ts';
import type {Volume} from '../volume.ts';
import type {CommitLog, CommittedTransaction} from './commit-log.ts';
import {writeHome} from './write-home.ts';

/** Blocks from `start` up to, not including, `end`. */
type Stretch = {start: number; end: number};

/** Where inode tables, bitmaps and group descriptors lie: ascending, neighbours joined. */
function fixedMetadata(volume: Volume): Stretch[] {
	const {superblock, geometry} = volume;
	const places: Stretch[] = [];
	const add = (start: number, length: number) => places.push({start, end: start + length});
	for (let index = 0; index < geometry.groupCount; index++) {
		const group = volume.group(index);
		add(group.blockBitmap, 1);
		add(group.inodeBitmap, 1);
		add(group.inodeTable, geometry.inodeTableBlocks);
		if (index % geometry.descriptorsPerBlock > 0) continue;
		add(descriptorBlock(superblock, index / geometry.descriptorsPerBlock), 1);
	}
	const joined: Stretch[] = [];
	for (const place of places.sort((a, b) => a.start - b.start)) {
		const last = joined.at(-1);
		if (last !== undefined && place.start <= last.end) last.end = Math.max(last.end, place.end);
		else joined.push(place);
	}
	return joined;
}

export class InPlaceLog implements CommitLog {
	readonly transactionBlocksMax = Number.POSITIVE_INFINITY;
	readonly transactionBlocksLimit = Number.POSITIVE_INFINITY;
	readonly isInPlace = true;
	readonly needsCheckpoint = false;
	readonly #volume: Volume;
	#fixed: readonly Stretch[] | undefined;

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
		this.#fixed ??= fixedMetadata(this.#volume);
		let low = 0;
		let high = this.#fixed.length;
		while (low < high) {
			const middle = Math.floor((low + high) / 2);
			if ((this.#fixed[middle]?.end ?? 0) <= number) low = middle + 1;
			else high = middle;
		}
		return (this.#fixed[low]?.start ?? Number.POSITIVE_INFINITY) <= number;
	}
}
