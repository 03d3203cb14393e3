/** The orphan file: slots with the numbers of orphans. Kernel documentation, "Orphan file". */
import type {CachedBlock, Seal} from '../block-cache.ts';
import {crc32cOf} from '../checksum.ts';
import {CorruptError} from '../errors.ts';
import type {Handle} from '../journal/handle.ts';
import {ext4_orphan_block_tail, orphanBlockMagic, orphanFileSizeMax} from '../layout/orphan.ts';
import {mapAt} from '../mapping/index.ts';
import type {Volume} from '../volume.ts';

/** A place for one number: which block of the file, and which of its slots. */
export type OrphanSlot = {readonly block: number; readonly index: number};

const slotBytes = 4;
/** What a checked block of the file is remembered as. */
const role = 'orphans';

function fail(problem: string, volume: Volume, block?: number): never {
	const inode = volume.superblock.orphanFileInode;
	throw new CorruptError('EXT4_BAD_ORPHANS', problem, {inode, block});
}

/** Physical numbers of the file's blocks. Throws `CorruptError`. */
function blocksOf(volume: Volume): number[] {
	const {blockSize} = volume.geometry;
	const inode = volume.readReservedInode(volume.superblock.orphanFileInode);
	const count = inode.sizeBytes / blockSize;
	if (inode.type !== 'file' || inode.sizeBytes > orphanFileSizeMax || !Number.isInteger(count)) {
		fail(`an orphan file that is a ${inode.type} of ${inode.sizeBytes} bytes`, volume);
	}
	const blocks: number[] = [];
	while (blocks.length < count) {
		const logical = blocks.length;
		const run = mapAt(volume, inode, logical);
		if (run.kind !== 'mapped') fail('an orphan file with a hole', volume);
		const end = Math.min(run.logical + run.length, count);
		volume.cache.prefetch(run.physical + logical - run.logical, end - logical);
		for (let at = logical; at < end; at++) blocks.push(run.physical + at - run.logical);
	}
	return blocks;
}

export class OrphanFile {
	readonly #volume: Volume;
	/** Physical numbers. */
	readonly #blocks: readonly number[];
	/** Free slots of each block. */
	readonly #free: number[];
	/** Where each block is searched for a free slot first. */
	readonly #hints: number[];
	readonly #slotsPerBlock: number;
	readonly #checksumSeed: number;
	readonly #seal: Seal | undefined;

	private constructor(volume: Volume) {
		this.#volume = volume;
		const {blockSize} = volume.geometry;
		const {orphanFileInode} = volume.superblock;
		this.#slotsPerBlock = (blockSize - ext4_orphan_block_tail.sizeBytes) / slotBytes;
		const {generation} = volume.readReservedInode(orphanFileInode);
		this.#checksumSeed = volume.inodeChecksumSeed(orphanFileInode, generation);
		this.#seal = volume.features.has('metadata_csum')
			? block => {
					this.#tailOf(block).ob_checksum = this.#checksum(block);
				}
			: undefined;
		this.#blocks = blocksOf(volume);
		this.#hints = this.#blocks.map(() => 0);
		this.#free = this.#blocks.map((_, index) => this.#countFree(index));
	}

	/** Undefined where the image has none. Throws `CorruptError`, `DeviceError`. */
	static open(volume: Volume): OrphanFile | undefined {
		const hasFile = volume.features.has('orphan_file') && volume.superblock.orphanFileInode !== 0;
		return hasFile ? new OrphanFile(volume) : undefined;
	}

	/**
	 * The slots in use, with the numbers in them, as they are when their block's turn comes: a file may
	 * have millions. Throws `CorruptError`, `DeviceError`.
	 */
	*entries(): Generator<{readonly number: number; readonly slot: OrphanSlot}> {
		for (let block = 0; block < this.#blocks.length; block++) {
			if (this.#free[block] === this.#slotsPerBlock) continue;
			const {view} = this.#read(block);
			for (let index = 0; index < this.#slotsPerBlock; index++) {
				const number = view.getUint32(index * slotBytes, true);
				if (number !== 0) yield {number, slot: {block, index}};
			}
		}
	}

	/** Puts a number into a free slot; undefined where all are taken. Throws `CorruptError`. */
	take(handle: Handle, number: number): OrphanSlot | undefined {
		const block = this.#free.findIndex(count => count > 0);
		if (block === -1) return undefined;
		const index = this.#findFree(block);
		this.#write(handle, {block, index}, number);
		this.#hints[block] = (index + 1) % this.#slotsPerBlock;
		this.#count(handle, block, -1);
		return {block, index};
	}

	/** Frees a slot. Throws `CorruptError`, `DeviceError`. */
	release(handle: Handle, slot: OrphanSlot): void {
		this.#write(handle, slot, 0);
		this.#count(handle, slot.block, 1);
	}

	#write(handle: Handle, {block, index}: OrphanSlot, number: number): void {
		const cached = this.#read(block);
		handle.touch(cached, this.#seal);
		cached.view.setUint32(index * slotBytes, number, true);
	}

	#count(handle: Handle, block: number, delta: 1 | -1): void {
		const before = this.#free[block] ?? 0;
		this.#free[block] = before + delta;
		handle.onRollback(() => {
			this.#free[block] = before;
		});
	}

	/** The free slot that follows the block's hint; there is one. */
	#findFree(block: number): number {
		const {view} = this.#read(block);
		const hint = this.#hints[block] ?? 0;
		for (let step = 0; step < this.#slotsPerBlock; step++) {
			const index = (hint + step) % this.#slotsPerBlock;
			if (view.getUint32(index * slotBytes, true) === 0) return index;
		}
		return fail('fewer free slots than were counted', this.#volume, this.#blocks[block]);
	}

	#countFree(block: number): number {
		const {view} = this.#read(block);
		let free = 0;
		for (let index = 0; index < this.#slotsPerBlock; index++) {
			if (view.getUint32(index * slotBytes, true) === 0) free++;
		}
		return free;
	}

	#tailOf({view, bytes}: CachedBlock): ReturnType<typeof ext4_orphan_block_tail.edit> {
		return ext4_orphan_block_tail.edit(view, bytes.length - ext4_orphan_block_tail.sizeBytes);
	}

	/** Over the block's physical number in 64 bits, and all slots. */
	#checksum(block: CachedBlock): number {
		const number = new Uint8Array(8);
		const view = new DataView(number.buffer);
		view.setUint32(0, block.number % 2 ** 32, true);
		view.setUint32(4, Math.floor(block.number / 2 ** 32), true);
		const slots = block.bytes.subarray(0, this.#slotsPerBlock * slotBytes);
		return crc32cOf(crc32cOf(this.#checksumSeed, number), slots);
	}

	#read(index: number): CachedBlock {
		const number =
			this.#blocks[index] ?? fail(`no block ${index} in the orphan file`, this.#volume);
		const block = this.#volume.cache.read(number);
		if (block.checkedAs === role) return block;
		const tail = this.#tailOf(block);
		if (tail.ob_magic !== orphanBlockMagic) {
			fail(`ob_magic is 0x${tail.ob_magic.toString(16)}`, this.#volume, number);
		}
		const isSummed = this.#seal !== undefined && block.seal === undefined;
		if (isSummed && tail.ob_checksum !== this.#checksum(block)) {
			fail('the checksum of a block of orphans is wrong', this.#volume, number);
		}
		block.checkedAs = role;
		return block;
	}
}
