/**
 * Pass 0, the volume: what the superblock and the group descriptors say, the file system's own
 * inodes that have a form of their own, the block against multiple mounts.
 */
import {crc32cOf} from '../checksum.ts';
import {hasGroupChecksums} from '../groups.ts';
import {groupFlags} from '../layout/group.ts';
import {mmp_struct, mmpMagic, mmpSequence} from '../layout/mmp.ts';
import {ext4_super_block} from '../layout/superblock.ts';
import {hex} from './finding.ts';
import type {FixedPlaces} from './fixed.ts';
import {checkJournal} from './journal.ts';
import {checkResizeInode} from './resize-inode.ts';
import {type CheckState, groupProblem} from './state.ts';

/** A flexible group has 2 to this many groups at most. */
const flexBitsMax = 31;
/** Of group descriptors, in bytes. */
const descriptorSizeMax = 1024;

/** Checks the volume and claims what lies in fixed places. A sentence where it is not for us to check. */
export function checkVolume(state: CheckState, fixed: FixedPlaces): string | undefined {
	fixed.claim(state);
	const refusal = checkMmp(state);
	if (refusal !== undefined) return refusal;
	checkSuperblock(state);
	checkGroups(state);
	checkQuotaInodes(state);
	checkJournal(state);
	checkResizeInode(state);
	return undefined;
}

function checkSuperblock(state: CheckState): void {
	const {superblock, geometry, features} = state;
	const raw = ext4_super_block.at(superblock.view, 0);
	if (superblock.reservedBlockCount > geometry.blockCount / 2) {
		state.report(
			'CHECK_RESERVED_BLOCKS',
			{},
			{
				found: superblock.reservedBlockCount,
				expected: Math.floor(geometry.blockCount / 2),
			},
		);
	}
	if (superblock.uuid.every(byte => byte === 0) && superblock.revision > 0) {
		state.report('CHECK_UUID_MISSING', {});
	}
	if (raw.s_log_groups_per_flex > flexBitsMax) {
		const values = {found: raw.s_log_groups_per_flex, expected: flexBitsMax};
		state.report('CHECK_FLEX_GROUP_SIZE', {}, values);
	}
	if (!features.has('bigalloc') && raw.s_clusters_per_group !== raw.s_blocks_per_group) {
		state.report(
			'CHECK_CLUSTERS_PER_GROUP',
			{},
			{found: raw.s_clusters_per_group, expected: raw.s_blocks_per_group},
		);
	}
	const size = raw.s_desc_size;
	// With 64bit it counts, and what can't be does not get this far.
	if (!features.has('64bit') && (size > descriptorSizeMax || (size & (size - 1)) !== 0)) {
		state.report('CHECK_DESCRIPTOR_SIZE', {}, {found: size, expected: descriptorSizeMax});
	}
	const extraMax = geometry.inodeSize - 128;
	for (const [field, found] of [
		['s_min_extra_isize', raw.s_min_extra_isize],
		['s_want_extra_isize', raw.s_want_extra_isize],
	] as const) {
		const isWell = found === 0 || (found >= 4 && found <= extraMax && found % 4 === 0);
		if (geometry.inodeSize > 128 && features.has('extra_isize') && !isWell) {
			state.report('CHECK_EXTRA_SIZE_WANTED', {}, {field, found, expected: extraMax});
		}
	}
	if (features.has('resize_inode') && features.has('meta_bg')) {
		state.report('CHECK_RESIZE_WITH_META_BG', {});
	}
	if (superblock.isHurd && features.has('filetype')) state.report('CHECK_HURD_FILETYPE', {});
}

