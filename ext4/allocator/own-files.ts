/**
 * Where files of the file system itself lie: the journal, quotas. By the reading half of the
 * mapping alone, since the writing half needs the allocator.
 */
import {type Inode, inodeFlags} from '../layout/inode.ts';
import {mapIndirect} from '../mapping/block-map.ts';
import {mapExtent} from '../mapping/extent-tree.ts';
import type {Run} from '../mapping/run.ts';
import type {Volume} from '../volume.ts';

/** As `mapAt`, for an inode whose data lies in blocks. */
export function mapOwn(volume: Volume, inode: Inode, logical: number): Run {
	return (inode.flags & inodeFlags.extents) !== 0
		? mapExtent(volume, inode, logical)
		: mapIndirect(volume, inode, logical);
}
