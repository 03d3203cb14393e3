/** Findings of pass 1, inodes: fields, mappings, attributes, and blocks claimed twice. */
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
	CHECK_INLINE_SHORT: {
		severity: 'warning',
		sentence: 'inode {inode} is {found} bytes long, and keeps {expected} of them in itself',
		explanation:
			'The size or the contents are damaged. The kernel reads zeros for what is missing, ext4box refuses to read the file, and e2fsck leaves it as it is.',
		e2fsck: [],
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
	CHECK_EXTENT_HEADER: {
		severity: 'error',
		sentence: "a node of inode {inode}'s extent tree has a damaged header",
		explanation: 'What this node leads to is out of reach.',
		e2fsck: ['p1.extent-header-invalid', 'p1.extent-iterate-failure'],
	},
	CHECK_EXTENT_HEADER_MISSING: {
		severity: 'error',
		sentence: 'inode {inode} is marked as having extents but holds no extent tree',
		explanation: 'The root of the tree was wiped. Its blocks are lost.',
		e2fsck: ['p1.missing-extent-header'],
	},
	CHECK_EXTENT_DEPTH: {
		severity: 'warning',
		sentence:
			"inode {inode}'s extent tree claims to be {found} levels deep; {expected} are enough for any file",
		explanation: 'The kernel refuses to read such a file. e2fsck makes the tree anew.',
		e2fsck: ['p1.extent-bad-max-depth'],
	},
	CHECK_EXTENT_NODE_EMPTY: {
		severity: 'error',
		sentence: "a node of inode {inode}'s extent tree is empty",
		explanation: 'Only the root of an empty file may be.',
		e2fsck: ['p1.extent-header-invalid'],
	},
	CHECK_EXTENT_EMPTY: {
		severity: 'error',
		sentence: 'an extent of inode {inode} has a length of 0, at its block {logical}',
		explanation: 'An extent maps at least one block.',
		e2fsck: ['p1.extent-length-zero'],
	},
	CHECK_EXTENT_BLOCKS: {
		severity: 'error',
		sentence:
			'an extent of inode {inode} leads to {found}, outside of the {expected} blocks that there are, at its block {logical}',
		explanation: 'The extent is damaged; what it mapped is lost.',
		e2fsck: [
			'p1.extent-bad-start-blk',
			'p1.extent-ends-beyond',
			'p1.inode-block-latch',
			'p1.illegal-block-num',
		],
	},
	CHECK_EXTENT_ORDER: {
		severity: 'error',
		sentence:
			'an extent of inode {inode} begins at its block {found}, though one before it ends at {expected}',
		explanation: 'Extents are in order and do not overlap.',
		e2fsck: ['p1.out-of-order-extents', 'p1.extent-collision'],
	},
	CHECK_EXTENT_END: {
		severity: 'error',
		sentence:
			'an extent of inode {inode} ends at its block {found}, beyond what its node may map, {expected}',
		explanation: 'The node that leads here ends earlier; the same block would be mapped twice.',
		e2fsck: ['p1.extent-end-out-of-bounds'],
	},
	CHECK_EXTENT_INDEX: {
		severity: 'error',
		sentence:
			"a node of inode {inode}'s extent tree begins at its block {expected}, though it is found at {found}",
		explanation:
			'The entry that leads to a node has the first block that the node maps; searching goes wrong where it has not.',
		e2fsck: ['p1.extent-index-start-invalid'],
	},
	CHECK_EXTENT_CHECKSUM: {
		severity: 'error',
		sentence:
			'the checksum of an extent node of inode {inode} is {found}; its contents make {expected}',
		explanation:
			'The node was changed by something that does not know of checksums, or was damaged.',
		e2fsck: ['p1.extent-only-csum-invalid', 'p1.extent-csum-invalid'],
	},
	CHECK_DIRECTORY_TOO_LONG: {
		severity: 'error',
		sentence: 'directory {inode} maps its block {logical}, beyond what a directory may have',
		explanation: 'Directories end at 2 GiB without large_dir.',
		e2fsck: ['p1.toobig-dir', 'p1.inode-toobig'],
	},
	CHECK_DIRECTORY_UNWRITTEN: {
		severity: 'error',
		sentence: 'directory {inode} has space that was never written, at its block {logical}',
		explanation: 'Blocks of a directory are written as they are made.',
		e2fsck: ['p1.uninit-dblock'],
	},
	CHECK_BLOCK_NUMBER: {
		severity: 'error',
		sentence:
			'inode {inode} leads to block {found}, outside of the {expected} that there are, at its block {logical}',
		grouped: {
			of: 'logical',
			sentence:
				'inode {inode} leads to blocks outside of the {expected} that there are, at its {which}',
		},
		explanation: 'The number is damaged; what it mapped is lost.',
		e2fsck: [
			'p1.illegal-block-num',
			'p1.inode-block-latch',
			'p1.unknown-010011',
			'p1.suppress-messages',
			'p1.bb-illegal-block-num',
			'p1.inode-bblock-latch',
		],
	},
	CHECK_CLUSTER_MISALIGNED: {
		severity: 'error',
		sentence:
			'inode {inode} maps its block {logical} to block {block}, at another place in the cluster',
		explanation:
			'With bigalloc a block has the same place in its cluster in the file as on the disk.',
		e2fsck: ['p1.misaligned-cluster'],
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
	CHECK_ATTRIBUTE_LIST: {
		severity: 'error',
		sentence: 'the attributes of inode {inode} do not end, at offset {offset}',
		explanation: 'The list must end with four bytes of zeros; none was found.',
		e2fsck: ['p1.inode-ea-alloc-collision', 'p1.ea-alloc-collision'],
	},
	CHECK_ATTRIBUTE_NAME: {
		severity: 'error',
		sentence:
			'an attribute of inode {inode} has a name of {found} bytes, which does not fit, at offset {offset}',
		explanation: 'The list of attributes is damaged from here on.',
		e2fsck: ['p1.attr-name-len', 'p1.ea-bad-name'],
	},
	CHECK_ATTRIBUTE_NAME_NUL: {
		severity: 'error',
		sentence: 'an attribute of inode {inode} has a zero byte in its name, at offset {offset}',
		explanation:
			'No system call can name it, so that nobody made it: the name or its length is damaged. e2fsck takes the name to end there.',
		e2fsck: ['p1.ea-bad-name'],
	},
	CHECK_ATTRIBUTE_ACL: {
		severity: 'error',
		sentence: 'inode {inode} has an access control list that can not be read: {found}',
		explanation:
			'The kernel refuses what is asked of such a file, as it can not tell who may. e2fsck does not look into these lists; `setfacl -b` or removing the attribute mends it.',
		e2fsck: [],
	},
	CHECK_ATTRIBUTE_NAME_INDEX: {
		severity: 'error',
		sentence:
			'an attribute of inode {inode} is of the kind {found}, which there is not, at offset {offset}',
		explanation:
			'Each attribute says by a number what its name begins with: user., security. and so on. Nothing begins with nothing. e2fsck clears the block of attributes.',
		e2fsck: ['p1.ea-bad-name'],
	},
	CHECK_ATTRIBUTE_VALUE_SIZE: {
		severity: 'error',
		sentence:
			'an attribute of inode {inode} has a value of {found} bytes, which can not be, at offset {offset}',
		explanation: 'The value does not fit where it should lie.',
		e2fsck: ['p1.attr-value-size', 'p1.ea-bad-value'],
	},
	CHECK_ATTRIBUTE_OVERLAP: {
		severity: 'error',
		sentence: 'the value of an attribute of inode {inode} lies over another, at {found}',
		explanation: 'Two attributes share bytes, or one lies over the list.',
		e2fsck: ['p1.inode-ea-alloc-collision', 'p1.ea-alloc-collision'],
	},
	CHECK_ATTRIBUTE_HASH: {
		severity: 'error',
		sentence: 'an attribute of inode {inode} has the hash {found}; name and value make {expected}',
		explanation: 'The value was changed or damaged.',
		e2fsck: ['p1.attr-hash'],
	},
	CHECK_ATTRIBUTE_HOLDER: {
		severity: 'error',
		sentence: 'an attribute of inode {inode} has its value in inode {found}, which can not be',
		explanation: 'The number is damaged; the value is lost.',
		e2fsck: ['p1.attr-value-ea-inode'],
	},
	CHECK_ATTRIBUTE_HOLDER_UNMARKED: {
		severity: 'error',
		sentence:
			'an attribute of inode {inode} has its value in inode {found}, which is not marked as holding one',
		explanation: 'The mark was lost; the kernel refuses to read the value.',
		e2fsck: ['p1.attr-no-ea-inode-fl', 'p1.attr-set-ea-inode-fl'],
	},
	CHECK_ATTRIBUTE_HOLDER_SIZE: {
		severity: 'error',
		sentence:
			'an attribute of inode {inode} has a value of {found} bytes in inode {holder}, which has {expected}',
		explanation: 'The kernel refuses to read the value.',
		e2fsck: ['p1.attr-value-size'],
	},
	CHECK_ATTRIBUTE_BLOCK: {
		severity: 'error',
		sentence:
			'block {block}, said to hold attributes of inode {inode}, begins with {found} instead of {expected}',
		explanation: 'The block holds something else; the attributes are lost.',
		e2fsck: ['p1.bad-ea-block', 'p1.read-ea-block', 'p1.ea-multi-block'],
	},
	CHECK_ATTRIBUTE_BLOCK_CHECKSUM: {
		severity: 'error',
		sentence: 'the checksum of attribute block {block} is {found}; its contents make {expected}',
		explanation:
			'The block was changed by something that does not know of checksums, or was damaged.',
		e2fsck: ['p1.ea-block-only-csum-invalid'],
	},
	CHECK_ATTRIBUTE_BLOCK_REFERENCES: {
		severity: 'error',
		sentence:
			'attribute block {block} has the reference count {found}; by the inodes that use it, it should be {expected}',
		explanation: 'The block is freed too early or never.',
		e2fsck: ['p1.extattr-refcount'],
	},
	CHECK_VALUE_INODE_MODE: {
		severity: 'error',
		sentence: "inode {inode} is marked as holding an attribute's value but has the mode {found}",
		explanation: 'Values lie in regular files.',
		e2fsck: ['p1.ea-inode-nonreg'],
	},
	CHECK_VALUE_REFERENCES: {
		severity: 'error',
		sentence:
			"inode {inode}, which holds an attribute's value, counts {found} uses; there are {expected}",
		explanation: 'The value is freed too early or never.',
		e2fsck: ['p4.ea-inode-ref-count'],
	},
	CHECK_BLOCKS_CLAIMED_TWICE: {
		severity: 'error',
		sentence: '{found} of inode {inode} also belong to {expected}',
		explanation:
			'Two files share blocks: what is written to one appears in the other. e2fsck copies the blocks or deletes a file.',
		e2fsck: [
			'p1b.dup-block-header',
			'p1b.dup-block',
			'p1b.dup-range',
			'p1b.dup-block-end',
			'p1d.dup-file',
			'p1d.dup-file-list',
			'p1d.num-dup-inodes',
			'p1d.clone-question',
			'p1d.delete-question',
			'p1b.block-iterate',
			'p1.progerr-claimed-block',
			'p1.badblocks-in-badblocks',
		],
	},
	CHECK_BLOCKS_CLAIMED_METADATA: {
		severity: 'error',
		sentence: '{found} of inode {inode} also belong to {expected}',
		explanation:
			"A file lies over the file system's own structures: writing to it destroys them. e2fsck copies the blocks or deletes the file.",
		e2fsck: [
			'p1.critical-metadata-collision',
			'p1b.dup-block-header',
			'p1b.dup-block',
			'p1b.dup-range',
			'p1b.dup-block-end',
			'p1d.dup-file',
			'p1d.share-metadata',
			'p1d.num-dup-inodes',
			'p1d.clone-question',
			'p1d.delete-question',
			'p1d.dup-file-list',
			'p1b.block-iterate',
		],
	},
	CHECK_BAD_BLOCKS_METADATA: {
		severity: 'error',
		sentence: '{found}, listed as bad in inode 1, hold {expected}',
		explanation:
			"The list of bad blocks names one of the file system's own. If the list is right, what lies there must move; if it is damaged, e2fsck clears it.",
		e2fsck: [
			'p1.bb-bad-block',
			'p1.ib-bad-block',
			'p1.bad-primary-block',
			'p1.bad-primary-block-prompt',
			'p1.bad-primary-superblock',
			'p1.bad-primary-group-descriptor',
			'p1.bad-superblock',
			'p1.bad-group-descriptors',
			'p1.badblocks-in-badblocks',
			'p1.reloc-to',
			'p1.bbinode-bad-metablock',
		],
	},
	CHECK_EXTENT_TREE_DEEP: {
		severity: 'note',
		sentence: 'inode {inode} has {found} extents, which would fit the inode without further blocks',
		explanation:
			'The file had more extents once. Nothing is wrong; e2fsck would make the tree shallower.',
		e2fsck: ['p1e.can-collapse-extent-tree', 'p1e.can-narrow-extent-tree'],
	},
} as const satisfies FindingTable;
