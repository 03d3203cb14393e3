/**
 * Which blocks are in use, as the checker finds it out, and which are claimed more than once. One
 * bit a cluster, in shared memory: several threads may claim at the same time. The memory of what
 * nobody claims is never touched, so that an empty file system of any size costs little.
 */
import type {Geometry} from '../layout/superblock.ts';

export class BlockClaims {
	/** Bit n of word w stands for the cluster 32 w + n, counted from `firstDataBlock`. */
	readonly words: Uint32Array<SharedArrayBuffer>;
	/** The same for clusters claimed a second time. */
	readonly twice: Uint32Array<SharedArrayBuffer>;
	/** [0]: how many bits of `twice` were set, more or less: 0 says that there are none. */
	readonly #state: Int32Array<SharedArrayBuffer>;
	readonly #clusterBits: number;
	readonly #firstDataBlock: number;
	readonly clusterCount: number;

	constructor(geometry: Geometry, shared?: SharedBlockClaims) {
		this.#clusterBits = geometry.clusterBits;
		this.#firstDataBlock = geometry.firstDataBlock;
		this.clusterCount = Math.ceil(
			(geometry.blockCount - geometry.firstDataBlock) / 2 ** geometry.clusterBits,
		);
		const bytes = Math.ceil(this.clusterCount / 32) * 4;
		const {words, twice, state} = shared ?? {
			words: new SharedArrayBuffer(bytes),
			twice: new SharedArrayBuffer(bytes),
			state: new SharedArrayBuffer(4),
		};
		this.words = new Uint32Array(words);
		this.twice = new Uint32Array(twice);
		this.#state = new Int32Array(state);
	}

	share(): SharedBlockClaims {
		return {words: this.words.buffer, twice: this.twice.buffer, state: this.#state.buffer};
	}

	/** Whether any cluster was claimed twice. */
	get hasTwice(): boolean {
		return Atomics.load(this.#state, 0) !== 0;
	}

	/** The number of a block's cluster, for `words`. The block must lie in the file system. */
	clusterOf(block: number): number {
		return Math.floor((block - this.#firstDataBlock) / 2 ** this.#clusterBits);
	}

	/** The first block of a cluster. */
	blockOf(cluster: number): number {
		return cluster * 2 ** this.#clusterBits + this.#firstDataBlock;
	}

	/**
	 * Claims the clusters of `length` blocks from `block` on; they must lie in the file system.
	 * What was claimed before is claimed twice from now on. A caller that goes on in the cluster
	 * it has just claimed starts at the next.
	 */
	claim(block: number, length: number): void {
		this.claimClusters(this.clusterOf(block), this.clusterOf(block + length - 1));
	}

	/** As `claim`, from cluster `first` up to and including `last`. */
	claimClusters(first: number, last: number): void {
		this.#set(first, last, true);
	}

	#set(first: number, last: number, isClaim: boolean): void {
		const firstWord = Math.floor(first / 32);
		const lastWord = Math.floor(last / 32);
		for (let word = firstWord; word <= lastWord; word++) {
			let mask = 0xffff_ffff;
			if (word === firstWord) mask = (mask << (first % 32)) >>> 0;
			if (word === lastWord) mask = (mask & (0xffff_ffff >>> (31 - (last % 32)))) >>> 0;
			const before = Atomics.or(this.words, word, mask);
			const again = (before & mask) >>> 0;
			if (again !== 0 && isClaim) {
				Atomics.or(this.twice, word, again);
				Atomics.store(this.#state, 0, 1);
			}
		}
	}

	/** Marks without telling that a cluster was claimed before: for what may share a cluster. */
	mark(block: number, length: number): void {
		this.#set(this.clusterOf(block), this.clusterOf(block + length - 1), false);
	}

	/** How many clusters are claimed. */
	countClaimed(): number {
		let count = 0;
		const {words} = this;
		for (let index = 0; index < words.length; index++) {
			const word = words[index] ?? 0;
			if (word === 0) continue;
			const pairs = word - ((word >>> 1) & 0x5555_5555);
			const fours = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
			count += Math.imul((fours + (fours >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
		}
		return count;
	}

	isClaimed(block: number): boolean {
		const cluster = this.clusterOf(block);
		return (((this.words[Math.floor(cluster / 32)] ?? 0) >>> (cluster % 32)) & 1) === 1;
	}

	isClaimedTwice(block: number): boolean {
		const cluster = this.clusterOf(block);
		return (((this.twice[Math.floor(cluster / 32)] ?? 0) >>> (cluster % 32)) & 1) === 1;
	}
}

export type SharedBlockClaims = {
	readonly words: SharedArrayBuffer;
	readonly twice: SharedArrayBuffer;
	readonly state: SharedArrayBuffer;
};
