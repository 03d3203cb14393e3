/**
 * Who claims the blocks that were claimed twice. Which blocks those are is known when all inodes
 * were looked at once, not who else has them: so, where there are any, the inodes are walked again.
 */
import {inodeFlags, reservedInode} from '../layout/inode.ts';
import {BlockMapWalker} from './block-map.ts';
import {ExtentWalker} from './extents.ts';
import {FixedPlaces} from './fixed.ts';
import {InodeBytes} from './inode-bytes.ts';
import {factFlags} from './inode-facts.ts';
import {Mapped} from './mapped.ts';
import {type CheckState, groupProblem} from './state.ts';

/** Pieces of claims that are told apart; beyond, they are only counted. */
const claimsMax = 100_000;
const othersShown = 5;
const chunkBytes = 1 << 20;

type Claim = {readonly start: number; readonly end: number; readonly inode: number};

export function* tellClaimedTwice(state: CheckState): Generator<void> {
	const claims: Claim[] = [];
	const add = (start: number, length: number, inode: number) => {
		addTwice(state, claims, start, length, inode);
	};
	yield* walkAgain(state, add);
	if (claims.length >= claimsMax) state.giveUp('too many blocks are claimed more than once');
	const fixed = new FixedPlaces(state);
	claims.sort((a, b) => a.start - b.start || a.inode - b.inode);
	for (let index = 0; index < claims.length; index++) {
		tell(state, fixed, claims, index);
		if (index % 1000 === 999) yield;
	}
}

/** Keeps the parts of a run that others claim, too. */
function addTwice(
	state: CheckState,
	claims: Claim[],
	start: number,
	length: number,
	inode: number,
): void {
	for (let block = start; block < start + length; ) {
		if (!state.claims.isClaimedTwice(block)) {
			block++;
			continue;
		}
		let end = block + 1;
		while (end < start + length && state.claims.isClaimedTwice(end)) end++;
		if (claims.length < claimsMax) claims.push({start: block, end, inode});
		block = end;
	}
}

function* walkAgain(
	state: CheckState,
	add: (start: number, length: number, inode: number) => void,
): Generator<void> {
	const {inodeSize, inodesPerGroup, blockSize, groupCount} = state.geometry;
	const chunk = new Uint8Array(Math.max(chunkBytes, blockSize));
	const inode = new InodeBytes(new DataView(chunk.buffer), inodeSize);
	const mapped = new Mapped(state, inode);
	mapped.onBlocks = (block, length, {number}) => add(block, length, number);
	const extents = new ExtentWalker(state, mapped);
	const blockMap = new BlockMapWalker(state, mapped);
	for (let group = 0; group < groupCount; group++) {
		const {first, count} = state.inodes.slotsOfGroup(group);
		if (count === 0 || ((state.groupProblems[group] ?? 0) & groupProblem.inodeTable) !== 0)
			continue;
		const table = state.group(group).inodeTable;
		const bytes = count * inodeSize;
		for (let done = 0; done < bytes; done += chunk.length) {
			const wanted = Math.min(chunk.length, bytes - done);
			const whole = Math.ceil(wanted / blockSize) * blockSize;
			state.readBlocks(table + done / blockSize, chunk.subarray(0, whole));
			const offset = done / inodeSize;
			for (let index = 0; index < wanted / inodeSize; index++) {
				const slot = first + offset + index;
				if ((state.inodes.types[slot] ?? 0) === 0) continue;
				inode.number = group * inodesPerGroup + offset + index + 1;
				inode.at = index * inodeSize;
				walk(state, inode, slot, mapped, extents, blockMap, add);
			}
			yield;
		}
	}
}

function walk(
	state: CheckState,
	inode: InodeBytes,
	slot: number,
	mapped: Mapped,
	extents: ExtentWalker,
	blockMap: BlockMapWalker,
	add: (start: number, length: number, inode: number) => void,
): void {
	if (inode.number === reservedInode.resize) return;
	const type = state.inodes.types[slot] ?? 0;
	const xattrBlock =
		inode.xattrBlockLow + (state.features.has('64bit') ? inode.xattrBlockHigh * 2 ** 32 : 0);
	if (xattrBlock !== 0 && state.isBlock(xattrBlock)) add(xattrBlock, 1, inode.number);
	const isReserved = ((state.inodes.flags[slot] ?? 0) & factFlags.reserved) !== 0;
	const isMapped = type === 1 || type === 2 || type === 7 || isReserved;
	const isFastSymlink = type === 7 && inode.sizeBytes < 60;
	if (!isMapped || isFastSymlink || (inode.flags & inodeFlags.inlineData) !== 0) return;
	mapped.begin(inode, false);
	if ((inode.flags & inodeFlags.extents) !== 0) extents.walk(inode);
	else blockMap.walk(inode);
}

function rangeText(start: number, end: number): string {
	return end - start === 1 ? `block ${start}` : `blocks ${start} to ${end - 1}`;
}

function tell(
	state: CheckState,
	fixed: FixedPlaces,
	claims: readonly Claim[],
	index: number,
): void {
	const claim = claims[index];
	if (claim === undefined) return;
	const others = new Set<string>();
	const metadata = fixed.at(claim.start);
	if (metadata !== undefined) others.add(metadata);
	for (let at = index + 1; at < claims.length && others.size < othersShown; at++) {
		const other = claims[at];
		if (other === undefined || other.start >= claim.end) break;
		if (other.inode !== claim.inode) others.add(`inode ${other.inode}`);
	}
	for (let at = index - 1; at >= 0 && index - at < 100 && others.size < othersShown; at--) {
		const other = claims[at];
		if (other !== undefined && other.end > claim.start && other.inode !== claim.inode) {
			others.add(`inode ${other.inode}`);
		}
	}
	const expected = others.size === 0 ? 'the same inode again' : [...others].join(', ');
	const isBadBlocks = claim.inode === reservedInode.badBlocks;
	const codeOfMetadata = isBadBlocks
		? 'CHECK_BAD_BLOCKS_METADATA'
		: 'CHECK_BLOCKS_CLAIMED_METADATA';
	state.report(
		metadata === undefined ? 'CHECK_BLOCKS_CLAIMED_TWICE' : codeOfMetadata,
		{inode: claim.inode, block: claim.start},
		{found: rangeText(claim.start, claim.end), expected},
		{of: 'block', list: [[claim.start, claim.end - 1]], omittedCount: 0},
	);
}
