/**
 * What a replay would write, kept in memory: blocks of the file system by physical number. A block
 * that the log holds is only pointed at, so that the replay of a journal of a gigabyte takes
 * megabytes; a block that was changed since is held itself.
 */
import type {BlockDevice} from '../device.ts';
import {journalMagic} from '../layout/journal.ts';

export class Overlay {
	readonly blockSize: number;
	readonly #device: BlockDevice;
	/** A number is twice the physical block of the log's copy, plus one where that is escaped. */
	readonly #blocks = new Map<number, number | Uint8Array>();
	#lowest = Number.POSITIVE_INFINITY;
	#highest = -1;

	/** `device` holds the log, and the file system below this overlay. */
	constructor(device: BlockDevice, blockSize: number) {
		this.#device = device;
		this.blockSize = blockSize;
	}

	get blockCount(): number {
		return this.#blocks.size;
	}

	has(block: number): boolean {
		return this.#blocks.has(block);
	}

	/** True where no block of `[firstBlock, endBlock)` is laid over. */
	isClear(firstBlock: number, endBlock: number): boolean {
		const end = Math.min(endBlock, this.#highest + 1);
		for (let block = Math.max(firstBlock, this.#lowest); block < end; block++) {
			if (this.#blocks.has(block)) return false;
		}
		return true;
	}

	/**
	 * The contents of a block that is laid over, else undefined. The bytes are the caller's to read
	 * only. Throws `DeviceError`.
	 */
	get(block: number): Uint8Array | undefined {
		const held = this.#blocks.get(block);
		if (held === undefined || held instanceof Uint8Array) return held;
		const bytes = new Uint8Array(this.blockSize);
		this.#device.read(Math.floor(held / 2) * this.blockSize, bytes);
		if (held % 2 === 1) new DataView(bytes.buffer).setUint32(0, journalMagic, false);
		return bytes;
	}

	/** The contents of any block, laid over or not. Throws `DeviceError`. */
	read(block: number): Uint8Array {
		const held = this.get(block);
		if (held !== undefined) return held;
		const bytes = new Uint8Array(this.blockSize);
		this.#device.read(block * this.blockSize, bytes);
		return bytes;
	}

	/** Lays the log's copy at physical block `logged` over `block`. */
	point(block: number, logged: number, isEscaped: boolean): void {
		this.#note(block);
		this.#blocks.set(block, logged * 2 + (isEscaped ? 1 : 0));
	}

	/** Lays `bytes`, a whole block which nobody changes any more, over `block`. */
	set(block: number, bytes: Uint8Array): void {
		this.#note(block);
		this.#blocks.set(block, bytes);
	}

	/** The blocks laid over, ascending. */
	blocks(): number[] {
		return [...this.#blocks.keys()].sort((a, b) => a - b);
	}

	#note(block: number): void {
		this.#lowest = Math.min(this.#lowest, block);
		this.#highest = Math.max(this.#highest, block);
	}
}
