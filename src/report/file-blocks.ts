/**
 * All blocks that an inode has: those of its contents, and those of the map that leads to them.
 * `mapAt` answers for one place in a file; this goes through a whole map once, node by node.
 */
import {CorruptError, type Inode, inodeFlags, type Volume} from '../../ext4/index.ts';
import {assertPointer, directCount} from '../../ext4/mapping/block-map.ts';
import {childAt, extentAt, type Node, openChild, openRoot} from '../../ext4/mapping/extent-node.ts';
import type {Problems} from './problems.ts';

export type BlockVisitor = {
	/** Contents: `length` blocks from `physical` on, which are the file's from `logical` on. */
	data(logical: number, physical: number, length: number, isUnwritten: boolean): void;
	/** A block of the map. */
	map(physical: number): void;
};

/**
 * Bounds the work for all files together: a hostile map leads to one block in many ways. A sound
 * file system has no more nodes, pieces and blocks of files than it has blocks.
 */
export class WalkBudget {
	#piecesLeft: number;
	#blocksLeft: number;

	constructor(blockCount: number) {
		this.#piecesLeft = Math.min(blockCount, 20_000_000) + 1000;
		this.#blocksLeft = 4 * blockCount;
	}

	/** Takes a piece of `length` blocks. Throws `CorruptError` where files have too many in all. */
	take(inode: Inode, length: number): void {
		this.#blocksLeft -= length;
		if (--this.#piecesLeft >= 0 && this.#blocksLeft >= 0) return;
		throw new CorruptError('EXT4_BAD_BLOCK_MAP', 'files have too many blocks to look at all', {
			inode: inode.number,
		});
	}
}

/** Whether the contents, if any, lie in blocks and not in the inode. */
export function hasBlocks(volume: Volume, inode: Inode): boolean {
	if (inode.type !== 'file' && inode.type !== 'directory' && inode.type !== 'symlink') return false;
	if ((inode.flags & inodeFlags.inlineData) !== 0) return false;
	if ((inode.flags & inodeFlags.extents) !== 0) return true;
	const xattrSectors = inode.xattrBlock === 0 ? 0 : volume.geometry.clusterSize / 512;
	return inode.type !== 'symlink' || inode.sectors !== xattrSectors;
}

/** Visits what can be read; what is wrong on the way is noted, and the rest goes on. */
export function walkFile(
	volume: Volume,
	inode: Inode,
	budget: WalkBudget,
	problems: Problems,
	visitor: BlockVisitor,
): void {
	if (!hasBlocks(volume, inode)) return;
	problems.attempt(() => {
		if ((inode.flags & inodeFlags.extents) !== 0) {
			const root = openRoot(volume, inode);
			walkNode(volume, inode, root, budget, problems, visitor);
		} else walkMap(volume, inode, budget, problems, visitor);
	});
}

// The depth falls by one at each step, and is at most five: see extent-node.ts.
function walkNode(
	volume: Volume,
	inode: Inode,
	node: Node,
	budget: WalkBudget,
	problems: Problems,
	visitor: BlockVisitor,
): void {
	for (let index = 0; index < node.entryCount; index++) {
		if (node.depth === 0) {
			const {logical, physical, length, isUnwritten} = extentAt(node.view, index);
			budget.take(inode, length);
			visitor.data(logical, physical, length, isUnwritten);
			continue;
		}
		budget.take(inode, 1);
		visitor.map(childAt(node.view, index));
		const child = problems.attempt(() => openChild(volume, inode, node, index));
		if (child !== undefined) walkNode(volume, inode, child, budget, problems, visitor);
	}
}

function walkMap(
	volume: Volume,
	inode: Inode,
	budget: WalkBudget,
	problems: Problems,
	visitor: BlockVisitor,
): void {
	const perBlock = volume.geometry.blockSize / 4;
	walkPointers(volume, inode, inode.blockView, directCount, 0, budget, visitor);
	let logical = directCount;
	for (let levels = 1; levels <= 3; levels++) {
		const pointer = inode.blockView.getUint32((directCount + levels - 1) * 4, true);
		walkTree(volume, inode, pointer, levels, logical, budget, problems, visitor);
		logical += perBlock ** levels;
	}
}

function walkTree(
	volume: Volume,
	inode: Inode,
	pointer: number,
	levels: number,
	logical: number,
	budget: WalkBudget,
	problems: Problems,
	visitor: BlockVisitor,
): void {
	if (pointer === 0) return;
	budget.take(inode, 1);
	const block = problems.attempt(() => {
		assertPointer(volume, inode, pointer, logical);
		return volume.cache.read(pointer);
	});
	if (block === undefined) return;
	visitor.map(pointer);
	const perBlock = volume.geometry.blockSize / 4;
	if (levels === 1) {
		walkPointers(volume, inode, block.view, perBlock, logical, budget, visitor);
		return;
	}
	const below = perBlock ** (levels - 1);
	for (let index = 0; index < perBlock; index++) {
		const child = block.view.getUint32(index * 4, true);
		walkTree(volume, inode, child, levels - 1, logical + index * below, budget, problems, visitor);
	}
}

/** Leaf pointers; those that lead to neighbours are one piece. */
function walkPointers(
	volume: Volume,
	inode: Inode,
	view: DataView,
	count: number,
	logical: number,
	budget: WalkBudget,
	visitor: BlockVisitor,
): void {
	for (let index = 0; index < count; ) {
		const first = view.getUint32(index * 4, true);
		if (first === 0) {
			index++;
			continue;
		}
		let length = 1;
		while (
			index + length < count &&
			view.getUint32((index + length) * 4, true) === first + length
		) {
			length++;
		}
		budget.take(inode, length);
		assertPointer(volume, inode, first, logical + index);
		assertPointer(volume, inode, first + length - 1, logical + index);
		visitor.data(logical + index, first, length, false);
		index += length;
	}
}
