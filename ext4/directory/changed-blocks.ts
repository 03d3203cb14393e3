/** The blocks of a directory where they are changed: those that are there, and new ones. */
import type {CachedBlock, Seal} from '../block-cache.ts';
import {FileError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import type {Inode} from '../layout/inode.ts';
import {mapMetadataBlock} from '../mapping/index.ts';
import {directoryBlockCount, entriesRole} from './blocks.ts';
import {entriesSeal, nodeSeal} from './checksum.ts';
import type {EntryRules} from './entries.ts';
import {blockArea, clearEntries, writeRecordLength, writeTail} from './entry-edits.ts';
import {nodeRole} from './hash-tree.ts';
import {forgetOrder} from './ordered-read.ts';

/** Gives leave to change block `logical` of the directory, and sees to its checksum. */
export function touchBlock(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	block: CachedBlock,
	logical: number,
): void {
	forgetOrder(block);
	if (!rules.hasChecksums) handle.touch(block);
	else if (rules.isIndexed && logical === 0) handle.touch(block, nodeSeal(directory));
	else handle.touch(block, entriesSeal(directory));
}

/** Gives leave to change a node of the directory's index. */
export function touchNode(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	block: CachedBlock,
): void {
	handle.touch(block, rules.hasChecksums ? nodeSeal(directory) : undefined);
}

export type NewBlock = {readonly block: CachedBlock; readonly logical: number};

/**
 * A new block at the directory's end, without entries in use. Whoever is going to change other
 * blocks of the directory touches those before: where the bitmap of a damaged image has one of them
 * as free, that is how it is found out. Throws `FileError` ENOSPC, EDQUOT.
 */
export function appendEntriesBlock(handle: Handle, directory: Inode, rules: EntryRules): NewBlock {
	const logical = extend(handle, directory, rules);
	return {block: addEntriesBlock(handle, directory, rules, logical), logical};
}

/** A new block without entries in use at `logical`, where the directory has a hole. */
export function addEntriesBlock(
	handle: Handle,
	directory: Inode,
	rules: EntryRules,
	logical: number,
): CachedBlock {
	const seal = rules.hasChecksums ? entriesSeal(directory) : undefined;
	const block = addBlock(handle, directory, logical, seal);
	clearEntries(blockArea(block, rules), rules.blockSize);
	writeTail(block.view, rules);
	block.checkedAs = entriesRole(rules);
	return block;
}

/**
 * As `appendEntriesBlock`, for a node of the index: one entry not in use hides all of it. What the
 * node says is for the caller to write.
 */
export function appendNode(handle: Handle, directory: Inode, rules: EntryRules): NewBlock {
	const logical = extend(handle, directory, rules);
	const seal = rules.hasChecksums ? nodeSeal(directory) : undefined;
	const block = addBlock(handle, directory, logical, seal);
	writeRecordLength(block.view, 0, rules.blockSize, rules.blockSize);
	block.checkedAs = nodeRole;
	return {block, logical};
}

/** Without large_dir only the lower half of a directory's size counts. */
const sizeBytesMaxSmall = 2 ** 32 - 1;

/** Lengthens the directory by a block; returns that block's logical number. */
function extend(handle: Handle, directory: Inode, rules: EntryRules): number {
	const {volume} = handle;
	const logical = directoryBlockCount(volume, directory);
	const sizeBytes = directory.sizeBytes + rules.blockSize;
	if (sizeBytes > sizeBytesMaxSmall && !volume.features.has('large_dir')) {
		throw new FileError('ENOSPC', `directory ${directory.number} can grow no larger`);
	}
	handle.edit(directory).sizeBytes = sizeBytes;
	return logical;
}

function addBlock(
	handle: Handle,
	directory: Inode,
	logical: number,
	seal: Seal | undefined,
): CachedBlock {
	return handle.create(mapMetadataBlock(handle, handle.edit(directory), logical), seal);
}
