/**
 * The attributes of one place: the end of an inode, or a block. Kernel documentation, "Extended
 * Attributes".
 *
 * A place is checked as a whole before anything in it is believed; a block once when it is loaded.
 */
import type {CachedBlock} from '../block-cache.ts';
import {crc32cOf, crc32cOfU32, crc32cOfZeros} from '../checksum.ts';
import {CorruptError} from '../errors.ts';
import {type Inode, inodeBaseSize, reservedInode} from '../layout/inode.ts';
import {
	ext4_xattr_entry,
	ext4_xattr_header,
	ext4_xattr_ibody_header,
	xattrAlignment,
	xattrChecksumAt,
	xattrMagic,
	xattrValueSizeMax,
} from '../layout/xattr.ts';
import type {Volume} from '../volume.ts';

/** Attributes and their values: a stretch of a cached block. All places are offsets into it. */
export type XattrArea = {
	readonly bytes: Uint8Array;
	readonly view: DataView;
	readonly entriesAt: number;
	/** What the offsets of values count from. */
	readonly valuesFrom: number;
	readonly end: number;
	readonly block: number;
	readonly storedIn: 'inode' | 'block';
};

/** The entry at `at`; an area that was checked has one wherever `nextEntry` leads. */
export function entryAt(area: XattrArea, at: number): ReturnType<typeof ext4_xattr_entry.at> {
	return ext4_xattr_entry.at(area.view, at);
}

export function isLastEntry(area: XattrArea, at: number): boolean {
	return area.view.getUint32(at, true) === 0;
}

/** Bytes that a name or a value of `length` bytes takes. */
export function aligned(length: number): number {
	return Math.ceil(length / xattrAlignment) * xattrAlignment;
}

/** Where the entry after the one at `at` begins, or the end of the list. */
export function nextEntry(area: XattrArea, at: number): number {
	return at + aligned(ext4_xattr_entry.sizeBytes + (area.bytes[at] ?? 0));
}

/** The bytes of the entry's name as stored, without the prefix that its index stands for. */
export function entryName(area: XattrArea, at: number): Uint8Array {
	const start = at + ext4_xattr_entry.sizeBytes;
	return area.bytes.subarray(start, start + (area.bytes[at] ?? 0));
}

/**
 * The stretch of the inode that attributes may take, whether or not there are any; undefined where
 * the inode has no room for them.
 */
export function inodeSpan(volume: Volume, inode: Inode): XattrArea | undefined {
	const {inodeSize} = volume.geometry;
	const headerAt = inodeBaseSize + inode.extraSizeBytes;
	const entriesFrom = headerAt + ext4_xattr_ibody_header.sizeBytes;
	// i_extra_isize 0: whatever made this inode knew no fields there, and no attributes either.
	if (inode.extraSizeBytes === 0 || entriesFrom + xattrAlignment > inodeSize) return undefined;
	const {block, at} = volume.locateInode(inode.number);
	return {
		bytes: block.bytes,
		view: block.view,
		entriesAt: at + entriesFrom,
		valuesFrom: at + entriesFrom,
		end: at + inodeSize,
		block: block.number,
		storedIn: 'inode',
	};
}

/** The attributes in the inode itself; undefined where it has none, checked where it has. */
export function inodeArea(volume: Volume, inode: Inode): XattrArea | undefined {
	const area = inodeSpan(volume, inode);
	if (area === undefined) return undefined;
	const headerAt = area.entriesAt - ext4_xattr_ibody_header.sizeBytes;
	if (ext4_xattr_ibody_header.at(area.view, headerAt).h_magic !== xattrMagic) return undefined;
	checkEntries(volume, inode, area);
	return area;
}

/** What a block of attributes is checked as (`CachedBlock.checkedAs`). */
export const xattrBlockRole = 'extended attributes';

