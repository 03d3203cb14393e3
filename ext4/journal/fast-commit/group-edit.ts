/**
 * One group's bitmaps and descriptor while they are being changed. Kernel documentation, "Block
 * and Inode Bitmaps" and "Block Group Descriptors".
 */
import {isSet, setRange} from '../../allocator/bitmap.ts';
import {clusterCountOf, fillFreshBlockBits} from '../../allocator/bitmaps.ts';
import {crc32cOf} from '../../checksum.ts';
import {CorruptError} from '../../errors.ts';
import {
	descriptorBlock,
	firstBlockOfGroup,
	groupChecksum,
	hasGroupChecksums,
} from '../../groups.ts';
import {ext4_group_desc, type Group, groupChecksumAt, groupFlags} from '../../layout/group.ts';
import type {Volume} from '../../volume.ts';
import type {EditedBlock, EditedBlocks} from './edited-blocks.ts';

const fields = ext4_group_desc.fields;

/** Sets or clears a bit; says whether that changed it. */
function change(bits: Uint8Array, index: number, value: boolean): boolean {
	if (isSet(bits, index) === value) return false;
	bits[index >>> 3] = (bits[index >>> 3] ?? 0) ^ (1 << (index & 7));
	return true;
}

export class GroupEdit {
	readonly #volume: Volume;
	readonly #blocks: EditedBlocks;
	readonly #group: Group;
	/** The first cluster of the group; clusters are counted from block 0. */
	readonly firstCluster: number;
	readonly clusterCount: number;
	#flags: number;
	#freeClusters: number;
	#freeInodes: number;
	#usedDirectories: number;
	#unusedInodes: number;
	#blockBits: EditedBlock | undefined;
	#inodeBits: EditedBlock | undefined;
	#isChanged = false;
	#searchedTo = 0;

	constructor(volume: Volume, blocks: EditedBlocks, index: number) {
		this.#volume = volume;
		this.#blocks = blocks;
		this.#group = volume.group(index);
		const firstBlock = firstBlockOfGroup(volume.superblock, index);
		this.firstCluster = Math.floor(firstBlock / 2 ** volume.geometry.clusterBits);
		this.clusterCount = clusterCountOf(volume, index);
		this.#flags = hasGroupChecksums(volume.features) ? this.#group.flags : 0;
		this.#freeClusters = this.#group.freeClusterCount;
		this.#freeInodes = this.#group.freeInodeCount;
		this.#usedDirectories = this.#group.usedDirectoryCount;
		this.#unusedInodes = this.#group.unusedInodeCount;
	}

