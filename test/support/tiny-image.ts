/**
 * The smallest file system that opens, laid out by hand in memory: one group, a root directory
 * without entries, and whatever inodes and blocks a test puts in. No tool is needed for it, and
 * each byte of it can be made wrong.
 */
import {crc32cOf, crc32cOfU32} from '../../ext4/checksum.ts';
import {groupChecksum} from '../../ext4/groups.ts';
import {extentMagic} from '../../ext4/layout/extent.ts';
import {compatFeatures, incompatFeatures, roCompatFeatures} from '../../ext4/layout/features.ts';
import {ext4_group_desc} from '../../ext4/layout/group.ts';
import {ext4_inode, inodeFlags} from '../../ext4/layout/inode.ts';
import {ext4_super_block} from '../../ext4/layout/superblock.ts';
import {readSuperblock} from '../../ext4/superblock.ts';
import {Volume} from '../../ext4/volume.ts';
import {MemoryDevice} from './memory-device.ts';
import {poke, viewOf} from './poke.ts';

export type TinyFeature =
	| keyof typeof compatFeatures
	| keyof typeof incompatFeatures
	| keyof typeof roCompatFeatures;

export type TinyOptions = {
	readonly blockSize?: number;
	readonly blockCount?: number;
	readonly inodeSize?: number;
	readonly inodeCount?: number;
	readonly features?: readonly TinyFeature[];
	readonly superblock?: Parameters<typeof poke<typeof ext4_super_block.fields>>[3];
};

export type InodeFields = Parameters<typeof poke<typeof ext4_inode.fields>>[3];

function bitsOf(
	features: readonly TinyFeature[],
	table: {readonly [name: string]: number},
): number {
	return features.reduce((bits, name) => bits | (table[name] ?? 0), 0) >>> 0;
}

export class TinyImage {
	readonly bytes: Uint8Array;
	readonly blockSize: number;
	readonly blockCount: number;
	readonly inodeSize: number;
	readonly inodeTable: number;
	/** The first block that holds no metadata of the group. */
	readonly firstFreeBlock: number;
	readonly features: readonly TinyFeature[];
	readonly #inodes = new Set<number>();
	readonly #descriptorAt: number;
	readonly #descriptorSize: number;

