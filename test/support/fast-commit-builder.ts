/** Writes the records of fast commits, as the kernel lays them into blocks. */
import {crc32cOf} from '../../ext4/checksum.ts';

const tags = {
	addRange: 1,
	deleteRange: 2,
	create: 3,
	link: 4,
	unlink: 5,
	inode: 6,
	pad: 7,
	tail: 8,
	head: 9,
} as const;

export class FastCommitBuilder {
	readonly blocks: Uint8Array[] = [];
	readonly blockSize: number;
	#at: number;
	#sum = 0;

	constructor(blockSize: number) {
		this.blockSize = blockSize;
		this.#at = blockSize;
	}

	head(transaction: number, features = 0): this {
		const value = this.#words(2);
		value.setUint32(0, features, true);
		value.setUint32(4, transaction, true);
		return this.record(tags.head, value);
	}

	addRange(
		inode: number,
		range: {logical: number; length: number; physical: number; isUnwritten?: boolean},
	): this {
		const value = this.#words(4);
		value.setUint32(0, inode, true);
		value.setUint32(4, range.logical, true);
		value.setUint16(8, range.length + (range.isUnwritten === true ? 0x8000 : 0), true);
		value.setUint16(10, Math.floor(range.physical / 2 ** 32), true);
		value.setUint32(12, range.physical % 2 ** 32, true);
		return this.record(tags.addRange, value);
	}

	deleteRange(inode: number, range: {logical: number; length: number}): this {
		const value = this.#words(3);
		value.setUint32(0, inode, true);
		value.setUint32(4, range.logical, true);
		value.setUint32(8, range.length, true);
		return this.record(tags.deleteRange, value);
	}

	entry(kind: 'create' | 'link' | 'unlink', parent: number, inode: number, name: string): this {
		const bytes = Buffer.from(name);
		const value = new Uint8Array(8 + bytes.length);
		const view = new DataView(value.buffer);
		view.setUint32(0, parent, true);
		view.setUint32(4, inode, true);
		value.set(bytes, 8);
		return this.record(tags[kind], view);
	}

	inode(number: number, bytes: Uint8Array): this {
		const value = new Uint8Array(4 + bytes.length);
		new DataView(value.buffer).setUint32(0, number, true);
		value.set(bytes, 4);
		return this.record(tags.inode, new DataView(value.buffer));
	}

	/** Ends the commit and its block. */
	tail(transaction: number, sumXor = 0): this {
		this.#makeRoom(12);
		const block = this.#block();
		const view = new DataView(block.buffer);
		view.setUint16(this.#at, tags.tail, true);
		view.setUint16(this.#at + 2, block.length - this.#at - 4, true);
		view.setUint32(this.#at + 4, transaction, true);
		const sum = crc32cOf(this.#sum, block.subarray(this.#at, this.#at + 8));
		view.setUint32(this.#at + 8, (sum ^ sumXor) >>> 0, true);
		this.#sum = 0;
		this.#at = block.length;
		return this;
	}

	/** Any record at all. */
	record(tag: number, value: DataView): this {
		const size = 4 + value.byteLength;
		this.#makeRoom(size);
		const block = this.#block();
		const view = new DataView(block.buffer);
		view.setUint16(this.#at, tag, true);
		view.setUint16(this.#at + 2, value.byteLength, true);
		block.set(new Uint8Array(value.buffer), this.#at + 4);
		this.#sum = crc32cOf(this.#sum, block.subarray(this.#at, this.#at + size));
		this.#at += size;
		return this;
	}

	#words(count: number): DataView {
		return new DataView(new ArrayBuffer(count * 4));
	}

	#block(): Uint8Array {
		return this.blocks.at(-1) ?? new Uint8Array();
	}

	/** Goes on in a new block where `size` bytes don't fit into this one. */
	#makeRoom(size: number): void {
		const left = this.blockSize - this.#at;
		if (left >= size) return;
		if (left >= 4) {
			const block = this.#block();
			const view = new DataView(block.buffer);
			view.setUint16(this.#at, tags.pad, true);
			view.setUint16(this.#at + 2, left - 4, true);
			this.#sum = crc32cOf(this.#sum, block.subarray(this.#at));
		}
		this.blocks.push(new Uint8Array(this.blockSize));
		this.#at = 0;
	}
}
