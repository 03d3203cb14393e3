/**
 * Brings what the journal holds to its place, and empties the journal: what must come before the
 * first change of a file system that was not unmounted.
 *
 * A crash on the way does no harm, at any point. Copies in the log are written to the same places
 * with the same contents however often; the log is given up after all of it is on the medium. What
 * fast commits tell is worked out in memory, from how things are: that could not be done a second
 * time on something half written. So its blocks are first committed to the log, as the transaction
 * that the fast commits belong to. Once that is whole, it is what is replayed, and the fast commits,
 * which are those of a transaction that has its commit now, are not looked at any more.
 */
import {CorruptError, UnsupportedError} from '../errors.ts';
import type {Timestamp} from '../layout/inode.ts';
import {Volume} from '../volume.ts';
import {replayOperations} from './fast-commit/replay.ts';
import {JournalLog} from './journal-log.ts';
import {Overlay} from './overlay.ts';
import {journalFileOf, recover} from './recover.ts';
import type {RecoveryResult} from './recovery.ts';
import {nextSequence, scanLog} from './scan.ts';
import {JournalSuperblockWriter} from './superblock-writer.ts';
import {writeHome} from './write-home.ts';

/** Blocks held in memory at once. */
const batchBlocks = 256;

/** Writes the blocks of `overlay` to their places; does not flush. */
function writeOverlay(volume: Volume, overlay: Overlay): void {
	const numbers = overlay.blocks();
	for (let from = 0; from < numbers.length; from += batchBlocks) {
		const blocks = numbers.slice(from, from + batchBlocks).map(number => ({
			number,
			bytes: overlay.read(number),
		}));
		writeHome(volume.device, volume.geometry.blockSize, blocks);
	}
}

/** Commits what the fast commits of `recovery` come to, and brings that home as well. */
function bringFastCommitsHome(before: Volume, recovery: RecoveryResult, time: Timestamp): void {
	const {device, geometry} = before;
	const log = JournalLog.resume(before, recovery);
	const volume = Volume.openAsItLies(device, {});
	const {blockSize, blockCount} = volume.geometry;
	if (blockSize !== geometry.blockSize || blockCount !== geometry.blockCount) {
		throw new CorruptError('EXT4_BAD_JOURNAL', 'a replay has changed the size of the file system');
	}
	const overlay = new Overlay(device, blockSize);
	replayOperations(volume, recovery.fastCommits.operations, overlay);
	const blocks = overlay.blocks().map(number => ({number, bytes: overlay.read(number)}));
	const transaction = {blocks, revoked: [], time};
	if (!log.holds(transaction)) {
		throw new UnsupportedError(
			'EXT4_UNSUPPORTED_FOR_WRITING',
			'fast_commit',
			`the fast commits change ${blocks.length} blocks, more than the journal holds: e2fsck can bring them home`,
		);
	}
	log.reclaim();
	log.erase(log.blocksFor(transaction));
	log.commit(transaction);
	writeOverlay(volume, overlay);
	device.flush();
	log.checkpointed();
	log.empty();
}

/** Says that there is nothing to replay, on the medium. */
function markEmpty(
	superblock: JournalSuperblockWriter,
	volume: Volume,
	lastSequence: number,
	headBlock: number,
): void {
	// What an interrupted commit left in the log has `lastSequence`: it is passed over.
	superblock.writeEmpty(nextSequence(lastSequence), headBlock);
	volume.device.flush();
}

/**
 * Empties the journal of `volume`, which was opened as it lies; its superblock goes on to say that
 * a recovery is needed. What `volume` has cached is out of date afterwards. Returns what was found;
 * undefined where the file system says that there is nothing to be found.
 *
 * Throws `CorruptError` where the journal is damaged, `UnsupportedError`, `DeviceError`.
 */
export function bringHome(volume: Volume, time: Timestamp): RecoveryResult | undefined {
	if (!volume.features.has('needs_recovery')) {
		const superblock = new JournalSuperblockWriter(volume);
		if (superblock.isEmpty) return undefined;
		// Given up unread, as by the kernel, but for the numbers: those of the log are not used again.
		const {endSequence, headBlock} = scanLog(journalFileOf(volume), superblock.journal);
		markEmpty(superblock, volume, endSequence, headBlock);
		return undefined;
	}
	const recovery = recover(volume);
	writeOverlay(volume, recovery.overlay);
	volume.device.flush();
	if (recovery.fastCommits.operations.length > 0) bringFastCommitsHome(volume, recovery, time);
	else {
		const superblock = new JournalSuperblockWriter(volume);
		markEmpty(superblock, volume, recovery.nextSequence, recovery.headBlock);
	}
	return recovery;
}
