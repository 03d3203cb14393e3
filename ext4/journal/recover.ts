/** Finds the journal of a volume and replays it into memory, where the volume needs that. */
import {CorruptError} from '../errors.ts';
import type {Inode} from '../layout/inode.ts';
import {mapAt} from '../mapping/index.ts';
import type {Volume} from '../volume.ts';
import type {JournalFile} from './log.ts';
import {type RecoveryResult, replayJournal} from './recovery.ts';

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

/**
 * The journal's inode as a list of blocks. Throws `CorruptError` where it is no regular file, or
 * longer than the file system.
 */
export function journalFileOf(volume: Volume): JournalFile {
	const {blockSize, blockCount} = volume.geometry;
	const inode = journalInodeOf(volume);
	const lengthBlocks = Math.floor(inode.sizeBytes / blockSize);
	// A journal has no holes.
	if (lengthBlocks > blockCount) {
		throw new CorruptError(
			'EXT4_BAD_JOURNAL',
			`a journal of ${lengthBlocks} blocks in a file system of ${blockCount}`,
			{inode: inode.number},
		);
	}
	return {
		device: volume.device,
		blockSize,
		blockCount,
		lengthBlocks,
		journalBlocks: logical => {
			const run = mapAt(volume, inode, logical);
			return run.kind === 'hole' ? undefined : run.physical + logical - run.logical;
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
