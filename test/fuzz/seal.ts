/**
 * Makes the checksums of a changed image right again, so that what was changed is read and not
 * merely refused. Where a changed field decides where a checksum lies, it is taken at its word as
 * long as that is inside the block.
 */
import {crc32cOf, crc32cOfU32, crc32cOfZeros} from '../../ext4/checksum.ts';
import {groupChecksum} from '../../ext4/groups.ts';
import {
	commitBlockChecksum,
	loggedBlockChecksum,
	tailedBlockChecksum,
} from '../../ext4/journal/checksum.ts';
import {recordLengthOf} from '../../ext4/layout/directory.ts';
import {fastCommitTag} from '../../ext4/layout/fast-commit.ts';
import {
	journal_superblock,
	journalIncompatFeatures,
	journalSuperblockChecksumAt,
} from '../../ext4/layout/journal.ts';
import {mmp_struct} from '../../ext4/layout/mmp.ts';
import {ext4_orphan_block_tail} from '../../ext4/layout/orphan.ts';
import type {Atlas, Site} from './atlas.ts';
import type {Patch} from './patch.ts';

const seedFlag = 0x2000; // metadata_csum_seed, incompat.

export class Sealer {
	readonly #patch: Patch;
	readonly #atlas: Atlas;
	readonly #sitesByOwner = new Map<number, Site[]>();
	readonly #inodeSites = new Map<number, Site>();
	readonly #groupSites = new Map<number, Site>();

	constructor(patch: Patch, atlas: Atlas) {
		this.#patch = patch;
		this.#atlas = atlas;
		for (const site of atlas.sites) {
			if (site.role === 'inode' && site.tag === undefined) this.#inodeSites.set(site.owner, site);
			if (site.role === 'group' && site.tag === undefined) this.#groupSites.set(site.owner, site);
			if (!['extents', 'directory', 'index', 'orphanFile'].includes(site.role)) continue;
			const list = this.#sitesByOwner.get(site.owner) ?? [];
			list.push(site);
			this.#sitesByOwner.set(site.owner, list);
		}
	}

	/** What depends on these sites is sealed as well; the superblock last, whatever was changed. */
	seal(sites: readonly Site[]): void {
		const todo = new Set<Site>(sites);
		for (const site of sites) {
			// The number of an inode's generation goes into the sums of its blocks.
			if (site.role === 'blockBitmap' || site.role === 'inodeBitmap') {
				this.#sealBitmap(site);
				const group = this.#groupSites.get(site.owner);
				if (group !== undefined) todo.add(group);
			}
			if (site.role === 'inode') {
				for (const owned of this.#sitesByOwner.get(site.owner) ?? []) todo.add(owned);
			}
		}
		if (this.#seedChanged()) for (const site of this.#atlas.sites) todo.add(site);
		for (const site of todo) this.#sealSite(site);
		if (sites.some(site => site.role === 'fastCommit')) this.#sealFastCommits();
		for (const site of todo) if (site.tag !== undefined) this.#sealTag(site, site.tag);
		if (this.#hasChecksums) {
			const sum = crc32cOf(0xffffffff, this.#patch.bytes.subarray(1024, 1024 + 0x3fc));
			this.#patch.set32(1024 + 0x3fc, sum);
		}
	}

	get #hasChecksums(): boolean {
		return this.#atlas.superblock.features.has('metadata_csum');
	}

	get #seed(): number {
		const {view, bytes} = this.#patch;
		const isStored = (view.getUint32(1024 + 0x60, true) & seedFlag) !== 0;
		if (isStored) return view.getUint32(1024 + 0x270, true);
		return crc32cOf(0xffffffff, bytes.subarray(1024 + 0x68, 1024 + 0x78));
	}

	#seedChanged(): boolean {
		return this.#hasChecksums && this.#seed !== this.#atlas.superblock.checksumSeed;
	}

	#inodeSeed(number: number): number {
		const site = this.#inodeSites.get(number);
		const generation = site === undefined ? 0 : this.#patch.view.getUint32(site.at + 0x64, true);
		return crc32cOfU32(crc32cOfU32(this.#seed, number), generation);
	}

	#bytesOf(site: Site): Uint8Array {
		return this.#patch.bytes.subarray(site.at, site.at + site.length);
	}

