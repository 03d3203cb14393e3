/** Findings of pass 6, quota files against the usage that was found. */
import type {FindingTable} from '../definition.ts';

const theirs = ['p6.update-quotas'] as const;

export const quotaFindings = {
	CHECK_QUOTA_HEADER: {
		severity: 'error',
		sentence: 'inode {inode} is no quota file for {kind}s: {found}',
		explanation:
			'The kernel refuses to mount with quotas. e2fsck writes the file anew from what it counts.',
		e2fsck: theirs,
	},
	CHECK_QUOTA_TREE: {
		severity: 'error',
		sentence: 'the tree of the {kind} quota, inode {inode}, is damaged: {found}',
		explanation: 'Limits and usage of some owners are not found. e2fsck writes the file anew.',
		e2fsck: theirs,
	},
	CHECK_QUOTA_USAGE: {
		severity: 'error',
		sentence: 'the quota of {kind} {id} counts {found}; it uses {expected}',
		explanation:
			'Limits bind too early or too late. Both are bytes of space, then inodes. e2fsck makes it right.',
		e2fsck: theirs,
	},
	CHECK_QUOTA_ENTRY_MISSING: {
		severity: 'error',
		sentence: 'the quota has no entry for {kind} {id}, who uses {expected}',
		explanation:
			'What this owner uses is not counted. Bytes of space, then inodes. e2fsck adds the entry.',
		e2fsck: theirs,
	},
} as const satisfies FindingTable;
