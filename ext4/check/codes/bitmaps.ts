/** Findings of pass 5, bitmaps and counts against what was found in use. */
import type {FindingTable} from '../definition.ts';

const blockDifferences = ['p5.block-bitmap-header', 'p5.block-bitmap-end'] as const;
const inodeDifferences = ['p5.inode-bitmap-header', 'p5.inode-bitmap-end'] as const;

export const bitmapFindings = {
	CHECK_BLOCKS_NOT_MARKED: {
		severity: 'error',
		sentence: 'the bitmap of group {group} has as free what is in use: {which}',
		explanation:
			'The next file written may be put over them: this destroys data. e2fsck marks them. Numbers are of blocks, whole clusters at a time.',
		e2fsck: ['p5.block-used', 'p5.block-range-used', 'p5.block-uninit', ...blockDifferences],
	},
	CHECK_BLOCKS_MARKED: {
		severity: 'error',
		sentence: 'the bitmap of group {group} has as in use what nothing uses: {which}',
		explanation:
			'Their space is lost until e2fsck frees them. Numbers are of blocks, whole clusters at a time.',
		e2fsck: ['p5.block-unused', 'p5.block-range-unused', ...blockDifferences],
	},
	CHECK_BLOCK_BITMAP_PADDING: {
		severity: 'error',
		sentence: 'the block bitmap of group {group} has clear bits behind its last block',
		grouped: {
			of: 'group',
			sentence: 'the block bitmaps of {which} have clear bits behind their last blocks',
		},
		explanation:
			'Bits that stand for no block are set, so that none is ever taken. e2fsck sets them.',
		e2fsck: ['p5.block-bmap-padding'],
	},
	CHECK_BLOCK_BITMAP_CHECKSUM: {
		severity: 'error',
		sentence:
			'the block bitmap of group {group} has the checksum {found}; its contents make {expected}',
		grouped: {
			of: 'group',
			sentence: 'the checksums of the block bitmaps of {which} do not fit what is in them',
		},
		explanation: 'The kernel will not write to such a group. e2fsck makes the sum right.',
		e2fsck: ['p5.block-bitmap-csum-invalid'],
	},
	CHECK_INODES_NOT_MARKED: {
		severity: 'error',
		sentence: 'the bitmap of group {group} has as free what is in use: {which}',
		explanation:
			'The next file made may be put in their place: this destroys files. e2fsck marks them.',
		e2fsck: ['p5.inode-used', 'p5.inode-range-used', 'p5.inode-uninit', ...inodeDifferences],
	},
	CHECK_INODES_MARKED: {
		severity: 'error',
		sentence: 'the bitmap of group {group} has as in use what is not: {which}',
		explanation: 'They are lost until e2fsck frees them.',
		e2fsck: ['p5.inode-unused', 'p5.inode-range-unused', ...inodeDifferences],
	},
	CHECK_INODE_BITMAP_PADDING: {
		severity: 'error',
		sentence: 'the inode bitmap of group {group} has clear bits behind its last inode',
		grouped: {
			of: 'group',
			sentence: 'the inode bitmaps of {which} have clear bits behind their last inodes',
		},
		explanation:
			'Bits that stand for no inode are set, so that none is ever taken. e2fsck sets them.',
		e2fsck: ['p5.inode-bmap-padding'],
	},
	CHECK_INODE_BITMAP_CHECKSUM: {
		severity: 'error',
		sentence:
			'the inode bitmap of group {group} has the checksum {found}; its contents make {expected}',
		grouped: {
			of: 'group',
			sentence: 'the checksums of the inode bitmaps of {which} do not fit what is in them',
		},
		explanation: 'The kernel will make no file in such a group. e2fsck makes the sum right.',
		e2fsck: ['p5.inode-bitmap-csum-invalid'],
	},
	CHECK_GROUP_FREE_BLOCKS: {
		severity: 'error',
		sentence:
			'the descriptor of group {group} counts {found} free clusters; its bitmap has {expected}',
		grouped: {
			of: 'group',
			sentence:
				'the descriptors of {which} count other numbers of free clusters than their bitmaps have',
		},
		explanation:
			'The kernel stops using a group whose count and bitmap disagree. A cluster is a block where there is no bigalloc. e2fsck makes the count right.',
		e2fsck: ['p5.free-block-count-group'],
	},
	CHECK_GROUP_FREE_INODES: {
		severity: 'error',
		sentence:
			'the descriptor of group {group} counts {found} free inodes; its bitmap has {expected}',
		grouped: {
			of: 'group',
			sentence:
				'the descriptors of {which} count other numbers of free inodes than their bitmaps have',
		},
		explanation:
			'The kernel stops using a group whose count and bitmap disagree. e2fsck makes it right.',
		e2fsck: ['p5.free-inode-count-group'],
	},
	CHECK_GROUP_UNINIT_IN_USE: {
		severity: 'error',
		sentence: 'group {group} is marked as never used, but {found} of its inodes are in use',
		grouped: {of: 'group', sentence: '{which} are marked as never used, but have inodes in use'},
		explanation:
			'A file system without checksums of groups has no such mark, and the kernel does not look for it; e2fsck believes it and calls all names of these inodes wrong.',
		e2fsck: ['p2.inoref-bg-ino-uninit', 'p2.inoref-in-unused', 'p0.gdt-uninit'],
	},
	CHECK_GROUP_DIRECTORIES: {
		severity: 'error',
		sentence: 'the descriptor of group {group} counts {found} directories; there are {expected}',
		grouped: {
			of: 'group',
			sentence: 'the descriptors of {which} count other numbers of directories than there are',
		},
		explanation: 'The count guides where new directories are put. e2fsck makes it right.',
		e2fsck: ['p5.free-dir-count-group'],
	},
	CHECK_FREE_BLOCKS: {
		severity: 'warning',
		sentence: 'the superblock counts {found} free blocks; the bitmaps have {expected}',
		explanation:
			'Whoever mounts the file system counts anew, so that no harm comes of it. After a crash the counts are always old, which is not told. e2fsck makes them right.',
		e2fsck: ['p5.free-block-count'],
	},
	CHECK_FREE_INODES: {
		severity: 'warning',
		sentence: 'the superblock counts {found} free inodes; the bitmaps have {expected}',
		explanation:
			'Whoever mounts the file system counts anew, so that no harm comes of it. After a crash the counts are always old, which is not told. e2fsck makes them right.',
		e2fsck: ['p5.free-inode-count'],
	},
} as const satisfies FindingTable;
