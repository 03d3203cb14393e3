/**
 * What lies where in a base image: every stretch of metadata with its role and its owner, found by
 * walking the image while it is still well.
 */

import {descriptorBlock} from '../../ext4/groups.ts';
import {journalFileOf} from '../../ext4/journal/recover.ts';
import {readJournalSuperblock} from '../../ext4/journal/superblock.ts';
import {recordLengthOf} from '../../ext4/layout/directory.ts';
import {dx_node} from '../../ext4/layout/htree.ts';
import {type Inode, inodeFlags} from '../../ext4/layout/inode.ts';
import {
	decodeTags,
	journal_header,
	journalBlockType,
	journalHeaderSize,
	journalMagic,
	tagFlags,
	tagSize,
} from '../../ext4/layout/journal.ts';
import {ext4_super_block} from '../../ext4/layout/superblock.ts';
import {mapAt} from '../../ext4/mapping/index.ts';
import type {Superblock} from '../../ext4/superblock.ts';
import {Volume} from '../../ext4/volume.ts';
import {MemoryDevice} from '../support/memory-device.ts';

export type Role =
	| 'superblock'
	| 'group'
	| 'blockBitmap'
	| 'inodeBitmap'
	| 'inode'
	| 'extents'
	| 'indirect'
	| 'directory'
	| 'index'
	| 'xattrs'
	| 'symlink'
	| 'value'
	| 'quota'
	| 'orphanFile'
	| 'mmp'
	| 'journalSuperblock'
	| 'descriptor'
	| 'revoke'
	| 'commit'
	| 'fastCommit';

export type Site = {
	readonly role: Role;
	/** In bytes of the image. */
	readonly at: number;
	readonly length: number;
	/**
	 * The inode that it is, or that it belongs to; the group for `group` and the two kinds of
	 * bitmaps; 0 where neither applies.
	 */
	readonly owner: number;
	/** The block that it is, or lies in, at home; a copy in the journal lies elsewhere. */
	readonly homeBlock: number;
	/** The tag that holds this copy's checksum; undefined for what lies at home. */
	readonly tag: {readonly descriptorAt: number; readonly tagAt: number} | undefined;
};

export type Atlas = {
	readonly blockSize: number;
	readonly sites: readonly Site[];
	readonly sitesOf: ReadonlyMap<Role, readonly Site[]>;
	/** Blocks of metadata: what a pointer would do most harm to point to. */
	readonly blocks: readonly number[];
	/** Inodes in use. */
	readonly inodes: readonly number[];
	readonly superblock: Superblock;
};

class Mapper {
	readonly volume: Volume;
	readonly sites: Site[] = [];
	readonly inodes: number[] = [];
	readonly blockSize: number;

	constructor(volume: Volume) {
		this.volume = volume;
		this.blockSize = volume.geometry.blockSize;
	}

	add(role: Role, at: number, length: number, owner: number): void {
		const homeBlock = Math.floor(at / this.blockSize);
		this.sites.push({role, at, length, owner, homeBlock, tag: undefined});
	}

	addBlock(role: Role, block: number, owner: number): void {
		this.add(role, block * this.blockSize, this.blockSize, owner);
	}

	mapVolume(): void {
		const {volume} = this;
		const {groupCount, descriptorSize, descriptorsPerBlock, inodeCount} = volume.geometry;
		this.add('superblock', 1024, 1024, 0);
		for (let index = 0; index < groupCount; index++) {
			const table = Math.floor(index / descriptorsPerBlock);
			const start = descriptorBlock(volume.superblock, table) * this.blockSize;
			const at = start + (index % descriptorsPerBlock) * descriptorSize;
			this.add('group', at, descriptorSize, index);
			const group = volume.group(index);
			this.addBlock('blockBitmap', group.blockBitmap, index);
			this.addBlock('inodeBitmap', group.inodeBitmap, index);
		}
		for (let number = 1; number <= inodeCount; number++) {
			if (this.#isInUse(number)) this.mapInode(volume.readReservedInode(number));
		}
		if (volume.features.has('mmp')) {
			this.addBlock('mmp', ext4_super_block.at(volume.superblock.view, 0).s_mmp_block, 0);
		}
		if (volume.features.has('has_journal')) this.mapJournal();
	}

	#isInUse(number: number): boolean {
		const {block, at} = this.volume.locateInode(number);
		return block.view.getUint16(at, true) !== 0 && block.view.getUint16(at + 0x1a, true) !== 0;
	}

	mapInode(inode: Inode): void {
		const {block, at} = this.volume.locateInode(inode.number);
		this.inodes.push(inode.number);
		const size = this.volume.geometry.inodeSize;
		this.add('inode', block.number * this.blockSize + at, size, inode.number);
		if (inode.xattrBlock !== 0) this.addBlock('xattrs', inode.xattrBlock, inode.number);
		const hasBlocks =
			inode.type === 'file' || inode.type === 'directory' || inode.type === 'symlink';
		const isFast = inode.type === 'symlink' && inode.sizeBytes < 60;
		if (!hasBlocks || isFast || (inode.flags & inodeFlags.inlineData) !== 0) return;
		if ((inode.flags & inodeFlags.extents) !== 0) {
			this.mapExtents(inode, inode.blockView);
		} else {
			for (const level of [1, 2, 3]) {
				this.mapIndirect(inode, inode.blockView.getUint32((11 + level) * 4, true), level);
			}
		}
		this.mapContents(inode);
	}

