/**
 * Replay of the journal, into memory: the device is only read. Three passes, as in the kernel.
 * The scan finds the transactions that are whole; the second pass gathers what they revoke; the
 * third lays the last copy of each block that was not revoked later over the file system.
 */
import {CorruptError} from '../errors.ts';
import {decodeRevokes, decodeTags, type JournalTag} from '../layout/journal.ts';
import {loggedBlockChecksum} from './checksum.ts';
import {type FastCommitScan, noFastCommits, scanFastCommits} from './fast-commit/scan.ts';
import {type JournalFile, locateJournalBlock, readJournalBlock} from './log.ts';
import {Overlay} from './overlay.ts';
import {type LogEnd, type LogRecord, type LogScan, scanLog, wrapLog} from './scan.ts';
import {type JournalSuperblock, readJournalSuperblock} from './superblock.ts';

export type RecoveryResult = {
	readonly journal: JournalSuperblock;
	/** Blocks as the replay would have left them. Among them may be the superblock's own. */
	readonly overlay: Overlay;
	/** Whole transactions found. */
	readonly transactions: number;
	/** Undefined where there was none. */
	readonly firstSequence: number | undefined;
	readonly lastSequence: number | undefined;
	/** The transaction that was not found whole; fast commits, if any, belong to it. */
	readonly nextSequence: number;
	/** Block of the journal at which a writer would go on. */
	readonly headBlock: number;
	/** Copies laid over, several of one block counted each. */
	readonly blocksReplayed: number;
	/** Copies left out because a revoke record of the same or a later transaction names the block. */
	readonly blocksRevoked: number;
	readonly endedBecause: LogEnd;
	/**
	 * The first thing that is wrong with the log beyond an interrupted commit. The kernel refuses
	 * to mount then. `overlay` holds what could be replayed none the less; nothing where a
	 * descriptor or revoke block is bad.
	 */
	readonly damage: CorruptError | undefined;
	/** What was committed after the log, file by file; not yet in `overlay`: `replayOperations`. */
	readonly fastCommits: FastCommitScan;
	/** Copies left out: their checksum fails, or they lie beyond the volume or in the journal. */
	readonly blocksDamaged: number;
};

/** Whether transaction `a` comes after `b`, across the turn at 2^32. */
function isLater(a: number, b: number): boolean {
	return ((a - b) | 0) > 0;
}

/** What the descriptor block `record` says. Throws `CorruptError`, `DeviceError`. */
function tagsOf(file: JournalFile, journal: JournalSuperblock, record: LogRecord): JournalTag[] {
	const bytes = readJournalBlock(file, record.at);
	return decodeTags(new DataView(bytes.buffer), journal.features);
}

function badRevoke(record: LogRecord): CorruptError {
	return new CorruptError(
		'EXT4_BAD_JOURNAL',
		`a revoke block of transaction ${record.sequence} counts more bytes than it has, block ${record.at} of the journal`,
	);
}

/** Revoke records looked at in one replay; some seconds' work. */
const revokesMax = 2 ** 24;

/**
 * The last transaction that revoked a block, for each block that the log has a copy of; others are
 * left out, so that the map is no longer than the log. Undefined, with the damage, where a revoke
 * block can't be read: without it no copy in the log can be trusted.
 */
function gatherRevokes(
	file: JournalFile,
	journal: JournalSuperblock,
	records: readonly LogRecord[],
): Map<number, number> | CorruptError {
	const revokes = new Map<number, number>();
	const revokeRecords = records.filter(record => record.kind === 'revoke');
	if (revokeRecords.length === 0) return revokes;
	const logged = new Set<number>();
	for (const record of records) {
		if (record.kind !== 'descriptor') continue;
		for (const tag of tagsOf(file, journal, record)) logged.add(tag.block);
	}
	let count = 0;
	for (const record of revokeRecords) {
		const bytes = readJournalBlock(file, record.at);
		const blocks = decodeRevokes(new DataView(bytes.buffer), journal.features);
		if (blocks === undefined) return badRevoke(record);
		count += blocks.length;
		if (count > revokesMax) {
			throw new CorruptError(
				'EXT4_BAD_JOURNAL',
				`a journal that revokes more than ${revokesMax} blocks`,
			);
		}
		for (const block of blocks) {
			if (!logged.has(block)) continue;
			const earlier = revokes.get(block);
			if (earlier === undefined || isLater(record.sequence, earlier)) {
				revokes.set(block, record.sequence);
			}
		}
	}
	return revokes;
}

class Replayer {
	readonly overlay: Overlay;
	readonly #file: JournalFile;
	readonly #journal: JournalSuperblock;
	readonly #revokes: ReadonlyMap<number, number>;
	blocksReplayed = 0;
	blocksRevoked = 0;
	blocksDamaged = 0;
	damage: CorruptError | undefined;

