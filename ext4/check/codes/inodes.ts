/** Findings of pass 1, inodes: what their fields and flags say. */
import type {FindingTable} from '../definition.ts';

export const inodeFindings = {
	CHECK_INODE_CHECKSUM: {
		severity: 'error',
		sentence: 'the checksum of inode {inode} is {found}; its contents make {expected}',
		grouped: {
			of: 'inode',
			sentence: 'the checksums of {which} do not fit what is in them',
		},
		explanation:
			'The inode was changed by something that does not know of checksums, or was damaged.',
		e2fsck: ['p1.inode-only-csum-invalid', 'p1.inode-csum-invalid'],
	},
	CHECK_INODE_MODE: {
		severity: 'error',
		sentence: 'inode {inode} has the mode {found}, which is no type of file',
		grouped: {
			of: 'inode',
			sentence: '{which} have modes that are no type of file',
		},
		explanation: 'The inode is in use, but nobody can tell as what.',
		e2fsck: ['p2.bad-mode'],
	},
	CHECK_ROOT_NOT_DIRECTORY: {
		severity: 'error',
		sentence: 'the root, inode 2, has the mode {found} and is no directory',
		explanation:
			'Without a root nothing can be reached. e2fsck makes a new one and puts what it finds into lost+found.',
		e2fsck: ['p1.root-no-dir', 'p3.no-root-inode'],
	},
	CHECK_INODE_DELETED_WITHOUT_TIME: {
		severity: 'error',
		sentence: 'inode {inode} has no links but no time of deletion either',
		grouped: {
			of: 'inode',
			sentence: '{which} have no links but no time of deletion either',
		},
		explanation: 'The inode was freed half-way, or its link count was damaged.',
		e2fsck: ['p1.zero-dtime'],
	},
	CHECK_INODE_USED_WITH_DELETION_TIME: {
		severity: 'error',
		sentence: 'inode {inode} is in use but has a time of deletion ({found})',
		grouped: {
			of: 'inode',
			sentence: '{which} are in use but have a time of deletion',
		},
		explanation: 'The inode was freed half-way, or brought back by a damaged journal.',
		e2fsck: ['p1.set-dtime', 'p1.root-dtime'],
	},
	CHECK_INODE_LOST_ORPHAN: {
		severity: 'error',
		sentence:
			'inode {inode} is free, but links to inode {found} of a list of orphans that does not lead here',
		grouped: {
			of: 'inode',
			sentence:
				'{which} are free, but link to inodes of a list of orphans that does not lead to them',
		},
		explanation:
			'The list of inodes that wait to be freed is broken; blocks of this one may be lost.',
		e2fsck: ['p1.low-dtime', 'p1.orphan-list-refugees'],
	},
	CHECK_BAD_BLOCKS_INODE: {
		severity: 'error',
		sentence: 'inode 1, which lists bad blocks, has fields of a file',
		explanation: 'The inode was damaged; e2fsck clears it.',
		e2fsck: ['p1.invalid-bad-inode'],
	},
	CHECK_OWN_FILE_MODE: {
		severity: 'error',
		sentence: "inode {inode}, a file of the file system's own, has the mode {found}",
		explanation: 'The journal, quota files and the orphan file are regular files.',
		e2fsck: ['p1.journal-bad-mode', 'p1.quota-bad-mode', 'p1.orphan-file-bad-mode'],
	},
	CHECK_OWN_FILE_FREE: {
		severity: 'error',
		sentence: "inode {inode}, a file of the file system's own, is marked as deleted",
		explanation:
			'The journal, quota files and the orphan file are in use for as long as the superblock names them.',
		e2fsck: [],
	},
	CHECK_RESERVED_INODE_MODE: {
		severity: 'error',
		sentence: 'inode {inode} is reserved, but has the mode {found}',
		grouped: {
			of: 'inode',
			sentence: '{which} are reserved, but have modes',
		},
		explanation: 'Reserved inodes that have no duty are empty.',
		e2fsck: ['p1.reserved-bad-mode'],
	},
	CHECK_RESERVED_INODE_NOT_CLEAR: {
		severity: 'error',
		sentence: 'inode {inode} is reserved for what this file system does not have, but is not empty',
		explanation:
			'The superblock does not name this inode; it was a journal or a quota file once, or is damaged.',
		e2fsck: ['p1.journal-inode-not-clear', 'p1.quota-inode-not-clear'],
	},
	CHECK_INODE_FRAGMENT: {
		severity: 'error',
		sentence: 'inode {inode} has a fragment at {found}',
		grouped: {
			of: 'inode',
			sentence: '{which} have fragments',
		},
		explanation: 'Fragments were never made; the field must be 0.',
		e2fsck: ['p2.faddr-zero', 'p2.frag-zero', 'p2.fsize-zero'],
	},
	CHECK_DIRECTORY_SIZE_HIGH: {
		severity: 'error',
		sentence: 'directory {inode} has {found} in the upper half of its size',
		explanation: 'Without large_dir no directory is that long.',
		e2fsck: ['p2.dir-size-high-zero'],
	},
	CHECK_INODE_XATTR_BLOCK_HIGH: {
		severity: 'error',
		sentence: 'inode {inode} has {found} in the upper half of the place of its attributes',
		explanation: 'Without 64bit no block has such a number.',
		e2fsck: ['p2.i-file-acl-hi-zero'],
	},
	CHECK_INODE_BLOCKS_HIGH: {
		severity: 'error',
		sentence: 'inode {inode} has {found} in the upper half of its count of blocks',
		explanation: 'Without huge_file no file takes so many.',
		e2fsck: ['p2.blocks-hi-zero'],
	},
	CHECK_INODE_XATTR_BLOCK: {
		severity: 'error',
		sentence: 'the attributes of inode {inode} are said to lie in block {found}, which can not be',
		explanation:
			'The inode is damaged, or the ext_attr feature was switched off. The attributes were not checked.',
		e2fsck: ['p2.file-acl-bad', 'p2.file-acl-zero'],
	},
	CHECK_INODE_TWO_FORMS: {
		severity: 'error',
		sentence: 'inode {inode} is marked as keeping its contents in itself and in extents',
		explanation: 'Only one of the two can be.',
		e2fsck: ['p1.extents-inline-data'],
	},
	CHECK_INLINE_WITHOUT_FEATURE: {
		severity: 'error',
		sentence: 'inode {inode} keeps its contents in itself, though inline_data is off',
		explanation: 'A bit of the inode or of the superblock was damaged.',
		e2fsck: ['p1.inline-data-feature', 'p1.inline-data-set'],
	},
	CHECK_INLINE_WITHOUT_ATTRIBUTE: {
		severity: 'error',
		sentence: 'inode {inode} keeps its contents in itself, but has no attribute for them',
		explanation: 'The attribute system.data must be there, even when it is empty.',
		e2fsck: ['p1.inline-data-no-attr'],
	},
	CHECK_EXTENTS_WITHOUT_FEATURE: {
		severity: 'error',
		sentence: 'inode {inode} has extents, though the extent feature is off',
		explanation: 'A bit of the inode or of the superblock was damaged.',
		e2fsck: ['p1.extent-feature', 'p1.extents-set'],
	},
	CHECK_EXTENTS_UNMARKED: {
		severity: 'error',
		sentence: 'inode {inode} holds an extent tree but is not marked as having one',
		explanation:
			'Its blocks are read as numbers of other blocks. The mark was lost, or a map of blocks looks like a tree.',
		e2fsck: ['p1.unset-extent-fl'],
	},
	CHECK_BLOCK_MAP_WITH_BIGALLOC: {
		severity: 'error',
		sentence: 'inode {inode} has a map of blocks, which bigalloc does not allow',
		explanation: 'With bigalloc all files have extents.',
		e2fsck: ['p1.no-bigalloc-blockmap-files'],
	},
	CHECK_INODE_EXTRA_SIZE: {
		severity: 'error',
		sentence:
			'inode {inode} has an extra size of {found}; a multiple of 4 up to {expected} is possible',
		grouped: {
			of: 'inode',
			sentence: '{which} have extra sizes that can not be',
		},
		explanation:
			'The extra part of the inode holds fine times and attributes; nothing of it could be checked.',
		e2fsck: ['p1.extra-isize'],
	},
	CHECK_INODE_SIZE: {
		severity: 'error',
		sentence: 'inode {inode} has a size of {found} bytes; its contents make {expected}',
		explanation:
			'The size does not fit the blocks: what lies behind it can not be read, or what is promised is not there.',
		e2fsck: ['p1.bad-i-size'],
	},
	CHECK_INODE_BLOCK_COUNT: {
		severity: 'error',
		sentence: 'inode {inode} counts {found} units of space; its blocks make {expected}',
		explanation: 'The count is what du shows and what quotas are charged by.',
		e2fsck: ['p1.bad-i-blocks'],
	},
	CHECK_SYMLINK: {
		severity: 'error',
		sentence:
			'inode {inode} is a symbolic link with a size of {found} bytes, which its target has not',
		explanation: 'The target must be as long as the size says and end there.',
		e2fsck: ['p2.invalid-symlink'],
	},
	CHECK_CHARACTER_DEVICE: {
		severity: 'error',
		sentence: 'inode {inode} is a character device but holds other things',
		explanation: 'A device has a number and nothing else.',
		e2fsck: ['p2.bad-char-dev'],
	},
	CHECK_BLOCK_DEVICE: {
		severity: 'error',
		sentence: 'inode {inode} is a block device but holds other things',
		explanation: 'A device has a number and nothing else.',
		e2fsck: ['p2.bad-block-dev'],
	},
	CHECK_FIFO: {
		severity: 'error',
		sentence: 'inode {inode} is a pipe but holds other things',
		explanation: 'A pipe has no contents on the disk.',
		e2fsck: ['p2.bad-fifo'],
	},
	CHECK_SOCKET: {
		severity: 'error',
		sentence: 'inode {inode} is a socket but holds other things',
		explanation: 'A socket has no contents on the disk.',
		e2fsck: ['p2.bad-socket'],
	},
	CHECK_SPECIAL_INLINE: {
		severity: 'error',
		sentence: 'inode {inode} is a device, pipe or socket, and is marked as keeping contents',
		explanation: 'It has no contents on the disk.',
		e2fsck: ['p1.special-extents-idata', 'p1.treat-as-directory'],
	},
	CHECK_SPECIAL_IMMUTABLE: {
		severity: 'warning',
		sentence: 'inode {inode} is a device, pipe or socket, and is marked immutable or append-only',
		explanation: 'The mark is of no use there; damaged inodes often have it.',
		e2fsck: ['p1.set-immutable'],
	},
	CHECK_SPECIAL_SIZE: {
		severity: 'error',
		sentence: 'inode {inode} is a device, pipe or socket, and has a size of {found} bytes',
		explanation: 'It has no contents on the disk.',
		e2fsck: ['p1.set-nonzsize', 'p1.treat-as-directory'],
	},
	CHECK_INDEX_WITHOUT_DIRECTORY: {
		severity: 'error',
		sentence: 'inode {inode} is marked as indexed but is no directory',
		explanation: 'Only directories have hash trees.',
		e2fsck: ['p1.htree-nodir'],
	},
	CHECK_INDEX_WITHOUT_FEATURE: {
		severity: 'error',
		sentence: 'directory {inode} is marked as indexed, though dir_index is off',
		explanation: 'A bit of the inode or of the superblock was damaged.',
		e2fsck: ['p1.htree-set'],
	},
	CHECK_CASEFOLD_WITHOUT_DIRECTORY: {
		severity: 'error',
		sentence: 'inode {inode} is marked as folding case but is no directory',
		explanation: 'Only directories compare names.',
		e2fsck: ['p1.casefold-nondir'],
	},
	CHECK_AFS_WITHOUT_FEATURE: {
		severity: 'error',
		sentence: 'inode {inode} is marked as one of AFS, though imagic_inodes is off',
		explanation: 'No AFS server of today uses the mark; a bit was damaged. e2fsck clears it.',
		e2fsck: ['p1.set-imagic'],
	},
	CHECK_CASEFOLD_WITHOUT_FEATURE: {
		severity: 'error',
		sentence: 'directory {inode} is marked as folding case, though casefold is off',
		explanation: 'A bit of the inode or of the superblock was damaged.',
		e2fsck: ['p1.casefold-feature'],
	},
	CHECK_ENCRYPTION_CONTEXT_MISSING: {
		severity: 'error',
		sentence: 'inode {inode} is marked as encrypted, but no attribute says how',
		grouped: {
			of: 'inode',
			sentence: '{which} are marked as encrypted, but no attributes say how',
		},
		explanation:
			'The key and the ciphers are named by an attribute of each file; without it nobody can read the contents. If the mark itself is the damage, they are plain. e2fsck takes the mark away.',
		e2fsck: ['p1.missing-encryption-xattr'],
	},
	CHECK_ENCRYPTION_CONTEXT: {
		severity: 'error',
		sentence: 'the attribute that says how inode {inode} is encrypted is damaged',
		explanation:
			'It has another length than its version asks for. e2fsck removes the inode; nobody can read the contents.',
		e2fsck: ['p1.corrupt-encryption-xattr'],
	},
} as const satisfies FindingTable;
