/** Extent trees: logical → physical. Kernel documentation, "Extent Tree". */
import type {Inode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {extentAt, findEntry, keyAt, openChild, openRoot} from './extent-node.ts';
import type {Run} from './run.ts';

/**
 * The run that holds `logical` and reaches as far as one extent, or one hole, does. It starts at
 * the extent's own start; a hole starts at `logical`.
 *
 * Throws `CorruptError` for a broken tree, `DeviceError`.
 */
export function mapExtent(volume: Volume, inode: Inode, logical: number): Run {
	let node = openRoot(volume, inode);
	while (node.depth > 0) {
		const index = findEntry(node, logical);
		if (index === -1) {
			// Before the first key: nothing is mapped up to it.
			return {kind: 'hole', logical, length: keyAt(node.view, 0) - logical};
		}
		node = openChild(volume, inode, node, index);
	}
	const index = findEntry(node, logical);
	if (index >= 0) {
		const key = keyAt(node.view, index);
		const {physical, length, isUnwritten} = extentAt(node.view, index);
		if (logical < key + length) {
			return {kind: isUnwritten ? 'unwritten' : 'mapped', logical: key, length, physical};
		}
	}
	const next = index + 1 < node.entryCount ? keyAt(node.view, index + 1) : node.to;
	return {kind: 'hole', logical, length: next - logical};
}

/** The last logical block that has space; undefined where none has. Throws `CorruptError`. */
export function lastExtentBlock(volume: Volume, inode: Inode): number | undefined {
	let node = openRoot(volume, inode);
	while (node.depth > 0) node = openChild(volume, inode, node, node.entryCount - 1);
	if (node.entryCount === 0) return undefined;
	const index = node.entryCount - 1;
	return keyAt(node.view, index) + extentAt(node.view, index).length - 1;
}

/** How many levels of nodes lie between the inode and the file's blocks; 0 for a root of extents. */
export function extentTreeDepth(volume: Volume, inode: Inode): number {
	return openRoot(volume, inode).depth;
}
