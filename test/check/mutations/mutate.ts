/**
 * One mutated image from its seed. Most are the fuzzer's mutations; the others change what only a
 * checker reads with care: bitmaps, quota files, the orphan file, copies of superblock and descriptors.
 */
import {crc32cOf} from '../../../ext4/checksum.ts';
import {
	firstBlockOfGroup,
	groupChecksum,
	hasGroupChecksums,
	hasSuperblockCopy,
} from '../../../ext4/groups.ts';
import {mapAt} from '../../../ext4/mapping/index.ts';
import {Volume} from '../../../ext4/volume.ts';
import {type Atlas, mapImage, type Site} from '../../fuzz/atlas.ts';
import {Mutator} from '../../fuzz/mutate.ts';
import {Patch} from '../../fuzz/patch.ts';
import {Random} from '../../fuzz/random.ts';
import {Sealer} from '../../fuzz/seal.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {type Base, readBase} from './bases.ts';

type BookKind = 'block bitmap' | 'inode bitmap' | 'quota' | 'orphans' | 'copy';

/** A stretch that only a checker reads with care. */
type Book = {
	readonly kind: BookKind;
	readonly at: number;
	readonly length: number;
	readonly group: number;
	/** The physical block that it begins in. */
	readonly block: number;
};

type Prepared = {
	readonly name: string;
	readonly patch: Patch;
	readonly atlas: Atlas;
	readonly mutator: Mutator;
	readonly books: readonly Book[];
};

export type Mutated = {
	readonly base: string;
	readonly story: readonly string[];
	readonly bytes: Uint8Array;
};

function blocksOf(volume: Volume, number: number): number[] {
	const inode = volume.readReservedInode(number);
	const blocks: number[] = [];
	for (let logical = 0; logical * volume.geometry.blockSize < inode.sizeBytes; logical++) {
		const run = mapAt(volume, inode, logical);
		if (run.kind === 'mapped') blocks.push(run.physical + logical - run.logical);
	}
	return blocks;
}

function findBooks(image: Uint8Array): Book[] {
	const volume = Volume.open(new MemoryDevice(image, true), {journal: 'ignore'});
	const {superblock, geometry} = volume;
	const {blockSize} = geometry;
	const books: Book[] = [];
	const add = (kind: BookKind, block: number, group: number, length = blockSize) =>
		books.push({kind, at: block * blockSize, length, group, block});
	for (let index = 0; index < geometry.groupCount; index++) {
		const group = volume.group(index);
		// Half of it: beyond lies little but padding.
		add('block bitmap', group.blockBitmap, index, Math.ceil(geometry.clustersPerGroup / 8));
		add('inode bitmap', group.inodeBitmap, index, Math.ceil(geometry.inodesPerGroup / 8));
		if (index > 0 && hasSuperblockCopy(superblock, index)) {
			add('copy', firstBlockOfGroup(superblock, index), index, 1024);
		}
	}
	const {user, group, project} = superblock.quotaInodes;
	for (const number of [user, group, project]) {
		if (number !== 0) for (const block of blocksOf(volume, number)) add('quota', block, 0);
	}
	const {orphanFileInode} = superblock;
	if (orphanFileInode !== 0) {
		for (const block of blocksOf(volume, orphanFileInode)) add('orphans', block, 0);
	}
	return books;
}

export class CheckMutator {
	readonly #bases: readonly Prepared[];

	constructor(bases: readonly Base[]) {
		this.#bases = bases.map(base => {
			const bytes = readBase(base);
			const atlas = mapImage(bytes);
			const patch = new Patch(bytes);
			const mutator = new Mutator(patch, atlas, new Sealer(patch, atlas));
			return {name: base.name, patch, atlas, mutator, books: findBooks(bytes)};
		});
	}

	/** Calls `use` with the image; the bytes are its own only until it returns. */
	with<T>(seed: number, use: (mutated: Mutated) => T): T {
		const random = new Random(seed);
		const base = random.pick(this.#bases);
		const story = random.chance(0.15)
			? mutateBook(base, random)
			: base.mutator.mutate([random.u32()]);
		try {
			return use({base: base.name, story, bytes: base.patch.bytes});
		} finally {
			base.patch.undo();
		}
	}
}

function mutateBook(base: Prepared, random: Random): string[] {
	const {patch} = base;
	const kind = random.pick([...new Set(base.books.map(book => book.kind))]);
	const book = random.pick(base.books.filter(candidate => candidate.kind === kind));
	const story: string[] = [];
	for (let count = 1 + random.below(3); count > 0; count--) {
		const at = book.at + random.below(book.length);
		patch.touch(at, 1);
		const value = random.pick([0, 0xff, 1, (patch.bytes[at] ?? 0) ^ (1 << random.below(8))]);
		patch.bytes[at] = value;
		story.push(`${book.kind}, byte at ${at} becomes ${value}`);
	}
	if (random.chance(0.9)) sealBook(base, book);
	else story.push('checksums left as they are');
	return story;
}

function sealBook({patch, atlas}: Prepared, book: Book): void {
	const {superblock} = atlas;
	if (!superblock.features.has('metadata_csum')) return;
	if (book.kind === 'orphans') sealOrphans(patch, atlas, book);
	if (book.kind === 'copy') {
		patch.set32(
			book.at + 0x3fc,
			crc32cOf(0xffffffff, patch.bytes.subarray(book.at, book.at + 0x3fc)),
		);
	}
	if (book.kind !== 'block bitmap' && book.kind !== 'inode bitmap') return;
	const site = atlas.sitesOf.get('group')?.find(({owner}) => owner === book.group);
	if (site === undefined) return;
	const sum = crc32cOf(
		superblock.checksumSeed,
		patch.bytes.subarray(book.at, book.at + Math.floor(book.length)),
	);
	const isBlocks = book.kind === 'block bitmap';
	patch.set16(site.at + (isBlocks ? 0x18 : 0x1a), sum & 0xffff);
	if (site.length >= 64) patch.set16(site.at + (isBlocks ? 0x38 : 0x3a), sum >>> 16);
	sealGroup(patch, atlas, site);
}

function sealGroup(patch: Patch, atlas: Atlas, site: Site): void {
	if (!hasGroupChecksums(atlas.superblock.features)) return;
	const bytes = patch.bytes.subarray(site.at, site.at + site.length);
	patch.set16(site.at + 0x1e, groupChecksum(atlas.superblock, site.owner, bytes));
}

function sealOrphans(patch: Patch, atlas: Atlas, book: Book): void {
	const {superblock, blockSize} = atlas;
	const inode = atlas.sitesOf.get('inode')?.find(({owner}) => owner === superblock.orphanFileInode);
	if (inode === undefined) return;
	const word = (value: number) => new Uint8Array(new Uint32Array([value]).buffer);
	const generation = patch.bytes.subarray(inode.at + 0x64, inode.at + 0x68);
	let sum = crc32cOf(superblock.checksumSeed, word(superblock.orphanFileInode));
	sum = crc32cOf(crc32cOf(sum, generation), word(book.block));
	sum = crc32cOf(sum, word(0));
	const slots = patch.bytes.subarray(book.at, book.at + blockSize - 8);
	patch.set32(book.at + blockSize - 4, crc32cOf(sum, slots));
}
