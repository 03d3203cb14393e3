/** Findings of pass 1, inodes: attributes, in inodes and in blocks, and inodes that hold their values. */
import type {FindingTable} from '../definition.ts';

export const attributeFindings = {
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
	CHECK_ATTRIBUTE_VALUE_OFFSET: {
		severity: 'error',
		sentence:
			'an attribute of inode {inode} has its value at byte {found} of {expected}, where none can be, at offset {offset}',
		explanation:
			'The value is empty or lies in another inode, so that nobody misses it. But e2fsck takes all attributes for unreadable then, those with the contents of the file too, and clears the file; copy it elsewhere first.',
		e2fsck: ['p1.inline-data-no-attr'],
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
	CHECK_VALUE_HASH: {
		severity: 'error',
		sentence:
			'inode {inode} says that the value of an attribute in it has the hash {found}; its bytes make {expected}',
		explanation:
			'The value was changed or damaged, or the hash was, which is kept in place of the time of access. The kernel refuses to read the value. e2fsck does not look at it; setting the attribute anew mends it.',
		e2fsck: [],
	},
	CHECK_VALUE_UNREADABLE: {
		severity: 'error',
		sentence: 'the value of an attribute, in inode {inode}, can not be read: {found}',
		explanation:
			'Values have no holes and lie in blocks that can be read. What is wrong with the mapping of the inode is told for itself.',
		e2fsck: [],
	},
} as const satisfies FindingTable;
