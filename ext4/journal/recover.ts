/** Finds the journal of a volume and replays it into memory, where the volume needs that. */
import {CorruptError} from '../errors.ts';
import type {Inode} from '../layout/inode.ts';
import {mapAt} from '../mapping/index.ts';
import type {Volume} from '../volume.ts';
import type {JournalFile} from './log.ts';
import {type RecoveryResult, replayJournal} from './recovery.ts';
import {journalPiecesMax} from './superblock.ts';

/** The journal's inode. Throws `CorruptError` where it is no regular file in use. */
export function journalInodeOf(volume: Volume): Inode {
	const inode = volume.readReservedInode(volume.superblock.journalInode);
	if (inode.type !== 'file' || inode.linkCount === 0) {
		throw new CorruptError('EXT4_BAD_JOURNAL', `the journal's inode is no file in use`, {
			inode: inode.number,
		});
	}
	return inode;
}

/** A run of physical blocks, `[start, end)`. */
type Run = {readonly start: number; readonly end: number};

/** Where the journal lies, ascending. Throws `CorruptError` for more pieces than one can have. */
function runsOf(volume: Volume, inode: Inode, lengthBlocks: number): Run[] {
	const runs: Run[] = [];
	for (let logical = 0; logical < lengthBlocks; ) {
		const run = mapAt(volume, inode, logical);
		const skipped = logical - run.logical;
		const length = Math.min(run.length - skipped, lengthBlocks - logical);
		if (run.kind !== 'hole') {
			const start = run.physical + skipped;
			runs.push({start, end: start + length});
		}
		if (runs.length > journalPiecesMax) {
			throw new CorruptError('EXT4_BAD_JOURNAL', 'the journal lies in too many pieces', {
				inode: inode.number,
			});
		}
		logical += length;
	}
	return runs.sort((a, b) => a.start - b.start);
}

/** Whether `block` lies in one of `runs`, which ascend and, in a sound image, lie apart. */
function isIn(runs: readonly Run[], block: number): boolean {
	let low = 0;
	let high = runs.length;
	while (low < high) {
		const middle = (low + high) >>> 1;
		if ((runs[middle]?.start ?? 0) <= block) low = middle + 1;
		else high = middle;
	}
	const run = runs[low - 1];
	return run !== undefined && block < run.end;
}

/**
 * The journal's inode as a list of blocks; `inode` where the volume's own can't be read. Throws
 * `CorruptError` where it is no regular file, or
 * longer than the file system.
 */
export function journalFileOf(volume: Volume, inode = journalInodeOf(volume)): JournalFile {
	const {blockSize, blockCount} = volume.geometry;
	const lengthBlocks = Math.floor(inode.sizeBytes / blockSize);
	// A journal has no holes.
	if (lengthBlocks > blockCount) {
		throw new CorruptError(
			'EXT4_BAD_JOURNAL',
			`a journal of ${lengthBlocks} blocks in a file system of ${blockCount}`,
			{inode: inode.number},
		);
	}
	let runs: readonly Run[] | undefined;
	return {
		device: volume.device,
		blockSize,
		blockCount,
		lengthBlocks,
		journalBlocks: logical => {
			const run = mapAt(volume, inode, logical);
			return run.kind === 'hole' ? undefined : run.physical + logical - run.logical;
		},
		holds(physical) {
			runs ??= runsOf(volume, inode, lengthBlocks);
			return isIn(runs, physical);
		},
	};
}

/**
 * Replays the journal of `volume`, which was opened without it. Throws `CorruptError` where the
 * journal is damaged: as with the kernel, such a file system opens only without its journal.
 */
export function recover(volume: Volume): RecoveryResult {
	const recovery = replayJournal(journalFileOf(volume));
	if (recovery.damage !== undefined) throw recovery.damage;
	return recovery;
}
