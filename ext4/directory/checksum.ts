/**
 * Checksums of directory blocks: in a tail that looks like an entry, or in a hash tree's nodes
 * behind the last entry that there is room for. Kernel documentation, "Directory Entries".
 */
import type {CachedBlock, Seal} from '../block-cache.ts';
import {crc32cOf, crc32cOfZeros} from '../checksum.ts';
import {CorruptError} from '../errors.ts';
import {ext4_dir_entry_tail, recordLengthOf, tailFileType} from '../layout/directory.ts';
import {dx_countlimit, dx_node, dx_root, dx_tail, dxEntrySize} from '../layout/htree.ts';
import type {Inode} from '../layout/inode.ts';

function fail(problem: string, directory: Inode, block: CachedBlock): never {
	throw new CorruptError('EXT4_BAD_DIRECTORY_CHECKSUM', problem, {
		inode: directory.number,
		block: block.number,
	});
}

function assertSame(found: number, expected: number, directory: Inode, block: CachedBlock): void {
	if (found === expected) return;
	fail(
		`a directory block's checksum is 0x${found.toString(16)}; its contents make 0x${expected.toString(16)}`,
		directory,
		block,
	);
}

/** Throws `CorruptError` when a block of entries has no tail, or the wrong sum in it. */
export function assertEntriesChecksum(directory: Inode, block: CachedBlock): void {
	const {bytes, view} = block;
	const at = bytes.length - ext4_dir_entry_tail.sizeBytes;
	const tail = ext4_dir_entry_tail.at(view, at);
	const isTail =
		tail.det_reserved_zero1 === 0 &&
		tail.det_rec_len === ext4_dir_entry_tail.sizeBytes &&
		tail.det_reserved_zero2 === 0 &&
		tail.det_reserved_ft === tailFileType;
	if (!isTail) fail('a directory block ends without the tail for its checksum', directory, block);
	const expected = crc32cOf(directory.checksumSeed, bytes.subarray(0, at));
	assertSame(tail.det_checksum, expected, directory, block);
}

/** Throws `CorruptError` when a node of a hash tree has no place for a sum, or the wrong one. */
export function assertNodeChecksum(directory: Inode, block: CachedBlock): void {
	const {view} = block;
	const sum = nodeSum(directory.checksumSeed, block);
	if (sum === undefined) {
		fail('a block of the directory index is no node with room for a checksum', directory, block);
	}
	assertSame(dx_tail.at(view, sum.tailAt).dt_checksum, sum.expected, directory, block);
}

/** Undefined for a block that is neither root nor node, or whose counts can't be. */
function nodeSum(
	seed: number,
	{bytes, view}: CachedBlock,
): {readonly tailAt: number; readonly expected: number} | undefined {
	const entriesAt = nodeEntriesAt(view, bytes.length);
	if (entriesAt === undefined) return undefined;
	const {limit, count} = dx_countlimit.at(view, entriesAt);
	const tailAt = entriesAt + limit * dxEntrySize;
	if (count > limit || tailAt + dx_tail.sizeBytes > bytes.length) return undefined;
	const inUse = bytes.subarray(0, entriesAt + count * dxEntrySize);
	const reserved = bytes.subarray(tailAt, tailAt + dx_tail.fields.dt_checksum.at);
	const sum = crc32cOf(crc32cOf(seed, inUse), reserved);
	return {tailAt, expected: crc32cOfZeros(sum, 4)}; // The sum's own place.
}

/** Makes the checksums of a directory's blocks of entries right. */
export function entriesSeal(directory: Inode): Seal {
	const seed = directory.checksumSeed;
	return ({bytes, view}) => {
		const at = bytes.length - ext4_dir_entry_tail.sizeBytes;
		ext4_dir_entry_tail.edit(view, at).det_checksum = crc32cOf(seed, bytes.subarray(0, at));
	};
}

/**
 * Makes the checksums of a directory's index right. A block that is none any more, because a
 * damaged image has two directories share it, keeps the wrong sum: so it will be found out.
 */
export function nodeSeal(directory: Inode): Seal {
	const seed = directory.checksumSeed;
	return block => {
		const sum = nodeSum(seed, block);
		if (sum !== undefined) dx_tail.edit(block.view, sum.tailAt).dt_checksum = sum.expected;
	};
}

/** Where the index entries of a root or a node begin; undefined for a block that is neither. */
function nodeEntriesAt(view: DataView, blockSize: number): number | undefined {
	const root = dx_root.at(view, 0);
	const firstLength = recordLengthOf(root.dot_rec_len, blockSize);
	if (firstLength === blockSize) return dx_node.sizeBytes;
	const isRoot =
		firstLength === 12 &&
		recordLengthOf(root.dotdot_rec_len, blockSize) === blockSize - 12 &&
		root.reserved_zero === 0 &&
		root.info_length === 8;
	return isRoot ? dx_root.sizeBytes : undefined;
}
