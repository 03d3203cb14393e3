/**
 * Makes an image wrong, knowing its structure: picks a stretch of metadata by its role and changes
 * a field, some bits, a few bytes or whole stretches of it, then makes the checksums right again.
 */
import {
	ext4_dir_entry_2,
	ext4_dir_entry_tail,
	recordLengthOf,
} from '../../ext4/layout/directory.ts';
import {ext4_extent, ext4_extent_header, ext4_extent_idx} from '../../ext4/layout/extent.ts';
import {ext4_group_desc} from '../../ext4/layout/group.ts';
import {dx_countlimit, dx_entry, dx_node, dx_root} from '../../ext4/layout/htree.ts';
import {ext4_inode, inodeFlags} from '../../ext4/layout/inode.ts';
import {
	commit_header,
	journal_block_tag,
	journal_block_tag3,
	journal_header,
	journal_revoke_header,
	journal_superblock,
} from '../../ext4/layout/journal.ts';
import {mmp_struct} from '../../ext4/layout/mmp.ts';
import {ext4_orphan_block_tail} from '../../ext4/layout/orphan.ts';
import {
	qt_disk_dqdbheader,
	quotaBlockSize,
	v2_disk_dqheader,
	v2r1_disk_dqblk,
} from '../../ext4/layout/quota.ts';
import {
	type Fields,
	fieldSizeBytes,
	type Structure,
	structure,
} from '../../ext4/layout/structure.ts';
import {ext4_super_block} from '../../ext4/layout/superblock.ts';
import {
	ext4_acl_entry,
	ext4_acl_header,
	ext4_xattr_entry,
	ext4_xattr_header,
	ext4_xattr_ibody_header,
	xattrMagic,
} from '../../ext4/layout/xattr.ts';
import {writeField} from '../support/poke.ts';
import type {Atlas, Role, Site} from './atlas.ts';
import type {Patch} from './patch.ts';
import {Random} from './random.ts';
import type {Sealer} from './seal.ts';

/** One word of a block map, or any other list of numbers. */
const pointer = structure('pointer', 4, {number: {at: 0, kind: 'u32', unit: 'block'}});
const bigWord = structure('big-endian word', 4, {number: {at: 0, kind: 'be32'}});
/** A tag of a fast commit: type, length, then its value. */
const fastCommitTag = structure('fast commit tag', 16, {
	type: {at: 0, kind: 'u16'},
	length: {at: 2, kind: 'u16', unit: 'bytes'},
	first: {at: 4, kind: 'u32'},
	second: {at: 8, kind: 'u32'},
	third: {at: 12, kind: 'u32'},
});

type Instance = {readonly declared: Structure<Fields>; readonly at: number};

/** The fields of an inode that decide how it is read; the others are hit less often. */
const criticalInodeFields = [
	'i_mode',
	'i_size_lo',
	'i_size_high',
	'i_flags',
	'i_links_count',
	'i_file_acl_lo',
	'i_extra_isize',
	'i_generation',
];

const roleWeights: {readonly [role in Role]: number} = {
	superblock: 5,
	group: 4,
	blockBitmap: 1,
	inodeBitmap: 1,
	inode: 26,
	extents: 10,
	indirect: 8,
	directory: 14,
	index: 10,
	xattrs: 9,
	symlink: 2,
	value: 2,
	quota: 2,
	orphanFile: 6,
	mmp: 3,
	journalSuperblock: 2,
	descriptor: 4,
	revoke: 2,
	commit: 2,
	fastCommit: 4,
};

export class Mutator {
	readonly #patch: Patch;
	readonly #atlas: Atlas;
	readonly #sealer: Sealer;
	readonly #weights: {readonly [role: string]: number};
	#random = new Random(0);

