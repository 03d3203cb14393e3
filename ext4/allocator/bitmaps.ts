/**
 * The bitmaps of one group: loaded with their checks, made where the group was never used, opened
 * for change. Kernel documentation, "Block and Inode Bitmaps" and "Block Group Descriptors" (the
 * flags of lazily initialised groups).
 */
import type {CachedBlock} from '../block-cache.ts';
import {crc32cOf} from '../checksum.ts';
import {CorruptError} from '../errors.ts';
import {firstBlockOfGroup, hasGroupChecksums, headBlocks} from '../groups.ts';
import type {Handle} from '../journal/handle.ts';
import {type Group, groupFlags} from '../layout/group.ts';
import type {Volume} from '../volume.ts';
import {countClear, setRange} from './bitmap.ts';

/** Clusters of group `index`; a last one that the volume ends in the middle of counts. */
export function clusterCountOf(volume: Volume, index: number): number {
	const {blockCount, blocksPerGroup, clusterBits} = volume.geometry;
	const first = firstBlockOfGroup(volume.superblock, index);
	return Math.ceil(Math.min(blocksPerGroup, blockCount - first) / 2 ** clusterBits);
}

/** The group that a block lies in; the caller has checked that there is such a block. */
export function groupOfBlock(volume: Volume, block: number): number {
	const {firstDataBlock, blocksPerGroup} = volume.geometry;
	return Math.floor((block - firstDataBlock) / blocksPerGroup);
}

/** Flags are there only where a checksum protects them; else they may be anything. */
export function hasFlag(volume: Volume, group: Group, flag: number): boolean {
	return hasGroupChecksums(volume.features) && (group.flags & flag) !== 0;
}

type Kind = {
	readonly name: 'block bitmap' | 'inode bitmap';
	readonly flag: number;
	readonly place: (group: Group) => number;
	/** Bits that stand for something. */
	readonly bitCount: (volume: Volume, index: number) => number;
	/** Bits that the checksum covers: those of a whole group. */
	readonly summedBits: (volume: Volume) => number;
	readonly freeCount: (group: Group) => number;
	readonly checksum: (group: Group) => number;
	/** What is in use of a group that no file has anything in. */
	readonly fillFresh: (volume: Volume, group: Group, bits: Uint8Array) => void;
};

/**
 * Where a group was never used its bitmap holds its own metadata. That of other groups, which
 * flex_bg may place here, is none of it: a group that holds some has been initialised.
 */
export function fillFreshBlockBits(volume: Volume, group: Group, bits: Uint8Array): void {
	const {superblock, geometry} = volume;
	const first = firstBlockOfGroup(superblock, group.index);
	const ratio = 2 ** geometry.clusterBits;
	const clusterCount = clusterCountOf(volume, group.index);
	const metadata = [
		[first, headBlocks(superblock, group.index)],
		[group.blockBitmap, 1],
		[group.inodeBitmap, 1],
		[group.inodeTable, geometry.inodeTableBlocks],
	] as const;
	for (const [start, length] of metadata) {
		const from = Math.max(0, Math.floor((start - first) / ratio));
		const to = Math.min(clusterCount, Math.ceil((start + length - first) / ratio));
		if (from < to) setRange(bits, from, to);
	}
	setRange(bits, clusterCount, bits.length * 8);
}

const blockKind: Kind = {
	name: 'block bitmap',
	flag: groupFlags.blockUninit,
	place: group => group.blockBitmap,
	bitCount: clusterCountOf,
	summedBits: volume => volume.geometry.clustersPerGroup,
	freeCount: group => group.freeClusterCount,
	checksum: group => group.blockBitmapChecksum,
	fillFresh: fillFreshBlockBits,
};

const inodeKind: Kind = {
	name: 'inode bitmap',
	flag: groupFlags.inodeUninit,
	place: group => group.inodeBitmap,
	bitCount: volume => volume.geometry.inodesPerGroup,
	summedBits: volume => volume.geometry.inodesPerGroup,
	freeCount: group => group.freeInodeCount,
	checksum: group => group.inodeBitmapChecksum,
	fillFresh: (volume, _group, bits) =>
		setRange(bits, volume.geometry.inodesPerGroup, bits.length * 8),
};

