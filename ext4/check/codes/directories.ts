/** Findings of pass 2, directories: entries, names, hash trees. */
import type {FindingTable} from '../definition.ts';

export const directoryFindings = {
	CHECK_DIRECTORY_HOLE: {
		severity: 'error',
		sentence: 'directory {directory} has a hole at its block {logical}',
		explanation:
			'Directories are never sparse: a hole is a block of names that was lost. e2fsck puts an empty block there.',
		e2fsck: ['p2.directory-hole'],
	},
	CHECK_DIRECTORY_ENTRY_LENGTH: {
		severity: 'error',
		sentence:
			'the entry at byte {offset} of block {logical} of directory {directory} is {found} bytes long; {expected}',
		explanation:
			'Each entry says where the next one begins. A length that is no multiple of 4, too short for the name or longer than the block makes all names behind it unreadable. e2fsck saves what it can of the block.',
		e2fsck: ['p2.dir-corrupted', 'p2.filename-long', 'p2.rec-len', 'p2.final-rec-len'],
	},
	CHECK_DIRECTORY_CHECKSUM: {
		severity: 'error',
		sentence:
			'block {logical} of directory {directory} has the checksum {found}; its contents make {expected}',
		grouped: {
			of: 'logical',
			sentence: 'the checksums of {which} of directory {directory} do not fit what is in them',
		},
		explanation:
			'The block was changed by something that did not know of checksums, or was damaged. The kernel refuses to read it. e2fsck checks the entries and makes the sum right.',
		e2fsck: ['p2.leaf-node-only-csum-invalid', 'p2.leaf-node-csum-invalid'],
	},
	CHECK_DIRECTORY_CHECKSUM_MISSING: {
		severity: 'error',
		sentence: 'block {logical} of directory {directory} ends without the place for its checksum',
		grouped: {
			of: 'logical',
			sentence: '{which} of directory {directory} end without the place for their checksums',
		},
		explanation:
			'With metadata_csum, a block of entries ends with twelve bytes for its checksum. e2fsck writes the directory anew.',
		e2fsck: ['p2.leaf-node-missing-csum'],
	},
	CHECK_DOT_MISSING: {
		severity: 'error',
		sentence: 'directory {directory} has no entry for itself (.)',
		explanation: 'The first entry of every directory names itself. e2fsck puts it back.',
		e2fsck: ['p2.missing-dot'],
	},
	CHECK_DOT_NAME: {
		severity: 'error',
		sentence: 'the first entry of directory {directory} is named {found}, not .',
		explanation: 'The first entry of every directory names itself. e2fsck gives it its name back.',
		e2fsck: ['p2.1st-not-dot'],
	},
	CHECK_DOT_TERMINATOR: {
		severity: 'error',
		sentence: 'the entry . of directory {directory} is not followed by a zero byte',
		explanation: 'What follows the name of . must be zero. e2fsck makes it so.',
		e2fsck: ['p2.dot-null-term'],
	},
	CHECK_DOT_INODE: {
		severity: 'error',
		sentence: 'the entry . of directory {directory} names inode {found}',
		explanation: 'A directory that calls another inode itself confuses whoever walks the tree.',
		e2fsck: ['p2.bad-inode-dot'],
	},
	CHECK_DOT_LENGTH: {
		severity: 'error',
		sentence:
			'the entry . of directory {directory} is {found} bytes long, which hides what follows',
		explanation:
			'The entry for itself takes twelve bytes. In one that is so long, others may be hidden. e2fsck splits it.',
		e2fsck: ['p2.split-dot'],
	},
	CHECK_DOTDOT_MISSING: {
		severity: 'error',
		sentence: 'directory {directory} has no entry for its parent (..)',
		explanation: 'The second entry of every directory names its parent. e2fsck puts it back.',
		e2fsck: ['p2.missing-dot-dot'],
	},
	CHECK_DOTDOT_NAME: {
		severity: 'error',
		sentence: 'the second entry of directory {directory} is named {found}, not ..',
		explanation:
			'The second entry of every directory names its parent. e2fsck gives it its name back.',
		e2fsck: ['p2.2nd-not-dot-dot'],
	},
	CHECK_DOTDOT_TERMINATOR: {
		severity: 'error',
		sentence: 'the entry .. of directory {directory} is not followed by a zero byte',
		explanation: 'What follows the name of .. must be zero. e2fsck makes it so.',
		e2fsck: ['p2.dot-dot-null-term'],
	},
	CHECK_ENTRY_INODE_NUMBER: {
		severity: 'error',
		sentence: 'entry {name} of directory {directory} names inode {found}, which no entry may',
		explanation:
			'The number is beyond the last inode, or that of a reserved one. e2fsck removes the entry.',
		e2fsck: ['p2.bad-ino'],
	},
	CHECK_ENTRY_INODE_UNUSED: {
		severity: 'error',
		sentence: 'entry {name} of directory {directory} names inode {found}, which is not in use',
		explanation:
			'The file was deleted or lost, its name was not. Opening it fails. e2fsck removes the entry.',
		e2fsck: ['p2.unused-inode'],
	},
	CHECK_ENTRY_INODE_NEVER_USED: {
		severity: 'error',
		sentence:
			'entry {name} of directory {directory} names inode {found}, which its group {group} says was never used',
		explanation:
			'A group knows which of its inodes were never used, so that nobody need read them. A name for one of these says that the group is wrong, or the name. e2fsck believes the name and looks at all inodes of the group.',
		e2fsck: ['p2.inoref-in-unused', 'p2.inoref-bg-ino-uninit'],
	},
	CHECK_ENTRY_TO_ITSELF: {
		severity: 'error',
		sentence: 'entry {name} of directory {directory} names the directory itself',
		explanation: 'Only . may do so: the tree would have no end. e2fsck removes the entry.',
		e2fsck: ['p2.link-dot'],
	},
	CHECK_ENTRY_TO_ROOT: {
		severity: 'error',
		sentence: 'entry {name} of directory {directory} names the root directory',
		explanation:
			'The root lies in no directory: the tree would have no end. e2fsck removes the entry.',
		e2fsck: ['p2.link-root'],
	},
	CHECK_ENTRY_TO_KNOWN_DIRECTORY: {
		severity: 'error',
		sentence:
			'entry {name} of directory {directory} names directory {found}, which is in directory {expected} already',
		explanation: 'A directory lies in one other, once. e2fsck removes the second name.',
		e2fsck: ['p2.link-dir'],
	},
	CHECK_ENTRY_TO_VALUE: {
		severity: 'error',
		sentence:
			'entry {name} of directory {directory} names inode {found}, which holds the value of an attribute',
		explanation: 'Such inodes are named by attributes alone. e2fsck 1.47.1 and later objects.',
		e2fsck: ['p2.ea-inode-dir-link'],
	},
	CHECK_ENTRY_TO_LOST_VALUE: {
		severity: 'warning',
		sentence:
			'entry {name} of directory {directory} names inode {found}, which held the value of an attribute',
		explanation:
			'No attribute names it any more: a repair has put it there. The kernel will not open it. e2fsck leaves it as it is; remove it with debugfs.',
		e2fsck: [],
	},
	CHECK_ENTRY_NAME_DOT: {
		severity: 'error',
		sentence: 'directory {directory} has a second entry named {name}',
		explanation: '. and .. are the first two entries and no others. e2fsck removes the entry.',
		e2fsck: ['p2.dup-dot', 'p2.dup-dot-dot'],
	},
	CHECK_ENTRY_NAME_EMPTY: {
		severity: 'error',
		sentence: 'an entry of directory {directory} for inode {found} has no name',
		explanation: 'Nobody can open or remove a file without a name. e2fsck removes the entry.',
		e2fsck: ['p2.null-name'],
	},
	CHECK_ENTRY_NAME_CHARACTER: {
		severity: 'error',
		sentence: 'entry {name} of directory {directory} has a slash or a zero byte in its name',
		explanation:
			'Neither can be typed: the file can not be reached. e2fsck writes dots in their place.',
		e2fsck: ['p2.bad-name'],
	},
	CHECK_ENTRY_NAME_TWICE: {
		severity: 'error',
		sentence: 'directory {directory} has two entries named {name}',
		explanation: 'Only one of them can be reached. e2fsck offers to rename one.',
		e2fsck: ['p2.report-dup-dirent', 'p2.duplicate-dirent', 'p2.non-unique-file'],
	},
	CHECK_ENTRY_NAME_ENCRYPTED: {
		severity: 'error',
		sentence:
			'entry {name} of the encrypted directory {directory} has a name of {found} bytes, less than a block of the cipher',
		explanation: 'No encrypted name is shorter than 16 bytes. e2fsck removes the entry.',
		e2fsck: ['p2.bad-encrypted-name'],
	},
	CHECK_ENTRY_NAME_ENCODING: {
		severity: 'error',
		sentence: 'entry {name} of the casefolded directory {directory} is not UTF-8',
		explanation:
			'The file system asks for strict encoding, and the name breaks it. e2fsck changes the name.',
		e2fsck: ['p2.bad-encoded-name'],
	},
	CHECK_ENTRY_NOT_ENCRYPTED: {
		severity: 'error',
		sentence:
			'entry {name} of the encrypted directory {directory} names inode {found}, which is not encrypted',
		explanation:
			'All files, directories and symbolic links in an encrypted directory are encrypted. e2fsck removes the entry.',
		e2fsck: ['p2.unencrypted-file'],
	},
	CHECK_ENTRY_OTHER_POLICY: {
		severity: 'error',
		sentence:
			'entry {name} of the encrypted directory {directory} names inode {found}, which is encrypted under another policy',
		explanation:
			'All that lies in an encrypted directory has its policy: the kernel refuses to open what has another, as it may have been put there to deceive. e2fsck removes the entry.',
		e2fsck: ['p2.inconsistent-encryption-policy'],
	},
	CHECK_ENTRY_TYPE: {
		severity: 'error',
		sentence:
			'entry {name} of directory {directory} says type {found}; its inode is of type {expected}',
		explanation:
			'Programs that list directories trust the type in the entry. The types are 1 file, 2 directory, 3 character device, 4 block device, 5 fifo, 6 socket, 7 symbolic link. e2fsck makes it right.',
		e2fsck: ['p2.bad-filetype'],
	},
	CHECK_ENTRY_TYPE_MISSING: {
		severity: 'warning',
		sentence:
			'entry {name} of directory {directory} does not say its type; its inode is of type {expected}',
		explanation:
			'The entry was made by something that knows no types. Nothing is lost; e2fsck fills it in.',
		e2fsck: ['p2.set-filetype'],
	},
	CHECK_ENTRY_TYPE_UNEXPECTED: {
		severity: 'error',
		sentence:
			'entry {name} of directory {directory} says type {found}, in a file system without types',
		explanation:
			'Without the feature filetype this byte belongs to the length of the name. e2fsck clears it.',
		e2fsck: ['p2.clear-filetype'],
	},
	CHECK_INDEX_UNEXPECTED: {
		severity: 'error',
		sentence: 'directory {directory} has a hash tree, which the file system does not support',
		explanation: 'The feature dir_index is off. e2fsck clears the flag.',
		e2fsck: ['p1.htree-set'],
	},
	CHECK_INDEX_ROOT: {
		severity: 'error',
		sentence: 'the root of the hash tree of directory {directory} is none: {found}',
		explanation:
			'The kernel does not use such a tree and searches the directory from end to end. e2fsck makes it anew.',
		e2fsck: ['p1.htree-badroot', 'p2.htree-bad-root', 'p2.htree-clear'],
	},
	CHECK_INDEX_HASH_VERSION: {
		severity: 'error',
		sentence: 'the hash tree of directory {directory} has the hash version {found}',
		explanation:
			'There are 0 (legacy), 1 (half MD4) and 2 (TEA), and 6 (SipHash) where a directory is encrypted and casefolded. e2fsck makes the tree anew.',
		e2fsck: ['p1.htree-hashv', 'p1.htree-needs-siphash', 'p1.htree-cannot-siphash'],
	},
	CHECK_INDEX_FLAGS: {
		severity: 'error',
		sentence: 'the hash tree of directory {directory} has the unknown flags {found}',
		explanation: 'A flag that is not known may change the tree in any way. e2fsck makes it anew.',
		e2fsck: ['p1.htree-incompat'],
	},
	CHECK_INDEX_DEPTH: {
		severity: 'error',
		sentence: 'the hash tree of directory {directory} has {found} levels of nodes below its root',
		explanation:
			'At most one, or two with large_dir. The kernel does not use such a tree. e2fsck makes it anew.',
		e2fsck: ['p1.htree-depth', 'p2.htree-bad-root', 'p2.htree-clear'],
	},
	CHECK_INDEX_BLOCK_DEPTH: {
		severity: 'error',
		sentence:
			'block {logical} of directory {directory} lies {found} levels below the root of the hash tree; by what the root says it should be {expected}',
		explanation:
			'The kernel takes names for a node of the tree, or a node for names. e2fsck makes the tree anew.',
		e2fsck: ['p2.htree-bad-depth', 'p2.htree-clear'],
	},
	CHECK_INDEX_LIMIT: {
		severity: 'error',
		sentence:
			'block {logical} of the hash tree of directory {directory} says it has room for {found} entries; it has for {expected}',
		explanation: 'Entries beyond the room would overlap other bytes. e2fsck makes the tree anew.',
		e2fsck: ['p2.htree-bad-limit', 'p2.htree-clear'],
	},
	CHECK_INDEX_COUNT: {
		severity: 'error',
		sentence:
			'block {logical} of the hash tree of directory {directory} says it has {found} entries; it has room for {expected}',
		explanation:
			'A node has from one entry to as many as there is room for. e2fsck makes the tree anew.',
		e2fsck: ['p2.htree-bad-count', 'p2.htree-clear'],
	},
	CHECK_INDEX_ORDER: {
		severity: 'error',
		sentence:
			'block {logical} of the hash tree of directory {directory} has the hash {found} behind {expected}',
		explanation: 'Names are not found where hashes are out of order. e2fsck makes the tree anew.',
		e2fsck: ['p2.htree-hash-order', 'p2.htree-clear'],
	},
	CHECK_INDEX_BLOCK: {
		severity: 'error',
		sentence: 'the hash tree of directory {directory} points to its block {found}, of {expected}',
		explanation: 'There is no such block: names are not found. e2fsck makes the tree anew.',
		e2fsck: ['p2.htree-badblk', 'p2.htree-clear'],
	},
	CHECK_INDEX_BLOCK_UNREACHED: {
		severity: 'error',
		sentence: 'the hash tree of directory {directory} does not lead to its block {logical}',
		grouped: {
			of: 'logical',
			sentence: 'the hash tree of directory {directory} does not lead to its {which}',
		},
		explanation:
			'The names in the block are listed, but not found when asked for. e2fsck makes the tree anew.',
		e2fsck: ['p2.htree-notref', 'p2.htree-clear'],
	},
	CHECK_INDEX_BLOCK_TWICE: {
		severity: 'error',
		sentence: 'the hash tree of directory {directory} leads to its block {logical} twice',
		explanation: 'Names are listed twice or not found. e2fsck makes the tree anew.',
		e2fsck: ['p2.htree-dupref', 'p2.htree-clear'],
	},
	CHECK_INDEX_RANGE: {
		severity: 'error',
		sentence:
			'block {logical} of directory {directory} has a name with the hash {found}, outside of what the hash tree has it for ({expected})',
		explanation: 'The name is listed, but not found when asked for. e2fsck makes the tree anew.',
		e2fsck: ['p2.htree-min-hash', 'p2.htree-max-hash', 'p2.htree-clear'],
	},
	CHECK_INDEX_CHECKSUM: {
		severity: 'error',
		sentence:
			'block {logical} of the hash tree of directory {directory} has the checksum {found}; its contents make {expected}',
		explanation: 'The kernel refuses to use the tree. e2fsck makes it anew.',
		e2fsck: ['p2.htree-node-csum-invalid', 'p2.htree-root-csum-invalid', 'p2.htree-clear'],
	},
} as const satisfies FindingTable;
