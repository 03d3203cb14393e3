/**
 * Where transactions go when they are committed. Two kinds: a journal (`journal-log.ts`), and for
 * a file system without one the blocks' own places (`in-place-log.ts`).
 */
import type {CachedBlock} from '../block-cache.ts';

export type CommittedTransaction = {
	/** Sealed; ascending by number. */
	readonly blocks: readonly CachedBlock[];
	/** Blocks of metadata that were freed: older copies of them in the log must not be replayed. */
	readonly revoked: readonly number[];
	/** Seconds since 1970, and nanoseconds. */
	readonly time: {readonly seconds: number; readonly nanoseconds: number};
};

export interface CommitLog {
	/** How many blocks of metadata one transaction should hold at most. */
	readonly transactionBlocksMax: number;
	/** How many it can hold, whatever was committed before. */
	readonly transactionBlocksLimit: number;
	/** True where `commit` writes blocks to their places, so that nothing remains to be brought home. */
	readonly isInPlace: boolean;
	/**
	 * True where there may be no room for another transaction of that size before everything that
	 * was committed is in its place.
	 */
	readonly needsCheckpoint: boolean;
	/**
	 * Makes a transaction durable, with all file data that was written to the device before it:
	 * returns when all is on the medium. Throws `DeviceError`.
	 */
	commit(transaction: CommittedTransaction): void;
	/** All that was committed is in its place and on the medium: the log may be emptied. */
	checkpointed(): void;
}
