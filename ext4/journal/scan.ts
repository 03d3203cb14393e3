/**
 * The first pass over the log: which transactions are whole. Kernel documentation, "Journal
 * (jbd2)". The log is a circle of blocks. A transaction is any number of descriptor blocks, each
 * followed by the blocks it describes, and of revoke blocks, then one commit block; all of them but
 * the described ones carry its sequence number, and the next transaction has the next number. What
 * does not follow is left over from an earlier round, and ends the log.
 */
import {CorruptError} from '../errors.ts';
import {
	commit_header,
	decodeTags,
	journal_header,
	journalBlockType,
	journalChecksumType,
	journalMagic,
	journalTailSize,
} from '../layout/journal.ts';
import {
	commitBlockChecksum,
	commitHeaderChecksum,
	crc32HighFirstOf,
	tailedBlockChecksum,
} from './checksum.ts';
import {type JournalFile, readJournalBlock} from './log.ts';
import type {JournalSuperblock} from './superblock.ts';

/** Why a scan went no further. */
export type LogEnd =
	/** The journal's superblock says that there is nothing to replay. */
	| 'empty'
	/** The next block belongs to no record of the expected transaction: how a log ordinarily ends. */
	| 'no-record'
	/** The whole circle was walked. */
	| 'full-circle'
	/** A checksum fails in what an earlier round left behind, as its time of commit shows. */
	| 'stale-record'
	/** With async_commit: the last transaction did not reach the disk whole. */
	| 'torn-commit'
	/** A commit block's checksum fails where that can't be an interrupted commit. */
	| 'bad-commit'
	/** The checksum of a descriptor or revoke block fails in a transaction that was committed. */
	| 'bad-record';

/**
 * A block of the log that speaks of others; `at` is its number in the journal. What it says is read
 * again when it is needed: a log of gigabytes says more than can be kept.
 */
export type LogRecord = {
	readonly kind: 'descriptor' | 'revoke';
	readonly sequence: number;
	readonly at: number;
};

export type LogScan = {
	/** Of the whole transactions only, in the order of the log. */
	readonly records: readonly LogRecord[];
	/** The first transaction that is not whole; the one that a writer would begin after this log. */
	readonly endSequence: number;
	/** The block of the journal after the last whole transaction. */
	readonly headBlock: number;
	readonly endedBecause: LogEnd;
	/** What makes the log untrustworthy, as against merely interrupted. */
	readonly damage: CorruptError | undefined;
};

/** The transaction that follows; numbers go round at 2^32. */
export function nextSequence(sequence: number): number {
	return (sequence + 1) >>> 0;
}

/** `logical` brought back into the circle of the log. */
export function wrapLog(journal: JournalSuperblock, logical: number): number {
	const {firstBlock, endBlock} = journal;
	return firstBlock + ((logical - firstBlock) % (endBlock - firstBlock));
}

function badChecksum(sequence: number, at: number, what: string): CorruptError {
	return new CorruptError(
		'EXT4_BAD_JOURNAL_CHECKSUM',
		`the checksum of ${what} in transaction ${sequence} does not match, block ${at} of the journal`,
	);
}

const transactionSumSeed = 0xffff_ffff;

/**
 * Blocks of which one log may tell, revoke blocks counted in: twice as many as the largest
 * journal that mke2fs makes unasked. Where each copy lies is kept in memory, and a journal's inode
 * may lead to the same blocks any number of times.
 */
const recordsMax = 2 ** 19;

class Scanner {
	readonly #file: JournalFile;
	readonly #journal: JournalSuperblock;
	#at: number;
	/** Blocks gone over; more than the log has would be a circle without an end. */
	#walked = 0;
	#sequence: number;
	#headBlock: number;
	#records: LogRecord[] = [];
	/** How many of the records belong to whole transactions. */
	#wholeRecords = 0;
	#recordCount = 0;
	#lastCommitSeconds = 0;
	/** The CRC-32 of the transaction so far, under the feature `checksum`. */
	#transactionSum = transactionSumSeed;
	/** A descriptor or revoke block whose checksum fails, until its commit block tells what it is. */
	#suspect: CorruptError | undefined;
	/** With async_commit: the first transaction whose commit block does not hold. */
	#torn: number | undefined;
	#damage: CorruptError | undefined;

	constructor(file: JournalFile, journal: JournalSuperblock) {
		this.#file = file;
		this.#journal = journal;
		this.#at = journal.startBlock;
		this.#headBlock = journal.startBlock;
		this.#sequence = journal.sequence;
	}

