/** Directories for a tiny image, written byte by byte so that each byte of them can be wrong. */
import {crc32cOf} from '../../ext4/checksum.ts';
import {inodeFlags} from '../../ext4/layout/inode.ts';
import {viewOf} from './poke.ts';
import {type TinyImage, writeLeaf} from './tiny-image.ts';

export type TinyEntry = {
	readonly inode: number;
	readonly name: string | Uint8Array;
	/** file_type; 1 where it does not matter. */
	readonly type?: number;
	/** rec_len; as much as the name needs, and for the last entry all that is left. */
	readonly length?: number;
	/** Behind the name, as in encrypted and casefolded directories. */
	readonly hash?: readonly [major: number, minor: number];
};

export const dots: readonly TinyEntry[] = [
	{inode: 2, name: '.', type: 2},
	{inode: 2, name: '..', type: 2},
];

export function bytesOf(name: string | Uint8Array): Uint8Array {
	return typeof name === 'string' ? Buffer.from(name) : name;
}

/** Writes entries into `area`, the last of which takes what is left, less `tail` bytes. */
export function writeEntries(area: Uint8Array, entries: readonly TinyEntry[], tail = 0): void {
	const view = viewOf(area);
	const end = area.length - tail;
	let at = 0;
	entries.forEach((entry, index) => {
		const name = bytesOf(entry.name);
		const needed = Math.ceil((8 + name.length) / 4) * 4;
		const least = needed + (entry.hash === undefined ? 0 : 8);
		const length = entry.length ?? (index === entries.length - 1 ? end - at : least);
		view.setUint32(at, entry.inode, true);
		view.setUint16(at + 4, length, true);
		area[at + 6] = name.length;
		area[at + 7] = entry.type ?? 1;
		area.set(name, at + 8);
		entry.hash?.forEach((word, half) => {
			view.setUint32(at + needed + half * 4, word, true);
		});
		at += length;
	});
}

/** Ends a block of entries with the tail that metadata_csum wants, its sum made right. */
export function sealEntries(image: TinyImage, directory: number, block: number): void {
	const bytes = image.block(block);
	const at = bytes.length - 12;
	bytes.set([0, 0, 0, 0, 12, 0, 0, 0xde], at);
	const sum = crc32cOf(image.inodeSeed(directory), bytes.subarray(0, at));
	viewOf(bytes).setUint32(at + 8, sum, true);
}

/** Makes the sum of an index block right; `entriesAt` is 32 for the root, 8 for a node. */
export function sealIndex(
	image: TinyImage,
	directory: number,
	block: number,
	entriesAt: number,
): void {
	const bytes = image.block(block);
	const view = viewOf(bytes);
	const limit = view.getUint16(entriesAt, true);
	const count = view.getUint16(entriesAt + 2, true);
	const tailAt = entriesAt + limit * 8;
	let sum = crc32cOf(image.inodeSeed(directory), bytes.subarray(0, entriesAt + count * 8));
	sum = crc32cOf(sum, bytes.subarray(tailAt, tailAt + 4));
	view.setUint32(tailAt + 4, crc32cOf(sum, new Uint8Array(4)), true);
}

/** A directory whose logical blocks lie in `blocks`; 0 stands for a hole. */
export function addDirectory(
	image: TinyImage,
	number: number,
	blocks: readonly number[],
	flags = 0,
): void {
	image.setInode(number, {
		i_mode: 0o40755,
		i_links_count: 2,
		i_flags: inodeFlags.extents | flags,
		i_size_lo: blocks.length * image.blockSize,
	});
	const runs: {logical: number; physical: number; length: number}[] = [];
	blocks.forEach((physical, logical) => {
		if (physical === 0) return;
		const last = runs[runs.length - 1];
		const follows =
			last !== undefined &&
			last.physical + last.length === physical &&
			last.logical + last.length === logical;
		if (follows) last.length++;
		else runs.push({logical, physical, length: 1});
	});
	writeLeaf(image.blockField(number), runs);
}

export type TinyIndexEntry = {readonly hash: number; readonly block: number};

export type TinyIndex = {
	readonly entries: readonly TinyIndexEntry[];
	readonly limit?: number;
	readonly count?: number;
};

function writeIndexEntries(block: Uint8Array, at: number, index: TinyIndex, limit: number): void {
	const view = viewOf(block);
	index.entries.forEach(({hash, block: logical}, position) => {
		view.setUint32(at + position * 8, hash, true);
		view.setUint32(at + position * 8 + 4, logical, true);
	});
	view.setUint16(at, index.limit ?? limit, true);
	view.setUint16(at + 2, index.count ?? index.entries.length, true);
}

/** The root of a hash tree, with `.` and `..` before it. */
export function writeIndexRoot(
	block: Uint8Array,
	index: TinyIndex & {
		readonly version?: number;
		readonly levels?: number;
		readonly infoLength?: number;
		readonly flags?: number;
	},
	tail = 0,
): void {
	writeEntries(block, dots);
	block.set([0, 0, 0, 0, index.version ?? 1, index.infoLength ?? 8], 24);
	block.set([index.levels ?? 0, index.flags ?? 0], 30);
	writeIndexEntries(block, 32, index, Math.floor((block.length - 32 - tail) / 8));
}

/** An inner node of a hash tree. */
export function writeIndexNode(block: Uint8Array, index: TinyIndex, tail = 0): void {
	viewOf(block).setUint16(4, block.length, true);
	writeIndexEntries(block, 8, index, Math.floor((block.length - 8 - tail) / 8));
}
