/**
 * The running transaction of a volume that is open for writing, and its way to the medium.
 *
 *            run(fn)                    commit()
 *   idle ───────────► running ───────────────────► committing ──► idle
 *    ▲                 │   ▲                            │
 *    │   fn throws:    └───┘ fn succeeds: its handle    │ the log is getting full
 *    │   rolled back         joins the transaction      ▼
 *    └──────────────────────────────────────────── checkpointing
 *
 *   any state ── the device fails in a commit or checkpoint ──► aborted: no more changes
 *   idle ── close() ──► closed
 *
 * Everything is synchronous, so that one transaction at most is on its way, and a checkpoint always
 * follows a commit: no block then holds changes that are not committed, and its bytes in the cache
 * are what belongs in its place.
 */
import type {CachedBlock} from '../block-cache.ts';
import {assert, CorruptError, DeviceError, FileError} from '../errors.ts';
import type {Timestamp} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import type {CommitLog} from './commit-log.ts';
import {Handle, type HandleOptions, logBlocksOfRevokes, RetryAfterCommit} from './handle.ts';
import {writeHome} from './write-home.ts';

export type Transaction = {
	/** Changed blocks by number. */
	readonly blocks: Map<number, CachedBlock>;
	/** Blocks of metadata that were freed. */
	readonly revoked: Set<number>;
	/** Blocks committed by earlier transactions that are not yet in their places. */
	readonly logged: Map<number, CachedBlock>;
	/** Called when the transaction is on the medium. */
	readonly afterCommit: (() => void)[];
};

/** What to do when the image turns out to be damaged while it is written to; as ext4's `errors=`. */
export type ErrorsPolicy = 'continue' | 'remount-ro';

export type TransactionsOptions = {
	/** The time of operations. */
	readonly clock: () => Timestamp;
	readonly errors: ErrorsPolicy;
	/** Called before each operation, and in the midst of what takes long between two. May throw. */
	readonly beat?: () => void;
};

export type RunOptions = Partial<HandleOptions> & {
	/** Blocks of metadata that the operation may change at most. */
	readonly credits?: number;
};

const defaultCredits = 96;
/** Freed blocks of metadata that one transaction remembers, some 40 bytes each. */
const revokedMax = 2 ** 16;
/** After a retry there is nothing left that a commit could free. */
const triesMax = 2;

/** Blocks of the log that the transaction takes, but for what a commit adds. */
function sizeOf({blocks, revoked}: Transaction): number {
	return blocks.size + logBlocksOfRevokes(revoked.size);
}

export class Transactions {
	readonly counts = {commits: 0, checkpoints: 0, blocksCommitted: 0, rollbacks: 0};
	readonly #volume: Volume;
	readonly #log: CommitLog;
	readonly #options: TransactionsOptions;
	readonly #logged = new Map<number, CachedBlock>();
	#running: Transaction | undefined;
	#handle: Handle | undefined;
	/** File data was written that no flush has followed. */
	#hasUnflushedData = false;
	#ended: 'aborted' | 'readonly' | 'closed' | undefined;
	/** Why nothing can be changed any more. */
	#reason: Error | undefined;
	/** Damage that was noted: it may be met again on its way up. */
	readonly #noted = new WeakSet<CorruptError>();

	constructor(volume: Volume, log: CommitLog, options: TransactionsOptions) {
		this.#volume = volume;
		this.#log = log;
		this.#options = options;
	}

	/** True while something waits for a commit; whoever has a clock then sees to it that one comes. */
	get isOpen(): boolean {
		return this.#running !== undefined || this.#hasUnflushedData;
	}

	get isWritable(): boolean {
		return this.#ended === undefined;
	}

	/** The medium may lack some of what was committed in memory: nothing must be written to it. */
	get isAborted(): boolean {
		return this.#ended === 'aborted';
	}

	/** Why the volume has become read-only, where it has. */
	get failure(): Error | undefined {
		return this.#reason;
	}

