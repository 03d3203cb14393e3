import test from 'ava';
import {CorruptError, DeviceError, UnsupportedError} from '../../ext4/errors.ts';
import {incompatFeatures} from '../../ext4/layout/features.ts';
import {ext4_super_block} from '../../ext4/layout/superblock.ts';
import {statisticsOf} from '../../ext4/statistics.ts';
import {readSuperblock} from '../../ext4/superblock.ts';
import {Volume} from '../../ext4/volume.ts';
import {MemoryDevice} from '../support/memory-device.ts';
import {poke, viewOf} from '../support/poke.ts';
import {TinyImage, type TinyOptions} from '../support/tiny-image.ts';

type SuperblockFields = NonNullable<TinyOptions['superblock']>;

function corrupt(image: TinyImage): CorruptError {
	try {
		Volume.open(image.device());
	} catch (error) {
		if (error instanceof CorruptError) return error;
		throw error;
	}
	throw new Error('the image opened');
}

/** A tiny image with some fields of its superblock written over. */
function withFields(superblock: SuperblockFields, options: TinyOptions = {}): TinyImage {
	return new TinyImage({...options, superblock});
}

test('a file system that is well opens, and its superblock means what it says', t => {
	const superblock = readSuperblock(
		new TinyImage({
			features: ['filetype', 'extent', 'has_journal', 'metadata_csum', '64bit', 'project'],
			superblock: {
				s_journal_inum: 8,
				s_state: 3,
				s_mtime: 1,
				s_mtime_hi: 2,
				s_volume_name: 0x41,
				s_last_orphan: 12,
				s_hash_seed: 0x11,
				s_flags: 2,
				s_prj_quota_inum: 77,
				s_free_blocks_count_hi: 0,
			},
		})
			.seal()
			.device(),
	);
	t.deepEqual(superblock.geometry, {
		blockSize: 1024,
		clusterSize: 1024,
		clusterBits: 0,
		blockCount: 256,
		firstDataBlock: 1,
		blocksPerGroup: 8192,
		clustersPerGroup: 8192,
		inodesPerGroup: 32,
		inodeTableBlocks: 8,
		inodeCount: 32,
		inodeSize: 256,
		firstInode: 11,
		groupCount: 1,
		descriptorSize: 64,
		descriptorsPerBlock: 16,
	});
	t.true(superblock.isClean);
	t.true(superblock.hasErrors);
	t.is(superblock.mountTime, 2 * 2 ** 32 + 1);
	t.is(new TextDecoder().decode(superblock.label), 'A'.repeat(16));
	t.deepEqual(superblock.hashSeed, [0x11111111, 0x11111111, 0x11111111, 0x11111111]);
	t.true(superblock.isHashUnsigned);
	t.is(superblock.quotaInodes.project, 77);
	t.is(superblock.freeBlockCount, 7);
	t.deepEqual(superblock.features.names(), [
		'has_journal',
		'filetype',
		'extent',
		'64bit',
		'metadata_csum',
		'project',
	]);
});

test('revision 0 has inodes of 128 bytes, eleven reserved, and no features', t => {
	const image = withFields(
		{s_rev_level: 0, s_first_ino: 99, s_inode_size: 999, s_log_cluster_size: 0},
		{inodeSize: 128},
	);
	const {geometry, features} = readSuperblock(image.device());
	t.is(geometry.inodeSize, 128);
	t.is(geometry.firstInode, 11);
	t.deepEqual(features.names(), []);
});

for (const length of [0, 1, 1023, 1024, 2047]) {
	test(`${length} bytes are too few for a superblock`, t => {
		const error = t.throws(() => Volume.open(new MemoryDevice(new Uint8Array(length))), {
			instanceOf: CorruptError,
		});
		t.is(error.code, 'EXT4_NOT_EXT');
	});
}

test('without the magic number it is no ext file system', t => {
	t.is(corrupt(withFields({s_magic: 0xef54})).code, 'EXT4_NOT_EXT');
	const random = Uint8Array.from({length: 8192}, (_, index) => (index * 131) & 0xff);
	const error = t.throws(() => Volume.open(new MemoryDevice(random)), {instanceOf: CorruptError});
	t.is(error.code, 'EXT4_NOT_EXT');
});

test('an image that was cut off is told from one that is whole', t => {
	const image = new TinyImage();
	const cut = new MemoryDevice(image.bytes.subarray(0, image.bytes.length - 1));
	const error = t.throws(() => Volume.open(cut), {instanceOf: CorruptError});
	t.is(error.code, 'EXT4_TRUNCATED');
});

