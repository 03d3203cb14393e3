/**
 * Walks the block map of an ext2 or ext3 file and goes on past what is wrong in it. Kernel
 * documentation, "Direct/Indirect Block Addressing". Three levels at most; how often
 * a block of pointers is looked into again is bounded by `mayRepeat`.
 */
import {directCount} from '../mapping/block-map.ts';
import type {InodeBytes} from './inode-bytes.ts';
import type {Mapped} from './mapped.ts';
import type {CheckState} from './state.ts';

export class BlockMapWalker {
	readonly #state: CheckState;
	readonly #mapped: Mapped;
	readonly #buffers: Uint8Array<ArrayBuffer>[] = [];
	readonly #perBlock: number;
	readonly #directoryBlocksMax: number;
	/** The run that is being gathered. */
	#logical = 0;
	#physical = 0;
	#length = 0;

	constructor(state: CheckState, mapped: Mapped) {
		this.#state = state;
		this.#mapped = mapped;
		this.#perBlock = state.geometry.blockSize / 4;
		this.#directoryBlocksMax = state.features.has('large_dir')
			? Number.POSITIVE_INFINITY
			: 2 ** 31 / state.geometry.blockSize;
	}

	/** Walks the map of `inode`, for which `mapped` has begun. */
	walk(inode: InodeBytes): void {
		this.#length = 0;
		for (let index = 0; index < directCount; index++) this.#addBlock(index, inode.block(index));
		let logical = directCount;
		for (let levels = 1; levels <= 3; levels++) {
			this.#addTree(logical, inode.block(directCount + levels - 1), levels);
			logical += this.#perBlock ** levels;
		}
		this.#flush();
	}

	#addBlock(logical: number, block: number): void {
		if (block === 0) return;
		if (block === this.#physical + this.#length && logical === this.#logical + this.#length) {
			if (this.#length > 0 && block < this.#state.geometry.blockCount) {
				this.#length++;
				return;
			}
		}
		const {firstDataBlock, blockCount} = this.#state.geometry;
		if (block < firstDataBlock || block >= blockCount) {
			this.#bad(logical, block);
			return;
		}
		this.#flush();
		this.#logical = logical;
		this.#physical = block;
		this.#length = 1;
	}

	#flush(): void {
		if (this.#length === 0) return;
		if (this.#mapped.isDirectory && this.#logical >= this.#directoryBlocksMax) {
			this.#mapped.tell('CHECK_DIRECTORY_TOO_LONG', {logical: this.#logical});
			this.#mapped.hasBadBlocks = true;
			this.#length = 0;
			return;
		}
		this.#mapped.addRun(this.#logical, this.#physical, this.#length, true);
		this.#length = 0;
	}

	#bad(logical: number, block: number): void {
		this.#mapped.tell(
			'CHECK_BLOCK_NUMBER',
			{logical, block},
			{
				found: block,
				expected: this.#state.geometry.blockCount,
			},
		);
		this.#mapped.hasBadBlocks = true;
	}

	#bufferOf(level: number): Uint8Array<ArrayBuffer> {
		const known = this.#buffers[level];
		if (known !== undefined) return known;
		const made = new Uint8Array(this.#state.geometry.blockSize);
		this.#buffers[level] = made;
		return made;
	}

	#addTree(logical: number, block: number, levels: number): void {
		if (block === 0) return;
		const {firstDataBlock, blockCount} = this.#state.geometry;
		if (block < firstDataBlock || block >= blockCount) {
			this.#bad(logical, block);
			return;
		}
		this.#flush();
		if (!this.#mapped.addPointers(block)) return;
		const bytes = this.#bufferOf(levels);
		if (!this.#state.readBlocks(block, bytes)) return;
		const view = new DataView(bytes.buffer);
		const below = this.#perBlock ** (levels - 1);
		for (let index = 0; index < this.#perBlock; index++) {
			const pointer = view.getUint32(index * 4, true);
			if (pointer === 0) continue;
			if (levels === 1) this.#addBlock(logical + index, pointer);
			else this.#addTree(logical + index * below, pointer, levels - 1);
		}
	}
}