	#sealSite(site: Site): void {
		switch (site.role) {
			case 'group':
				this.#sealGroup(site);
				break;
			case 'inode':
				if (this.#hasChecksums) this.#sealInode(site);
				break;
			case 'extents':
				if (this.#hasChecksums) this.#sealExtents(site);
				break;
			case 'directory':
				if (this.#hasChecksums) this.#sealDirectory(site);
				break;
			case 'index':
				if (this.#hasChecksums) this.#sealIndex(site);
				break;
			case 'xattrs':
				if (this.#hasChecksums) this.#sealXattrs(site);
				break;
			case 'orphanFile':
				if (this.#hasChecksums) this.#sealOrphans(site);
				break;
			case 'mmp':
				this.#sealMmp(site);
				break;
			case 'journalSuperblock':
				this.#sealJournalSuperblock(site);
				break;
			case 'descriptor':
			case 'revoke':
				this.#sealTailed(site.at);
				break;
			case 'commit':
				this.#sealCommit(site);
				break;
			default:
				break; // No sum of its own.
		}
	}

	#sealGroup(site: Site): void {
		const {superblock} = this.#atlas;
		const {features} = superblock;
		if (!features.has('metadata_csum') && !features.has('uninit_bg')) return;
		const uuid = this.#patch.bytes.slice(1024 + 0x68, 1024 + 0x78);
		const current = {...superblock, uuid, checksumSeed: this.#seed};
		this.#patch.set16(site.at + 0x1e, groupChecksum(current, site.owner, this.#bytesOf(site)));
	}

	/** The sum of a bitmap stands in its group's descriptor. */
	#sealBitmap(site: Site): void {
		const group = this.#groupSites.get(site.owner);
		if (!this.#hasChecksums || group === undefined) return;
		const {geometry} = this.#atlas.superblock;
		const isBlocks = site.role === 'blockBitmap';
		const bits = isBlocks ? geometry.clustersPerGroup : geometry.inodesPerGroup;
		const sum = crc32cOf(this.#seed, this.#bytesOf(site).subarray(0, bits >>> 3));
		this.#patch.set16(group.at + (isBlocks ? 0x18 : 0x1a), sum & 0xffff);
		if (group.length >= 64) this.#patch.set16(group.at + (isBlocks ? 0x38 : 0x3a), sum >>> 16);
	}

	#sealOrphans(site: Site): void {
		const end = site.length - ext4_orphan_block_tail.sizeBytes;
		const block = new Uint8Array(8);
		new DataView(block.buffer).setUint32(0, site.homeBlock, true);
		const seed = crc32cOf(this.#inodeSeed(site.owner), block);
		this.#patch.set32(site.at + end + 4, crc32cOf(seed, this.#bytesOf(site).subarray(0, end)));
	}

	#sealMmp(site: Site): void {
		if (!this.#hasChecksums) return;
		const at = mmp_struct.fields.mmp_checksum.at;
		this.#patch.set32(site.at + at, crc32cOf(this.#seed, this.#bytesOf(site).subarray(0, at)));
	}

	#sealInode(site: Site): void {
		const {view} = this.#patch;
		const {at, length} = site;
		const hasHigh = length > 128 && view.getUint16(at + 0x80, true) >= 4;
		this.#patch.set16(at + 0x7c, 0);
		if (hasHigh) this.#patch.set16(at + 0x82, 0);
		const generation = view.getUint32(at + 0x64, true);
		const seed = crc32cOfU32(crc32cOfU32(this.#seed, site.owner), generation);
		const sum = crc32cOf(seed, this.#bytesOf(site));
		view.setUint16(at + 0x7c, sum & 0xffff, true);
		if (hasHigh) view.setUint16(at + 0x82, sum >>> 16, true);
	}

	#sealExtents(site: Site): void {
		const end = 12 + this.#patch.view.getUint16(site.at + 4, true) * 12;
		if (end + 4 > site.length) return;
		const sum = crc32cOf(this.#inodeSeed(site.owner), this.#bytesOf(site).subarray(0, end));
		this.#patch.set32(site.at + end, sum);
	}

	#sealDirectory(site: Site): void {
		const end = site.length - 12;
		const sum = crc32cOf(this.#inodeSeed(site.owner), this.#bytesOf(site).subarray(0, end));
		this.#patch.set32(site.at + end + 8, sum);
	}

	#sealIndex(site: Site): void {
		const {view} = this.#patch;
		const first = recordLengthOf(view.getUint16(site.at + 4, true), site.length);
		const entriesAt = first === site.length ? 8 : 32;
		const limit = view.getUint16(site.at + entriesAt, true);
		const count = view.getUint16(site.at + entriesAt + 2, true);
		const tailAt = entriesAt + limit * 8;
		if (tailAt + 8 > site.length || entriesAt + count * 8 > site.length) return;
		const bytes = this.#bytesOf(site);
		let sum = crc32cOf(this.#inodeSeed(site.owner), bytes.subarray(0, entriesAt + count * 8));
		sum = crc32cOfZeros(crc32cOf(sum, bytes.subarray(tailAt, tailAt + 4)), 4);
		this.#patch.set32(site.at + tailAt + 4, sum);
	}

	#sealXattrs(site: Site): void {
		this.#patch.set32(site.at + 0x10, 0);
		const low = crc32cOfU32(this.#seed, site.homeBlock);
		const sum = crc32cOf(crc32cOfU32(low, 0), this.#bytesOf(site));
		this.#patch.set32(site.at + 0x10, sum);
	}

	get #journal(): {at: number; seed: number; incompat: number} | undefined {
		const site = this.#atlas.sitesOf.get('journalSuperblock')?.[0];
		if (site === undefined) return undefined;
		const raw = journal_superblock.at(this.#patch.view, site.at);
		const incompat = raw.h_blocktype === 4 ? raw.s_feature_incompat : 0;
		return {at: site.at, seed: crc32cOf(0xffffffff, raw.s_uuid), incompat};
	}

	get #hasJournalChecksums(): boolean {
		const {csum_v2, csum_v3} = journalIncompatFeatures;
		return ((this.#journal?.incompat ?? 0) & (csum_v2 | csum_v3)) !== 0;
	}

	#sealJournalSuperblock(site: Site): void {
		if (!this.#hasJournalChecksums) return;
		const at = site.at + journalSuperblockChecksumAt;
		this.#patch.set32(at, 0, false);
		this.#patch.set32(at, crc32cOf(0xffffffff, this.#bytesOf(site)), false);
	}

	/** A descriptor or revoke block. */
	#sealTailed(at: number): void {
		const journal = this.#journal;
		if (journal === undefined || !this.#hasJournalChecksums) return;
		const {blockSize} = this.#atlas;
		const block = this.#patch.bytes.subarray(at, at + blockSize);
		const sum = tailedBlockChecksum(journal.seed, block);
		this.#patch.set32(at + blockSize - 4, sum, false);
	}

	#sealCommit(site: Site): void {
		const journal = this.#journal;
		if (journal === undefined || !this.#hasJournalChecksums) return;
		const sum = commitBlockChecksum(journal.seed, this.#bytesOf(site));
		this.#patch.set32(site.at + 0x10, sum, false);
	}

	/** Each tail's sum is over all records since the tail before, through all blocks. */
	#sealFastCommits(): void {
		const {view, bytes} = this.#patch;
		let sum = 0;
		for (const {at, length} of this.#atlas.sitesOf.get('fastCommit') ?? []) {
			for (let from = at; from + 4 <= at + length; ) {
				const tag = view.getUint16(from, true);
				const next = from + 4 + view.getUint16(from + 2, true);
				if (next > at + length) break;
				if (tag === fastCommitTag.tail && next >= from + 12) {
					this.#patch.set32(from + 8, crc32cOf(sum, bytes.subarray(from, from + 8)));
					sum = 0;
				} else sum = crc32cOf(sum, bytes.subarray(from, next));
				from = next;
			}
		}
	}

	/** The tag of a copy in the log that was changed, and the block that the tag lies in. */
	#sealTag(site: Site, tag: {descriptorAt: number; tagAt: number}): void {
		const journal = this.#journal;
		if (journal === undefined || !this.#hasJournalChecksums) return;
		const {blockSize} = this.#atlas;
		const start = site.at - (site.at % blockSize);
		const sequence = this.#patch.view.getUint32(tag.descriptorAt + 8, false);
		const block = this.#patch.bytes.subarray(start, start + blockSize);
		const sum = loggedBlockChecksum(journal.seed, sequence, block);
		const at = tag.descriptorAt + tag.tagAt;
		if ((journal.incompat & journalIncompatFeatures.csum_v3) !== 0) {
			this.#patch.set32(at + 12, sum, false);
		} else {
			this.#patch.set16(at + 4, sum & 0xffff, false);
		}
		this.#sealTailed(tag.descriptorAt);
	}
}
