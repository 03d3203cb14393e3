/** The group descriptor table: where each descriptor lies, and whether it can be believed. */
import type {BlockCache, CachedBlock} from './block-cache.ts';
import {crc16Of, crc32cOf, crc32cOfU32, crc32cOfZeros} from './checksum.ts';
import {CorruptError} from './errors.ts';
import type {Features} from './layout/features.ts';
import {
	decodeGroup,
	encodeGroup,
	type Group,
	groupChecksumAt,
	type MutableGroup,
} from './layout/group.ts';
import type {Superblock} from './superblock.ts';

function isPowerOf(value: number, base: number): boolean {
	let power = base;
	while (power < value) power *= base;
	return power === value;
}

/** Whether group `index` begins with a copy of the superblock. Kernel documentation, "Layout". */
export function hasSuperblockCopy(superblock: Superblock, index: number): boolean {
	const {features} = superblock;
	if (index === 0) return true;
	if (features.has('sparse_super2')) return superblock.backupGroups.includes(index);
	if (index === 1 || !features.has('sparse_super')) return true;
	if (index % 2 === 0) return false;
	return isPowerOf(index, 3) || isPowerOf(index, 5) || isPowerOf(index, 7);
}

/** The first block of group `index`; every group but the last has `blocksPerGroup`. */
export function firstBlockOfGroup(superblock: Superblock, index: number): number {
	const {firstDataBlock, blocksPerGroup} = superblock.geometry;
	return firstDataBlock + index * blocksPerGroup;
}

/** Blocks at the start of a group for the superblock's copy, descriptors, and those yet to come. */
export function headBlocks(superblock: Superblock, index: number): number {
	const {geometry, firstMetaGroup, reservedDescriptorBlocks, features} = superblock;
	const {descriptorsPerBlock, groupCount} = geometry;
	const hasCopy = hasSuperblockCopy(superblock, index);
	// With 1 KiB blocks counted from 0 (bigalloc), block 0 is the boot block's.
	const bootBlocks =
		index === 0 && geometry.blockSize === 1024 && geometry.firstDataBlock === 0 ? 1 : 0;
	if (Math.floor(index / descriptorsPerBlock) < firstMetaGroup) {
		if (!hasCopy) return 0;
		const descriptorBlocks = features.has('meta_bg')
			? firstMetaGroup
			: Math.ceil(groupCount / descriptorsPerBlock);
		return bootBlocks + 1 + descriptorBlocks + reservedDescriptorBlocks;
	}
	const inMeta = index % descriptorsPerBlock;
	const holdsDescriptors = inMeta === 0 || inMeta === 1 || inMeta === descriptorsPerBlock - 1;
	return bootBlocks + (hasCopy ? 1 : 0) + (holdsDescriptors ? 1 : 0);
}

/**
 * The physical block that holds descriptor block `index` of the table: behind the superblock, or,
 * from the first meta block group on, at the start of the group that the block describes.
 */
export function descriptorBlock(superblock: Superblock, index: number): number {
	const {blockSize, firstDataBlock, descriptorsPerBlock} = superblock.geometry;
	const superblockBlock = Math.floor(1024 / blockSize);
	if (index < superblock.firstMetaGroup) return superblockBlock + index + 1;
	const group = index * descriptorsPerBlock;
	// With 1 KiB blocks counted from 0 (bigalloc), block 0 is the boot block's.
	const bootBlocks = blockSize === 1024 && index === 0 && firstDataBlock === 0 ? 1 : 0;
	const copies = hasSuperblockCopy(superblock, group) ? 1 : 0;
	return firstBlockOfGroup(superblock, group) + copies + bootBlocks;
}

/** The checksum of a descriptor, over its bytes without the place of the checksum itself. */
export function groupChecksum(superblock: Superblock, index: number, bytes: Uint8Array): number {
	const after = groupChecksumAt + 2;
	if (superblock.features.has('metadata_csum')) {
		let sum = crc32cOfU32(superblock.checksumSeed, index);
		sum = crc32cOf(sum, bytes.subarray(0, groupChecksumAt));
		sum = crc32cOfZeros(sum, 2);
		return crc32cOf(sum, bytes.subarray(after)) & 0xffff;
	}
	const number = new Uint8Array([index, index >>> 8, index >>> 16, index >>> 24]);
	let sum = crc16Of(crc16Of(0xffff, superblock.uuid), number);
	sum = crc16Of(sum, bytes.subarray(0, groupChecksumAt));
	return crc16Of(sum, bytes.subarray(after));
}

