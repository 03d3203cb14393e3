/**
 * Transactions written to a journal, as the kernel's and e2fsck's recovery read them. Kernel
 * documentation, "Journal (jbd2)".
 *
 * The log is a circle of blocks. What lies between the tail that the journal's superblock names
 * and the head would be replayed after a crash:
 *
 *      firstBlock                                                      endBlock
 *      │ free │ in place already, not reclaimed │ to be brought home │ free │
 *             ▲ tail on the medium              ▲                    ▲ head
 *                                               └ where the tail may go
 *
 * A commit goes to the head in two steps, a flush after each: first its records and copies, with
 * the file data that was written before; then its commit block, which makes it count.
 *
 *   empty ── commit ──► in use ── checkpointed ──► in use, all of it reclaimable ── commit ──► …
 *     ▲   (superblock:                                  │ no room: superblock: tail := head, flush
 *     │    tail := head)                                ▼
 *     └───────────────── close (superblock: start := 0) ┘
 *
 * The tail is moved only when its room is needed. Until then a crash replays transactions whose
 * blocks are in their places already. That does no harm: whatever has happened to those blocks
 * since is told by later transactions, which are replayed too, or they were freed, which is revoked.
 * But the moved tail must be on the medium before anything is written over what it gives up.
 */
import {assert, CorruptError} from '../errors.ts';
import {revokesPerBlock, tagsPerBlock} from '../layout/journal.ts';
import type {Volume} from '../volume.ts';
import type {CommitLog, CommittedTransaction} from './commit-log.ts';
import {JournalPlaces} from './journal-places.ts';
import {LogRecords} from './log-records.ts';
import type {RecoveryResult} from './recovery.ts';
import {nextSequence, wrapLog} from './scan.ts';
import {logBlocksMin} from './superblock.ts';
import {JournalSuperblockWriter} from './superblock-writer.ts';
import type {PlacedBlock} from './write-home.ts';

/** As `CommittedTransaction`, but its blocks may come from anywhere. */
export type LoggedTransaction = Omit<CommittedTransaction, 'blocks'> & {
	readonly blocks: readonly PlacedBlock[];
};

export class JournalLog implements CommitLog {
	readonly isInPlace = false;
	readonly superblock: JournalSuperblockWriter;
	readonly #volume: Volume;
	readonly #places: JournalPlaces;
	/** Where the next block of the log goes, and the transaction it will belong to. */
	#headBlock: number;
	#sequence: number;
	/** The first transaction that is not in its place yet, and where it begins: the head, if all are. */
	#tail: {readonly sequence: number; readonly block: number};
	/** Blocks from there to the head. */
	#neededBlocks = 0;
	/** Blocks before the head that a recovery would read, as things are on the medium. */
	#keptBlocks = 0;

	private constructor(
		volume: Volume,
		superblock: JournalSuperblockWriter,
		headBlock: number,
		sequence: number,
	) {
		this.#volume = volume;
		this.superblock = superblock;
		this.#places = JournalPlaces.of(volume, superblock.journal.lengthBlocks);
		this.#headBlock = headBlock;
		this.#sequence = sequence;
		this.#tail = {sequence, block: headBlock};
	}

	/**
	 * The empty journal of a volume that is about to be written to. Throws `CorruptError` where the
	 * journal is damaged, not empty or too short, `UnsupportedError` for a feature that is not
	 * known, `DeviceError`.
	 */
	static openEmpty(volume: Volume): JournalLog {
		const superblock = new JournalSuperblockWriter(volume);
		if (!superblock.isEmpty) {
			throw new CorruptError('EXT4_BAD_JOURNAL', 'the journal is not empty after its replay');
		}
		superblock.adoptFeatures(volume.features);
		const {firstBlock, endBlock, sequence} = superblock.journal;
		if (endBlock - firstBlock < logBlocksMin - 1) {
			throw new CorruptError(
				'EXT4_BAD_JOURNAL',
				`a log of ${endBlock - firstBlock} blocks; at least ${logBlocksMin - 1} are needed`,
			);
		}
		return new JournalLog(volume, superblock, firstBlock, sequence);
	}

	/**
	 * The journal after a recovery whose blocks are all in their places, on the medium: the next
	 * transaction will be the one that was not found whole. Before it, what was recovered is to be
	 * given up: `reclaim`. Throws as `openEmpty`.
	 */
	static resume(volume: Volume, recovery: RecoveryResult): JournalLog {
		const superblock = new JournalSuperblockWriter(volume);
		return new JournalLog(volume, superblock, recovery.headBlock, recovery.nextSequence);
	}

