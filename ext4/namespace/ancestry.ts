/** Which directory lies below which. */
import {lookup} from '../directory/lookup.ts';
import {CorruptError} from '../errors.ts';
import {type Inode, reservedInode} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';

/** Deeper than any path can lead to, and than rmdir could be waited for. */
const depthMax = 2 ** 16;

const dotDot = Uint8Array.of(0x2e, 0x2e);

/**
 * Whether `directory` is `ancestor` or lies anywhere below it: goes up to the root. Throws
 * `CorruptError` where the way up does not lead there, `DeviceError`.
 */
export function isAtOrBelow(volume: Volume, directory: Inode, ancestor: Inode): boolean {
	const passed = new Set<number>();
	for (let at = directory; ; ) {
		if (at.number === ancestor.number) return true;
		if (at.number === reservedInode.root) return false;
		passed.add(at.number);
		const parent = lookup(volume, at, dotDot);
		if (parent === undefined || passed.has(parent.inode) || passed.size > depthMax) {
			throw new CorruptError(
				'EXT4_BAD_DIRECTORY',
				'a directory from which no way leads to the root, or one that is too long',
				{
					inode: at.number,
				},
			);
		}
		const inode = volume.readInode(parent.inode);
		if (inode.type !== 'directory') {
			throw new CorruptError('EXT4_BAD_DIRECTORY', `a directory in a ${inode.type}`, {
				inode: at.number,
			});
		}
		at = inode;
	}
}