	isInodeUsed(index: number): boolean {
		if ((this.#flags & groupFlags.inodeUninit) !== 0) return false;
		return isSet(this.#openInodeBits().bytes, index);
	}

	setInode(index: number, isUsed: boolean, isDirectory: boolean): void {
		if (!change(this.#openInodeBits().bytes, index, isUsed)) return;
		const step = isUsed ? 1 : -1;
		this.#isChanged = true;
		this.#flags &= ~groupFlags.inodeUninit;
		this.#freeInodes -= step;
		if (isDirectory) this.#usedDirectories += step;
		const behind = this.#volume.geometry.inodesPerGroup - 1 - index;
		if (isUsed) this.#unusedInodes = Math.min(this.#unusedInodes, behind);
	}

	/** Clusters `[from, to)`, counted from the group's first. */
	setClusters(from: number, to: number, isUsed: boolean): void {
		const {bytes} = this.#openBlockBits();
		const done = isUsed ? 0xff : 0;
		for (let index = from; index < to; ) {
			// Any number of ranges may lead to the same clusters: what is done already is passed by.
			if (index % 8 === 0 && index + 8 <= to && bytes[index / 8] === done) index += 8;
			else this.#setCluster(index++, isUsed);
		}
	}

	#setCluster(index: number, isUsed: boolean): void {
		if (!change(this.#openBlockBits().bytes, index, isUsed)) return;
		this.#isChanged = true;
		this.#flags &= ~groupFlags.blockUninit;
		this.#freeClusters -= isUsed ? 1 : -1;
	}

	/**
	 * Takes a free cluster; undefined where there is none. Each call goes on where the one before
	 * ended: once clusters are taken, none is freed any more.
	 */
	takeFree(): number | undefined {
		if (this.#freeClusters <= 0) return undefined;
		const {bytes} = this.#openBlockBits();
		while (this.#searchedTo < this.clusterCount) {
			const index = this.#searchedTo++;
			if (isSet(bytes, index)) continue;
			this.#setCluster(index, true);
			return this.firstCluster + index;
		}
		return undefined;
	}

	/** Puts counts, flags and checksums into the descriptor, if anything was changed. */
	write(): void {
		if (!this.#isChanged) return;
		const {superblock, geometry, features} = this.#volume;
		const {index} = this.#group;
		const tableIndex = Math.floor(index / geometry.descriptorsPerBlock);
		const block = this.#blocks.open(descriptorBlock(superblock, tableIndex));
		const at = (index % geometry.descriptorsPerBlock) * geometry.descriptorSize;
		const bytes = block.bytes.subarray(at, at + geometry.descriptorSize);
		const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		const halves = [
			[fields.bg_free_blocks_count_lo.at, fields.bg_free_blocks_count_hi.at, this.#freeClusters],
			[fields.bg_free_inodes_count_lo.at, fields.bg_free_inodes_count_hi.at, this.#freeInodes],
			[fields.bg_used_dirs_count_lo.at, fields.bg_used_dirs_count_hi.at, this.#usedDirectories],
			[fields.bg_itable_unused_lo.at, fields.bg_itable_unused_hi.at, this.#unusedInodes],
		] as const;
		for (const [low, high, value] of halves) this.#writeHalves(view, low, high, value);
		view.setUint16(fields.bg_flags.at, this.#flags, true);
		if (features.has('metadata_csum')) this.#writeBitmapChecksums(view);
		if (hasGroupChecksums(features)) {
			view.setUint16(groupChecksumAt, groupChecksum(superblock, index, bytes), true);
		}
	}

	#writeHalves(view: DataView, low: number, high: number, value: number): void {
		view.setUint16(low, value & 0xffff, true);
		if (view.byteLength >= high + 2) view.setUint16(high, Math.floor(value / 2 ** 16), true);
	}

	#writeBitmapChecksums(view: DataView): void {
		if (this.#blockBits !== undefined) {
			const {bg_block_bitmap_csum_lo: low, bg_block_bitmap_csum_hi: high} = fields;
			this.#writeHalves(view, low.at, high.at, this.#blockBitmapSum(this.#blockBits.bytes));
		}
		if (this.#inodeBits !== undefined) {
			const {bg_inode_bitmap_csum_lo: low, bg_inode_bitmap_csum_hi: high} = fields;
			this.#writeHalves(view, low.at, high.at, this.#inodeBitmapSum(this.#inodeBits.bytes));
		}
	}

	#blockBitmapSum(bits: Uint8Array): number {
		const {superblock, geometry} = this.#volume;
		return crc32cOf(superblock.checksumSeed, bits.subarray(0, geometry.clustersPerGroup / 8));
	}

	#inodeBitmapSum(bits: Uint8Array): number {
		const {superblock, geometry} = this.#volume;
		return crc32cOf(superblock.checksumSeed, bits.subarray(0, geometry.inodesPerGroup / 8));
	}

	#openInodeBits(): EditedBlock {
		if (this.#inodeBits !== undefined) return this.#inodeBits;
		const number = this.#group.inodeBitmap;
		const {inodesPerGroup, blockSize} = this.#volume.geometry;
		if ((this.#flags & groupFlags.inodeUninit) !== 0) {
			const bits = this.#blocks.create(number);
			setRange(bits.bytes, inodesPerGroup, blockSize * 8);
			this.#inodeBits = bits;
			return bits;
		}
		const bits = this.#blocks.open(number);
		this.#assertChecksum(number, this.#inodeBitmapSum(bits.bytes), this.#group.inodeBitmapChecksum);
		this.#inodeBits = bits;
		return bits;
	}

	#openBlockBits(): EditedBlock {
		if (this.#blockBits !== undefined) return this.#blockBits;
		const number = this.#group.blockBitmap;
		if ((this.#flags & groupFlags.blockUninit) !== 0) {
			const bits = this.#blocks.create(number);
			fillFreshBlockBits(this.#volume, this.#group, bits.bytes);
			this.#blockBits = bits;
			return bits;
		}
		const bits = this.#blocks.open(number);
		this.#assertChecksum(number, this.#blockBitmapSum(bits.bytes), this.#group.blockBitmapChecksum);
		this.#blockBits = bits;
		return bits;
	}

	#assertChecksum(block: number, sum: number, stored: number): void {
		const {features, geometry} = this.#volume;
		if (!features.has('metadata_csum')) return;
		if (stored === (geometry.descriptorSize >= 64 ? sum : sum & 0xffff)) return;
		throw new CorruptError('EXT4_BAD_BITMAP_CHECKSUM', "a bitmap's checksum does not match", {
			group: this.#group.index,
			block,
		});
	}
}
