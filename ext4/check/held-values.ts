/**
 * Values of attributes that lie in inodes of their own (ea_inode): whether each attribute and its
 * holder belong together, and how many attributes name each holder. Kernel documentation, "Large
 * Extended Attribute Values".
 */
import {inodeFlags} from '../layout/inode.ts';
import {hex} from './finding.ts';
import {type Harvest, heldValueWidth, holderWidth} from './harvest.ts';
import {InodeBytes} from './inode-bytes.ts';
import type {CheckState} from './state.ts';
import {checkValueHashes} from './value-hashes.ts';

type Holder = {
	readonly valueHash: number;
	readonly changeTime: number;
	readonly version: number;
	readonly modificationTime: number;
	readonly generation: number;
	readonly sizeBytes: number;
	readonly isMarked: boolean;
};

export function* checkHeldValues(
	state: CheckState,
	harvests: readonly Harvest[],
	inBlocks: Float64Array,
): Generator<void> {
	const holders = holdersOf(harvests);
	/** Of each inode whose value fits the attribute: the hash that it keeps. */
	const toHash = new Map<number, number>();
	for (const rows of [...harvests.map(({heldValues}) => heldValues), inBlocks]) {
		for (let at = 0; at < rows.length; at += heldValueWidth) {
			checkValue(state, holders, toHash, rows.subarray(at, at + heldValueWidth));
		}
		yield;
	}
	yield* checkValueHashes(state, toHash);
	for (const [inode, holder] of holders) {
		const found = holder.changeTime * 2 ** 32 + holder.version;
		const expected = state.valueReferences.get(inode);
		// Lustre's old form keeps no count; its times are the same.
		if (expected === undefined || found === expected) continue;
		if (holder.changeTime === holder.valueHash) continue;
		state.report('CHECK_VALUE_REFERENCES', {inode}, {found, expected});
	}
}

function holdersOf(harvests: readonly Harvest[]): Map<number, Holder> {
	const holders = new Map<number, Holder>();
	for (const {holders: rows} of harvests) {
		for (let at = 0; at < rows.length; at += holderWidth) {
			holders.set(rows[at] ?? 0, {
				valueHash: rows[at + 1] ?? 0,
				changeTime: rows[at + 2] ?? 0,
				version: rows[at + 3] ?? 0,
				modificationTime: rows[at + 4] ?? 0,
				generation: rows[at + 5] ?? 0,
				sizeBytes: rows[at + 6] ?? 0,
				isMarked: true,
			});
		}
	}
	return holders;
}

/** An inode that an attribute names though it is not marked as holding values. */
function readHolder(state: CheckState, number: number): Holder | undefined {
	const view = state.readInode(number);
	if (view === undefined) return undefined;
	const inode = new InodeBytes(view, view.byteLength);
	return {
		valueHash: inode.accessTime,
		changeTime: inode.changeTime,
		version: inode.version,
		modificationTime: inode.modificationTime,
		generation: inode.generation,
		sizeBytes: inode.sizeBytes,
		isMarked: (inode.flags & inodeFlags.eaInode) !== 0,
	};
}

function checkValue(
	state: CheckState,
	holders: Map<number, Holder>,
	toHash: Map<number, number>,
	row: Float64Array,
): void {
	const [inode = 0, generation = 0, number = 0, hash = 0, unsigned = 0, signed = 0, size = 0] = row;
	const block = row[7] === 0 ? undefined : row[7];
	const place = {inode, block};
	const {firstInode, inodeCount} = state.geometry;
	if (number < firstInode || number > inodeCount) {
		state.report('CHECK_ATTRIBUTE_HOLDER', place, {found: number});
		return;
	}
	const holder = holders.get(number) ?? readHolder(state, number);
	if (holder === undefined) {
		state.report('CHECK_ATTRIBUTE_HOLDER', place, {found: number});
		return;
	}
	const expected = (unsigned ^ holder.valueHash) >>> 0;
	const isLustre = holder.modificationTime === inode && holder.generation === generation;
	if (hash !== expected && hash !== (signed ^ holder.valueHash) >>> 0 && !isLustre) {
		if (holder.isMarked)
			state.report('CHECK_ATTRIBUTE_HASH', place, {found: hex(hash), expected: hex(expected)});
		else state.report('CHECK_ATTRIBUTE_HOLDER', place, {found: number});
		return;
	}
	if (!holder.isMarked) state.report('CHECK_ATTRIBUTE_HOLDER_UNMARKED', place, {found: number});
	if (holder.sizeBytes !== size) {
		state.report('CHECK_ATTRIBUTE_HOLDER_SIZE', place, {
			found: size,
			expected: holder.sizeBytes,
			holder: number,
		});
	} else if (holder.isMarked && !isLustre) toHash.set(number, holder.valueHash);
	state.valueReferences.set(number, (state.valueReferences.get(number) ?? 0) + 1);
}
