/**
 * Every inode in use, looked at once: what it occupies is painted, how fragmented it is counted,
 * and the largest and the most fragmented are kept to be listed.
 */
import {type Inode, inodeFlags, reservedInode, type Volume} from '../../ext4/index.ts';
import {ext4_inode} from '../../ext4/layout/inode.ts';
import type {DiskMap} from './disk-map.ts';
import {type BlockVisitor, WalkBudget, walkFile} from './file-blocks.ts';
import {classOf} from './page/format.ts';
import type {Problems} from './problems.ts';

/** Files of how many fragments: 1, 2 to 3, 4 to 7 and so on; the last is open. */
export const fragmentBuckets = 8;

export type Candidate = {
	readonly inode: number;
	readonly blocks: number;
	readonly fragments: number;
	readonly sizeBytes: number;
	readonly isDirectory: boolean;
};

/** The `max` greatest of all that are added, by `order`; never holds more than twice as many. */
class Greatest {
	readonly #max: number;
	readonly #order: (candidate: Candidate) => number;
	#all: Candidate[] = [];

	constructor(max: number, order: (candidate: Candidate) => number) {
		this.#max = max;
		this.#order = order;
	}

	add(candidate: Candidate): void {
		this.#all.push(candidate);
		if (this.#all.length >= 2 * this.#max) this.#prune();
	}

	#prune(): void {
		this.#all.sort((a, b) => this.#order(b) - this.#order(a) || a.inode - b.inode);
		this.#all.length = Math.min(this.#all.length, this.#max);
	}

	all(): readonly Candidate[] {
		this.#prune();
		return this.#all;
	}
}

/** Blocks of every inode in use, by group; a bounded part of memory. */
class BlocksByInode {
	readonly #groups = new Map<number, Uint32Array>();
	readonly #inodesPerGroup: number;
	#left: number;
	/** Some could not be kept: what is summed up from them is not complete. */
	isPartial = false;

	constructor(inodesPerGroup: number, bytesMax: number) {
		this.#inodesPerGroup = inodesPerGroup;
		this.#left = bytesMax;
	}

