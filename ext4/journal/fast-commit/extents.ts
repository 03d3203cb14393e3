/** Writes a list of runs as an extent tree. Kernel documentation, "Extent Tree". */
import {crc32cOf} from '../../checksum.ts';
import {
	extentEntrySize,
	extentHeaderSize,
	extentMagic,
	initializedLengthMax,
} from '../../layout/extent.ts';
import type {EditedBlock} from './edited-blocks.ts';
import {type MappedRun, mergeRuns} from './runs.ts';

/** An entry of any node; inner ones lead to block `physical` and have no length. */
type Entry = {
	readonly logical: number;
	readonly physical: number;
	/** ee_len, with the mark of an unwritten extent. */
	readonly lengthField: number;
};

const rootEntriesMax = 4;

/** What a tree needs from its surroundings: blocks to lie in, and the seed of its checksums. */
export type TreeSite = {
	readonly blockSize: number;
	/** Undefined without metadata_csum. */
	readonly checksumSeed: number | undefined;
	readonly allocate: () => {readonly number: number; readonly block: EditedBlock};
};

/** An unwritten extent is one block shorter at most: its length's highest value is the mark's. */
function entriesOf(runs: readonly MappedRun[]): Entry[] {
	const entries: Entry[] = [];
	for (const run of mergeRuns(runs)) {
		const isUnwritten = run.kind === 'unwritten';
		const lengthMax = isUnwritten ? initializedLengthMax - 1 : initializedLengthMax;
		for (let done = 0; done < run.length; done += lengthMax) {
			const length = Math.min(run.length - done, lengthMax);
			entries.push({
				logical: run.logical + done,
				physical: run.physical + done,
				lengthField: isUnwritten ? length + initializedLengthMax : length,
			});
		}
	}
	return entries;
}

function writeNode(view: DataView, entries: readonly Entry[], depth: number): void {
	const room = Math.floor((view.byteLength - extentHeaderSize) / extentEntrySize);
	view.setUint16(0, extentMagic, true);
	view.setUint16(2, entries.length, true);
	view.setUint16(4, room, true);
	view.setUint16(6, depth, true);
	entries.forEach((entry, index) => {
		const at = extentHeaderSize + index * extentEntrySize;
		const low = entry.physical % 2 ** 32;
		const high = Math.floor(entry.physical / 2 ** 32);
		view.setUint32(at, entry.logical, true);
		if (depth === 0) {
			view.setUint16(at + 4, entry.lengthField, true);
			view.setUint16(at + 6, high, true);
			view.setUint32(at + 8, low, true);
		} else {
			view.setUint32(at + 4, low, true);
			view.setUint16(at + 8, high, true);
		}
	});
}

/**
 * Writes the tree of `runs` and returns its root, the 60 bytes of i_block, and the blocks that
 * the rest of it lies in. Its nodes are as full as they can be: nobody adds to this tree.
 */
export function writeExtentTree(
	runs: readonly MappedRun[],
	site: TreeSite,
): {readonly root: Uint8Array; readonly nodes: readonly number[]} {
	const room = Math.floor((site.blockSize - extentHeaderSize) / extentEntrySize);
	const nodes: number[] = [];
	let entries = entriesOf(runs);
	let depth = 0;
	for (; entries.length > rootEntriesMax; depth++) {
		const above: Entry[] = [];
		for (let from = 0; from < entries.length; from += room) {
			const part = entries.slice(from, from + room);
			const {number, block} = site.allocate();
			writeNode(block.view, part, depth);
			if (site.checksumSeed !== undefined) {
				const sumAt = extentHeaderSize + room * extentEntrySize;
				const sum = crc32cOf(site.checksumSeed, block.bytes.subarray(0, sumAt));
				block.view.setUint32(sumAt, sum, true);
			}
			nodes.push(number);
			above.push({logical: part[0]?.logical ?? 0, physical: number, lengthField: 0});
		}
		entries = above;
	}
	const root = new Uint8Array(60);
	writeNode(new DataView(root.buffer), entries, depth);
	return {root, nodes};
}
