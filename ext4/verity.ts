/**
 * Files whose contents are verified by a Merkle tree (fs-verity). The tree and its descriptor lie
 * behind the end of the file; reading checks every block against the root hash, and fails where
 * one does not match.
 *
 * As in the kernel, the root hash itself is taken from the image: it tells damage, and is the
 * value to compare with one that is trusted.
 */
import {CorruptError, UnsupportedError} from './errors.ts';
import {type Inode, inodeFlags} from './layout/inode.ts';
import {fsverity_descriptor, verityAlignment} from './layout/verity.ts';
import {lastExtentBlock} from './mapping/index.ts';
import type {Volume} from './volume.ts';

/** Hash functions come from whoever opens a volume: this room imports no operating system. */
export type Hashes = {
	/** 32 bytes. */
	sha256(...parts: readonly Uint8Array[]): Uint8Array;
	/** 64 bytes. */
	sha512(...parts: readonly Uint8Array[]): Uint8Array;
};

/** Reads bytes of the file by position, beyond its end as well; holes read as zeros. */
export type RawRead = (position: number, into: Uint8Array) => void;

const levelsMax = 8; // The kernel's limit; 8 levels of 2^5 hashes hold more than any file.
const cachedHashBytesMax = 512 * 1024; // Of one file; no fewer blocks than there are levels.

function fail(inode: Inode, problem: string): never {
	throw new CorruptError('EXT4_BAD_VERITY', problem, {inode: inode.number});
}

type Descriptor = {
	readonly hash: (...parts: readonly Uint8Array[]) => Uint8Array;
	readonly digestSize: number;
	readonly blockSize: number;
	/** The salt, filled with zeros to the hash function's input block; empty without a salt. */
	readonly salt: Uint8Array;
	readonly rootHash: Uint8Array;
};

/** Finds the descriptor: its size is the last word of the last block that the file has. */
function readDescriptor(volume: Volume, inode: Inode, read: RawRead): Descriptor {
	const {blockSize} = volume.geometry;
	if ((inode.flags & inodeFlags.extents) === 0) fail(inode, 'a verity file without extents');
	const last = lastExtentBlock(volume, inode);
	if (last === undefined) fail(inode, 'a verity file without blocks');
	const sizeAt = (last + 1) * blockSize - 4;
	const word = new Uint8Array(4);
	read(sizeAt, word);
	const size = new DataView(word.buffer).getUint32(0, true);
	const at = sizeAt - size - ((sizeAt - size) % blockSize);
	const metadataAt = Math.ceil(inode.sizeBytes / verityAlignment) * verityAlignment;
	if (size < fsverity_descriptor.sizeBytes || size > 16384 || at < metadataAt) {
		fail(inode, `a verity descriptor of ${size} bytes at ${at}`);
	}
	const bytes = new Uint8Array(fsverity_descriptor.sizeBytes);
	read(at, bytes);
	return decodeDescriptor(volume, inode, bytes);
}

