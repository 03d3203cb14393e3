/**
 * What lies in fixed places: copies of the superblock and of the descriptors, room that is kept
 * for more of them, bitmaps, inode tables, the block against multiple mounts. None may lie over
 * another; all are claimed before any file's blocks.
 */
import {firstBlockOfGroup, hasSuperblockCopy} from '../groups.ts';
import {ext4_super_block} from '../layout/superblock.ts';
import type {FindingCode} from './codes.ts';
import {release} from './number-list.ts';
import {type CheckState, groupProblem} from './state.ts';

const kinds = ['superblock', 'descriptors', 'block bitmap', 'inode bitmap', 'inode table'] as const;
const kindOf = {
	superblock: 0,
	descriptors: 1,
	blockBitmap: 2,
	inodeBitmap: 3,
	inodeTable: 4,
} as const;

const conflictCodes: readonly FindingCode[] = [
	'CHECK_INODE_TABLE_CONFLICT', // A superblock lies where it must: what lies over it is to blame.
	'CHECK_INODE_TABLE_CONFLICT',
	'CHECK_BLOCK_BITMAP_CONFLICT',
	'CHECK_INODE_BITMAP_CONFLICT',
	'CHECK_INODE_TABLE_CONFLICT',
];

export class FixedPlaces {
	/** Start, end, kind and group of each stretch. */
	readonly #starts: Float64Array<ArrayBuffer>;
	readonly #ends: Float64Array<ArrayBuffer>;
	readonly #kinds: Uint8Array<ArrayBuffer>;
	readonly #groups: Uint32Array<ArrayBuffer>;
	/** Of the stretches, by start. */
	readonly #order: Uint32Array<ArrayBuffer>;

	constructor(state: CheckState) {
		let count = 0;
		addAll(state, () => count++);
		this.#starts = new Float64Array(count);
		this.#ends = new Float64Array(count);
		this.#kinds = new Uint8Array(count);
		this.#groups = new Uint32Array(count);
		this.#order = new Uint32Array(count);
		let index = 0;
		addAll(state, (start, length, kind, group) => {
			this.#starts[index] = start;
			this.#ends[index] = start + length;
			this.#kinds[index] = kind;
			this.#groups[index] = group;
			this.#order[index] = index++;
		});
		this.#order.sort(
			(a, b) =>
				(this.#starts[a] ?? 0) - (this.#starts[b] ?? 0) ||
				(this.#kinds[a] ?? 0) - (this.#kinds[b] ?? 0),
		);
	}

	/** Gives its memory back; nothing is known of any place from then on. */
	release(): void {
		for (const column of [this.#starts, this.#ends, this.#kinds, this.#groups, this.#order]) {
			release(column);
		}
	}

	/** Claims all of it, and tells what lies over something else. */
	claim(state: CheckState): void {
		let end = 0;
		let before = -1;
		for (const index of this.#order) {
			const start = this.#starts[index] ?? 0;
			if (start < end && before >= 0) this.#tellConflict(state, before, index);
			state.claims.mark(start, (this.#ends[index] ?? 0) - start);
			if ((this.#ends[index] ?? 0) > end) {
				end = this.#ends[index] ?? 0;
				before = index;
			}
		}
	}

	#tellConflict(state: CheckState, first: number, second: number): void {
		// Bitmaps and tables could lie elsewhere, superblocks and descriptors could not.
		const firstKind = this.#kinds[first] ?? 0;
		const secondKind = this.#kinds[second] ?? 0;
		const [blamed, other] = secondKind >= firstKind ? [second, first] : [first, second];
		const kind = this.#kinds[blamed] ?? 0;
		const code = conflictCodes[kind] ?? 'CHECK_INODE_TABLE_CONFLICT';
		state.report(
			code,
			{group: this.#groups[blamed], block: this.#starts[second]},
			{found: `the ${kinds[this.#kinds[other] ?? 0]} of group ${this.#groups[other]}`},
		);
	}

	/** What fixed thing lies in a block; undefined for none. */
	at(block: number): string | undefined {
		let low = 0;
		let high = this.#order.length - 1;
		while (low <= high) {
			const middle = (low + high) >>> 1;
			const index = this.#order[middle] ?? 0;
			if ((this.#starts[index] ?? 0) > block) high = middle - 1;
			else if ((this.#ends[index] ?? 0) <= block) low = middle + 1;
			else return `the ${kinds[this.#kinds[index] ?? 0]} of group ${this.#groups[index]}`;
		}
		return undefined;
	}
}

function mmpBlockOf(state: CheckState): {readonly s_mmp_block: number} {
	if (!state.features.has('mmp')) return {s_mmp_block: 0};
	const view = state.superblock.view;
	const at = ext4_super_block.fields.s_mmp_block.at;
	return {s_mmp_block: view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32};
}

type Add = (start: number, length: number, kind: number, group: number) => void;

/** Calls `add` for each stretch; none is empty. */
function addAll(state: CheckState, add: Add): void {
	const addAny: Add = (start, length, kind, group) => {
		if (length > 0) add(start, length, kind, group);
	};
	for (let group = 0; group < state.geometry.groupCount; group++) addGroup(state, group, addAny);
	const {s_mmp_block} = mmpBlockOf(state);
	if (state.isBlock(s_mmp_block)) add(s_mmp_block, 1, kindOf.superblock, 0);
}

function addGroup(state: CheckState, index: number, add: Add): void {
	const {superblock, geometry} = state;
	const {blockSize, blockCount, inodeTableBlocks} = geometry;
	for (const [start, length] of superblockPlaces(state, index)) {
		const end = Math.min(start + length, blockCount);
		add(
			start,
			end - start,
			length === 1 && start === firstBlockOfGroup(superblock, index) ? 0 : 1,
			index,
		);
	}
	// With blocks of 1 KiB counted from 0 the boot block comes first.
	if (index === 0 && blockSize === 1024 && geometry.firstDataBlock === 0) add(0, 1, 0, 0);
	const problems = state.groupProblems[index] ?? 0;
	const group = state.group(index);
	if ((problems & groupProblem.blockBitmap) === 0) add(group.blockBitmap, 1, 2, index);
	if ((problems & groupProblem.inodeBitmap) === 0) add(group.inodeBitmap, 1, 3, index);
	if ((problems & groupProblem.inodeTable) === 0) add(group.inodeTable, inodeTableBlocks, 4, index);
}

/** Start and length of a group's copies of superblock and descriptors, reserved blocks with them. */
export function superblockPlaces(state: CheckState, index: number): (readonly [number, number])[] {
	const {superblock, geometry} = state;
	const {descriptorsPerBlock, groupCount, blockSize, firstDataBlock} = geometry;
	const hasCopy = hasSuperblockCopy(superblock, index);
	const bootBlocks = index === 0 && blockSize === 1024 && firstDataBlock === 0 ? 1 : 0;
	const first = firstBlockOfGroup(superblock, index) + bootBlocks;
	const places: (readonly [number, number])[] = [];
	if (hasCopy) places.push([first, 1]);
	const tableBlocks = Math.ceil(groupCount / descriptorsPerBlock);
	const meta = Math.floor(index / descriptorsPerBlock);
	if (meta < superblock.firstMetaGroup) {
		if (!hasCopy) return places;
		const count = Math.min(tableBlocks, superblock.firstMetaGroup);
		places.push([first + 1, count + superblock.reservedDescriptorBlocks]);
		return places;
	}
	const within = index % descriptorsPerBlock;
	if (within === 0 || within === 1 || within === descriptorsPerBlock - 1) {
		places.push([first + (hasCopy ? 1 : 0), 1]);
	}
	return places;
}