/** Whether group descriptors carry a checksum, of either kind. */
export function hasGroupChecksums(features: Features): boolean {
	return features.has('metadata_csum') || features.has('uninit_bg');
}

export class GroupTable {
	readonly #superblock: Superblock;
	readonly #cache: BlockCache;
	readonly #groups = new Map<number, Group>();
	/** Changed since the last commit; the descriptors' bytes are those before that. */
	readonly #changed = new Map<number, MutableGroup>();

	constructor(superblock: Superblock, cache: BlockCache) {
		this.#superblock = superblock;
		this.#cache = cache;
	}

	/** Throws `CorruptError` where the descriptor's checksum or one of its places is wrong. */
	get(index: number): Group {
		const known = this.#changed.get(index) ?? this.#groups.get(index);
		if (known !== undefined) return known;
		const group = this.#read(index);
		// A few dozen bytes a group, but a hundred thousand groups in a large volume.
		if (this.#groups.size >= 4096) this.#groups.clear();
		this.#groups.set(index, group);
		return group;
	}

	/** The same for writing; `writeChanged` then writes it. */
	edit(index: number): MutableGroup {
		const group: MutableGroup = this.get(index);
		this.#changed.set(index, group);
		return group;
	}

	/** Writes changed descriptors and their checksums into their blocks, and gives each to `add`. */
	writeChanged(add: (block: CachedBlock) => void): void {
		const {geometry, features} = this.#superblock;
		const size = geometry.descriptorSize;
		for (const [index, group] of this.#changed) {
			const table = Math.floor(index / geometry.descriptorsPerBlock);
			const block = this.#cache.read(descriptorBlock(this.#superblock, table));
			const at = (index % geometry.descriptorsPerBlock) * size;
			encodeGroup(group, block.view, at, size >= 64);
			if (hasGroupChecksums(features)) {
				const bytes = block.bytes.subarray(at, at + size);
				group.checksum = groupChecksum(this.#superblock, index, bytes);
				encodeGroup(group, block.view, at, size >= 64);
			}
			add(block);
		}
		this.#changed.clear();
	}

	#read(index: number): Group {
		const superblock = this.#superblock;
		const {geometry, features} = superblock;
		if (index < 0 || index >= geometry.groupCount) {
			throw new CorruptError(
				'EXT4_BAD_GROUP_DESCRIPTOR',
				`group ${index} of ${geometry.groupCount}`,
			);
		}
		const tableIndex = Math.floor(index / geometry.descriptorsPerBlock);
		const number = descriptorBlock(superblock, tableIndex);
		const block = this.#cache.read(number);
		const size = geometry.descriptorSize;
		const at = (index % geometry.descriptorsPerBlock) * size;
		const group = decodeGroup(index, block.view, at, size >= 64);
		if (hasGroupChecksums(features)) {
			const expected = groupChecksum(superblock, index, block.bytes.subarray(at, at + size));
			if (group.checksum !== expected) {
				throw new CorruptError(
					'EXT4_BAD_GROUP_CHECKSUM',
					`a group descriptor's checksum is 0x${group.checksum.toString(16)}; its contents make 0x${expected.toString(16)}`,
					{group: index, block: number},
				);
			}
		}
		this.#assertPlaces(group, number);
		return group;
	}

	#assertPlaces(group: Group, descriptorAt: number): void {
		const {geometry} = this.#superblock;
		const places: readonly (readonly [string, number, number])[] = [
			['block bitmap', group.blockBitmap, 1],
			['inode bitmap', group.inodeBitmap, 1],
			['inode table', group.inodeTable, geometry.inodeTableBlocks],
		];
		for (const [name, start, length] of places) {
			if (start <= geometry.firstDataBlock || start + length > geometry.blockCount) {
				throw new CorruptError(
					'EXT4_BAD_GROUP_DESCRIPTOR',
					`the ${name} at block ${start} does not lie in the file system`,
					{group: group.index, block: descriptorAt},
				);
			}
		}
	}
}