	constructor(
		file: JournalFile,
		journal: JournalSuperblock,
		overlay: Overlay,
		revokes: ReadonlyMap<number, number>,
	) {
		this.#file = file;
		this.#journal = journal;
		this.overlay = overlay;
		this.#revokes = revokes;
	}

	replay(record: LogRecord): void {
		if (record.kind !== 'descriptor') return;
		tagsOf(this.#file, this.#journal, record).forEach((tag, index) => {
			const revoked = this.#revokes.get(tag.block);
			if (revoked !== undefined && !isLater(record.sequence, revoked)) {
				this.blocksRevoked++;
				return;
			}
			this.#replayBlock(tag, record.sequence, wrapLog(this.#journal, record.at + 1 + index));
		});
	}

	#replayBlock(tag: JournalTag, sequence: number, at: number): void {
		if (tag.block >= this.#file.blockCount) {
			this.#note(
				new CorruptError(
					'EXT4_BAD_BLOCK_NUMBER',
					`transaction ${sequence} holds block ${tag.block} of a file system of ${this.#file.blockCount}`,
				),
			);
			return;
		}
		if (this.#file.holds(tag.block)) {
			this.#note(
				new CorruptError(
					'EXT4_BAD_JOURNAL',
					`transaction ${sequence} holds a block of the journal itself`,
					{block: tag.block},
				),
			);
			return;
		}
		if (!this.#isIntact(tag, sequence, at)) {
			this.#note(
				new CorruptError(
					'EXT4_BAD_JOURNAL_CHECKSUM',
					`the checksum of a copy in transaction ${sequence} does not match, block ${at} of the journal`,
					{block: tag.block},
				),
			);
			return;
		}
		this.overlay.point(tag.block, locateJournalBlock(this.#file, at), tag.isEscaped);
		this.blocksReplayed++;
	}

	#isIntact(tag: JournalTag, sequence: number, at: number): boolean {
		const {hasBlockChecksums, checksumSeed, features} = this.#journal;
		if (!hasBlockChecksums) return true;
		const sum = loggedBlockChecksum(checksumSeed, sequence, readJournalBlock(this.#file, at));
		return tag.checksum === (features.hasChecksumV3 ? sum : sum & 0xffff);
	}

	#note(damage: CorruptError): void {
		this.damage ??= damage;
		this.blocksDamaged++;
	}
}

function emptyScan(journal: JournalSuperblock): LogScan {
	return {
		records: [],
		endSequence: journal.sequence,
		headBlock: journal.firstBlock,
		endedBecause: 'empty',
		damage: undefined,
	};
}

/**
 * Replays the journal in `file` into an overlay. Fast commits are read, but applying them takes an
 * open volume: `replayOperations`.
 * A log that is merely interrupted gives what was committed; what else is wrong with it is told in
 * `damage`, and what to do about that is the caller's choice.
 *
 * Throws `CorruptError` where the journal's superblock or its file can't be used,
 * `UnsupportedError` for a journal feature that is not known, `DeviceError`.
 */
export function replayJournal(file: JournalFile): RecoveryResult {
	const journal = readJournalSuperblock(
		readJournalBlock(file, 0),
		file.blockSize,
		file.lengthBlocks,
	);
	const scan = journal.startBlock === 0 ? emptyScan(journal) : scanLog(file, journal);
	const overlay = new Overlay(file.device, file.blockSize);
	const revokes = gatherRevokes(file, journal, scan.records);
	const isTrusted = !(revokes instanceof CorruptError);
	const replayer = new Replayer(file, journal, overlay, isTrusted ? revokes : new Map());
	if (isTrusted) for (const record of scan.records) replayer.replay(record);
	const isUsable = isTrusted && scan.endedBecause !== 'bad-record' && scan.endedBecause !== 'empty';
	const transactions = (scan.endSequence - journal.sequence) >>> 0;
	return {
		journal,
		overlay,
		transactions,
		firstSequence: transactions === 0 ? undefined : journal.sequence,
		lastSequence: transactions === 0 ? undefined : (scan.endSequence - 1) >>> 0,
		nextSequence: scan.endSequence,
		headBlock: scan.headBlock,
		blocksReplayed: replayer.blocksReplayed,
		blocksRevoked: replayer.blocksRevoked,
		endedBecause: scan.endedBecause,
		fastCommits: isUsable ? scanFastCommits(file, journal, scan.endSequence) : noFastCommits,
		damage: scan.damage ?? (isTrusted ? replayer.damage : revokes),
		blocksDamaged: replayer.blocksDamaged,
	};
}
