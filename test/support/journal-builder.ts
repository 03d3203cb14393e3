/**
 * Writes a journal byte by byte into a device in memory. Offsets and sums are spelled out here
 * once more, from the kernel documentation, so that a mistake in the reader is not repeated.
 */
import crc32c from 'crc-32/crc32c.js';
import type {JournalFile} from '../../ext4/journal/log.ts';
import {MemoryDevice} from './memory-device.ts';

export type TagFormat = 'v1' | 'checksum' | 'csum_v2' | 'csum_v3';

export type JournalOptions = {
	readonly blockSize?: number;
	readonly format?: TagFormat;
	readonly is64bit?: boolean;
	readonly isAsync?: boolean;
	readonly version?: 1 | 2;
	/** Blocks of the journal; its file begins at block 100 of 256 and goes backwards through them. */
	readonly lengthBlocks?: number;
	readonly first?: number;
	readonly start?: number;
	readonly sequence?: number;
	readonly incompat?: number;
	readonly compat?: number;
	readonly roCompat?: number;
	readonly fastCommitBlocks?: number;
	readonly blockCount?: number;
};

export type Change = {
	readonly block: number;
	readonly bytes: Uint8Array;
	/** Wrong on purpose. */
	readonly checksumXor?: number;
};

const magic = 0xc03b3998;
const lastTag = 8;
const sameUuid = 2;
const escaped = 1;

function sum(seed: number, bytes: Uint8Array): number {
	return ~crc32c.buf(bytes, ~seed) >>> 0;
}

/** Bit by bit, the highest first, as no implementation that is to be fast would do it. */
function crc32HighFirst(seed: number, bytes: Uint8Array): number {
	let value = seed;
	for (const byte of bytes) {
		value ^= byte << 24;
		for (let bit = 0; bit < 8; bit++) value = (value << 1) ^ (value < 0 ? 0x04c11db7 : 0);
	}
	return value >>> 0;
}

export class JournalBuilder {
	readonly device: MemoryDevice;
	readonly blockSize: number;
	readonly blockCount: number;
	readonly lengthBlocks: number;
	readonly format: TagFormat;
	readonly is64bit: boolean;
	readonly uuid = new Uint8Array(16).fill(0x77);
	/** Where the next block of the log goes. */
	head: number;
	readonly #first: number;
	readonly #end: number;
	readonly #options: JournalOptions;
	#transactionSum = 0xffff_ffff;

	constructor(options: JournalOptions = {}) {
		this.#options = options;
		this.blockSize = options.blockSize ?? 1024;
		this.blockCount = options.blockCount ?? 256;
		this.lengthBlocks = options.lengthBlocks ?? 32;
		this.format = options.format ?? 'v1';
		this.is64bit = options.is64bit ?? false;
		this.#first = options.first ?? 1;
		this.#end = this.lengthBlocks - (options.fastCommitBlocks ?? 0);
		this.head = options.start ?? this.#first;
		this.device = new MemoryDevice(new Uint8Array(this.blockSize * this.blockCount));
		for (let block = 0; block < this.blockCount; block++) this.block(block).fill(block % 251);
		for (let block = 0; block < this.lengthBlocks; block++) this.logBlock(block).fill(0);
		this.writeSuperblock();
	}

