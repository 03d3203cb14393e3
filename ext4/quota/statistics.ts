/** What statfs(2) tells of a directory whose files all belong to one project. */
import type {Inode} from '../layout/inode.ts';
import {v2r1_disk_dqblk} from '../layout/quota.ts';
import {inheritsProject} from '../namespace/projects.ts';
import type {Statistics} from '../statistics.ts';
import type {Volume} from '../volume.ts';
import {quotaFiles} from './file.ts';

/** The lower of two limits, of which 0 is none. */
function lowerLimit(soft: number, hard: number): number {
	const limit = Math.min(soft || Number.POSITIVE_INFINITY, hard || Number.POSITIVE_INFINITY);
	return Number.isFinite(limit) ? limit : 0;
}

/**
 * `whole`, or what the limits of the project that the directory `inode` hands on leave of it, so that
 * df(1) shows a tree with a quota as a file system of that size. As in the kernel, soft limits count
 * and a volume that is only read has none; but what is free is never more than is there.
 *
 * Throws `CorruptError`, `DeviceError`.
 */
export function withinProject(volume: Volume, inode: Inode, whole: Statistics): Statistics {
	if (volume.transactions === undefined || inode.type !== 'directory') return whole;
	if (!inheritsProject(volume, inode)) return whole;
	const place = quotaFiles(volume)
		.find(file => file.type === 'project')
		?.find(inode.projectId);
	if (place === undefined) return whole;
	const entry = v2r1_disk_dqblk.at(place.block.view, place.at);
	const {blockSize} = whole;
	const limitBytes = lowerLimit(entry.dqb_bsoftlimit, entry.dqb_bhardlimit) * 1024;
	const blockLimit = Math.floor(limitBytes / blockSize);
	const blocksLeft = Math.max(0, blockLimit - Math.floor(entry.dqb_curspace / blockSize));
	const blocks = {
		blockCount: blockLimit,
		freeBlockCount: Math.min(whole.freeBlockCount, blocksLeft),
		availableBlockCount: Math.min(whole.availableBlockCount, blocksLeft),
	};
	const inodeLimit = lowerLimit(entry.dqb_isoftlimit, entry.dqb_ihardlimit);
	const inodesLeft = Math.max(0, inodeLimit - entry.dqb_curinodes);
	const inodes = {
		inodeCount: inodeLimit,
		freeInodeCount: Math.min(whole.freeInodeCount, inodesLeft),
	};
	return {
		...whole,
		...(blockLimit > 0 && blockLimit < whole.blockCount ? blocks : {}),
		...(inodeLimit > 0 && inodeLimit < whole.inodeCount ? inodes : {}),
	};
}