	get transactionBlocksMax(): number {
		return Math.floor(this.#capacity / 4);
	}

	/** What is left of half the log is for what a commit adds: descriptors of groups, and of blocks. */
	get transactionBlocksLimit(): number {
		return Math.floor(this.#capacity * 0.4);
	}

	/**
	 * An operation may go beyond the credits that it asked for; so there is twice as much room as a
	 * transaction should take.
	 */
	get needsCheckpoint(): boolean {
		return this.#neededBlocks > this.#capacity / 2;
	}

	/** Blocks of the log that `transaction` takes. */
	blocksFor(transaction: LoggedTransaction): number {
		const {blockSize} = this.#volume.geometry;
		const {features} = this.superblock.journal;
		const descriptors = Math.ceil(transaction.blocks.length / tagsPerBlock(blockSize, features));
		const revokes = Math.ceil(transaction.revoked.length / revokesPerBlock(blockSize, features));
		return transaction.blocks.length + descriptors + revokes + 1;
	}

	/** Whether `transaction` would fit into the log if that were empty. */
	holds(transaction: LoggedTransaction): boolean {
		return this.blocksFor(transaction) <= this.#capacity;
	}

	commit(transaction: LoggedTransaction): void {
		const {device, geometry} = this.#volume;
		const {blocks, time} = transaction;
		const revoked = this.#revokesOf(transaction);
		const count = this.blocksFor({blocks, revoked, time});
		assert(this.#neededBlocks + count <= this.#capacity, 'a transaction fits into the log');
		if (this.#keptBlocks + count > this.#capacity) this.reclaim();
		let isSuperblockDue = revoked.length > 0 && this.superblock.addRevoke();
		if (this.superblock.isEmpty) {
			this.superblock.setTail(this.#tail.sequence, this.#tail.block);
			isSuperblockDue = true;
		}
		if (isSuperblockDue) this.superblock.write();

		const records = new LogRecords(this.superblock.journal, geometry.blockSize, this.#sequence);
		const buffers: Uint8Array[] = [];
		records.revoke(revoked, buffers);
		records.describe(blocks, buffers);
		this.#write(this.#headBlock, buffers);
		device.flush();
		this.#write(this.#blockAfterHead(buffers.length), [records.commit(time)]);
		device.flush();

		this.#headBlock = this.#blockAfterHead(count);
		this.#sequence = nextSequence(this.#sequence);
		this.#neededBlocks += count;
		this.#keptBlocks += count;
	}

	checkpointed(): void {
		this.#tail = {sequence: this.#sequence, block: this.#headBlock};
		this.#neededBlocks = 0;
	}

	/** Moves the tail, on the medium, past all that is in its place. Throws `DeviceError`. */
	reclaim(): void {
		this.superblock.setTail(this.#tail.sequence, this.#tail.block);
		this.superblock.write();
		this.#volume.device.flush();
		this.#keptBlocks = this.#neededBlocks;
	}

	/**
	 * Fills the next `count` blocks with zeros, on the medium: whatever was left there of the
	 * transaction to come, by who was interrupted writing it, must not be taken for a part of it.
	 */
	erase(count: number): void {
		const zeros = new Uint8Array(this.#volume.geometry.blockSize);
		this.#write(this.#headBlock, new Array<Uint8Array>(count).fill(zeros));
		this.#volume.device.flush();
	}

	/**
	 * Says that there is nothing to replay: all that was committed is in its place and on the
	 * medium. The next commit starts the log again. Throws `DeviceError`.
	 */
	empty(): void {
		assert(this.#neededBlocks === 0, 'only what is in its place is given up');
		if (this.superblock.isEmpty) return;
		this.superblock.writeEmpty(this.#sequence, this.#headBlock);
		this.#volume.device.flush();
		this.#keptBlocks = 0;
	}

	/** One block stays free, so that a full log differs from an empty one. */
	get #capacity(): number {
		const {firstBlock, endBlock} = this.superblock.journal;
		return endBlock - firstBlock - 1;
	}

	#blockAfterHead(count: number): number {
		return wrapLog(this.superblock.journal, this.#headBlock + count);
	}

	/** What was freed and then used for metadata again has a copy in the log that counts. */
	#revokesOf({blocks, revoked}: LoggedTransaction): readonly number[] {
		if (revoked.length === 0) return revoked;
		const logged = new Set(blocks.map(block => block.number));
		return revoked.filter(block => !logged.has(block));
	}

	/** Writes blocks to the log from `logical` on, round its end; neighbours in one request. */
	#write(logical: number, buffers: readonly Uint8Array[]): void {
		const {device, geometry} = this.#volume;
		const {journal} = this.superblock;
		let at = logical;
		for (let done = 0; done < buffers.length; ) {
			const {physical, length} = this.#places.locate(at);
			const count = Math.min(buffers.length - done, length, journal.endBlock - at);
			device.writeScattered(physical * geometry.blockSize, buffers.slice(done, done + count));
			done += count;
			at = wrapLog(journal, at + count);
		}
	}
}
