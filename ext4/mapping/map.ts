/** Logical to physical, whichever way the inode keeps it. */
import {CorruptError} from '../errors.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import type {Volume} from '../volume.ts';
import {mapIndirect} from './block-map.ts';
import {mapExtent} from './extent-tree.ts';
import {logicalBlocksMax, type Run} from './run.ts';

/**
 * The run of `inode` that holds logical block `logical`. An extent's run starts where the extent
 * does; any other run starts at `logical`. It may reach beyond the end of the file.
 *
 * Throws `CorruptError` for a broken map and for an inode whose data does not lie in blocks,
 * `DeviceError`.
 */
export function mapAt(volume: Volume, inode: Inode, logical: number): Run {
	if ((inode.flags & inodeFlags.inlineData) !== 0) {
		throw new CorruptError('EXT4_BAD_INLINE_DATA', 'data in the inode has no blocks to map', {
			inode: inode.number,
		});
	}
	if (logical < 0 || logical >= logicalBlocksMax) {
		throw new CorruptError('EXT4_BAD_EXTENT', `no file has a logical block ${logical}`, {
			inode: inode.number,
		});
	}
	return (inode.flags & inodeFlags.extents) !== 0
		? mapExtent(volume, inode, logical)
		: mapIndirect(volume, inode, logical);
}
