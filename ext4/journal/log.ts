/** The log's blocks, read by their number in the journal. */
import type {BlockDevice} from '../device.ts';
import {CorruptError} from '../errors.ts';

export type JournalFile = {
	readonly device: BlockDevice;
	readonly blockSize: number;
	/** Blocks of the file system: physical numbers lie below it. */
	readonly blockCount: number;
	/** Blocks of the journal's file. */
	readonly lengthBlocks: number;
	/** Physical block of a logical block of the journal's file; undefined for a hole. */
	readonly journalBlocks: (logical: number) => number | undefined;
	/** Whether a physical block is one of the journal's. */
	readonly holds: (physical: number) => boolean;
};

/** Where a block of the journal lies. Throws `CorruptError` for a hole, and beyond the volume. */
export function locateJournalBlock(file: JournalFile, logical: number): number {
	const physical = file.journalBlocks(logical);
	if (physical === undefined || physical >= file.blockCount) {
		throw new CorruptError(
			'EXT4_BAD_JOURNAL',
			`block ${logical} of the journal lies ${physical === undefined ? 'nowhere' : `at ${physical}`}`,
		);
	}
	return physical;
}

/** Reads a block of the journal into bytes of its own. Throws `CorruptError`, `DeviceError`. */
export function readJournalBlock(file: JournalFile, logical: number): Uint8Array {
	const bytes = new Uint8Array(file.blockSize);
	file.device.read(locateJournalBlock(file, logical) * file.blockSize, bytes);
	return bytes;
}
