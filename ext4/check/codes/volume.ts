/** Findings of pass 0, the volume: superblock, group descriptors, journal, and what can't be read. */
import type {FindingTable} from '../definition.ts';

export const volumeFindings = {
	CHECK_BLOCK_UNREADABLE: {
		severity: 'error',
		sentence: 'block {block} can not be read: {found}',
		grouped: {
			of: 'block',
			sentence: '{which} can not be read: {found}',
		},
		explanation:
			'The device did not give the bytes: it fails there, or it is shorter than the file system. What the block holds was not checked.',
		e2fsck: ['p1.read-error'],
	},
	CHECK_SUPERBLOCK_BAD: {
		severity: 'error',
		sentence: 'the superblock can not be used: {found}; its copy in block {copy} was used instead',
		explanation:
			'The first superblock is damaged, so that no system mounts this volume. A copy was found whole, and all that follows was checked with it. `e2fsck -b BLOCK` writes the copy back.',
		e2fsck: ['p0.open-failed', 'p0.sb-corrupt'],
	},
	CHECK_DEVICE_TOO_SHORT: {
		severity: 'error',
		sentence: 'the file system is {expected} bytes long, the device only {found}',
		explanation:
			'The superblock promises more blocks than there are. The image was cut off when it was copied, or the partition is smaller than the file system in it. What lies beyond the end is lost.',
		e2fsck: ['p0.fs-size-wrong'],
	},
	CHECK_GROUP_DESCRIPTORS_BAD: {
		severity: 'error',
		sentence:
			'{found} group descriptors lead nowhere; their copies behind block {copy} were used instead',
		explanation:
			'A group descriptor says where the bitmaps and the inode table of its group lie. These lead outside of the file system, so a copy of the whole table was used. `e2fsck -b BLOCK` does the same and writes the copy back.',
		e2fsck: ['p0.check-desc-failed'],
	},
	CHECK_GROUP_CHECKSUM: {
		severity: 'error',
		sentence: "the checksum of group {group}'s descriptor is {found}; its contents make {expected}",
		grouped: {
			of: 'group',
			sentence: 'the checksums in the descriptors of {which} do not fit what is in them',
		},
		explanation:
			'The descriptor was changed by something that does not know of checksums, or was damaged. What it says of never-used inodes and bitmaps was not believed.',
		e2fsck: ['p0.gdt-csum', 'p0.gdt-csum-latch'],
	},
	CHECK_BLOCK_BITMAP_PLACE: {
		severity: 'error',
		sentence:
			'the block bitmap of group {group} is said to lie in block {found}, where it can not be',
		grouped: {
			of: 'group',
			sentence: 'the block bitmaps of {which} are said to lie where they can not be',
		},
		explanation:
			'Without flex_bg a bitmap lies in its own group, with it anywhere in the file system. Nothing of this bitmap was checked.',
		e2fsck: ['p0.bb-not-group', 'p0.check-desc-failed', 'p0.relocate-hint', 'p1.reloc-to'],
	},
	CHECK_INODE_BITMAP_PLACE: {
		severity: 'error',
		sentence:
			'the inode bitmap of group {group} is said to lie in block {found}, where it can not be',
		grouped: {
			of: 'group',
			sentence: 'the inode bitmaps of {which} are said to lie where they can not be',
		},
		explanation:
			'Without flex_bg a bitmap lies in its own group, with it anywhere in the file system. Nothing of this bitmap was checked.',
		e2fsck: ['p0.ib-not-group', 'p0.check-desc-failed', 'p0.relocate-hint', 'p1.reloc-to'],
	},
	CHECK_INODE_TABLE_PLACE: {
		severity: 'error',
		sentence:
			'the inode table of group {group} is said to begin in block {found}, where it can not be',
		grouped: {
			of: 'group',
			sentence: 'the inode tables of {which} are said to begin where they can not be',
		},
		explanation:
			'All files whose inodes belong to this group are out of reach. Where they are needed, a copy of the group descriptors may help: `e2fsck -b BLOCK`.',
		e2fsck: ['p0.itable-not-group', 'p0.check-desc-failed', 'p0.relocate-hint', 'p1.reloc-to'],
	},
	CHECK_JOURNAL_REPLAY: {
		severity: 'error',
		sentence: 'the journal can not be replayed: {found}',
		explanation:
			'The file system was not unmounted, and the journal that would put it right is damaged at its root. It was checked as it lies, without what the journal holds.',
		e2fsck: ['p0.journal-bad-inode', 'p0.journal-unsupp-feature'],
	},
	CHECK_JOURNAL_DAMAGED: {
		severity: 'warning',
		sentence: 'the journal is damaged: {found}; it was replayed as far as possible',
		explanation:
			'A block of the log does not match its checksum. Changes that it holds are lost; the kernel refuses to mount until e2fsck has dropped them. The file system was checked as it is without them.',
		e2fsck: [],
	},
	CHECK_INODE_TABLE_CONFLICT: {
		severity: 'error',
		sentence: 'the inode table of group {group} lies over {found}, at block {block}',
		explanation:
			"Two of the file system's own structures claim the same block, so that writing one destroys the other. One of the two descriptors is damaged.",
		e2fsck: ['p1.itable-conflict', 'p0.check-desc-failed', 'p1.reloc-to'],
	},
	CHECK_BLOCK_BITMAP_CONFLICT: {
		severity: 'error',
		sentence: 'the block bitmap of group {group} lies over {found}, at block {block}',
		explanation:
			"Two of the file system's own structures claim the same block, so that writing one destroys the other. One of the two descriptors is damaged.",
		e2fsck: ['p1.bb-conflict', 'p0.check-desc-failed', 'p1.reloc-to'],
	},
	CHECK_INODE_BITMAP_CONFLICT: {
		severity: 'error',
		sentence: 'the inode bitmap of group {group} lies over {found}, at block {block}',
		explanation:
			"Two of the file system's own structures claim the same block, so that writing one destroys the other. One of the two descriptors is damaged.",
		e2fsck: ['p1.ib-conflict', 'p0.check-desc-failed', 'p1.reloc-to'],
	},
	CHECK_RESERVED_BLOCKS: {
		severity: 'error',
		sentence: '{found} blocks are reserved for root; at most {expected}, half of all, may be',
		explanation:
			'The count is beyond what any tool sets. e2fsck takes the superblock for damaged and stops.',
		e2fsck: ['p0.sb-corrupt'],
	},
	CHECK_FLEX_GROUP_SIZE: {
		severity: 'error',
		sentence: 'the superblock says that 2^{found} groups make a flexible one; 2^{expected} may',
		explanation:
			'The kernel takes such a number for none; e2fsck and all that uses its library refuse the superblock, and take a copy of it.',
		e2fsck: ['p0.open-failed', 'p0.sb-corrupt'],
	},
	CHECK_CLUSTERS_PER_GROUP: {
		severity: 'error',
		sentence:
			'the superblock says that a group has {found} clusters; without bigalloc that is its number of blocks, {expected}',
		explanation:
			'The kernel does not look at the number where there is no bigalloc; e2fsck and all that uses its library refuse the superblock, and take a copy of it.',
		e2fsck: ['p0.open-failed', 'p0.sb-corrupt'],
	},
	CHECK_DESCRIPTOR_SIZE: {
		severity: 'error',
		sentence:
			'the superblock says that a group descriptor has {found} bytes; it has 32, and what stands there must be a power of two up to {expected}',
		explanation:
			'Without 64bit the kernel does not look at the number; e2fsck and all that uses its library refuse the superblock, and take a copy of it.',
		e2fsck: ['p0.open-failed', 'p0.sb-corrupt'],
	},
	CHECK_UUID_MISSING: {
		severity: 'error',
		sentence: 'the file system has no UUID',
		explanation:
			'Checksums start from the UUID, and systems find volumes by it. e2fsck would make one.',
		e2fsck: ['p0.add-uuid'],
	},
	CHECK_EXTRA_SIZE_WANTED: {
		severity: 'warning',
		sentence: '{field} is {found}; a multiple of 4 up to {expected} is possible',
		explanation:
			'The superblock says how large the extra part of new inodes is to be. e2fsck sets it to what is usual.',
		e2fsck: ['p0.bad-min-extra-isize', 'p0.bad-want-extra-isize'],
	},
	CHECK_RESIZE_WITH_META_BG: {
		severity: 'error',
		sentence: 'the features resize_inode and meta_bg are both on',
		explanation: 'Both say where more group descriptors will go, and they can not both be right.',
		e2fsck: ['p0.disable-resize-inode'],
	},
	CHECK_HURD_FILETYPE: {
		severity: 'warning',
		sentence: 'the filetype feature is on in a file system of the Hurd',
		explanation: 'The Hurd does not know of types in directory entries.',
		e2fsck: ['p0.hurd-clear-filetype', 'p2.set-filetype'],
	},
	CHECK_GROUP_UNINIT_WITHOUT_FEATURE: {
		severity: 'warning',
		sentence: 'group {group} is marked as never used ({found}), which needs checksums of groups',
		grouped: {
			of: 'group',
			sentence: '{which} are marked as never used, which needs checksums of groups',
		},
		explanation: 'Without uninit_bg or metadata_csum all bitmaps and inode tables are in use.',
		e2fsck: ['p0.gdt-uninit'],
	},
	CHECK_LAST_GROUP_UNINIT: {
		severity: 'error',
		sentence: 'the block bitmap of the last group, {group}, is marked as never written',
		explanation: 'The last group may be short, which its bitmap must show.',
		e2fsck: ['p0.bb-uninit-last'],
	},
	CHECK_GROUP_UNUSED_INODES: {
		severity: 'error',
		sentence:
			'group {group} counts {found} inodes that were never used, but only {expected} free ones',
		grouped: {
			of: 'group',
			sentence: '{which} count more inodes that were never used than free ones',
		},
		explanation:
			'Inodes at the end of a table that were never used are skipped when the file system is checked; too many of them would hide files.',
		e2fsck: ['p0.gdt-itable-unused'],
	},
	CHECK_QUOTA_INODE: {
		severity: 'error',
		sentence: 'inode {found} can not hold the {kind} quota',
		explanation:
			'Quotas of users and groups lie in inodes 3 and 4, those of projects in an ordinary inode.',
		e2fsck: ['p0.invalid-quota-ino'],
	},
	CHECK_MMP_BLOCK: {
		severity: 'error',
		sentence: 'the block against multiple mounts is said to be block {found}, which can not be',
		explanation:
			'With the mmp feature a block says who uses the file system. Systems refuse to mount without it.',
		e2fsck: ['p0.mmp-invalid-blk'],
	},
	CHECK_MMP_MAGIC: {
		severity: 'error',
		sentence: 'the block against multiple mounts begins with {found} instead of {expected}',
		explanation:
			'With the mmp feature a block says who uses the file system. Systems refuse to mount without it.',
		e2fsck: ['p0.mmp-invalid-magic'],
	},
	CHECK_MMP_CHECKSUM: {
		severity: 'error',
		sentence:
			'the checksum of the block against multiple mounts is {found}; its contents make {expected}',
		explanation:
			'The block that says who uses the file system was damaged, or changed by something that does not know of checksums.',
		e2fsck: ['p0.mmp-csum-invalid'],
	},
	CHECK_MMP_SEQUENCE: {
		severity: 'error',
		sentence: 'the block against multiple mounts has the number {found}, which nobody writes there',
		explanation:
			'The number counts while somebody uses the file system; some of the greatest say other things, and this is none of them. e2fsck ends at it; `tune2fs -f -E clear_mmp` mends it, where nobody uses the file system.',
		e2fsck: [],
	},
	CHECK_MMP_IN_USE: {
		severity: 'warning',
		sentence: 'the file system says that it is in use (mmp number {found})',
		explanation:
			'A host has it mounted, or was stopped while it had. If it is in use, what is read here may be half old and half new.',
		e2fsck: [],
	},
	CHECK_RECOVERY_WITHOUT_JOURNAL: {
		severity: 'error',
		sentence: "the file system needs a journal's recovery and has no journal",
		explanation:
			'The feature needs_recovery makes no sense without has_journal; one of the two bits was damaged.',
		e2fsck: ['p0.journal-recover-set'],
	},
	CHECK_JOURNAL_WITHOUT_FEATURE: {
		severity: 'warning',
		sentence: 'the superblock names inode {found} as the journal, but has_journal is off',
		explanation: 'The journal is not used. e2fsck would remove it.',
		e2fsck: ['p0.journal-has-journal'],
	},
	CHECK_JOURNAL_INODE: {
		severity: 'error',
		sentence: 'inode {inode} can not be the journal: {found}',
		explanation:
			'Without its journal the file system can not be mounted for writing. e2fsck removes it and makes a new one.',
		e2fsck: ['p0.journal-bad-inode'],
	},
	CHECK_JOURNAL_SUPERBLOCK: {
		severity: 'error',
		sentence: "the journal's superblock is damaged: {found}",
		explanation:
			'Without its journal the file system can not be mounted for writing. e2fsck removes it and makes a new one.',
		e2fsck: ['p0.journal-unsupp-super', 'p0.journal-bad-super'],
	},
	CHECK_JOURNAL_VERSION: {
		severity: 'error',
		sentence: 'a journal of version 1 has fields that only version 2 knows',
		explanation: "The journal's superblock was damaged, or its type was.",
		e2fsck: ['p0.clear-v2-journal'],
	},
	CHECK_JOURNAL_NOT_EMPTY: {
		severity: 'warning',
		sentence:
			'the journal holds transactions from block {found} on, though the superblock says that none need recovery',
		explanation:
			'The superblock was written by something that does not know of the journal, or is an old copy. Whether the log or the file system is newer can not be told.',
		e2fsck: ['p0.journal-run'],
	},
	CHECK_JOURNAL_ERROR: {
		severity: 'warning',
		sentence: 'the journal was given up with error {found}',
		explanation:
			'The kernel met an error while it wrote and noted it in the journal. The next mount tells it to the superblock.',
		e2fsck: [],
	},
	CHECK_RESIZE_INODE: {
		severity: 'warning',
		sentence: 'the inode that keeps room for more group descriptors is damaged: {found}',
		explanation:
			'It is only used to grow the file system while it is mounted. e2fsck makes it anew.',
		e2fsck: ['p0.resize-inode-invalid'],
	},
	CHECK_RESIZE_INODE_NOT_CLEAR: {
		severity: 'error',
		sentence: 'inode {inode}, which resize_inode would use, has blocks, though the feature is off',
		explanation: 'The blocks belong to nobody. e2fsck clears the inode.',
		e2fsck: ['p0.clear-resize-inode'],
	},
	CHECK_ORPHAN_LIST: {
		severity: 'error',
		sentence: 'the list of orphans leads to inode {found}, which can not be on it',
		explanation:
			'Inodes that wait to be freed are linked to a list. Those behind the break are lost until e2fsck frees them.',
		e2fsck: [
			'p0.orphan-illegal-inode',
			'p0.orphan-illegal-head-inode',
			'p0.orphan-already-cleared-inode',
			'p1.orphan-list-refugees',
		],
	},
	CHECK_JOURNAL_USERS: {
		severity: 'error',
		sentence:
			'the journal counts {found} file systems that use it; one in a file system has one user',
		explanation:
			"The journal's superblock is damaged, or of version 1 with a wrong type. e2fsck clears the fields.",
		e2fsck: ['p0.clear-v2-journal'],
	},
	CHECK_JOURNAL_STRAY: {
		severity: 'error',
		sentence:
			'the superblock names a journal on another device, which this file system does not have',
		explanation:
			'A UUID in the superblock says that the journal lies on another device, while all else says that it lies here or that there is none. e2fsck looks for the other device first and stops without it.',
		e2fsck: ['p0.journal-bad-dev', 'p0.journal-unsupp-multifs'],
	},
} as const satisfies FindingTable;