	/** The handle of the operation that is under way. */
	get handle(): Handle | undefined {
		return this.#handle;
	}

	/**
	 * Runs one operation to its end: what it changes happens as a whole or, when it throws, not at
	 * all. Throws what `operation` throws, `FileError` EROFS where the volume takes no changes,
	 * `DeviceError`, and as `beat`.
	 */
	run<T>(operation: (handle: Handle) => T, options: RunOptions = {}): T {
		assert(this.#handle === undefined, 'an operation does not begin inside another');
		this.#assertWritable();
		this.beat();
		this.#makeRoom(options.credits ?? defaultCredits);
		this.#volume.cache.budget.renew();
		for (let tries = 1; ; tries++) {
			try {
				return this.#try(operation, options.mayUseReserved ?? false);
			} catch (error) {
				if (!(error instanceof RetryAfterCommit)) throw error;
				if (tries === triesMax) throw new FileError('ENOSPC', 'no space is left');
				this.commit();
			}
		}
	}

	/**
	 * Something takes long, and no operation is under way: other hosts are told that the file system is
	 * in use, where that is due. Throws `FileError` EBUSY where one has taken it, `CorruptError`,
	 * `DeviceError`; nothing can be changed then.
	 */
	beat(): void {
		this.#options.beat?.();
	}

	/** File data was written to the device, in place: the next commit or `sync` makes it durable. */
	noteData(): void {
		this.#hasUnflushedData = true;
	}

	/** Makes durable all that was done so far. Throws `DeviceError`. */
	sync(): void {
		assert(this.#handle === undefined, 'nothing is committed in the middle of an operation');
		if (this.#ended === 'aborted') throw this.#reason ?? new FileError('EROFS', 'aborted');
		if (this.#running !== undefined) {
			this.commit();
		} else if (this.#hasUnflushedData) {
			this.#guard(() => this.#volume.device.flush());
			this.#hasUnflushedData = false;
		}
	}

	/** Commits the running transaction, if there is one. Throws `DeviceError`. */
	commit(): void {
		const transaction = this.#running;
		if (transaction === undefined) return;
		assert(this.#handle === undefined, 'nothing is committed in the middle of an operation');
		this.#guard(() => {
			const blocks = this.#prepare(transaction);
			this.#log.commit({
				blocks,
				revoked: [...transaction.revoked],
				time: this.#options.clock(),
			});
			this.#settle(transaction, blocks);
		});
		if (this.#log.needsCheckpoint || this.#logged.size > this.#volume.cache.pinnedBlocksMax) {
			this.checkpoint();
		}
	}

	/** Commits, then brings everything to its place and empties the log. Throws `DeviceError`. */
	checkpoint(): void {
		this.commit();
		if (this.#log.isInPlace || this.#logged.size === 0) return;
		this.#guard(() => {
			const {device, geometry} = this.#volume;
			const blocks = [...this.#logged.values()].sort((a, b) => a.number - b.number);
			writeHome(device, geometry.blockSize, blocks);
			device.flush();
			this.#hasUnflushedData = false;
			for (const block of blocks) block.isLogged = false;
			this.#logged.clear();
			this.#log.checkpointed();
			this.counts.checkpoints++;
		});
	}

