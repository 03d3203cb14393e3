/**
 * What the files that judge an inode have in common: the inode itself, what of the superblock every
 * inode is judged by, and where findings and all that is counted go.
 */
import {reservedInode} from '../layout/inode.ts';
import {creatorOs, ext4_super_block} from '../layout/superblock.ts';
import type {FindingCode} from './codes.ts';
import type {FindingValues} from './finding.ts';
import {Harvester} from './harvest.ts';
import {InodeBytes} from './inode-bytes.ts';
import {factFlags} from './inode-facts.ts';
import type {CheckState} from './state.ts';

export const fileType = {
	fifo: 0x1000,
	character: 0x2000,
	directory: 0x4000,
	block: 0x6000,
	file: 0x8000,
	symlink: 0xa000,
	socket: 0xc000,
} as const;

export class InodeContext {
	readonly state: CheckState;
	readonly harvest = new Harvester();
	/** The inode that is looked at; one object for all of them. */
	readonly inode: InodeBytes;

	readonly hasChecksums: boolean;
	readonly hasExtents: boolean;
	readonly hasInline: boolean;
	readonly has64bit: boolean;
	readonly hasHugeFile: boolean;
	readonly hasLargeDir: boolean;
	readonly hasXattrs: boolean;
	readonly hasEaInode: boolean;
	readonly hasBigalloc: boolean;
	readonly hasQuota: boolean;
	readonly hasProject: boolean;
	readonly isHurd: boolean;
	readonly blockSize: number;
	readonly preallocatedDirectoryBlocks: number;
	/** Inodes of journal, quotas and orphan file, where there are such. */
	readonly #ownFiles: readonly number[];
	readonly #ownFileLast: number;

	constructor(state: CheckState) {
		this.state = state;
		const {features, geometry, superblock} = state;
		this.inode = new InodeBytes(new DataView(new ArrayBuffer(0)), geometry.inodeSize);
		this.hasChecksums = superblock.hasInodeChecksums;
		this.hasExtents = features.has('extent');
		this.hasInline = features.has('inline_data');
		this.has64bit = features.has('64bit');
		this.hasHugeFile = features.has('huge_file');
		this.hasLargeDir = features.has('large_dir');
		this.hasXattrs = features.has('ext_attr');
		this.hasEaInode = features.has('ea_inode');
		this.hasBigalloc = geometry.clusterBits > 0;
		this.hasQuota = features.has('quota');
		this.hasProject = features.has('project');
		const raw = ext4_super_block.at(superblock.view, 0);
		this.isHurd = raw.s_creator_os === creatorOs.hurd;
		this.preallocatedDirectoryBlocks = raw.s_prealloc_dir_blocks;
		this.blockSize = geometry.blockSize;
		const {user, group, project} = superblock.quotaInodes;
		this.#ownFiles = [
			// The reserved one is the journal's for e2fsck wherever the superblock names it.
			...(features.has('has_journal') || superblock.journalInode === reservedInode.journal
				? [superblock.journalInode]
				: []),
			...(features.has('quota') ? [user, group, project] : []),
			superblock.orphanFileInode,
		].filter(number => number !== 0);
		this.#ownFileLast = Math.max(0, ...this.#ownFiles);
	}

	/** Reports a finding of the inode that is looked at. */
	tell(code: FindingCode, values: FindingValues = {}): void {
		this.state.report(code, {inode: this.inode.number}, values);
	}

	/** Notes of the inode that is looked at that its fields say what can't be. */
	markBad(): void {
		this.markBadInode(this.inode.number);
	}

	markBadInode(number: number): void {
		const {inodes} = this.state;
		const slot = inodes.slotOf(number);
		inodes.flags[slot] = (inodes.flags[slot] ?? 0) | factFlags.hasBadFields;
	}

	/** Whether it is a file in which the file system keeps something: journal, quotas, orphans. */
	isOwnFile(): boolean {
		const {number} = this.inode;
		return number <= this.#ownFileLast && this.#ownFiles.includes(number);
	}

	/** Whether the file system keeps the inode for itself; the root is not one of those. */
	isReserved(): boolean {
		const {number} = this.inode;
		const isLow = number < this.state.geometry.firstInode;
		if (!isLow && number > this.#ownFileLast) return false;
		if (number === reservedInode.root) return false;
		return isLow || this.#ownFiles.includes(number);
	}

	/** The block that the inode names for its attributes; 0 for none. */
	xattrBlock(): number {
		const {inode} = this;
		const high = this.has64bit && !this.isHurd ? inode.xattrBlockHigh : 0;
		return high * 2 ** 32 + inode.xattrBlockLow;
	}

	/** i_blocks in the unit it is stored in; -1 where it is not kept. */
	storedBlocks(): number {
		const {inode} = this;
		if (this.isHurd) return -1;
		return inode.blocksLow + (this.hasHugeFile ? inode.blocksHigh * 2 ** 32 : 0);
	}
}

/** A mode as people write it. */
export function octal(mode: number): string {
	return `0${mode.toString(8)}`;
}
