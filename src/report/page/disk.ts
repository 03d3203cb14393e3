/** What lies where: questions to the spans and the files. */
import {blockClasses, type PageFacts} from './format.ts';
import type {Extent, ListedFile, Spans, Unpacked} from './unpacking.ts';

/** The index of the last of `starts` that is at most `block`. */
function lastAtMost(starts: Float64Array, block: number, count: number): number {
	let low = 0;
	let high = count;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((starts[middle] ?? 0) <= block) low = middle + 1;
		else high = middle;
	}
	return low - 1;
}

export type Owner = {readonly file: ListedFile; readonly extent: Extent};

export class Disk {
	readonly facts: PageFacts;
	readonly files: readonly ListedFile[];
	readonly groups: Unpacked['groups'];
	readonly #spans: Spans;
	readonly #ownerStarts: Float64Array;
	readonly #owners: readonly Owner[];

	constructor(facts: PageFacts, {spans, groups, files}: Unpacked) {
		this.facts = facts;
		this.files = files;
		this.groups = groups;
		this.#spans = spans;
		const owners = files.flatMap(file => file.extents.map(extent => ({file, extent})));
		owners.sort((a, b) => a.extent.physical - b.extent.physical);
		this.#owners = owners;
		this.#ownerStarts = Float64Array.from(owners, owner => owner.extent.physical);
	}

	/** Adds to `counts` how many of the blocks `[from, to)`, which need not be whole, are of each class. */
	compose(from: number, to: number, counts: Float64Array): void {
		const {starts, kinds} = this.#spans;
		let at = Math.max(0, lastAtMost(starts, from, kinds.length));
		for (; at < kinds.length && (starts[at] ?? 0) < to; at++) {
			const start = Math.max(from, starts[at] ?? 0);
			const end = Math.min(to, starts[at + 1] ?? to);
			const kind = kinds[at] ?? 0;
			if (end > start) counts[kind] = (counts[kind] ?? 0) + end - start;
		}
	}

	/** The span that `block` lies in. */
	spanAt(block: number): {start: number; end: number; kind: number} {
		const {starts, kinds} = this.#spans;
		const at = Math.max(0, lastAtMost(starts, block, kinds.length));
		return {start: starts[at] ?? 0, end: starts[at + 1] ?? 0, kind: kinds[at] ?? 0};
	}

	/** The listed file that has `block`. */
	ownerOf(block: number): Owner | undefined {
		const owner = this.#owners[lastAtMost(this.#ownerStarts, block, this.#owners.length)];
		if (owner === undefined || block >= owner.extent.physical + owner.extent.length)
			return undefined;
		return owner;
	}

	groupOf(block: number): number {
		const {firstDataBlock, blocksPerGroup, groupCount} = this.facts;
		const group = Math.floor((block - firstDataBlock) / blocksPerGroup);
		return Math.min(Math.max(0, group), groupCount - 1);
	}

	groupStart(group: number): number {
		return this.facts.firstDataBlock + group * this.facts.blocksPerGroup;
	}

	/** In words: `Files 62%, Free 38%`. */
	describe(from: number, to: number): string {
		const counts = new Float64Array(blockClasses.length);
		this.compose(from, to, counts);
		const all = to - from;
		return [...counts]
			.map((count, kind) => ({count, label: blockClasses[kind]?.label ?? ''}))
			.filter(({count}) => count > 0)
			.sort((a, b) => b.count - a.count)
			.map(({count, label}) => `${label} ${percentText(count / all)}`)
			.join(', ');
	}
}

export function percentText(part: number): string {
	if (part > 0 && part < 0.001) return 'under 0.1%';
	if (part > 0.999 && part < 1) return 'over 99.9%';
	return `${part >= 0.1 ? Math.round(part * 100) : (part * 100).toFixed(1)}%`;
}

export function sizeText(bytes: number): string {
	if (bytes < 1024) return `${Math.round(bytes)} bytes`;
	let value = bytes;
	let unit = '';
	for (unit of ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']) {
		value /= 1024;
		if (value < 1024) break;
	}
	return `${value.toFixed(1)} ${unit}`;
}

export function numberText(value: number): string {
	return value.toLocaleString('en');
}
