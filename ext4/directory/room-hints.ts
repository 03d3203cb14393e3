/**
 * Where a search for room in a linear directory begins, so that filling one does not look at every
 * full block for every name. Only a help: kept as long as the inode is, and where an operation is
 * rolled back a hint may pass over room that has come back, which costs nothing but that room.
 */
import {nameLengthMax, recordLengthMin} from '../layout/directory.ts';
import type {Inode} from '../layout/inode.ts';

/** Entries are as many times four bytes long. */
const sizesMax = recordLengthMin(nameLengthMax, false) / 4 + 1;

/** For each size of entry: no block before that one has room for it. */
const hints = new WeakMap<Inode, Float64Array>();

/** The logical block from which on there may be `needed` bytes of room. */
export function firstWithRoom(directory: Inode, needed: number): number {
	return hints.get(directory)?.[needed / 4] ?? 0;
}

/** No block before `logical` has `needed` bytes of room. */
export function noteNoRoom(directory: Inode, needed: number, logical: number): void {
	let from = hints.get(directory);
	if (from === undefined) {
		if (logical === 0) return;
		from = new Float64Array(sizesMax);
		hints.set(directory, from);
	}
	for (let size = needed / 4; size < sizesMax; size++) {
		if ((from[size] ?? 0) < logical) from[size] = logical;
	}
}

/** There are `room` bytes of room in block `logical` now. */
export function noteRoom(directory: Inode, room: number, logical: number): void {
	const from = hints.get(directory);
	if (from === undefined) return;
	const end = Math.min(room / 4 + 1, sizesMax);
	for (let size = 0; size < end; size++) {
		if ((from[size] ?? 0) > logical) from[size] = logical;
	}
}