	scan(): LogScan {
		let endedBecause: LogEnd | undefined;
		while (endedBecause === undefined) endedBecause = this.#step();
		if (this.#torn !== undefined && endedBecause !== 'bad-commit') endedBecause = 'torn-commit';
		// A record that can't be trusted discredits the log as a whole: the kernel and e2fsck replay
		// nothing then, because what it would have revoked or overwritten is not known.
		const count = endedBecause === 'bad-record' ? 0 : this.#wholeRecords;
		return {
			records: this.#records.slice(0, count),
			endSequence: this.#torn ?? this.#sequence,
			headBlock: this.#headBlock,
			endedBecause,
			damage: this.#damage,
		};
	}

	/** Takes the next block of the log; says why, where it is the last to be taken. */
	#step(): LogEnd | undefined {
		if (this.#walked >= this.#journal.endBlock - this.#journal.firstBlock) return 'full-circle';
		const at = this.#at;
		const bytes = readJournalBlock(this.#file, at);
		const header = journal_header.at(new DataView(bytes.buffer), 0);
		this.#advance(1);
		if (header.h_magic !== journalMagic || header.h_sequence !== this.#sequence) return 'no-record';
		switch (header.h_blocktype) {
			case journalBlockType.descriptor:
				this.#takeDescriptor(at, bytes);
				return undefined;
			case journalBlockType.revoke:
				this.#count(1);
				this.#suspectTailed(at, bytes, 'a revoke block');
				this.#records.push({kind: 'revoke', sequence: this.#sequence, at});
				return undefined;
			case journalBlockType.commit:
				return this.#takeCommit(at, bytes);
			default:
				return 'no-record';
		}
	}

	#count(records: number): void {
		this.#recordCount += records;
		if (this.#recordCount <= recordsMax) return;
		throw new CorruptError(
			'EXT4_BAD_JOURNAL',
			`a journal that tells of more than ${recordsMax} blocks`,
		);
	}

	#advance(count: number): void {
		this.#walked += count;
		this.#at = wrapLog(this.#journal, this.#at + count);
	}

	#takeDescriptor(at: number, bytes: Uint8Array): void {
		const {features} = this.#journal;
		this.#suspectTailed(at, bytes, 'a descriptor block');
		const tags = decodeTags(new DataView(bytes.buffer), features);
		this.#count(tags.length);
		if (features.hasTransactionChecksum && this.#torn === undefined) {
			this.#transactionSum = crc32HighFirstOf(this.#transactionSum, bytes);
			for (let index = 0; index < tags.length; index++) {
				const block = readJournalBlock(this.#file, wrapLog(this.#journal, this.#at + index));
				this.#transactionSum = crc32HighFirstOf(this.#transactionSum, block);
			}
		}
		this.#advance(tags.length);
		this.#records.push({kind: 'descriptor', sequence: this.#sequence, at});
	}

	#suspectTailed(at: number, bytes: Uint8Array, what: string): void {
		const {hasBlockChecksums, checksumSeed} = this.#journal;
		if (!hasBlockChecksums || this.#suspect !== undefined) return;
		const found = new DataView(bytes.buffer).getUint32(bytes.length - journalTailSize, false);
		if (tailedBlockChecksum(checksumSeed, bytes) === found) return;
		this.#suspect = badChecksum(this.#sequence, at, what);
	}

	#takeCommit(at: number, bytes: Uint8Array): LogEnd | undefined {
		const raw = commit_header.at(new DataView(bytes.buffer), 0);
		const seconds = raw.h_commit_sec_high * 2 ** 32 + raw.h_commit_sec_low;
		const isStale = seconds < this.#lastCommitSeconds;
		if (this.#suspect !== undefined) {
			if (isStale) return 'stale-record';
			this.#damage = this.#suspect;
			return 'bad-record';
		}
		const {hasAsyncCommit, hasTransactionChecksum} = this.#journal.features;
		if (this.#torn !== undefined && hasTransactionChecksum) {
			// Another commit follows the one that does not hold: that was no interruption.
			this.#damage = badChecksum(this.#torn, at, 'a commit block before the last');
			return 'bad-commit';
		}
		if (!this.#holds(raw, bytes)) {
			if (isStale) return 'stale-record';
			if (!hasAsyncCommit) {
				this.#damage = badChecksum(this.#sequence, at, 'the commit block');
				return 'bad-commit';
			}
			this.#torn ??= this.#sequence;
		}
		this.#lastCommitSeconds = seconds;
		this.#transactionSum = transactionSumSeed;
		this.#sequence = nextSequence(this.#sequence);
		if (this.#torn === undefined) {
			this.#wholeRecords = this.#records.length;
			this.#headBlock = this.#at;
		}
		return undefined;
	}

	/** Whether a commit block's checksum matches, of whichever kind the journal has. */
	#holds(raw: ReturnType<typeof commit_header.at>, bytes: Uint8Array): boolean {
		const {features, hasBlockChecksums, checksumSeed} = this.#journal;
		if (features.hasTransactionChecksum) {
			const isAbsent = raw.h_chksum_type === 0 && raw.h_chksum_size === 0 && raw.h_chksum === 0;
			const isCrc32 = raw.h_chksum_type === journalChecksumType.crc32 && raw.h_chksum_size === 4;
			return isAbsent || (isCrc32 && raw.h_chksum === this.#transactionSum);
		}
		if (!hasBlockChecksums) return true;
		return (
			raw.h_chksum === commitBlockChecksum(checksumSeed, bytes) ||
			raw.h_chksum === commitHeaderChecksum(checksumSeed, bytes)
		);
	}
}

/**
 * Finds the whole transactions of a journal that is not empty. Damage that a checksum shows is
 * returned, not thrown. Throws `CorruptError` where the journal's file has no such block or the log
 * is too long to be kept in memory, and `DeviceError`.
 */
export function scanLog(file: JournalFile, journal: JournalSuperblock): LogScan {
	return new Scanner(file, journal).scan();
}