function checkGroups(state: CheckState): void {
	const {geometry, features} = state;
	const hasChecksums = hasGroupChecksums(features);
	const last = geometry.groupCount - 1;
	for (let index = 0; index <= last; index++) {
		const group = state.group(index);
		if (!hasChecksums) {
			const uninit = groupFlags.blockUninit | groupFlags.inodeUninit;
			if ((group.flags & uninit) !== 0 || group.unusedInodeCount !== 0) {
				state.report(
					'CHECK_GROUP_UNINIT_WITHOUT_FEATURE',
					{group: index},
					{found: hex(group.flags)},
				);
			}
			continue;
		}
		if (index === last && (group.flags & groupFlags.blockUninit) !== 0) {
			state.report('CHECK_LAST_GROUP_UNINIT', {group: index});
		}
		if (
			group.unusedInodeCount > geometry.inodesPerGroup ||
			group.unusedInodeCount > group.freeInodeCount
		) {
			state.report(
				'CHECK_GROUP_UNUSED_INODES',
				{group: index},
				{
					found: group.unusedInodeCount,
					expected: group.freeInodeCount,
				},
			);
		}
	}
}

/** Inodes of each group that are looked at: all but those that were never used. */
export function scannedInodes(state: CheckState): Uint32Array {
	const {groupCount, inodesPerGroup} = state.geometry;
	const counts = new Uint32Array(groupCount);
	const hasChecksums = hasGroupChecksums(state.features);
	for (let index = 0; index < groupCount; index++) {
		const problems = state.groupProblems[index] ?? 0;
		if ((problems & groupProblem.inodeTable) !== 0) continue;
		counts[index] = inodesPerGroup;
		if (!hasChecksums || (problems & groupProblem.checksum) !== 0) continue;
		const group = state.group(index);
		if ((group.flags & groupFlags.inodeUninit) !== 0) counts[index] = 0;
		else counts[index] = inodesPerGroup - group.unusedInodeCount;
	}
	return counts;
}

function checkQuotaInodes(state: CheckState): void {
	if (!state.features.has('quota')) return;
	const {quotaInodes} = state.superblock;
	const {firstInode, inodeCount} = state.geometry;
	const wanted = {user: 3, group: 4, project: 0} as const;
	for (const kind of ['user', 'group', 'project'] as const) {
		const number = quotaInodes[kind];
		if (number === 0) continue;
		const isWell =
			kind === 'project'
				? number >= firstInode && number <= inodeCount
				: number === wanted[kind] || (number >= firstInode && number <= inodeCount);
		if (!isWell) state.report('CHECK_QUOTA_INODE', {inode: number}, {kind, found: number});
	}
}

/** A sentence where somebody uses the file system, so that what we read may be neither old nor new. */
function checkMmp(state: CheckState): string | undefined {
	if (!state.features.has('mmp')) return undefined;
	const at = ext4_super_block.fields.s_mmp_block.at;
	const {view, checksumSeed} = state.superblock;
	const block = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
	if (!state.isBlock(block)) {
		state.report('CHECK_MMP_BLOCK', {block}, {found: block});
		return undefined;
	}
	const bytes = new Uint8Array(state.geometry.blockSize);
	if (!state.readBlocks(block, bytes)) return undefined;
	const raw = mmp_struct.at(new DataView(bytes.buffer), 0);
	if (raw.mmp_magic !== mmpMagic) {
		state.report('CHECK_MMP_MAGIC', {block}, {found: hex(raw.mmp_magic), expected: hex(mmpMagic)});
		return undefined;
	}
	if (state.features.has('metadata_csum')) {
		const expected = crc32cOf(checksumSeed, bytes.subarray(0, mmp_struct.fields.mmp_checksum.at));
		if (raw.mmp_checksum !== expected) {
			state.report(
				'CHECK_MMP_CHECKSUM',
				{block},
				{found: hex(raw.mmp_checksum), expected: hex(expected)},
			);
		}
	}
	if (raw.mmp_seq === mmpSequence.beingChecked) {
		return 'e2fsck is at work on this file system, or was killed while it was (mmp)';
	}
	if (raw.mmp_seq > mmpSequence.max && raw.mmp_seq !== mmpSequence.clean) {
		state.report('CHECK_MMP_SEQUENCE', {block}, {found: hex(raw.mmp_seq)});
	} else if (raw.mmp_seq !== mmpSequence.clean) {
		state.report('CHECK_MMP_IN_USE', {block}, {found: hex(raw.mmp_seq)});
	}
	return undefined;
}
