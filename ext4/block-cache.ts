/**
 * Blocks of metadata by physical number, bounded in bytes. File contents do not pass through it:
 * the kernel caches those.
 *
 * Eviction is by the clock algorithm. An evicted block's bytes are left to whoever still holds
 * them. A block that a transaction changed stays until it was written to its place; who changes
 * one, and how, is `journal/handle.ts`'s matter.
 */
import {Budget} from './budget.ts';
import type {BlockDevice} from './device.ts';
import {CorruptError} from './errors.ts';

export type CachedBlock = {
	readonly number: number;
	readonly bytes: Uint8Array;
	readonly view: DataView;
	/**
	 * What this block was checked as since it was loaded, checksum and all; undefined before that.
	 * A block that is claimed as two things is checked as each. Whoever changes the bytes keeps
	 * them valid, or clears this.
	 */
	checkedAs: string | object | undefined;
	/** The clock's mark: touched since the hand last passed. */
	isRecent: boolean;
	/** Changed in the running transaction. */
	isRunning: boolean;
	/** Committed, and not yet written to its place. */
	isLogged: boolean;
	/** Allocated in the running transaction: nothing on the medium leads to it. */
	isNew: boolean;
	/**
	 * Makes the block's checksum right; called when the transaction commits. Defined where the
	 * bytes were changed since: until then the checksum is not to be believed, nor verified.
	 */
	seal: Seal | undefined;
	/** The handle that holds a copy of how the block was before it. */
	savedBy: object | undefined;
};

export type Seal = (block: CachedBlock) => void;

/** Blocks read at once when a neighbour is likely to be wanted next; in bytes. */
const readAheadBytes = 32 * 1024;

/** Each block costs some 420 bytes of V8's heap beside its own bytes, and that heap is bounded. */
const keptBlocksMax = 100_000;

export class BlockCache {
	readonly blockSize: number;
	readonly blockCount: number;
	/** Device reads and blocks served without one, for `status`. */
	readonly counts = {hits: 0, misses: 0};
	/** What the request that is under way may look at and read. */
	readonly budget = new Budget();
	readonly #device: BlockDevice;
	readonly #blocks = new Map<number, CachedBlock>();
	readonly #clock: CachedBlock[] = [];
	readonly #blocksMax: number;
	#hand = 0;

	/** `blockCount` bounds the numbers that may be asked for. `cacheBytes` bounds what is kept. */
	constructor(device: BlockDevice, blockSize: number, blockCount: number, cacheBytes: number) {
		this.#device = device;
		this.blockSize = blockSize;
		this.blockCount = blockCount;
		this.#blocksMax = Math.min(Math.max(16, Math.floor(cacheBytes / blockSize)), keptBlocksMax);
	}

	/**
	 * Throws `CorruptError` for a number outside the volume, `DeviceError` from the device,
	 * `BudgetError`.
	 */
	read(number: number): CachedBlock {
		this.budget.access();
		const cached = this.#blocks.get(number);
		if (cached !== undefined) {
			cached.isRecent = true;
			this.counts.hits++;
			return cached;
		}
		this.assertInside(number);
		this.budget.read(this.blockSize);
		this.counts.misses++;
		const block = this.#allocate(number);
		this.#device.read(number * this.blockSize, block.bytes);
		this.#keep(block);
		return block;
	}

	/** A new block of zeros in place of whatever was known of `number`; nothing is read. */
	create(number: number): CachedBlock {
		this.assertInside(number);
		const block = this.#allocate(number);
		block.isNew = true;
		this.#keep(block);
		return block;
	}

	/** The block, if it is here. */
	peek(number: number): CachedBlock | undefined {
		return this.#blocks.get(number);
	}

	/** Forgets a block: it is no block of metadata any more, or was changed beside the cache. */
	drop(number: number): void {
		this.#blocks.delete(number);
	}

	/** Takes back a block that was dropped or replaced. */
	restore(block: CachedBlock): void {
		this.#keep(block);
	}

	/** Blocks that may be held back from eviction without crowding out the rest. */
	get pinnedBlocksMax(): number {
		return Math.max(64, Math.floor(this.#blocksMax / 2));
	}

	/**
	 * As `read`, but a miss also loads the neighbours inside `[firstBlock, firstBlock + count)`
	 * that fall into the same aligned window of 32 KiB, in one device read.
	 */
	readAhead(number: number, firstBlock: number, count: number): CachedBlock {
		const cached = this.#blocks.get(number);
		if (cached !== undefined) {
			this.budget.access();
			cached.isRecent = true;
			this.counts.hits++;
			return cached;
		}
		const windowBlocks = Math.max(1, readAheadBytes / this.blockSize);
		const windowStart = number - (number % windowBlocks);
		const start = Math.max(windowStart, firstBlock);
		const end = Math.min(windowStart + windowBlocks, firstBlock + count, this.blockCount);
		this.prefetch(start, end - start);
		return this.read(number);
	}

	/**
	 * Loads a run of blocks in as few device reads as what is cached already allows. Numbers
	 * outside the volume are left out; whoever then asks for one gets the error.
	 */
	prefetch(firstBlock: number, count: number): void {
		const end = Math.min(firstBlock + count, this.blockCount);
		let start = Math.max(firstBlock, 0);
		while (start < end) {
			if (this.#blocks.has(start)) {
				start++;
				continue;
			}
			const run: CachedBlock[] = [];
			while (start < end && run.length < this.#blocksMax && !this.#blocks.has(start)) {
				run.push(this.#allocate(start++));
			}
			this.#load(run);
		}
	}

	assertInside(number: number): void {
		if (number >= this.blockCount || number < 0) {
			throw new CorruptError(
				'EXT4_BAD_BLOCK_NUMBER',
				`block ${number} does not lie in a file system of ${this.blockCount} blocks`,
			);
		}
	}

	#load(run: CachedBlock[]): void {
		const first = run[0];
		if (first === undefined) return;
		this.budget.read(run.length * this.blockSize);
		this.counts.misses++;
		this.#device.readScattered(
			first.number * this.blockSize,
			run.map(block => block.bytes),
		);
		for (const block of run) this.#keep(block);
	}

	#allocate(number: number): CachedBlock {
		const bytes = new Uint8Array(this.blockSize);
		const view = new DataView(bytes.buffer);
		return {
			number,
			bytes,
			view,
			checkedAs: undefined,
			isRecent: true,
			isRunning: false,
			isLogged: false,
			isNew: false,
			seal: undefined,
			savedBy: undefined,
		};
	}

	#keep(block: CachedBlock): void {
		this.#blocks.set(block.number, block);
		if (this.#clock.length < this.#blocksMax) {
			this.#clock.push(block);
			return;
		}
		// Each step clears a mark, so that the second round at the latest finds a victim, unless all
		// are held by a transaction.
		for (let steps = 2 * this.#clock.length; steps > 0; steps--) {
			if (this.#hand >= this.#clock.length) this.#hand = 0;
			const victim = this.#clock[this.#hand];
			if (victim === undefined) break;
			if (victim.isRecent || victim.isRunning || victim.isLogged) {
				victim.isRecent = false;
				this.#hand++;
				continue;
			}
			// What was dropped or replaced is still in the clock.
			if (this.#blocks.get(victim.number) === victim) this.#blocks.delete(victim.number);
			this.#clock[this.#hand++] = block;
			return;
		}
		this.#clock.push(block);
	}
}
