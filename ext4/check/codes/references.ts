/** Findings of pass 4, references: link counts, orphans, inodes that nobody names. */
import type {FindingTable} from '../definition.ts';

export const referenceFindings = {
	CHECK_LINK_COUNT: {
		severity: 'error',
		sentence:
			'inode {inode} has the link count {found}; by the names that lead to it, it should be {expected}',
		explanation:
			'Where the count is too low, removing a name frees a file that others still lead to; where it is too high, its space is never freed. e2fsck makes it right.',
		e2fsck: ['p4.bad-ref-count', 'p4.inconsistent-count'],
	},
	CHECK_INODE_UNATTACHED: {
		severity: 'error',
		sentence: 'inode {inode} is in use, but no directory has an entry for it',
		grouped: {
			of: 'inode',
			sentence: '{which} are in use, but no directory has entries for them',
		},
		explanation:
			'The file can not be reached, and keeps its space. e2fsck gives it a name in lost+found, or clears it where it is empty.',
		e2fsck: ['p4.unattached-inode', 'p4.zero-len-inode'],
	},
	CHECK_DIRECTORY_LINKS_FEATURE: {
		severity: 'error',
		sentence: 'directory {inode} has {found} links, more than can be counted without dir_nlink',
		explanation:
			'A directory counts at most 65,000 links; with the feature dir_nlink one that has more says 1. e2fsck sets the feature.',
		e2fsck: ['p4.dir-nlink-feature'],
	},
	CHECK_VALUE_REFERENCES: {
		severity: 'error',
		sentence:
			'inode {inode} has the reference count {found}; by the attributes that have their value in it, it should be {expected}',
		explanation:
			'Where the count is too low, removing an attribute frees what others still use. e2fsck makes it right.',
		e2fsck: ['p4.ea-inode-ref-count'],
	},
	CHECK_VALUE_UNREFERENCED: {
		severity: 'error',
		sentence: 'inode {inode} is marked as the value of an attribute, but no attribute names it',
		grouped: {
			of: 'inode',
			sentence: '{which} are marked as values of attributes, but no attribute names them',
		},
		explanation:
			'Either the attribute was lost, or the mark is wrong. e2fsck gives the inode a name in lost+found or clears the mark.',
		e2fsck: ['p4.unattached-inode', 'p4.ea-inode-spurious-flag', 'p4.zero-len-inode'],
	},
	CHECK_ORPHAN_FILE: {
		severity: 'error',
		sentence: 'inode {inode} is no file of orphans: {found}',
		explanation: 'The kernel refuses to mount with such a file. e2fsck makes it anew.',
		e2fsck: ['p6.orphan-file-truncated', 'p6.orphan-file-corrupted', 'p6.orphan-file-bad-inode'],
	},
	CHECK_ORPHAN_FILE_BLOCK: {
		severity: 'error',
		sentence:
			'block {logical} of the file of orphans, inode {inode}, has {found} where {expected} should be',
		explanation:
			'Its blocks end with a mark and, with metadata_csum, a checksum. The kernel refuses to mount with a block that lacks them. e2fsck makes the file anew.',
		e2fsck: ['p6.orphan-file-corrupted'],
	},
	CHECK_ORPHAN_FILE_ENTRY: {
		severity: 'error',
		sentence: 'the file of orphans, inode {inode}, names inode {found}, {expected}',
		explanation:
			'It names inodes that are in use and wait to be freed, and only while the feature orphan_present says so. e2fsck clears the entry.',
		e2fsck: ['p6.orphan-block-dirty', 'p6.orphan-file-corrupted', 'p0.orphan-illegal-inode'],
	},
	CHECK_ORPHANS_PRESENT: {
		severity: 'error',
		sentence: 'the feature orphan_present is set, but {found}',
		explanation:
			'It is set while the file of orphans is in use, and cleared by an unmount. It harms nothing but time. e2fsck clears it.',
		e2fsck: ['p6.orphan-present-clean-file', 'p6.orphan-present-without-file'],
	},
} as const satisfies FindingTable;
