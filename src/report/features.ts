/** What each feature means, in a sentence for people. */
import {
	type CompatFeature,
	compatFeatures,
	type Feature,
	type Features,
	type IncompatFeature,
	type RoCompatFeature,
	roCompatFeatures,
} from '../../ext4/layout/features.ts';

const compat: {readonly [name in CompatFeature]: string} = {
	dir_prealloc: 'Directories were to be given blocks in advance; no Linux kernel does so.',
	imagic_inodes: 'Reserved for AFS servers, which kept inodes of their own kind here.',
	has_journal: 'Changes are written to a journal first, so that a crash leaves none half done.',
	ext_attr: 'Files may have extended attributes, such as access control lists.',
	resize_inode: 'Room is kept behind the group descriptors, so that the file system can grow.',
	dir_index: 'Large directories are indexed by a hash of the names, and quick to search.',
	lazy_bg: 'Groups that were never used were left as they were; only old test images have it.',
	exclude_inode: 'Part of the snapshots that next3 had; mainline kernels ignore it.',
	exclude_bitmap: 'Part of the snapshots that next3 had; mainline kernels ignore it.',
	sparse_super2: 'At most two groups hold backups of the superblock; it names them.',
	fast_commit: 'Small changes may be journaled in a short form, which makes fsync quicker.',
	stable_inodes: 'Inode numbers and the UUID never change, because encrypted files rely on them.',
	orphan_file: 'Files that wait for their deletion are noted in a file, not in one long list.',
};

const roCompat: {readonly [name in RoCompatFeature]: string} = {
	sparse_super: 'Only some groups hold backups of the superblock: 0, 1 and powers of 3, 5 and 7.',
	large_file: 'Files may be larger than 2 GiB.',
	btree_dir: 'Reserved for a kind of directory that was never made.',
	huge_file: 'Files may take more than 2 TiB of space.',
	uninit_bg: 'Group descriptors carry a checksum, and say which parts were never written.',
	dir_nlink: 'A directory may have more than 65,000 subdirectories.',
	extra_isize: 'Every inode keeps room for newer fields, such as times in nanoseconds.',
	has_snapshot: 'Part of the snapshots that next3 had; mainline kernels do not know them.',
	quota: 'How much space each user and group may take, and does, is kept in hidden files.',
	bigalloc: 'Space is given out in clusters of several blocks, which keeps the bitmaps small.',
	metadata_csum: 'All metadata carries a CRC-32C, so that damage is noticed.',
	replica: 'Reserved for replication; no kernel has it.',
	read_only: 'The file system must not be changed.',
	project: 'Quotas can be kept for a tree of files, by the project id of its inodes.',
	shared_blocks: 'Files share blocks with one another; such an image, as of Android, is read-only.',
	verity: 'Files may carry a hash tree, by which each read is checked against tampering.',
	orphan_present: 'The orphan file holds entries: some deletions are still to be finished.',
};

const incompat: {readonly [name in IncompatFeature]: string} = {
	compression: 'Files may be compressed, by a patch that never came into the kernel.',
	filetype: 'Directories note the type of each file beside its name.',
	needs_recovery: 'The journal holds changes that have to be brought home first.',
	journal_dev: 'This is no file system, but the journal of another one.',
	meta_bg: 'Group descriptors lie near the groups they describe, not all at the start.',
	extent: 'Files note runs of blocks and not every block, which makes large ones quick.',
	'64bit': 'Block numbers have 64 bits: the file system may be larger than 16 TiB.',
	mmp: 'A block with a sign of life keeps two computers from mounting it at once.',
	flex_bg: 'The bitmaps and inode tables of several groups lie together.',
	ea_inode: 'A large extended attribute may have an inode of its own.',
	dirdata: 'Directory entries carry more than a name; used by Lustre.',
	metadata_csum_seed: 'Checksums start from a stored seed, so that the UUID may be changed.',
	large_dir: 'Directories may be larger than 2 GiB, and their index three levels deep.',
	inline_data: 'Very small files and directories lie in the inode itself.',
	encrypt: 'Files and names may be encrypted; without the key only their size shows.',
	casefold: 'Directories may ignore the difference between upper and lower case.',
};

const sentences: {readonly [name in Feature]: string} = {...compat, ...roCompat, ...incompat};

export type FeatureRow = {
	readonly name: string;
	/** What a program must do that does not know it. */
	readonly kind: 'compat' | 'ro_compat' | 'incompat';
	readonly sentence: string;
};

function kindOf(name: string): FeatureRow['kind'] {
	if (Object.hasOwn(compatFeatures, name) || name.startsWith('FEATURE_C')) return 'compat';
	if (Object.hasOwn(roCompatFeatures, name) || name.startsWith('FEATURE_R')) return 'ro_compat';
	return 'incompat';
}

function isKnown(name: string): name is Feature {
	return Object.hasOwn(sentences, name);
}

export function explainFeatures(features: Features): FeatureRow[] {
	return features.names().map(name => ({
		name,
		kind: kindOf(name),
		sentence: isKnown(name) ? sentences[name] : 'Not known to ext4box: a newer kind of ext4.',
	}));
}