/** One row for one way to be wrong: its name, the fields written over, what else is special. */
const contradictions: readonly (readonly [string, SuperblockFields, TinyOptions?])[] = [
	['blocks of 128 KiB', {s_log_block_size: 7}],
	['blocks of 2^(10 + 4294967295) bytes', {s_log_block_size: 0xffffffff}],
	['clusters larger than blocks without bigalloc', {s_log_cluster_size: 4}],
	['clusters smaller than blocks', {s_log_cluster_size: 0}, {blockSize: 4096}],
	['clusters of 2 GiB', {s_log_cluster_size: 21}, {features: ['bigalloc', 'extent']}],
	['inodes of 0 bytes', {s_inode_size: 0}],
	['inodes of 64 bytes', {s_inode_size: 64}],
	['inodes of 255 bytes', {s_inode_size: 255}],
	['inodes larger than a block', {s_inode_size: 2048}],
	['no blocks', {s_blocks_count_lo: 0}],
	['only the boot block', {s_blocks_count_lo: 1}],
	['no blocks in a group', {s_blocks_per_group: 0, s_clusters_per_group: 0}],
	['more blocks in a group than its bitmap has bits', {s_blocks_per_group: 8193}],
	['2^32-1 blocks in a group', {s_blocks_per_group: 0xffffffff}],
	['no inodes in a group', {s_inodes_per_group: 0, s_inodes_count: 0}],
	['fewer inodes in a group than a block holds', {s_inodes_per_group: 3, s_inodes_count: 3}],
	['more inodes in a group than its bitmap has bits', {s_inodes_per_group: 8193}],
	['a count of inodes that the groups do not make', {s_inodes_count: 33}],
	['no inodes', {s_inodes_count: 0}],
	['a first data block of 0 with blocks of 1 KiB', {s_first_data_block: 0}],
	['a first data block of 1 with blocks of 4 KiB', {s_first_data_block: 1}, {blockSize: 4096}],
	['a first data block beyond the end', {s_first_data_block: 0xffffffff}],
	['a first ordinary inode below 11', {s_first_ino: 10}],
	['descriptors of 32 bytes with 64bit', {s_desc_size: 32}, {features: ['64bit', 'extent']}],
	['descriptors of 96 bytes', {s_desc_size: 96}, {features: ['64bit', 'extent']}],
	['descriptors larger than a block', {s_desc_size: 2048}, {features: ['64bit', 'extent']}],
	['a meta block group beyond the table', {s_first_meta_bg: 99}, {features: ['meta_bg', 'extent']}],
	['more bytes than a number holds', {s_blocks_count_hi: 0xffffffff}, {features: ['64bit']}],
	[
		'a group that is not so many clusters',
		{s_log_cluster_size: 4, s_clusters_per_group: 8192, s_blocks_per_group: 8192},
		{features: ['bigalloc', 'extent']},
	],
];

for (const [what, fields, options] of contradictions) {
	test(`a superblock that tells of ${what} is refused`, t => {
		t.is(corrupt(withFields(fields, options)).code, 'EXT4_BAD_SUPERBLOCK');
	});
}

test('a superblock whose checksum fails is refused, and one of an unknown kind of checksum', t => {
	const image = new TinyImage({features: ['metadata_csum', 'extent']}).seal();
	poke(ext4_super_block, image.bytes, 1024, {s_mtime: 1});
	t.is(corrupt(image).code, 'EXT4_BAD_SUPERBLOCK_CHECKSUM');
	t.notThrows(() => image.open());
	poke(ext4_super_block, image.bytes, 1024, {s_checksum_type: 2});
	t.is(corrupt(image).code, 'EXT4_BAD_SUPERBLOCK');
});

function unsupported(image: TinyImage): UnsupportedError {
	try {
		Volume.open(image.device());
	} catch (error) {
		if (error instanceof UnsupportedError) return error;
		throw error;
	}
	throw new Error('the image opened');
}

const refused = [
	[0x1, 'compression'],
	[0x1000, 'dirdata'],
	[0x20, 'FEATURE_I5'],
	[0x800, 'FEATURE_I11'],
	[2 ** 30, 'FEATURE_I30'],
	[2 ** 31, 'FEATURE_I31'],
] as const;

for (const [bit, name] of refused) {
	test(`the incompat feature ${name} is refused by its name`, t => {
		const error = unsupported(withFields({s_feature_incompat: bit + incompatFeatures.extent}));
		t.is(error.code, 'EXT4_UNSUPPORTED_FEATURE');
		t.is(error.feature, name);
		t.true(error.message.includes(name));
	});
}

test('unknown compat and ro_compat features do not hinder reading', t => {
	const image = withFields({s_feature_compat: 2 ** 31, s_feature_ro_compat: 2 ** 30});
	t.deepEqual(image.open().features.names(), ['FEATURE_C31', 'filetype', 'extent', 'FEATURE_R30']);
});

test('casefolding in an encoding that is not known is refused', t => {
	const error = unsupported(new TinyImage({features: ['casefold'], superblock: {s_encoding: 2}}));
	t.is(error.code, 'EXT4_UNSUPPORTED_ENCODING');
	t.notThrows(() => new TinyImage({superblock: {s_encoding: 2}}).open());
});