	get #hasBlockChecksums(): boolean {
		return this.format === 'csum_v2' || this.format === 'csum_v3';
	}

	get seed(): number {
		return sum(0xffff_ffff, this.uuid);
	}

	block(number: number): Uint8Array {
		return this.device.bytes.subarray(number * this.blockSize, (number + 1) * this.blockSize);
	}

	/** Backwards, so that nobody takes logical numbers for physical ones. */
	physical(logical: number): number {
		return 100 + this.lengthBlocks - 1 - logical;
	}

	logBlock(logical: number): Uint8Array {
		return this.block(this.physical(logical));
	}

	file(): JournalFile {
		return {
			device: this.device,
			blockSize: this.blockSize,
			blockCount: this.blockCount,
			lengthBlocks: this.lengthBlocks,
			journalBlocks: logical => this.physical(logical),
			holds: physical =>
				physical >= this.physical(this.lengthBlocks - 1) && physical <= this.physical(0),
		};
	}

	/** Contents that tell blocks and versions apart. */
	content(value: number): Uint8Array {
		return new Uint8Array(this.blockSize).fill(value);
	}

	writeSuperblock(fields: {start?: number; maxlen?: number; blockSize?: number} = {}): void {
		const bytes = this.logBlock(0);
		bytes.fill(0);
		const view = this.#view(bytes);
		const {version = 2, sequence = 1, isAsync = false} = this.#options;
		view.setUint32(0, magic);
		view.setUint32(4, version === 1 ? 3 : 4);
		view.setUint32(0xc, fields.blockSize ?? this.blockSize);
		view.setUint32(0x10, fields.maxlen ?? this.lengthBlocks);
		view.setUint32(0x14, this.#first);
		view.setUint32(0x18, sequence);
		view.setUint32(0x1c, fields.start ?? this.#options.start ?? this.#first);
		view.setUint32(0x24, (this.#options.compat ?? 0) | (this.format === 'checksum' ? 1 : 0));
		const incompat =
			(this.is64bit ? 2 : 0) |
			(isAsync ? 4 : 0) |
			(this.format === 'csum_v2' ? 8 : 0) |
			(this.format === 'csum_v3' ? 0x10 : 0) |
			(this.#options.fastCommitBlocks === undefined ? 0 : 0x20) |
			(this.#options.incompat ?? 1);
		view.setUint32(0x28, incompat);
		view.setUint32(0x2c, this.#options.roCompat ?? 0);
		bytes.set(this.uuid, 0x30);
		if (this.#hasBlockChecksums) view.setUint8(0x50, 4);
		view.setUint32(0x54, this.#options.fastCommitBlocks ?? 0);
		if (this.#hasBlockChecksums) {
			view.setUint32(0xfc, sum(0xffff_ffff, bytes.subarray(0, 1024)));
		}
	}

	/** Writes one descriptor block and the blocks it describes. */
	descriptor(sequence: number, changes: readonly Change[]): this {
		const bytes = this.#take();
		const view = this.#header(bytes, 1, sequence);
		let at = 12;
		const logged = changes.map(change => this.#take(this.#escape(change.bytes)));
		changes.forEach((change, index) => {
			const isLast = index === changes.length - 1;
			const isFirst = index === 0;
			const isEscaped = this.#view(change.bytes).getUint32(0) === magic;
			const flags = (isLast ? lastTag : 0) | (isFirst ? 0 : sameUuid) | (isEscaped ? escaped : 0);
			at += this.#tag(view, at, change, flags, this.#tagSum(sequence, logged[index]));
			if (isFirst) {
				bytes.set(this.uuid, at);
				at += 16;
			}
		});
		this.#sealTail(bytes);
		this.#transactionSum = crc32HighFirst(this.#transactionSum, bytes);
		for (const block of logged) {
			this.#transactionSum = crc32HighFirst(this.#transactionSum, block);
		}
		return this;
	}

	revoke(sequence: number, blocks: readonly number[], count?: number): this {
		const bytes = this.#take();
		const view = this.#header(bytes, 5, sequence);
		const size = this.is64bit ? 8 : 4;
		view.setUint32(12, count ?? 16 + blocks.length * size);
		blocks.forEach((block, index) => {
			const at = 16 + index * size;
			if (this.is64bit) view.setUint32(at, Math.floor(block / 2 ** 32));
			view.setUint32(at + size - 4, block % 2 ** 32);
		});
		this.#sealTail(bytes);
		return this;
	}

	commit(sequence: number, seconds = 1000, checksumXor = 0): this {
		const bytes = this.#take();
		const view = this.#header(bytes, 2, sequence);
		view.setUint32(0x34, seconds);
		if (this.format === 'checksum') {
			view.setUint8(0xc, 1);
			view.setUint8(0xd, 4);
			view.setUint32(0x10, (this.#transactionSum ^ checksumXor) >>> 0);
		}
		if (this.#hasBlockChecksums) view.setUint32(0x10, (sum(this.seed, bytes) ^ checksumXor) >>> 0);
		this.#transactionSum = 0xffff_ffff;
		return this;
	}

	/** One transaction: a descriptor, perhaps revokes, a commit. */
	transaction(sequence: number, changes: readonly Change[], revokes: readonly number[] = []): this {
		if (changes.length > 0) this.descriptor(sequence, changes);
		if (revokes.length > 0) this.revoke(sequence, revokes);
		return this.commit(sequence);
	}

	#view(bytes: Uint8Array): DataView {
		return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	}

	#take(contents?: Uint8Array): Uint8Array {
		const bytes = this.logBlock(this.head);
		if (contents === undefined) bytes.fill(0);
		else bytes.set(contents);
		this.head = this.head + 1 === this.#end ? this.#first : this.head + 1;
		return bytes;
	}

	#header(bytes: Uint8Array, type: number, sequence: number): DataView {
		const view = this.#view(bytes);
		view.setUint32(0, magic);
		view.setUint32(4, type);
		view.setUint32(8, sequence);
		return view;
	}

	#escape(bytes: Uint8Array): Uint8Array {
		if (this.#view(bytes).getUint32(0) !== magic) return bytes;
		const copy = bytes.slice();
		this.#view(copy).setUint32(0, 0);
		return copy;
	}

	#tagSum(sequence: number, logged: Uint8Array | undefined): number {
		const number = new Uint8Array(4);
		this.#view(number).setUint32(0, sequence);
		return sum(sum(this.seed, number), logged ?? new Uint8Array());
	}

	#tag(view: DataView, at: number, change: Change, flags: number, checksum: number): number {
		const written = (checksum ^ (change.checksumXor ?? 0)) >>> 0;
		view.setUint32(at, change.block % 2 ** 32);
		const high = Math.floor(change.block / 2 ** 32);
		if (this.format === 'csum_v3') {
			view.setUint32(at + 4, flags);
			view.setUint32(at + 8, high);
			view.setUint32(at + 12, written);
			return 16;
		}
		if (this.format === 'csum_v2') view.setUint16(at + 4, written & 0xffff);
		view.setUint16(at + 6, flags);
		if (this.is64bit) view.setUint32(at + 8, high);
		return (this.is64bit ? 12 : 8) + (this.format === 'csum_v2' ? 2 : 0);
	}

	#sealTail(bytes: Uint8Array): void {
		if (!this.#hasBlockChecksums) return;
		const view = this.#view(bytes);
		view.setUint32(bytes.length - 4, 0);
		view.setUint32(bytes.length - 4, sum(this.seed, bytes));
	}
}
