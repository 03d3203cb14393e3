/** A commit log that writes blocks to their places at once: for tests that are about something else. */
import type {CommitLog, CommittedTransaction} from '../../ext4/journal/commit-log.ts';
import {Transactions} from '../../ext4/journal/transactions.ts';
import {writeHome} from '../../ext4/journal/write-home.ts';
import type {Volume} from '../../ext4/volume.ts';

export class HomeLog implements CommitLog {
	readonly transactionBlocksMax: number;
	transactionBlocksLimit = Number.POSITIVE_INFINITY;
	readonly isInPlace = true;
	readonly needsCheckpoint = false;
	/** What was committed, in order. */
	readonly committed: CommittedTransaction[] = [];
	readonly #volume: Volume;

	constructor(volume: Volume, transactionBlocksMax = 1024) {
		this.#volume = volume;
		this.transactionBlocksMax = transactionBlocksMax;
	}

	commit(transaction: CommittedTransaction): void {
		this.committed.push(transaction);
		const {device, geometry} = this.#volume;
		writeHome(device, geometry.blockSize, transaction.blocks);
		device.flush();
	}

	checkpointed(): void {
		throw new Error('what is in its place needs no checkpoint');
	}
}

/** Makes a volume that was opened for reading writable, with a clock that stands still. */
export function makeWritable(
	volume: Volume,
	log = new HomeLog(volume),
	errors: 'continue' | 'remount-ro' = 'remount-ro',
): HomeLog {
	volume.transactions = new Transactions(volume, log, {
		clock: () => ({seconds: 1_700_000_000, nanoseconds: 5}),
		errors,
	});
	return log;
}
