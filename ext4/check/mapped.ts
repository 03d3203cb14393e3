/**
 * What walking an inode's mapping brings together, whichever form the mapping has: blocks are
 * claimed, clusters counted, a directory's runs kept.
 */
import type {BlockClaims} from './block-claims.ts';
import type {FindingCode} from './codes.ts';
import type {FindingValues} from './finding.ts';
import type {InodeBytes} from './inode-bytes.ts';
import type {CheckState} from './state.ts';

/** What may be wrong with one inode's mapping and is told; the rest of it is only counted. */
const findingsOfInodeMax = 12;

export class Mapped {
	readonly state: CheckState;
	readonly #claims: BlockClaims;
	readonly #hasClusters: boolean;
	readonly #clusterMask: number;
	inode: InodeBytes;
	isDirectory = false;
	/** Does not claim: for a second look at what was claimed. */
	onBlocks: ((block: number, length: number, inode: InodeBytes) => void) | undefined;

	/** Clusters that were claimed, those of the mapping's own blocks counted in. */
	clusterCount = 0;
	/** The last block that has space; -1 where none has. */
	lastLogical = -1;
	/** The last block that has data that was written; -1 where none has. */
	lastWritten = -1;
	/** Whether it lies in more than one piece, blocks of pointers counted in as e2fsck does. */
	isFragmented = false;
	/** Logical, physical, length; of a directory alone. */
	readonly runs: number[] = [];
	/** Physical block after the run before; 0 before the first. */
	#nextPhysical = 0;
	#lastCluster = -1;
	/** Which cluster of the file lies there. */
	#lastLogicalCluster = -1;
	#findingCount = 0;
	hasBadBlocks = false;

	constructor(state: CheckState, inode: InodeBytes) {
		this.state = state;
		this.inode = inode;
		this.#claims = state.claims;
		this.#hasClusters = state.geometry.clusterBits > 0;
		this.#clusterMask = 2 ** state.geometry.clusterBits - 1;
	}

	begin(inode: InodeBytes, isDirectory: boolean): void {
		this.inode = inode;
		this.isDirectory = isDirectory;
		this.clusterCount = 0;
		this.lastLogical = -1;
		this.lastWritten = -1;
		this.isFragmented = false;
		if (this.runs.length > 0) this.runs.length = 0;
		this.#nextPhysical = 0;
		this.#lastCluster = -1;
		this.#lastLogicalCluster = -1;
		this.#findingCount = 0;
		this.hasBadBlocks = false;
	}

	/** Tells what is wrong, up to a dozen times an inode. */
	tell(
		code: FindingCode,
		place: {readonly block?: number; readonly logical?: number},
		values: FindingValues = {},
	): void {
		if (this.#findingCount++ >= findingsOfInodeMax) return;
		if (this.onBlocks !== undefined) return; // It was told the first time.
		this.state.report(code, {inode: this.inode.number, ...place}, values);
	}

	/**
	 * A block of the mapping itself: a node of the tree, a block of pointers. False where it is not
	 * to be looked into: somebody has claimed it before, and too many such were looked into.
	 */
	addMetadata(block: number): boolean {
		let isAgain: boolean;
		if (this.onBlocks !== undefined) {
			isAgain = this.#claims.isClaimedTwice(block);
			this.onBlocks(block, 1, this.inode);
		} else {
			isAgain = this.#claims.isClaimed(block);
			this.#claims.claim(block, 1);
		}
		this.clusterCount++;
		return !isAgain || this.state.mayRepeat();
	}

	/**
	 * As `addMetadata`, a block of pointers: it lies where the file would go on, between the blocks
	 * before it and those that it leads to, and parts them no more than one of their own.
	 */
	addPointers(block: number): boolean {
		this.#follow(block, 1);
		return this.addMetadata(block);
	}

	#follow(physical: number, length: number): void {
		if (this.#nextPhysical !== 0 && physical !== this.#nextPhysical) this.isFragmented = true;
		this.#nextPhysical = physical + length;
	}

	/** `length` blocks of the file; they lie in the file system. */
	addRun(logical: number, physical: number, length: number, isWritten: boolean): void {
		this.#follow(physical, length);
		if (this.isDirectory) this.#keepRun(logical, physical, length);
		if (this.#hasClusters) this.#claimClusters(logical, physical, length);
		else {
			if (this.onBlocks !== undefined) this.onBlocks(physical, length, this.inode);
			else this.#claims.claim(physical, length);
			this.clusterCount += length;
		}
		this.lastLogical = logical + length - 1;
		if (isWritten) this.lastWritten = this.lastLogical;
	}

	#keepRun(logical: number, physical: number, length: number): void {
		const {runs} = this;
		const at = runs.length - 3;
		const before = runs[at + 2] ?? 0;
		if (
			at >= 0 &&
			(runs[at] ?? 0) + before === logical &&
			(runs[at + 1] ?? 0) + before === physical
		) {
			runs[at + 2] = before + length;
		} else runs.push(logical, physical, length);
	}

	/** With bigalloc a run may begin in the cluster where the one before has ended. */
	#claimClusters(logical: number, physical: number, length: number): void {
		const {geometry} = this.state;
		const offset = (physical - geometry.firstDataBlock) & this.#clusterMask;
		let first = this.#claims.clusterOf(physical);
		const last = this.#claims.clusterOf(physical + length - 1);
		const bits = geometry.clusterBits;
		const firstLogical = Math.floor(logical / 2 ** bits);
		if (offset !== (logical & this.#clusterMask)) {
			this.tell('CHECK_CLUSTER_MISALIGNED', {block: physical, logical});
		} else if (first === this.#lastCluster && firstLogical === this.#lastLogicalCluster) first++;
		this.#lastCluster = last;
		this.#lastLogicalCluster = Math.floor((logical + length - 1) / 2 ** bits);
		if (first > last) return;
		this.clusterCount += last - first + 1;
		if (this.onBlocks === undefined) this.#claims.claimClusters(first, last);
		else {
			const from = this.#claims.blockOf(first);
			this.onBlocks(from, this.#claims.blockOf(last + 1) - from, this.inode);
		}
	}
}
