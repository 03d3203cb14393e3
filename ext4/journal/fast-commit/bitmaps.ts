/** The bitmaps of all groups while they are being changed; groups are opened as they are needed. */
import {CorruptError} from '../../errors.ts';
import type {Volume} from '../../volume.ts';
import type {EditedBlocks} from './edited-blocks.ts';
import {GroupEdit} from './group-edit.ts';

export class Bitmaps {
	readonly #volume: Volume;
	readonly #blocks: EditedBlocks;
	readonly #groups = new Map<number, GroupEdit>();

	constructor(volume: Volume, blocks: EditedBlocks) {
		this.#volume = volume;
		this.#blocks = blocks;
	}

	isInodeUsed(number: number): boolean {
		return this.#groupOfInode(number).isInodeUsed(this.#indexOfInode(number));
	}

	setInode(number: number, isUsed: boolean, isDirectory: boolean): void {
		this.#groupOfInode(number).setInode(this.#indexOfInode(number), isUsed, isDirectory);
	}

	/** Marks every cluster that the blocks touch. The caller has checked that they exist. */
	setBlocks(start: number, length: number, isUsed: boolean): void {
		const {clusterBits, clustersPerGroup} = this.#volume.geometry;
		const end = start + length - 1;
		for (let at = start; at <= end; ) {
			const group = this.#group(this.#groupIndexOf(at));
			const from = Math.floor(at / 2 ** clusterBits) - group.firstCluster;
			const to = Math.floor(end / 2 ** clusterBits) - group.firstCluster;
			group.setClusters(from, Math.min(to + 1, clustersPerGroup), isUsed);
			at = (group.firstCluster + clustersPerGroup) * 2 ** clusterBits;
		}
	}

	/**
	 * Takes a free cluster, in the group `goal` or behind it, and returns its first block. Throws
	 * `CorruptError` where none is left: what is replayed had room once.
	 */
	allocateCluster(goal: number): number {
		const {clusterBits, groupCount} = this.#volume.geometry;
		for (let step = 0; step < groupCount; step++) {
			const cluster = this.#group((goal + step) % groupCount).takeFree();
			if (cluster !== undefined) return cluster * 2 ** clusterBits;
		}
		throw new CorruptError('EXT4_BAD_JOURNAL', 'no block is free that the fast commits need');
	}

	write(): void {
		for (const group of this.#groups.values()) group.write();
	}

	/** The group that holds a block. */
	#groupIndexOf(block: number): number {
		const {firstDataBlock, blocksPerGroup} = this.#volume.geometry;
		return Math.floor((block - firstDataBlock) / blocksPerGroup);
	}

	#indexOfInode(number: number): number {
		return (number - 1) % this.#volume.geometry.inodesPerGroup;
	}

	#groupOfInode(number: number): GroupEdit {
		return this.#group(Math.floor((number - 1) / this.#volume.geometry.inodesPerGroup));
	}

	#group(index: number): GroupEdit {
		const known = this.#groups.get(index);
		if (known !== undefined) return known;
		const group = new GroupEdit(this.#volume, this.#blocks, index);
		this.#groups.set(index, group);
		return group;
	}
}
