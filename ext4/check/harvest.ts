/**
 * What scanning a range of groups brings beside findings and marks in shared memory. Plain data:
 * a worker gives it back by structured clone, and the pass puts the pieces together.
 */
import {NumberList} from './number-list.ts';
import {noTotals, type Totals, type Usage, type UsageKind} from './state.ts';

/** Rows of numbers, `width` to a row. */
export type Rows = Float64Array<ArrayBuffer>;

export type Harvest = {
	readonly totals: Totals;
	/** inode, generation, i_flags, length in blocks, number of runs. */
	readonly directories: Rows;
	/** logical, physical, length. */
	readonly directoryRuns: Rows;
	/** block, inode, clusters counted, i_blocks as stored, i_flags, generation, uid, gid, project. */
	readonly xattrBlocks: Rows;
	/** owner, its generation, holder, e_hash, hash of the name unsigned and signed, size, block. */
	readonly heldValues: Rows;
	/** inode, i_atime, i_ctime, l_i_version, i_mtime, generation, size. */
	readonly holders: Rows;
	/** inode, its policy: of those that are marked as encrypted. */
	readonly policies: Rows;
	readonly usage: {readonly [kind in UsageKind]: Map<number, Usage>};
};

export const xattrBlockWidth = 9;
export const heldValueWidth = 8;
export const holderWidth = 7;
export const policyWidth = 2;

export class Harvester {
	readonly totals = noTotals();
	readonly directories = new NumberList();
	readonly directoryRuns = new NumberList();
	readonly xattrBlocks = new NumberList();
	readonly heldValues = new NumberList();
	readonly holders = new NumberList();
	readonly policies = new NumberList();
	readonly usage = {
		user: new Map<number, Usage>(),
		group: new Map<number, Usage>(),
		project: new Map<number, Usage>(),
	};

	/** Gives away what was brought together. */
	finish(): Harvest {
		return {
			totals: this.totals,
			directories: this.directories.take(),
			directoryRuns: this.directoryRuns.take(),
			xattrBlocks: this.xattrBlocks.take(),
			heldValues: this.heldValues.take(),
			holders: this.holders.take(),
			policies: this.policies.take(),
			usage: this.usage,
		};
	}
}

/** Adds what one owner uses. */
export function addUsage(
	usage: Map<number, Usage>,
	owner: number,
	bytes: number,
	inodes: number,
): void {
	const known = usage.get(owner);
	if (known === undefined) usage.set(owner, {bytes, inodes});
	else {
		known.bytes += bytes;
		known.inodes += inodes;
	}
}