function decodeDescriptor(volume: Volume, inode: Inode, bytes: Uint8Array): Descriptor {
	const raw = fsverity_descriptor.at(new DataView(bytes.buffer), 0);
	if (raw.version !== 1) fail(inode, `verity version ${raw.version}; expected 1`);
	if (raw.data_size !== inode.sizeBytes) {
		fail(inode, `verity covers ${raw.data_size} bytes of a file of ${inode.sizeBytes}`);
	}
	if (raw.log_blocksize < 10 || raw.log_blocksize > 16) {
		fail(inode, `verity blocks of 2^${raw.log_blocksize} bytes`);
	}
	if (raw.salt_size > 32) fail(inode, `a verity salt of ${raw.salt_size} bytes`);
	const hashes = volume.hashes;
	if (hashes === undefined) {
		throw new UnsupportedError(
			'EXT4_UNSUPPORTED_FEATURE',
			'verity',
			'the volume was opened without hash functions, which verity needs',
		);
	}
	const isSha256 = raw.hash_algorithm === 1;
	if (!isSha256 && raw.hash_algorithm !== 2) fail(inode, `verity hash ${raw.hash_algorithm}`);
	const digestSize = isSha256 ? 32 : 64;
	const salt = new Uint8Array(raw.salt_size === 0 ? 0 : digestSize * 2);
	salt.set(raw.salt.subarray(0, raw.salt_size));
	return {
		hash: isSha256 ? hashes.sha256 : hashes.sha512,
		digestSize,
		blockSize: 2 ** raw.log_blocksize,
		salt,
		rootHash: raw.root_hash.slice(0, digestSize),
	};
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
	return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** Reads one verity file, block by verified block. */
export class VerityReader {
	readonly #inode: Inode;
	readonly #read: RawRead;
	readonly #descriptor: Descriptor;
	/** Position of each level in the file, the leaves' level first. */
	readonly #levels: readonly number[];
	/** Hash blocks found good, by position. */
	readonly #goodBlocks = new Map<number, Uint8Array>();

	/** Throws `CorruptError` for a descriptor that can't be, `UnsupportedError` without hashes. */
	constructor(volume: Volume, inode: Inode, read: RawRead) {
		this.#inode = inode;
		this.#read = read;
		this.#descriptor = readDescriptor(volume, inode, read);
		this.#levels = this.#layOutLevels();
	}

	/**
	 * Fills `into` from byte `position`; the caller stays inside the file. Throws `CorruptError`
	 * (EXT4_BAD_VERITY) where a block does not match the tree.
	 */
	read(position: number, into: Uint8Array): void {
		const {blockSize} = this.#descriptor;
		const block = new Uint8Array(blockSize);
		let done = 0;
		while (done < into.length) {
			const at = position + done;
			const offset = at % blockSize;
			const index = (at - offset) / blockSize;
			this.#readDataBlock(index, block);
			const part = block.subarray(offset, Math.min(blockSize, offset + into.length - done));
			into.set(part, done);
			done += part.length;
		}
	}

	#layOutLevels(): number[] {
		const {blockSize, digestSize} = this.#descriptor;
		const perBlock = blockSize / digestSize;
		const counts: number[] = [];
		let blocks = Math.ceil(this.#inode.sizeBytes / blockSize);
		while (blocks > 1) {
			blocks = Math.ceil(blocks / perBlock);
			counts.push(blocks);
			if (counts.length > levelsMax) fail(this.#inode, `a verity tree of over ${levelsMax} levels`);
		}
		// The root's level is stored first.
		let at = Math.ceil(this.#inode.sizeBytes / verityAlignment) * verityAlignment;
		const positions: number[] = [];
		for (const count of counts.toReversed()) {
			positions.unshift(at);
			at += count * blockSize;
		}
		return positions;
	}

	#readDataBlock(index: number, block: Uint8Array): void {
		const start = index * block.length;
		this.#read(start, block);
		// What lies behind the end of the file counts as zeros.
		if (start + block.length > this.#inode.sizeBytes) block.fill(0, this.#inode.sizeBytes - start);
		this.#assertHash(block, this.#expectedHash(0, index), `data block ${index}`);
	}

	/** The hash that level `level` of the tree holds for block `index` of the level below it. */
	#expectedHash(level: number, index: number): Uint8Array {
		const {blockSize, digestSize, rootHash} = this.#descriptor;
		const levelAt = this.#levels[level];
		if (levelAt === undefined) return rootHash;
		const perBlock = blockSize / digestSize;
		const blockIndex = Math.floor(index / perBlock);
		const hashes = this.#hashBlock(level, levelAt + blockIndex * blockSize, blockIndex);
		const at = (index % perBlock) * digestSize;
		return hashes.subarray(at, at + digestSize);
	}

	// Recursion is as deep as the tree has levels, at most eight.
	#hashBlock(level: number, position: number, index: number): Uint8Array {
		const good = this.#goodBlocks.get(position);
		if (good !== undefined) return good;
		const block = new Uint8Array(this.#descriptor.blockSize);
		this.#read(position, block);
		this.#assertHash(block, this.#expectedHash(level + 1, index), `hash block at ${position}`);
		if ((this.#goodBlocks.size + 1) * block.length > cachedHashBytesMax) this.#goodBlocks.clear();
		this.#goodBlocks.set(position, block);
		return block;
	}

	#assertHash(block: Uint8Array, expected: Uint8Array, what: string): void {
		const {hash, salt} = this.#descriptor;
		const found = salt.length === 0 ? hash(block) : hash(salt, block);
		if (!isSame(found, expected)) fail(this.#inode, `verity: ${what} does not match its hash`);
	}
}