	set(inode: number, blocks: number): void {
		const group = Math.floor((inode - 1) / this.#inodesPerGroup);
		let table = this.#groups.get(group);
		if (table === undefined) {
			this.#left -= this.#inodesPerGroup * 4;
			if (this.#left < 0) {
				this.isPartial = true;
				return;
			}
			table = new Uint32Array(this.#inodesPerGroup);
			this.#groups.set(group, table);
		}
		table[(inode - 1) % this.#inodesPerGroup] = Math.min(blocks, 0xffff_ffff);
	}

	/** The blocks of `inode`, the first time that it is asked for; then 0, as for a second name. */
	take(inode: number): number {
		const table = this.#groups.get(Math.floor((inode - 1) / this.#inodesPerGroup));
		const at = (inode - 1) % this.#inodesPerGroup;
		const blocks = table?.[at] ?? 0;
		if (table !== undefined) table[at] = 0;
		return blocks;
	}
}

export type FileLimits = {
	readonly listedMax: number;
	/** Of the tables that sum up directories. */
	readonly tableBytesMax: number;
};

const mostFragmentedMax = 100;

export class FileSurvey {
	fileCount = 0;
	directoryCount = 0;
	symlinkCount = 0;
	otherCount = 0;
	/** Of ordinary files that have any blocks. */
	withBlocksCount = 0;
	fragmentCount = 0;
	readonly filesByFragments = new Float64Array(fragmentBuckets);
	readonly blocksByInode: BlocksByInode;
	readonly #largest: Greatest;
	readonly #mostFragmented = new Greatest(mostFragmentedMax, each => each.fragments);
	readonly #volume: Volume;
	readonly #map: DiskMap;
	readonly #problems: Problems;
	readonly #budget: WalkBudget;
	readonly #systemInodes: ReadonlySet<number>;

	constructor(volume: Volume, map: DiskMap, problems: Problems, limits: FileLimits) {
		const {superblock, geometry} = volume;
		const {user, group, project} = superblock.quotaInodes;
		this.#volume = volume;
		this.#map = map;
		this.#problems = problems;
		this.#budget = new WalkBudget(geometry.blockCount);
		this.#largest = new Greatest(limits.listedMax, each => each.blocks);
		this.#systemInodes = new Set([user, group, project, superblock.orphanFileInode]);
		this.blocksByInode = new BlocksByInode(geometry.inodesPerGroup, limits.tableBytesMax);
	}

	/** The largest, by the space they take. */
	largest(): readonly Candidate[] {
		return this.#largest.all();
	}

	mostFragmented(): readonly Candidate[] {
		return this.#mostFragmented.all().filter(each => each.fragments > 1);
	}

	lookAt(number: number): void {
		const inode = this.#problems.attempt(() => this.#read(number));
		if (inode === undefined) return;
		const isSystem = this.#isSystem(number);
		if (inode.linkCount === 0 && !isSystem) return; // An orphan, or damage: no part of the tree.
		this.#paintXattrs(inode);
		const candidate = this.#walk(inode, this.#classOf(inode, isSystem));
		if (isSystem || (inode.flags & inodeFlags.eaInode) !== 0) return;
		this.#count(inode, candidate);
	}

	/** Undefined for a reserved inode that is not in use: the bitmap has them all as used. */
	#read(number: number): Inode | undefined {
		const volume = this.#volume;
		if (number >= volume.geometry.firstInode) return volume.readReservedInode(number);
		const {block, at} = volume.locateInode(number);
		if (ext4_inode.at(block.view, at).i_mode !== 0) return volume.readReservedInode(number);
		if (number !== reservedInode.badBlocks) return undefined;
		// The list of bad blocks has no mode, but a block map like a file's.
		const blockBytes = ext4_inode.at(block.view, at).i_block.slice();
		const root = volume.readReservedInode(reservedInode.root);
		const none = {flags: 0, xattrBlock: 0, sizeBytes: 0, linkCount: 0};
		return {
			...root,
			...none,
			number,
			type: 'file',
			blockBytes,
			blockView: new DataView(blockBytes.buffer),
		};
	}

	#isSystem(number: number): boolean {
		const {geometry} = this.#volume;
		if (number === reservedInode.root) return false;
		return number < geometry.firstInode || this.#systemInodes.has(number);
	}

	#classOf(inode: Inode, isSystem: boolean): number {
		if (inode.number === this.#volume.superblock.journalInode) return classOf.journal;
		if (isSystem) return classOf.system;
		if ((inode.flags & inodeFlags.eaInode) !== 0) return classOf.map;
		return inode.type === 'directory' ? classOf.directory : classOf.file;
	}

	#paintXattrs({xattrBlock}: Inode): void {
		if (xattrBlock !== 0) this.#map.paint(xattrBlock, 1, classOf.map);
	}

	#walk(inode: Inode, kind: number): Candidate {
		const clusterBlocks = 2 ** this.#volume.geometry.clusterBits;
		let expected = -1;
		let fragments = 0;
		let blocks = 0;
		// What it maps are the blocks behind the descriptors, which are painted as such.
		const isResize = inode.number === reservedInode.resize;
		const visitor: BlockVisitor = {
			data: (_, physical, length) => {
				if (isResize) return;
				// The rest of a cluster is nobody else's.
				const start = physical - (physical % clusterBlocks);
				const end = Math.ceil((physical + length) / clusterBlocks) * clusterBlocks;
				const from = start < expected ? Math.min(expected, end) : start;
				this.#map.paint(from, end - from, kind);
				if (physical !== expected) fragments++;
				expected = physical + length;
				blocks += length;
			},
			map: physical => this.#map.paint(physical, 1, classOf.map),
		};
		walkFile(this.#volume, inode, this.#budget, this.#problems, visitor);
		const isDirectory = inode.type === 'directory';
		return {inode: inode.number, blocks, fragments, sizeBytes: inode.sizeBytes, isDirectory};
	}

	#count(inode: Inode, candidate: Candidate): void {
		const {blocks, fragments} = candidate;
		this.blocksByInode.set(inode.number, blocks);
		if (inode.type === 'directory') this.directoryCount++;
		else if (inode.type === 'file') this.fileCount++;
		else if (inode.type === 'symlink') this.symlinkCount++;
		else this.otherCount++;
		if (inode.type === 'file' && fragments > 0) {
			this.withBlocksCount++;
			this.fragmentCount += fragments;
			const bucket = Math.min(fragmentBuckets - 1, Math.floor(Math.log2(fragments)));
			this.filesByFragments[bucket] = (this.filesByFragments[bucket] ?? 0) + 1;
		}
		this.#largest.add(candidate);
		if (fragments > 1) this.#mostFragmented.add(candidate);
	}
}