	/** Brings everything home; nothing can be changed afterwards. Throws `DeviceError`. */
	close(): void {
		if (this.#ended === 'closed' || this.#ended === 'aborted') return;
		this.checkpoint();
		this.sync();
		this.#ended = 'closed';
	}

	/**
	 * The image is damaged: so it is marked, for e2fsck, and by the policy nothing more is changed.
	 * What was done before stays and is committed. Never throws: the damage is the news.
	 */
	noteCorruption(error: CorruptError): void {
		// An operation that fails has noted it; whoever catches it further up need not know.
		if (this.#ended !== undefined || this.#noted.has(error)) return;
		this.#noted.add(error);
		this.#volume.recordError(error, this.#options.clock());
		this.#open();
		if (this.#options.errors === 'continue') return;
		try {
			this.commit();
		} catch (failure) {
			if (!(failure instanceof DeviceError)) throw failure;
			return; // `#guard` has noted it.
		}
		this.#ended = 'readonly';
		this.#reason = error;
	}

	/** Ends all writing at once: what is not committed yet never will be. */
	abort(reason: Error): void {
		if (this.#ended === 'closed' || this.#ended === 'aborted') return;
		this.#ended = 'aborted';
		this.#reason = reason;
		this.#running = undefined;
	}

	#try<T>(operation: (handle: Handle) => T, mayUseReserved: boolean): T {
		const wasOpen = this.#running !== undefined;
		const transaction = this.#open();
		const handle = new Handle(this.#volume, transaction, this.#options.clock, {mayUseReserved});
		this.#handle = handle;
		try {
			const result = operation(handle);
			handle.writeInodes();
			this.#assertFits(transaction);
			handle.finish();
			if (!wasOpen && handle.isEmpty) this.#running = undefined;
			return result;
		} catch (error) {
			this.#guard(() => handle.rollBack());
			this.counts.rollbacks++;
			if (!wasOpen) this.#running = undefined;
			this.#handle = undefined;
			if (error instanceof CorruptError) this.noteCorruption(error);
			throw error;
		} finally {
			this.#handle = undefined;
		}
	}

	#open(): Transaction {
		this.#running ??= {
			blocks: new Map(),
			revoked: new Set(),
			logged: this.#logged,
			afterCommit: [],
		};
		return this.#running;
	}

	#assertWritable(): void {
		if (this.#ended === undefined) return;
		const because = this.#reason === undefined ? '' : `: ${this.#reason.message}`;
		throw new FileError('EROFS', `the file system takes no more changes${because}`);
	}

	#makeRoom(credits: number): void {
		const {transactionBlocksMax} = this.#log;
		const max = Math.min(transactionBlocksMax, this.#volume.cache.pinnedBlocksMax);
		const running = this.#running;
		if (running === undefined) return;
		const isFull = sizeOf(running) + credits > max || running.revoked.size > revokedMax;
		if (isFull) this.commit();
	}

	/**
	 * What can be large is done in parts; but a damaged image may make any operation so. Throws
	 * `RetryAfterCommit`: it may fit into a transaction of its own.
	 */
	#assertFits(transaction: Transaction): void {
		if (sizeOf(transaction) <= this.#log.transactionBlocksLimit) return;
		throw new RetryAfterCommit('the operation changes more blocks than the transaction may have');
	}

	/** Makes every checksum right, and every count that is kept elsewhere until now. */
	#prepare(transaction: Transaction): CachedBlock[] {
		for (const block of transaction.blocks.values()) {
			block.seal?.(block);
			block.seal = undefined;
		}
		const add = (block: CachedBlock) => {
			block.isRunning = true;
			transaction.blocks.set(block.number, block);
		};
		this.#volume.writeGroups(add);
		this.#volume.writeSuperblock(this.#options.clock(), add);
		return [...transaction.blocks.values()].sort((a, b) => a.number - b.number);
	}

	#settle(transaction: Transaction, blocks: readonly CachedBlock[]): void {
		for (const block of blocks) {
			block.isRunning = block.isNew = false;
			if (this.#log.isInPlace) continue;
			block.isLogged = true;
			this.#logged.set(block.number, block);
		}
		this.counts.commits++;
		this.counts.blocksCommitted += blocks.length;
		this.#running = undefined;
		this.#hasUnflushedData = false;
		for (const action of transaction.afterCommit) action();
	}

	/** After a failure nobody knows what lies on the device, or in memory: nothing more is written. */
	#guard(action: () => void): void {
		try {
			this.#volume.cache.budget.pause(action);
		} catch (error) {
			this.abort(error instanceof Error ? error : new Error(String(error)));
			throw error;
		}
	}
}
