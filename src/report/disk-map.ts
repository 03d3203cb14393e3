/**
 * What each block of the disk is, as one byte a unit of blocks. A unit is one block as long as the
 * disk has no more than `unitsMax`; of larger disks it is as many, so that the memory needed stays
 * the same.
 */

import {ByteWriter} from './packing.ts';
import {blockClasses, classBase, classOf} from './page/format.ts';

const unitsMax = 2 ** 24;

export type PackedMap = {
	readonly bytes: Uint8Array;
	/** Blocks in a unit of what was packed. */
	readonly unitBlocks: number;
};

export class DiskMap {
	readonly blockCount: number;
	readonly unitBlocks: number;
	/** Blocks of each class; see `settle`. */
	readonly totals = new Float64Array(blockClasses.length);
	readonly #units: Uint8Array;

	constructor(blockCount: number) {
		this.blockCount = blockCount;
		let unitBlocks = 1;
		while (Math.ceil(blockCount / unitBlocks) > unitsMax) unitBlocks *= 2;
		this.unitBlocks = unitBlocks;
		this.#units = new Uint8Array(Math.ceil(blockCount / unitBlocks));
	}

	/**
	 * Blocks `[start, start + length)` are of class `kind`. Parts that lie outside the disk are left
	 * out. Of two claims to one block the more important class shows.
	 */
	paint(start: number, length: number, kind: number): void {
		const from = Math.max(0, start);
		const to = Math.min(start + length, this.blockCount);
		if (to <= from) return;
		this.totals[kind] = (this.totals[kind] ?? 0) + to - from;
		const units = this.#units;
		const end = Math.ceil(to / this.unitBlocks);
		for (let unit = Math.floor(from / this.unitBlocks); unit < end; unit++) {
			if ((units[unit] ?? 0) < kind) units[unit] = kind;
		}
	}

	/**
	 * Makes the totals add up, once all is painted. Where a unit is a block they are counted in the
	 * map; else what was painted counts, and `usedBlocks`, what the bitmaps have as used.
	 */
	settle(usedBlocks: number): void {
		const {totals} = this;
		if (this.unitBlocks === 1) {
			totals.fill(0);
			for (const kind of this.#units) totals[kind] = (totals[kind] ?? 0) + 1;
			return;
		}
		let claimed = 0;
		for (let kind = classOf.file; kind < classOf.unreadable; kind++) claimed += totals[kind] ?? 0;
		totals[classOf.unknown] = Math.max(0, usedBlocks - claimed);
		totals[classOf.free] = 0;
		const used = totals.reduce((sum, each) => sum + each, 0);
		totals[classOf.free] = Math.max(0, this.blockCount - used);
	}

	/** The map as spans, made coarser until there are at most `spansMax` of them. */
	pack(spansMax: number): PackedMap {
		let units = this.#units;
		let {unitBlocks} = this;
		while (countSpans(units) > spansMax && units.length > 1) {
			units = halved(units);
			unitBlocks *= 2;
		}
		return {bytes: packSpans(units), unitBlocks};
	}
}

function countSpans(units: Uint8Array): number {
	let count = 0;
	let last = -1;
	for (const unit of units) {
		if (unit !== last) count++;
		last = unit;
	}
	return count;
}

/**
 * Every two units made one. Metadata is kept, being rare; of free space and contents the first of
 * the two is taken, which keeps their shares as they are.
 */
function halved(units: Uint8Array): Uint8Array {
	const half = new Uint8Array(Math.ceil(units.length / 2));
	for (let at = 0; at < half.length; at++) {
		const first = units[2 * at] ?? classOf.free;
		const second = units[2 * at + 1] ?? first;
		half[at] = second > classOf.file && second > first ? second : first;
	}
	return half;
}

function packSpans(units: Uint8Array): Uint8Array {
	const writer = new ByteWriter();
	let start = 0;
	for (let at = 1; at <= units.length; at++) {
		const kind = units[start] ?? 0;
		if (at < units.length && units[at] === kind) continue;
		writer.number((at - start) * classBase + kind);
		start = at;
	}
	return writer.bytes();
}
