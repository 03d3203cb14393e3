/** The blocks of a directory: found through its mapping, checked once when they are loaded. */
import type {CachedBlock} from '../block-cache.ts';
import {CorruptError} from '../errors.ts';
import {recordLengthOf} from '../layout/directory.ts';
import type {Inode} from '../layout/inode.ts';
import {mapAt, type Run} from '../mapping/index.ts';
import type {Volume} from '../volume.ts';
import {assertEntriesChecksum, assertNodeChecksum} from './checksum.ts';
import {checkEntries, type EntryRules} from './entries.ts';

function fail(problem: string, directory: Inode): never {
	throw new CorruptError('EXT4_BAD_DIRECTORY', problem, {inode: directory.number});
}

/**
 * How many logical blocks a directory has. Throws `CorruptError` when its size is no whole number
 * of blocks, or more than the file system has: that bounds every loop over a directory.
 */
export function directoryBlockCount(volume: Volume, directory: Inode): number {
	const {blockSize, blockCount} = volume.geometry;
	const count = directory.sizeBytes / blockSize;
	if (!Number.isInteger(count) || count > blockCount) {
		fail(`a directory of ${directory.sizeBytes} bytes, in blocks of ${blockSize}`, directory);
	}
	return count;
}

/**
 * Blocks that one search looks at. Nobody fills so large a directory without an index; a block map
 * that names one block over and over makes any size, and a lookup of hours.
 */
export function searchedBlocksMax(rules: EntryRules): number {
	return Math.min(2 ** 18, 2 ** 30 / rules.blockSize);
}

/**
 * Blocks in a row without an entry in use that a listing goes over; a hole counts as one. Deleting
 * files leaves such blocks; so many, only a map that names one block over and over.
 */
export function idleBlocksMax(blockSize: number): number {
	return Math.min(2 ** 20, 2 ** 32 / blockSize);
}

/** The run that holds a logical block. Only blocks behind the first may be a hole. */
export function directoryRun(volume: Volume, directory: Inode, logical: number): Run {
	const run = mapAt(volume, directory, logical);
	if (run.kind === 'unwritten') fail('a directory with a block that was never written', directory);
	if (run.kind === 'hole' && logical === 0) fail('a directory without its first block', directory);
	return run;
}

/** What a checked block is remembered as. The same bytes may be fine as one and bad as another. */
export function entriesRole(rules: EntryRules): string {
	if (!rules.isEncrypted) return 'directory entries';
	return rules.hasHashes ? 'encrypted entries with hashes' : 'encrypted entries';
}

/**
 * Block `logical` of `run`, its checksum and its entries checked. The nodes of a hash tree pass as
 * well, as blocks without entries in use.
 *
 * Throws `CorruptError` (EXT4_BAD_DIRECTORY_CHECKSUM, EXT4_BAD_DIRECTORY_ENTRY), `DeviceError`.
 */
export function readEntriesBlock(
	volume: Volume,
	directory: Inode,
	rules: EntryRules,
	run: Run & {kind: 'mapped' | 'unwritten'},
	logical: number,
): CachedBlock {
	const physical = run.physical + (logical - run.logical);
	const block = volume.cache.readAhead(physical, run.physical, run.length);
	const role = entriesRole(rules);
	if (block.checkedAs === role) return block;
	if (rules.hasChecksums && block.seal === undefined)
		assertChecksum(directory, rules, block, logical);
	const {bytes, view} = block;
	const place = {inode: directory.number, block: block.number};
	checkEntries({bytes, view, start: 0, end: bytes.length, ...place}, rules);
	block.checkedAs = role;
	return block;
}

function assertChecksum(
	directory: Inode,
	rules: EntryRules,
	block: CachedBlock,
	logical: number,
): void {
	if (rules.isIndexed && logical === 0) assertNodeChecksum(directory, block);
	// A node hides behind one unused entry as long as the block. As it lists nothing, its sum does
	// not matter here; whoever follows the tree checks it.
	else if (!rules.isIndexed || !looksLikeNode(block)) assertEntriesChecksum(directory, block);
}

/** Whether the block's first entry is unused and hides all of it, as an index node's does. */
export function looksLikeNode(block: CachedBlock): boolean {
	const {view, bytes} = block;
	const length = recordLengthOf(view.getUint16(4, true), bytes.length);
	return view.getUint32(0, true) === 0 && length === bytes.length;
}
