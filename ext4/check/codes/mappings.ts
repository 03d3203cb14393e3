/** Findings of pass 1, inodes: where contents lie, and blocks that several claim. */
import type {FindingTable} from '../definition.ts';

export const mappingFindings = {
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