	constructor(options: TinyOptions = {}) {
		const {blockSize = 1024, blockCount = 256, inodeSize = 256, inodeCount = 32} = options;
		this.features = options.features ?? ['filetype', 'extent'];
		this.blockSize = blockSize;
		this.blockCount = blockCount;
		this.inodeSize = inodeSize;
		this.bytes = new Uint8Array(blockSize * blockCount);
		const first = blockSize === 1024 ? 1 : 0;
		const tableBlocks = Math.ceil((inodeCount * inodeSize) / blockSize);
		this.#descriptorAt = (first + 1) * blockSize;
		this.#descriptorSize = this.features.includes('64bit') ? 64 : 32;
		this.inodeTable = first + 4;
		this.firstFreeBlock = this.inodeTable + tableBlocks;
		const logBlockSize = Math.log2(blockSize / 1024);
		poke(ext4_super_block, this.bytes, 1024, {
			s_inodes_count: inodeCount,
			s_blocks_count_lo: blockCount,
			s_free_blocks_count_lo: 7,
			s_free_inodes_count: 3,
			s_first_data_block: first,
			s_log_block_size: logBlockSize,
			s_log_cluster_size: logBlockSize,
			s_blocks_per_group: blockSize * 8,
			s_clusters_per_group: blockSize * 8,
			s_inodes_per_group: inodeCount,
			s_magic: 0xef53,
			s_state: 1,
			s_encoding: 1,
			s_rev_level: 1,
			s_first_ino: 11,
			s_inode_size: inodeSize,
			s_feature_compat: bitsOf(this.features, compatFeatures),
			s_feature_incompat: bitsOf(this.features, incompatFeatures),
			s_feature_ro_compat: bitsOf(this.features, roCompatFeatures),
			s_uuid: 0x5a,
			s_desc_size: this.features.includes('64bit') ? 64 : 0,
			s_checksum_type: 1,
			...options.superblock,
		});
		poke(ext4_group_desc, this.bytes, this.#descriptorAt, {
			bg_block_bitmap_lo: first + 2,
			bg_inode_bitmap_lo: first + 3,
			bg_inode_table_lo: this.inodeTable,
		});
		this.setInode(2, {i_mode: 0o40755, i_links_count: 2});
	}

	/** Where inode `number` starts, in bytes. */
	inodeAt(number: number): number {
		return this.inodeTable * this.blockSize + (number - 1) * this.inodeSize;
	}

	/** Writes fields of an inode; an inode of more than 128 bytes gets its 32 extra ones. */
	setInode(number: number, fields: InodeFields): void {
		this.#inodes.add(number);
		const extra = this.inodeSize > 128 ? {i_extra_isize: 32} : {};
		poke(ext4_inode, this.bytes, this.inodeAt(number), {i_links_count: 1, ...extra, ...fields});
	}

	/** The 60 bytes that hold an extent tree's root or the top of a block map. */
	blockField(number: number): Uint8Array {
		const at = this.inodeAt(number) + ext4_inode.fields.i_block.at;
		return this.bytes.subarray(at, at + 60);
	}

	block(number: number): Uint8Array {
		return this.bytes.subarray(number * this.blockSize, (number + 1) * this.blockSize);
	}

	setGroup(fields: Parameters<typeof poke<typeof ext4_group_desc.fields>>[3]): void {
		poke(ext4_group_desc, this.bytes, this.#descriptorAt, fields);
	}

	/** A regular file whose tree or map the caller fills in. */
	addFile(number: number, isExtents: boolean, sizeBytes = 2 ** 40): Uint8Array {
		this.setInode(number, {
			i_mode: 0o100644,
			i_flags: isExtents ? inodeFlags.extents : 0,
			i_size_lo: sizeBytes % 2 ** 32,
			i_size_high: Math.floor(sizeBytes / 2 ** 32),
		});
		return this.blockField(number);
	}

	get checksumSeed(): number {
		return crc32cOf(0xffffffff, this.bytes.subarray(1024 + 0x68, 1024 + 0x78));
	}

	/** The seed of an inode's own blocks, its generation being 0. */
	inodeSeed(number: number): number {
		return crc32cOfU32(crc32cOfU32(this.checksumSeed, number), 0);
	}

	/** Makes the checksums of the superblock, the group and the inodes right. */
	seal(): this {
		const view = viewOf(this.bytes);
		if (this.features.includes('metadata_csum')) {
			for (const number of this.#inodes) this.#sealInode(number);
			view.setUint32(
				1024 + 0x3fc,
				crc32cOf(0xffffffff, this.bytes.subarray(1024, 1024 + 0x3fc)),
				true,
			);
		}
		if (this.features.includes('metadata_csum') || this.features.includes('uninit_bg')) {
			const at = this.#descriptorAt;
			const superblock = readSuperblock(new MemoryDevice(this.bytes));
			const sum = groupChecksum(superblock, 0, this.bytes.subarray(at, at + this.#descriptorSize));
			view.setUint16(at + 0x1e, sum, true);
		}
		return this;
	}

	#sealInode(number: number): void {
		const at = this.inodeAt(number);
		const view = viewOf(this.bytes);
		view.setUint16(at + 0x7c, 0, true);
		if (this.inodeSize > 128) view.setUint16(at + 0x82, 0, true);
		const generation = view.getUint32(at + 0x64, true);
		const seed = crc32cOfU32(crc32cOfU32(this.checksumSeed, number), generation);
		const sum = crc32cOf(seed, this.bytes.subarray(at, at + this.inodeSize));
		view.setUint16(at + 0x7c, sum & 0xffff, true);
		if (this.inodeSize > 128) view.setUint16(at + 0x82, sum >>> 16, true);
	}

	device(): MemoryDevice {
		return new MemoryDevice(this.bytes, true);
	}

	/** Opens it with its checksums made right. */
	open(): Volume {
		return Volume.open(this.seal().device());
	}

	/** Opens it with the checksums that it has. */
	openAsIs(): Volume {
		return Volume.open(this.device());
	}
}

export type TinyExtent = {
	readonly logical: number;
	readonly length: number;
	readonly physical: number;
	readonly isUnwritten?: boolean;
};

/** Writes an extent node's header. */
export function writeExtentHeader(
	node: Uint8Array,
	header: {entries: number; depth: number; max?: number; magic?: number},
): void {
	const view = viewOf(node);
	view.setUint16(0, header.magic ?? extentMagic, true);
	view.setUint16(2, header.entries, true);
	view.setUint16(4, header.max ?? Math.floor((node.length - 12) / 12), true);
	view.setUint16(6, header.depth, true);
}

/** Writes a leaf: a header and extents. */
export function writeLeaf(node: Uint8Array, extents: readonly TinyExtent[]): void {
	writeExtentHeader(node, {entries: extents.length, depth: 0});
	const view = viewOf(node);
	extents.forEach((extent, index) => {
		const at = 12 + index * 12;
		view.setUint32(at, extent.logical, true);
		view.setUint16(at + 4, extent.length + (extent.isUnwritten === true ? 0x8000 : 0), true);
		view.setUint16(at + 6, Math.floor(extent.physical / 2 ** 32), true);
		view.setUint32(at + 8, extent.physical % 2 ** 32, true);
	});
}

/** Writes an inner node: a header and the children's keys and blocks. */
export function writeInner(
	node: Uint8Array,
	depth: number,
	children: readonly {readonly logical: number; readonly block: number}[],
): void {
	writeExtentHeader(node, {entries: children.length, depth});
	const view = viewOf(node);
	children.forEach((child, index) => {
		const at = 12 + index * 12;
		view.setUint32(at, child.logical, true);
		view.setUint32(at + 4, child.block % 2 ** 32, true);
		view.setUint16(at + 8, Math.floor(child.block / 2 ** 32), true);
	});
}

/** Puts the checksum of an extent block of `inode` behind its room for entries. */
export function sealExtentBlock(image: TinyImage, inode: number, block: number): void {
	const bytes = image.block(block);
	const at = 12 + viewOf(bytes).getUint16(4, true) * 12;
	viewOf(bytes).setUint32(at, crc32cOf(image.inodeSeed(inode), bytes.subarray(0, at)), true);
}