/** The attributes in the inode's block; undefined where it has none, checked where it has. */
export function blockArea(volume: Volume, inode: Inode): XattrArea | undefined {
	if (inode.xattrBlock === 0) return undefined;
	const block = volume.cache.read(inode.xattrBlock);
	const area: XattrArea = {
		bytes: block.bytes,
		view: block.view,
		entriesAt: ext4_xattr_header.sizeBytes,
		valuesFrom: 0,
		end: block.bytes.length,
		block: block.number,
		storedIn: 'block',
	};
	if (block.checkedAs === xattrBlockRole) return area;
	checkHeader(volume, inode, block);
	checkEntries(volume, inode, area);
	block.checkedAs = xattrBlockRole;
	return area;
}

/** The checksum of the block of attributes with the physical number `number`. */
export function xattrBlockChecksum(volume: Volume, number: number, bytes: Uint8Array): number {
	const low = crc32cOfU32(volume.superblock.checksumSeed, number % 2 ** 32);
	const numbered = crc32cOfU32(low, Math.floor(number / 2 ** 32));
	const before = crc32cOf(numbered, bytes.subarray(0, xattrChecksumAt));
	return crc32cOf(crc32cOfZeros(before, 4), bytes.subarray(xattrChecksumAt + 4));
}

function checkHeader(volume: Volume, inode: Inode, block: CachedBlock): void {
	const place = {inode: inode.number, block: block.number};
	const header = ext4_xattr_header.at(block.view, 0);
	if (header.h_magic !== xattrMagic || header.h_blocks !== 1) {
		throw new CorruptError(
			'EXT4_BAD_XATTR',
			`an attribute block with h_magic 0x${header.h_magic.toString(16)}, h_blocks ${header.h_blocks}`,
			place,
		);
	}
	if (!volume.features.has('metadata_csum') || block.seal !== undefined) return;
	const expected = xattrBlockChecksum(volume, block.number, block.bytes);
	if (header.h_checksum !== expected) {
		throw new CorruptError(
			'EXT4_BAD_XATTR_CHECKSUM',
			`an attribute block's checksum is 0x${header.h_checksum.toString(16)}; its contents make 0x${expected.toString(16)}`,
			place,
		);
	}
}

/** Names first: where their list ends decides where values may begin. */
function checkEntries(volume: Volume, inode: Inode, area: XattrArea): void {
	let listEnd = area.entriesAt;
	while (!isLastEntry(area, listEnd)) {
		const next = nextEntry(area, listEnd);
		// The four zero bytes that end the list must lie inside as well.
		if (next + xattrAlignment > area.end) fail(inode, area, listEnd, 'a name beyond the end');
		if (entryName(area, listEnd).includes(0)) fail(inode, area, listEnd, 'a name with a NUL');
		listEnd = next;
	}
	const valuesMin = listEnd + xattrAlignment;
	for (let at = area.entriesAt; at < listEnd; at = nextEntry(area, at)) {
		const problem = valueProblemOf(volume, area, at, valuesMin);
		if (problem !== undefined) fail(inode, area, at, problem);
	}
}

function fail(inode: Inode, area: XattrArea, offset: number, problem: string): never {
	throw new CorruptError('EXT4_BAD_XATTR', `an extended attribute has ${problem}`, {
		inode: inode.number,
		block: area.block,
		offset,
	});
}

function valueProblemOf(
	volume: Volume,
	area: XattrArea,
	at: number,
	valuesMin: number,
): string | undefined {
	const entry = entryAt(area, at);
	const size = entry.e_value_size;
	if (size > xattrValueSizeMax) return `a value of ${size} bytes`;
	const holder = entry.e_value_inum;
	if (holder !== 0) {
		if (!volume.features.has('ea_inode')) return 'a value in an inode, without ea_inode';
		const {firstInode, inodeCount} = volume.geometry;
		const isPossible = holder >= firstInode && holder <= inodeCount;
		return isPossible && holder !== reservedInode.root ? undefined : `a value in inode ${holder}`;
	}
	if (size === 0) return undefined;
	const start = area.valuesFrom + entry.e_value_offs;
	const isInside = start >= valuesMin && start + aligned(size) <= area.end;
	return isInside ? undefined : `a value of ${size} bytes at ${start}, of ${area.end}`;
}