	constructor(patch: Patch, atlas: Atlas, sealer: Sealer) {
		this.#patch = patch;
		this.#atlas = atlas;
		this.#sealer = sealer;
		this.#weights = Object.fromEntries(
			Object.entries(roleWeights).filter(([role]) => atlas.sitesOf.has(role as Role)),
		);
	}

	/**
	 * Changes the image once or a few times for each of the seeds, one after another, then seals it.
	 * Says in words what it did.
	 */
	mutate(seeds: readonly number[]): string[] {
		const touched: Site[] = [];
		const story: string[] = [];
		let isSealed = true;
		for (const seed of seeds) {
			const random = new Random(seed);
			this.#random = random;
			const kind = random.weighted({one: 6, few: 3, many: 1});
			const count = kind === 'one' ? 1 : kind === 'few' ? 2 + random.below(3) : 5 + random.below(8);
			for (let index = 0; index < count; index++) {
				const site = this.#pickSite();
				touched.push(site);
				story.push(`${site.role} ${site.owner} at ${site.at}: ${this.#change(site)}`);
			}
			if (random.chance(0.03)) isSealed = false;
		}
		if (isSealed) this.#sealer.seal(touched);
		else story.push('checksums left as they are');
		return story;
	}

	#pickSite(): Site {
		const role = this.#random.weighted(this.#weights) as Role;
		const sites = this.#atlas.sitesOf.get(role) ?? [];
		// The root and the journal are on every way: hit them more often than one inode in hundreds.
		if (role === 'inode' && this.#random.chance(0.15)) {
			const number = this.#random.pick([2, 2, 8]);
			const site = sites.find(candidate => candidate.owner === number);
			if (site !== undefined) return site;
		}
		return this.#random.pick(sites);
	}

	#change(site: Site): string {
		switch (
			this.#random.weighted({
				field: 50,
				fields: 10,
				bits: 10,
				bytes: 8,
				swap: 7,
				splice: 8,
				fill: 3,
			})
		) {
			case 'field':
				return this.#changeField(site, 1);
			case 'fields':
				return this.#changeField(site, 2 + this.#random.below(3));
			case 'bits':
				return this.#flipBits(site);
			case 'bytes':
				return this.#writeBytes(site);
			case 'swap':
				return this.#swap(site);
			case 'splice':
				return this.#splice(site);
			case 'fill':
				return this.#fill(site);
		}
	}

	/** `count` fields of one structure: what contradicts itself is refused, what agrees goes on. */
	#changeField(site: Site, count: number): string {
		const instances = this.#instancesIn(site);
		if (instances.length === 0) return this.#flipBits(site);
		const instance = this.#random.pick(instances);
		const steps = Array.from({length: count}, () => this.#changeFieldOf(instance, site));
		return steps.join(', ');
	}

	#changeFieldOf({declared, at}: Instance, site: Site): string {
		const names = Object.keys(declared.fields);
		const isInode = declared.name === ext4_inode.name;
		const name = this.#random.pick(
			isInode && this.#random.chance(0.6) ? criticalInodeFields : names,
		);
		const field = declared.fields[name];
		if (field === undefined || at + field.at + fieldSizeBytes(field) > this.#patch.bytes.length) {
			return this.#flipBits(site);
		}
		const size = fieldSizeBytes(field);
		this.#patch.touch(at + field.at, size);
		if (field.kind === 'bytes') {
			const index = at + field.at + this.#random.below(size);
			this.#patch.bytes[index] = this.#interestingByte();
			return `${declared.name}.${name}, byte at ${index}`;
		}
		const old = declared.at(this.#patch.view, at);
		const value = this.#interestingNumber(this.#read(old, name), size, site.homeBlock);
		writeField(this.#patch.view, at, field, value);
		return `${declared.name}.${name} at ${at} becomes ${value}`;
	}

	/** A field that may hold more than a number does counts as 0. */
	#read(cursor: {readonly [name: string]: number | Uint8Array}, name: string): number {
		try {
			const value = cursor[name];
			return typeof value === 'number' ? value : 0;
		} catch {
			return 0;
		}
	}

	#interestingByte(): number {
		return this.#random.pick([0, 1, 0x2e, 0x2f, 0x5c, 0x7f, 0x80, 0xff, this.#random.below(256)]);
	}

	/** `home` is the block that the number lies in: what points to itself. */
	#interestingNumber(old: number, size: number, home: number): number {
		const random = this.#random;
		const {blockSize, blocks, inodes, superblock} = this.#atlas;
		const end = 2 ** (size * 8);
		const {blockCount, inodeCount} = superblock.geometry;
		switch (
			random.weighted({near: 24, bit: 22, edge: 16, block: 12, inode: 10, size: 10, random: 6})
		) {
			case 'near':
				return (old + random.pick([1, -1, 2, -2, 4, -4, 8, -8, 12, 64, -64]) + end) % end;
			case 'bit': {
				const bit = 2 ** random.below(size * 8);
				return Math.floor(old / bit) % 2 === 0 ? old + bit : old - bit;
			}
			case 'edge':
				return random.pick([0, 1, 2, 3, end - 1, end - 2, end / 2, end / 2 - 1, end / 2 + 1]);
			case 'block':
				return (
					random.pick([
						random.pick(blocks),
						home,
						blockCount - 1,
						blockCount,
						blockCount + 1,
						0,
						1,
					]) % end
				);
			case 'inode':
				return random.pick([random.pick(inodes), 2, inodeCount, inodeCount + 1, 0, 1, 8, 11]) % end;
			case 'size':
				return (
					Math.max(
						0,
						random.pick([blockSize, 60, 12, 255, 1024, 65536]) + random.pick([-8, -4, -1, 0, 1, 4]),
					) % end
				);
			case 'random':
				return random.u32() % end;
		}
	}

	#flipBits(site: Site): string {
		const count = 1 + this.#random.below(4);
		const places: number[] = [];
		for (let index = 0; index < count; index++) {
			const at = site.at + this.#random.below(site.length);
			this.#patch.touch(at, 1);
			this.#patch.bytes[at] = (this.#patch.bytes[at] ?? 0) ^ (1 << this.#random.below(8));
			places.push(at);
		}
		return `bits flipped at ${places.join(', ')}`;
	}

	#writeBytes(site: Site): string {
		const length = Math.min(site.length, 1 + this.#random.below(16));
		const at = site.at + this.#random.below(site.length - length + 1);
		this.#patch.touch(at, length);
		for (let index = 0; index < length; index++) {
			this.#patch.bytes[at + index] = this.#interestingByte();
		}
		return `${length} bytes written at ${at}`;
	}

	/** Changes the places of two pieces of one size in the site. */
	#swap(site: Site): string {
		const size = Math.min(site.length / 2, this.#random.pick([2, 4, 8, 12, 16]));
		const slots = Math.floor(site.length / size);
		const a = site.at + this.#random.below(slots) * size;
		const b = site.at + this.#random.below(slots) * size;
		this.#patch.touch(a, size);
		this.#patch.touch(b, size);
		const first = this.#patch.bytes.slice(a, a + size);
		this.#patch.bytes.copyWithin(a, b, b + size);
		this.#patch.bytes.set(first, b);
		return `${size} bytes at ${a} and at ${b} swapped`;
	}

	/** Writes a part of another site, mostly one of the same role, over the same part of this one. */
	#splice(site: Site): string {
		const {sites, sitesOf} = this.#atlas;
		const other = this.#random.pick(
			this.#random.chance(0.8) ? (sitesOf.get(site.role) ?? sites) : sites,
		);
		const room = Math.min(site.length, other.length);
		const isWhole = this.#random.chance(0.4);
		const from = isWhole ? 0 : this.#random.below(room) & ~3;
		const length = isWhole ? room : Math.min(room - from, 4 + this.#random.below(room));
		this.#patch.touch(site.at + from, length);
		this.#patch.bytes.copyWithin(site.at + from, other.at + from, other.at + from + length);
		return `${length} bytes from ${from} on taken from ${other.role} ${other.owner} at ${other.at}`;
	}

	#fill(site: Site): string {
		const from = this.#random.below(site.length);
		const length = 1 + this.#random.below(site.length - from);
		const value = this.#interestingByte();
		this.#patch.touch(site.at + from, length);
		this.#patch.bytes.fill(value, site.at + from, site.at + from + length);
		return `${length} bytes from ${from} on filled with ${value}`;
	}

	/** The declared structures that the site holds. */
	#instancesIn(site: Site): Instance[] {
		const {at, length} = site;
		switch (site.role) {
			case 'superblock':
				return [{declared: ext4_super_block, at}];
			case 'group':
				return [{declared: length >= 64 ? ext4_group_desc : shortGroup, at}];
			case 'inode':
				return this.#inInode(site);
			case 'extents':
				return this.#inExtents(at, length);
			case 'indirect':
				return this.#list(pointer, at, length, 40);
			case 'directory':
				return this.#inDirectory(at, length);
			case 'index':
				return this.#inIndex(at, length);
			case 'xattrs':
				return [{declared: ext4_xattr_header, at}, ...this.#inXattrs(at + 32, at, at + length)];
			case 'journalSuperblock':
				return [{declared: journal_superblock, at}];
			case 'descriptor':
				return [{declared: journal_header, at}, ...this.#tagsIn(at, length)];
			case 'revoke':
				return [{declared: journal_revoke_header, at}, ...this.#list(bigWord, at + 16, 64, 16)];
			case 'commit':
				return [{declared: commit_header, at}];
			case 'quota':
				return this.#inQuota(at, length);
			case 'orphanFile': {
				const tail = {declared: ext4_orphan_block_tail, at: at + length - 8};
				return [tail, ...this.#list(pointer, at, length - 8, 20)];
			}
			case 'mmp':
				return [{declared: mmp_struct, at}];
			case 'fastCommit':
				return this.#inFastCommit(at, length);
			default:
				return [];
		}
	}

	/** `count` elements of a list, those that are not zero before all. */
	#list(declared: Structure<Fields>, at: number, length: number, count: number): Instance[] {
		const instances: Instance[] = [];
		const slots = Math.floor(length / declared.sizeBytes);
		for (let index = 0; index < slots && instances.length < count; index++) {
			const place = at + index * declared.sizeBytes;
			if (this.#patch.view.getUint32(place, true) !== 0) instances.push({declared, at: place});
		}
		instances.push({declared, at: at + this.#random.below(slots) * declared.sizeBytes});
		return instances;
	}

	#inInode(site: Site): Instance[] {
		const {view} = this.#patch;
		const {at, length} = site;
		const fields: Instance = {declared: length >= 160 ? ext4_inode : shortInode, at};
		const instances = [fields, fields, fields];
		const flags = view.getUint32(at + 0x20, true);
		const isInline = (flags & inodeFlags.inlineData) !== 0;
		const isDirectory = (view.getUint16(at, true) & 0xf000) === 0x4000;
		if (isInline && isDirectory) instances.push(...this.#inDirectory(at + 0x28 + 4, 56));
		else if (!isInline && (flags & inodeFlags.extents) !== 0) {
			instances.push(...this.#inExtents(at + 0x28, 60), ...this.#inExtents(at + 0x28, 60));
		} else if (!isInline) instances.push(...this.#list(pointer, at + 0x28, 60, 15));
		const xattrsAt = at + 128 + (length > 128 ? view.getUint16(at + 0x80, true) : 0);
		if (xattrsAt + 8 <= at + length && view.getUint32(xattrsAt, true) === xattrMagic) {
			instances.push({declared: ext4_xattr_ibody_header, at: xattrsAt});
			instances.push(...this.#inXattrs(xattrsAt + 4, xattrsAt + 4, at + length));
		}
		return instances;
	}

	#inExtents(at: number, length: number): Instance[] {
		const {view} = this.#patch;
		const instances: Instance[] = [{declared: ext4_extent_header, at}];
		const room = Math.floor((length - 12) / 12);
		const count = Math.min(room, view.getUint16(at + 2, true));
		const declared = view.getUint16(at + 6, true) === 0 ? ext4_extent : ext4_extent_idx;
		for (let index = 0; index < count; index++)
			instances.push({declared, at: at + 12 + index * 12});
		return instances;
	}

	#inDirectory(at: number, length: number): Instance[] {
		const instances: Instance[] = [];
		for (let from = at; from + 8 <= at + length; ) {
			instances.push({declared: ext4_dir_entry_2, at: from});
			const step = recordLengthOf(this.#patch.view.getUint16(from + 4, true), length);
			if (step < 8) break;
			from += step;
		}
		if (length >= 1024) instances.push({declared: ext4_dir_entry_tail, at: at + length - 12});
		return instances;
	}

	#inIndex(at: number, length: number): Instance[] {
		const first = recordLengthOf(this.#patch.view.getUint16(at + 4, true), length);
		const isNode = first === length;
		const entriesAt = at + (isNode ? 8 : 32);
		const count = Math.min(20, this.#patch.view.getUint16(entriesAt + 2, true));
		const instances: Instance[] = [
			{declared: isNode ? dx_node : dx_root, at},
			{declared: dx_countlimit, at: entriesAt},
		];
		for (let index = 0; index < count; index++) {
			instances.push({declared: dx_entry, at: entriesAt + index * 8});
		}
		return instances;
	}

	#inXattrs(from: number, valuesFrom: number, end: number): Instance[] {
		const {view, bytes} = this.#patch;
		const instances: Instance[] = [];
		let at = from;
		while (at + 16 <= end && view.getUint32(at, true) !== 0 && instances.length < 60) {
			instances.push({declared: ext4_xattr_entry, at});
			const index = bytes[at + 1] ?? 0;
			const valueAt = valuesFrom + view.getUint16(at + 2, true);
			if ((index === 2 || index === 3) && valueAt + 12 <= end) {
				instances.push({declared: ext4_acl_header, at: valueAt});
				instances.push({declared: ext4_acl_entry, at: valueAt + 4});
			}
			at += (16 + (bytes[at] ?? 0) + 3) & ~3;
		}
		return instances;
	}

	#tagsIn(at: number, length: number): Instance[] {
		const instances: Instance[] = [];
		for (let index = 0; index < 6 && 12 + (index + 1) * 16 <= length; index++) {
			instances.push({declared: journal_block_tag3, at: at + 12 + index * 16});
			instances.push({declared: journal_block_tag, at: at + 12 + index * 12});
		}
		return instances;
	}

	/** A file of quotas is blocks of 1 KiB: the header, references, entries. */
	#inQuota(at: number, length: number): Instance[] {
		const instances: Instance[] = [];
		for (let from = at; from + quotaBlockSize <= at + length; from += quotaBlockSize) {
			instances.push({declared: v2_disk_dqheader, at: from});
			instances.push({declared: qt_disk_dqdbheader, at: from});
			instances.push(...this.#list(pointer, from, quotaBlockSize, 6));
			for (let index = 0; index < 3; index++) {
				const entry = from + qt_disk_dqdbheader.sizeBytes + index * v2r1_disk_dqblk.sizeBytes;
				instances.push({declared: v2r1_disk_dqblk, at: entry});
			}
		}
		return instances;
	}

	#inFastCommit(at: number, length: number): Instance[] {
		const instances: Instance[] = [];
		for (let from = at; from + 16 <= at + length && instances.length < 100; ) {
			instances.push({declared: fastCommitTag, at: from});
			from += 4 + this.#patch.view.getUint16(from + 2, true);
		}
		return instances;
	}
}

function firstPart<F extends Fields>(declared: Structure<F>, sizeBytes: number): Structure<Fields> {
	const fits = Object.entries(declared.fields).filter(
		([, field]) => field.at + fieldSizeBytes(field) <= sizeBytes,
	);
	return structure(declared.name, sizeBytes, Object.fromEntries(fits));
}

const shortGroup = firstPart(ext4_group_desc, 32);
const shortInode = firstPart(ext4_inode, 128);
