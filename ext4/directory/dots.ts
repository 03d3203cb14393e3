/** `.` and `..`, which begin the first block of a directory. */
import type {CachedBlock} from '../block-cache.ts';
import {CorruptError} from '../errors.ts';
import {recordLengthMin} from '../layout/directory.ts';
import type {Inode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {directoryBlockCount, directoryRun, readEntriesBlock} from './blocks.ts';
import {type EntryRules, entryNameLength, isDotName, nameAt, recordLengthAt} from './entries.ts';

/** Where `..` begins in the first block. */
export const dotDotAt = recordLengthMin(1, false);

/**
 * The first block of a directory that is not inline, and the inode that it names as the parent.
 * Throws `CorruptError` where it does not begin with `.` and `..` in the places that a hash tree
 * has them in.
 */
export function readDots(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
): {readonly block: CachedBlock; readonly parent: number} {
	const run = directoryBlockCount(volume, directory) > 0 && directoryRun(volume, directory, 0);
	if (run === false || run.kind === 'hole') fail('a directory without blocks', directory);
	const block = readEntriesBlock(volume, directory, rules, run, 0);
	const {bytes, view} = block;
	const areDots =
		isDots(bytes, 0, 1) &&
		recordLengthAt(view, 0, rules.blockSize) === dotDotAt &&
		view.getUint32(0, true) === directory.number &&
		isDots(bytes, dotDotAt, 2);
	const parent = view.getUint32(dotDotAt, true);
	if (!areDots || parent === 0) {
		fail('a directory that does not begin with its own number and its parent', directory);
	}
	return {block, parent};
}

function isDots(bytes: Uint8Array, at: number, length: number): boolean {
	return entryNameLength(bytes, at) === length && isDotName(bytes, at + nameAt, length);
}

function fail(problem: string, directory: Inode): never {
	throw new CorruptError('EXT4_BAD_DIRECTORY', problem, {inode: directory.number});
}