	mapExtents(inode: Inode, node: DataView): void {
		const depth = node.getUint16(6, true);
		if (depth === 0) return;
		for (let index = 0; index < node.getUint16(2, true); index++) {
			const child = node.getUint32(12 + index * 12 + 4, true);
			this.addBlock('extents', child, inode.number);
			this.mapExtents(inode, this.volume.cache.read(child).view);
		}
	}

	mapIndirect(inode: Inode, block: number, level: number): void {
		if (block === 0) return;
		this.addBlock('indirect', block, inode.number);
		if (level === 1) return;
		const {view} = this.volume.cache.read(block);
		for (let at = 0; at < this.blockSize; at += 4) {
			this.mapIndirect(inode, view.getUint32(at, true), level - 1);
		}
	}

	mapContents(inode: Inode): void {
		const isValue = (inode.flags & inodeFlags.eaInode) !== 0;
		const {quotaInodes, orphanFileInode} = this.volume.superblock;
		const isQuota = inode.number !== 0 && Object.values(quotaInodes).includes(inode.number);
		const isOrphanFile = inode.number === orphanFileInode;
		if (inode.type === 'file' && !isValue && !isQuota && !isOrphanFile) return;
		const blocks = Math.ceil(inode.sizeBytes / this.blockSize);
		for (let logical = 0; logical < blocks; logical++) {
			const run = mapAt(this.volume, inode, logical);
			if (run.kind === 'hole') continue;
			const block = run.physical + logical - run.logical;
			const role = isQuota
				? 'quota'
				: isOrphanFile
					? 'orphanFile'
					: isValue
						? 'value'
						: inode.type === 'symlink'
							? 'symlink'
							: 'directory';
			const isIndex = role === 'directory' && this.#isIndexBlock(inode, block, logical);
			this.addBlock(isIndex ? 'index' : role, block, inode.number);
		}
	}

	#isIndexBlock(inode: Inode, block: number, logical: number): boolean {
		if ((inode.flags & inodeFlags.hashIndexed) === 0) return false;
		if (logical === 0) return true;
		const fake = dx_node.at(this.volume.cache.read(block).view, 0);
		const isWhole = recordLengthOf(fake.fake_rec_len, this.blockSize) === this.blockSize;
		return fake.fake_inode === 0 && isWhole;
	}

	/** Every block of the log that looks like a record, and the copies that descriptors speak of. */
	mapJournal(): void {
		const file = journalFileOf(this.volume);
		const at = (logical: number) => (file.journalBlocks(logical) ?? 0) * this.blockSize;
		const first = new Uint8Array(this.blockSize);
		this.volume.device.read(at(0), first);
		const journal = readJournalSuperblock(first, this.blockSize, file.lengthBlocks);
		this.add('journalSuperblock', at(0), 1024, 0);
		const home = this.sites.slice();
		for (let logical = journal.firstBlock; logical < journal.lengthBlocks; logical++) {
			const bytes = new Uint8Array(this.blockSize);
			this.volume.device.read(at(logical), bytes);
			const view = new DataView(bytes.buffer);
			if (logical >= journal.endBlock) {
				// Fast commits are little-endian tags; a block in use begins with one that is not 0.
				if (view.getUint32(0, true) !== 0) this.add('fastCommit', at(logical), this.blockSize, 0);
				continue;
			}
			const header = journal_header.at(view, 0);
			if (header.h_magic !== journalMagic) continue;
			if (header.h_blocktype === journalBlockType.commit) {
				this.add('commit', at(logical), this.blockSize, 0);
			} else if (header.h_blocktype === journalBlockType.revoke) {
				this.add('revoke', at(logical), this.blockSize, 0);
			} else if (header.h_blocktype === journalBlockType.descriptor) {
				this.add('descriptor', at(logical), this.blockSize, 0);
				this.#mapCopies(home, view, journal.features, at(logical), logical, at);
			}
		}
	}

	#mapCopies(
		home: readonly Site[],
		view: DataView,
		features: Parameters<typeof decodeTags>[1],
		descriptorAt: number,
		logical: number,
		at: (logical: number) => number,
	): void {
		const size = tagSize(features);
		let tagAt = journalHeaderSize;
		decodeTags(view, features).forEach((tag, index) => {
			const copyAt = at(logical + 1 + index);
			const place = {descriptorAt, tagAt};
			for (const site of home) {
				if (site.homeBlock !== tag.block || site.role.endsWith('Bitmap')) continue;
				const inBlock = site.at - site.homeBlock * this.blockSize;
				this.sites.push({...site, at: copyAt + inBlock, tag: place});
			}
			const flagsAt = tagAt + (features.hasChecksumV3 ? 4 : 6);
			const flags = features.hasChecksumV3
				? view.getUint32(flagsAt, false)
				: view.getUint16(flagsAt, false);
			tagAt += size + ((flags & tagFlags.sameUuid) !== 0 ? 0 : 16);
		});
	}
}

/** Maps an image that is well; throws what reading it throws, where it is not. */
export function mapImage(image: Uint8Array): Atlas {
	const volume = Volume.open(new MemoryDevice(image, true), {journal: 'ignore'});
	const mapper = new Mapper(volume);
	mapper.mapVolume();
	const sitesOf = new Map<Role, Site[]>();
	for (const site of mapper.sites) {
		const list = sitesOf.get(site.role) ?? [];
		list.push(site);
		sitesOf.set(site.role, list);
	}
	return {
		blockSize: volume.geometry.blockSize,
		sites: mapper.sites,
		sitesOf,
		blocks: [...new Set(mapper.sites.map(site => Math.floor(site.at / mapper.blockSize)))],
		inodes: mapper.inodes,
		superblock: volume.superblock,
	};
}
