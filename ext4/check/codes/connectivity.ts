/** Findings of pass 3, connectivity: every directory is reached from the root, once. */
import type {FindingTable} from '../definition.ts';

export const connectivityFindings = {
	CHECK_ROOT_MISSING: {
		severity: 'error',
		sentence: 'there is no root directory: inode 2 is not in use',
		explanation:
			'Without it nothing can be mounted. e2fsck makes a new one, and puts all there is into lost+found.',
		e2fsck: ['p3.no-root-inode'],
	},
	CHECK_ROOT_TYPE: {
		severity: 'error',
		sentence: 'the root, inode 2, is not a directory',
		explanation: 'Without it nothing can be mounted. e2fsck asks to make it one.',
		e2fsck: ['p3.root-not-dir-abort', 'p1.root-no-dir'],
	},
	CHECK_DIRECTORY_UNCONNECTED: {
		severity: 'error',
		sentence: 'no directory has an entry for directory {inode}; its .. names {found}',
		grouped: {
			of: 'inode',
			sentence: 'no directory has entries for {which}, which are directories',
		},
		explanation: 'All that is in it can not be reached. e2fsck gives it a name in lost+found.',
		e2fsck: ['p3.unconnected-dir', 'p3.bad-dot-dot'],
	},
	CHECK_DIRECTORY_LOOP: {
		severity: 'error',
		sentence: 'directory {inode} lies, through others, in itself',
		explanation:
			'A ring of directories that is not reached from the root: nothing in it can be reached. e2fsck gives one of them a name in lost+found.',
		e2fsck: ['p3.looped-dir', 'p3.unconnected-dir'],
	},
	CHECK_DOTDOT_PARENT: {
		severity: 'error',
		sentence: 'the entry .. of directory {inode} names {found}, while it lies in {expected}',
		explanation: 'Walking up from there leads astray. e2fsck makes it right.',
		e2fsck: ['p3.bad-dot-dot'],
	},
} as const satisfies FindingTable;