test('only file systems of Linux have checksums in their inodes', t => {
	const options = {features: ['metadata_csum', 'extent']} as const;
	for (const [s_creator_os, isChecked] of [
		[0, true],
		[1, false],
		[3, false],
	] as const) {
		const image = new TinyImage({...options, superblock: {s_creator_os}});
		image.setInode(12, {i_mode: 0o100644, i_links_count: 1});
		viewOf(image.seal().bytes).setUint16(image.inodeAt(12) + 0x7c, 0xdead, true);
		const volume = Volume.open(image.device());
		if (isChecked) t.throws(() => volume.readInode(12), {code: 'EXT4_BAD_INODE_CHECKSUM'});
		else t.is(volume.readInode(12).type, 'file');
	}
});

test('a journal device holds no files', t => {
	const error = unsupported(withFields({s_feature_incompat: incompatFeatures.journal_dev}));
	t.is(error.code, 'EXT4_UNSUPPORTED_JOURNAL_DEVICE');
});

test('a journal on another device is refused', t => {
	const error = unsupported(new TinyImage({features: ['has_journal', 'extent']}));
	t.is(error.code, 'EXT4_UNSUPPORTED_EXTERNAL_JOURNAL');
});

test('a root that is no directory, is free or is damaged does not open', t => {
	const image = new TinyImage({features: ['metadata_csum', 'extent']});
	image.setInode(2, {i_mode: 0o100644});
	t.is(corrupt(image.seal()).code, 'EXT4_BAD_INODE');
	image.setInode(2, {i_mode: 0o40755, i_links_count: 0});
	t.is(corrupt(image.seal()).code, 'EXT4_INODE_FREE');
	image.setInode(2, {i_mode: 0o40755, i_links_count: 2});
	t.notThrows(() => image.open());
	image.setInode(2, {i_mtime: 99});
	t.is(corrupt(image).code, 'EXT4_BAD_INODE_CHECKSUM');
});

test('a device that fails is no fault of the image', t => {
	const device = new TinyImage().device();
	device.read = (position, into) => {
		throw new DeviceError('input/output error', position, into.length);
	};
	t.throws(() => Volume.open(device), {instanceOf: DeviceError});
});

test('only the root and ordinary inodes may be named by a directory', t => {
	const image = new TinyImage({
		features: ['filetype', 'extent', 'quota', 'orphan_file'],
		superblock: {s_usr_quota_inum: 14, s_grp_quota_inum: 15, s_orphan_file_inum: 16},
	});
	for (let number = 1; number <= 20; number++) {
		image.setInode(number, {i_mode: number === 2 ? 0o40755 : 0o100644});
	}
	const volume = image.open();
	for (let number = 1; number <= 20; number++) {
		const isOrdinary = number === 2 || (number >= 11 && ![14, 15, 16].includes(number));
		if (isOrdinary) {
			t.is(volume.readInode(number).number, number);
		} else {
			const error = t.throws(() => volume.readInode(number), {instanceOf: CorruptError});
			t.is(error.code, 'EXT4_BAD_INODE_NUMBER');
			t.is(volume.readReservedInode(number).number, number);
		}
	}
	for (const number of [0, -1, 33, 2 ** 32]) {
		const error = t.throws(() => volume.readReservedInode(number), {instanceOf: CorruptError});
		t.is(error.code, 'EXT4_BAD_INODE_NUMBER');
	}
});

test('statistics are never negative, whatever the superblock claims', t => {
	const image = withFields({
		s_free_blocks_count_lo: 0xffffffff,
		s_r_blocks_count_lo: 0xffffffff,
		s_free_inodes_count: 0xffffffff,
		s_reserved_gdt_blocks: 0xffff,
		s_overhead_clusters: 0xffffffff,
	});
	const statistics = statisticsOf(image.open());
	for (const [name, value] of Object.entries(statistics)) {
		t.true(Number.isSafeInteger(value) && value >= 0, `${name} is ${value}`);
	}
	t.true(statistics.freeBlockCount <= 256);
	t.is(statistics.freeInodeCount, 32);
});

test('statistics of half a billion groups are counted without a step for each of them', t => {
	const image = withFields({
		s_blocks_count_lo: 2 ** 32 - 8,
		s_blocks_per_group: 8,
		s_clusters_per_group: 8,
		s_inodes_per_group: 4,
		s_inodes_count: (2 ** 29 - 1) * 4,
		s_feature_ro_compat: 1,
	});
	const device = image.device();
	Object.defineProperty(device, 'sizeBytes', {value: 2 ** 43});
	const volume = Volume.open(device);
	t.is(volume.geometry.groupCount, 2 ** 29 - 1);
	t.is(statisticsOf(volume).inodeCount, (2 ** 29 - 1) * 4);
});