function checksumOf(volume: Volume, kind: Kind, bits: Uint8Array): number {
	const {superblock} = volume;
	return crc32cOf(superblock.checksumSeed, bits.subarray(0, kind.summedBits(volume) >>> 3));
}

/** The group's counts and its bitmap must tell the same: the checks of both rest on that. */
function assertFreeCount(volume: Volume, kind: Kind, group: Group, bits: Uint8Array): void {
	const free = countClear(bits, kind.bitCount(volume, group.index));
	if (free === kind.freeCount(group)) return;
	throw new CorruptError(
		'EXT4_BAD_BITMAP',
		`the ${kind.name} has ${free} free, its group's descriptor ${kind.freeCount(group)}`,
		{group: group.index, block: kind.place(group)},
	);
}

function check(volume: Volume, kind: Kind, group: Group, block: CachedBlock): void {
	if (block.checkedAs === kind.name) return;
	if (volume.features.has('metadata_csum') && block.seal === undefined) {
		const sum = checksumOf(volume, kind, block.bytes);
		const mask = volume.geometry.descriptorSize >= 64 ? 0xffff_ffff : 0xffff;
		if (((sum ^ kind.checksum(group)) & mask) !== 0) {
			throw new CorruptError(
				'EXT4_BAD_BITMAP_CHECKSUM',
				`the checksum of the ${kind.name} does not match`,
				{group: group.index, block: block.number},
			);
		}
	}
	assertFreeCount(volume, kind, group, block.bytes);
	block.checkedAs = kind.name;
}

function freshBits(volume: Volume, kind: Kind, group: Group): Uint8Array {
	const bits = new Uint8Array(volume.geometry.blockSize);
	kind.fillFresh(volume, group, bits);
	assertFreeCount(volume, kind, group, bits);
	return bits;
}

function readBits(volume: Volume, kind: Kind, index: number): Uint8Array {
	const group = volume.group(index);
	if (hasFlag(volume, group, kind.flag)) return freshBits(volume, kind, group);
	const block = volume.cache.read(kind.place(group));
	check(volume, kind, group, block);
	return block.bytes;
}

function sealOf(volume: Volume, kind: Kind, index: number) {
	if (!volume.features.has('metadata_csum')) return undefined;
	return (block: CachedBlock) => {
		const group = volume.editGroup(index);
		const sum = checksumOf(volume, kind, block.bytes);
		if (kind === blockKind) group.blockBitmapChecksum = sum;
		else group.inodeBitmapChecksum = sum;
	};
}

function editBits(handle: Handle, kind: Kind, index: number): Uint8Array {
	const {volume} = handle;
	const group = volume.group(index);
	const seal = sealOf(volume, kind, index);
	if (!hasFlag(volume, group, kind.flag)) {
		const block = volume.cache.read(kind.place(group));
		check(volume, kind, group, block);
		handle.touchFixed(block, seal);
		return block.bytes;
	}
	const bits = freshBits(volume, kind, group);
	const block = handle.create(kind.place(group), seal);
	block.bytes.set(bits);
	block.checkedAs = kind.name;
	handle.editGroup(index).flags &= ~kind.flag;
	return block.bytes;
}

/**
 * The block bitmap of group `index`, a bit for each cluster, checked; not to be changed. Throws
 * `CorruptError` (EXT4_BAD_BITMAP, EXT4_BAD_BITMAP_CHECKSUM), `DeviceError`.
 */
export function readBlockBits(volume: Volume, index: number): Uint8Array {
	return readBits(volume, blockKind, index);
}

/** The same with leave to change it; the caller keeps the group's count true. */
export function editBlockBits(handle: Handle, index: number): Uint8Array {
	return editBits(handle, blockKind, index);
}

/** The inode bitmap of group `index`, checked; not to be changed. Throws as `readBlockBits`. */
export function readInodeBits(volume: Volume, index: number): Uint8Array {
	return readBits(volume, inodeKind, index);
}

/** The same with leave to change it; the caller keeps the group's counts true. */
export function editInodeBits(handle: Handle, index: number): Uint8Array {
	return editBits(handle, inodeKind, index);
}
