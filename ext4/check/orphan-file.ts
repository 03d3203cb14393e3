/** Whether the file of orphans is one that a kernel takes. Kernel documentation, "Orphan file". */
import {crc32cOf, crc32cOfU32} from '../checksum.ts';
import {ext4_orphan_block_tail, orphanBlockMagic, orphanFileSizeMax} from '../layout/orphan.ts';
import {hex} from './finding.ts';
import {InodeBytes} from './inode-bytes.ts';
import {runsOf} from './runs.ts';
import type {CheckState} from './state.ts';

const typeFile = 1;
const slotBytes = 4;

export function checkOrphanFile(state: CheckState): void {
	const {superblock, features} = state;
	const isPresent = features.has('orphan_present');
	if (!features.has('orphan_file')) {
		if (isPresent)
			state.report('CHECK_ORPHANS_PRESENT', {}, {found: 'there is no file of orphans'});
		return;
	}
	const inode = superblock.orphanFileInode;
	const view = state.readInode(inode);
	if (view === undefined || state.inodes.typeOf(inode) !== typeFile) {
		state.report('CHECK_ORPHAN_FILE', {inode}, {found: 'no regular file has this number'});
		return;
	}
	const bytes = new InodeBytes(view, view.byteLength);
	bytes.number = inode;
	const entries = new OrphanFile(state, bytes).check(isPresent);
	const isUnmounted = superblock.isClean && !features.has('needs_recovery');
	if (isPresent && isUnmounted && entries === 0) {
		state.report('CHECK_ORPHANS_PRESENT', {inode}, {found: 'the file of orphans names none'});
	}
}

class OrphanFile {
	readonly #state: CheckState;
	readonly #inode: InodeBytes;
	readonly #seed: number;

	constructor(state: CheckState, inode: InodeBytes) {
		this.#state = state;
		this.#inode = inode;
		const seed = crc32cOfU32(state.superblock.checksumSeed, inode.number);
		this.#seed = crc32cOfU32(seed, inode.generation);
	}

	/** Returns how many inodes it names. */
	check(mayName: boolean): number {
		const state = this.#state;
		const inode = this.#inode;
		const {blockSize} = state.geometry;
		const place = {inode: inode.number};
		const lengthBlocks = inode.sizeBytes / blockSize;
		const isWhole = Number.isInteger(lengthBlocks) && lengthBlocks > 0;
		if (!isWhole || inode.sizeBytes > orphanFileSizeMax) {
			state.report('CHECK_ORPHAN_FILE', place, {found: `${inode.sizeBytes} bytes long`});
			return 0;
		}
		const {blocks} = runsOf(state, inode, lengthBlocks);
		if (blocks.length !== lengthBlocks) {
			state.report('CHECK_ORPHAN_FILE', place, {found: 'it has holes'});
			return 0;
		}
		const bytes = new Uint8Array(blockSize);
		let entries = 0;
		for (const [logical, block] of blocks.entries()) {
			if (!state.readBlocks(block, bytes)) continue;
			this.#checkTail(bytes, logical, block);
			entries += this.#checkSlots(bytes, mayName, logical, block);
		}
		return entries;
	}

	#checkTail(bytes: Uint8Array, logical: number, block: number): void {
		const state = this.#state;
		const at = bytes.length - ext4_orphan_block_tail.sizeBytes;
		const tail = ext4_orphan_block_tail.at(new DataView(bytes.buffer), at);
		const place = {inode: this.#inode.number, logical, block};
		if (tail.ob_magic !== orphanBlockMagic) {
			const values = {found: hex(tail.ob_magic), expected: hex(orphanBlockMagic)};
			state.report('CHECK_ORPHAN_FILE_BLOCK', place, values);
			return;
		}
		if (!state.features.has('metadata_csum')) return;
		let sum = crc32cOfU32(this.#seed, block % 2 ** 32);
		sum = crc32cOfU32(sum, Math.floor(block / 2 ** 32));
		sum = crc32cOf(sum, bytes.subarray(0, at));
		if (tail.ob_checksum === sum) return;
		const values = {found: `the checksum ${hex(tail.ob_checksum)}`, expected: hex(sum)};
		state.report('CHECK_ORPHAN_FILE_BLOCK', place, values);
	}

	#checkSlots(bytes: Uint8Array, mayName: boolean, logical: number, block: number): number {
		const state = this.#state;
		const {firstInode} = state.geometry;
		const view = new DataView(bytes.buffer);
		const end = bytes.length - ext4_orphan_block_tail.sizeBytes;
		let entries = 0;
		for (let at = 0; at < end; at += slotBytes) {
			const number = view.getUint32(at, true);
			if (number === 0) continue;
			entries++;
			const place = {inode: this.#inode.number, logical, block, offset: at};
			const isUsed = number >= firstInode && state.inodes.isUsed(number);
			const expected = !isUsed
				? 'which is not in use'
				: mayName
					? undefined
					: 'while orphan_present says there are none';
			if (expected === undefined) continue;
			state.report('CHECK_ORPHAN_FILE_ENTRY', place, {found: number, expected});
		}
		return entries;
	}
}
