/**
 * Symbolic links: whether the target, wherever it lies, is as long as the inode says. Targets in
 * blocks are put aside and read in the order of the disk.
 */
import {inodeFlags} from '../layout/inode.ts';
import {isExtentHeader} from './extents.ts';
import type {InodeAttributes} from './inode-attributes.ts';
import type {InodeBytes} from './inode-bytes.ts';
import type {InodeContext} from './inode-context.ts';

/** Links put aside before their targets are read; a few hundred bytes each. */
const asideMax = 4096;

/** Where the target lies, as far as could be told. */
export type TargetPlace = 'blocks' | 'inode' | 'nowhere';

type SlowSymlink = {readonly inode: InodeBytes; readonly block: number};

export class Symlinks {
	readonly #context: InodeContext;
	readonly #attributes: InodeAttributes;
	#aside: SlowSymlink[] = [];

	constructor(context: InodeContext, attributes: InodeAttributes) {
		this.#context = context;
		this.#attributes = attributes;
	}

	/** Judges the link that is looked at. `nowhere`: so wrong that it has no mapping to look at. */
	check(): TargetPlace {
		const {inode, harvest} = this.#context;
		const size = inode.sizeLow;
		if (inode.sizeHigh !== 0 || size === 0 || inode.has(inodeFlags.hashIndexed)) {
			this.#tellBad(inode);
			return inode.has(inodeFlags.inlineData) || size < 60 ? 'nowhere' : 'blocks';
		}
		if (inode.has(inodeFlags.inlineData)) {
			const kept = this.#attributes.inlineSize();
			if (kept < 0) this.#context.tell('CHECK_INLINE_WITHOUT_ATTRIBUTE');
			else if (kept !== size && !(kept === 60 && size < 60)) this.#tellBad(inode);
			return 'inode';
		}
		if (size < 60 && !inode.has(inodeFlags.extents)) {
			harvest.totals.fastSymlinks++;
			const at = inode.at + 0x28;
			const isWell = inode.has(inodeFlags.encrypted)
				? inode.view.getUint16(at, true) + 2 === size
				: lengthOfText(inode.view, at, 60) === size;
			if (!isWell) this.#tellBad(inode);
			return 'inode';
		}
		const block = this.#targetBlock(size);
		if (block === 0) this.#tellBad(inode);
		else this.#aside.push({inode: inode.copy(), block});
		if (this.#aside.length >= asideMax) this.finishAside();
		return 'blocks';
	}

	/** Looks at what was put aside. */
	finishAside(): void {
		const bytes = new Uint8Array(this.#context.blockSize);
		const view = new DataView(bytes.buffer);
		for (const {inode, block} of this.#aside.sort((a, b) => a.block - b.block)) {
			if (!this.#context.state.readBlocks(block, bytes)) continue;
			const length = inode.has(inodeFlags.encrypted)
				? view.getUint16(0, true) + 2
				: lengthOfText(view, 0, bytes.length);
			if (length !== inode.sizeLow || length >= bytes.length) this.#tellBad(inode);
		}
		this.#aside = [];
	}

	#tellBad(inode: InodeBytes): void {
		this.#context.state.report('CHECK_SYMLINK', {inode: inode.number}, {found: inode.sizeBytes});
		this.#context.markBadInode(inode.number);
	}

	/** The one block of a link that does not fit its inode; 0 where it has not just one. */
	#targetBlock(size: number): number {
		const {inode, state} = this.#context;
		const {blockCount, firstDataBlock} = state.geometry;
		let block = inode.block(0);
		if (inode.has(inodeFlags.extents)) {
			const at = inode.at + 0x28;
			const {view} = inode;
			const isOne =
				size >= 60 &&
				isExtentHeader(view, at, 60) &&
				view.getUint16(at + 2, true) === 1 &&
				view.getUint16(at + 6, true) === 0 &&
				view.getUint32(at + 12, true) === 0 &&
				(view.getUint16(at + 16, true) & 0x7fff) === 1;
			if (!isOne) return 0;
			block = view.getUint16(at + 18, true) * 2 ** 32 + view.getUint32(at + 20, true);
		} else {
			for (let index = 1; index < 15; index++) if (inode.block(index) !== 0) return 0;
		}
		return block >= firstDataBlock && block < blockCount ? block : 0;
	}
}

/** Bytes before the first NUL; `length` where there is none. */
function lengthOfText(view: DataView, at: number, length: number): number {
	let count = 0;
	while (count < length && view.getUint8(at + count) !== 0) count++;
	return count;
}
