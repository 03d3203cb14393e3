import test from 'ava';
import {CorruptError} from '../../ext4/errors.ts';
import {descriptorBlock, firstBlockOfGroup, hasSuperblockCopy} from '../../ext4/groups.ts';
import {Features, incompatFeatures, roCompatFeatures} from '../../ext4/layout/features.ts';
import {readSuperblock, type Superblock} from '../../ext4/superblock.ts';
import {viewOf} from '../support/poke.ts';
import {TinyImage} from '../support/tiny-image.ts';

type Changes = {
	readonly geometry?: Partial<Superblock['geometry']>;
	readonly features?: Features;
	readonly firstMetaGroup?: number;
	readonly backupGroups?: readonly [number, number];
};

/** The superblock of a tiny image, with what matters here written over. */
function superblockWith(changes: Changes): Superblock {
	const superblock = readSuperblock(new TinyImage().device());
	return {...superblock, ...changes, geometry: {...superblock.geometry, ...changes.geometry}};
}

const sparse = new Features(0, 0, roCompatFeatures.sparse_super);

test('with sparse_super, groups 0, 1 and powers of 3, 5 and 7 have a copy of the superblock', t => {
	const superblock = superblockWith({features: sparse});
	const found = Array.from({length: 3000}, (_, index) => index).filter(index =>
		hasSuperblockCopy(superblock, index),
	);
	t.deepEqual(found, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343, 625, 729, 2187, 2401]);
});

test('without sparse_super every group has a copy, with sparse_super2 the two that are named', t => {
	const all = superblockWith({features: new Features(0, 0, 0)});
	t.true([0, 1, 2, 6, 1000].every(index => hasSuperblockCopy(all, index)));
	const two = superblockWith({features: new Features(0x200, 0, 0), backupGroups: [1, 9]});
	t.deepEqual(
		[0, 1, 2, 3, 9, 27].filter(index => hasSuperblockCopy(two, index)),
		[0, 1, 9],
	);
});

test('the table of descriptors follows the superblock, which lies in block 1 or 0', t => {
	const small = superblockWith({firstMetaGroup: 100});
	t.is(descriptorBlock(small, 0), 2);
	t.is(descriptorBlock(small, 7), 9);
	const large = superblockWith({
		geometry: {blockSize: 4096, firstDataBlock: 0},
		firstMetaGroup: 100,
	});
	t.is(descriptorBlock(large, 0), 1);
});

test('from the first meta block group on, descriptors lie in the group that they begin with', t => {
	const features = new Features(0, incompatFeatures.meta_bg, roCompatFeatures.sparse_super);
	const superblock = superblockWith({
		features,
		firstMetaGroup: 2,
		geometry: {blocksPerGroup: 8192, descriptorsPerBlock: 32},
	});
	t.is(descriptorBlock(superblock, 1), 3, 'still in the table');
	t.is(descriptorBlock(superblock, 2), 1 + 64 * 8192, 'group 64 has no copy of the superblock');
	// The first block of descriptors of a file system that has no table: behind the superblock.
	t.is(descriptorBlock({...superblock, firstMetaGroup: 0}, 0), 2);
});

test('with blocks of 1 KiB counted from 0, the boot block comes first', t => {
	const superblock = superblockWith({
		features: new Features(0, incompatFeatures.meta_bg, roCompatFeatures.bigalloc),
		firstMetaGroup: 0,
		geometry: {firstDataBlock: 0, blockSize: 1024},
	});
	t.is(descriptorBlock(superblock, 0), 2);
});

test('groups follow one another from the first data block on', t => {
	const superblock = superblockWith({geometry: {firstDataBlock: 1, blocksPerGroup: 8192}});
	t.is(firstBlockOfGroup(superblock, 0), 1);
	t.is(firstBlockOfGroup(superblock, 3), 1 + 3 * 8192);
});

const badPlaces = [
	['the inode table at block 0', {bg_inode_table_lo: 0}],
	['the inode table in the superblock', {bg_inode_table_lo: 1}],
	['the inode table that ends beyond the file system', {bg_inode_table_lo: 250}],
	['the inode table beyond the file system', {bg_inode_table_lo: 0xffffffff}],
	['the block bitmap at block 0', {bg_block_bitmap_lo: 0}],
	['the block bitmap beyond the file system', {bg_block_bitmap_lo: 256}],
	['the inode bitmap beyond the file system', {bg_inode_bitmap_lo: 0x80000000}],
] as const;

for (const [what, fields] of badPlaces) {
	test(`a descriptor with ${what} is refused`, t => {
		const image = new TinyImage();
		image.setGroup(fields);
		const error = t.throws(() => image.open(), {instanceOf: CorruptError});
		t.is(error.code, 'EXT4_BAD_GROUP_DESCRIPTOR');
		t.is(error.place.group, 0);
	});
}

test('the upper halves of places count with 64bit', t => {
	const image = new TinyImage({features: ['64bit', 'extent']});
	image.setGroup({bg_inode_table_hi: 1});
	const error = t.throws(() => image.open(), {instanceOf: CorruptError});
	t.is(error.code, 'EXT4_BAD_GROUP_DESCRIPTOR');
});

for (const feature of ['metadata_csum', 'uninit_bg'] as const) {
	for (const width of [['64bit'], []] as const) {
		const name = [feature, ...width].join(' and ');
		test(`a descriptor whose checksum fails is refused, with ${name}`, t => {
			const image = new TinyImage({features: [feature, ...width, 'extent']});
			t.notThrows(() => image.open());
			image.setGroup({bg_free_blocks_count_lo: 1});
			const error = t.throws(() => image.openAsIs(), {instanceOf: CorruptError});
			t.is(error.code, 'EXT4_BAD_GROUP_CHECKSUM');
		});
	}
}

test('without the feature the checksum of a descriptor may be anything', t => {
	const image = new TinyImage();
	viewOf(image.bytes).setUint16(2048 + 0x1e, 0x1234, true);
	t.notThrows(() => image.open());
});

test('there is no group beyond the last', t => {
	const volume = new TinyImage().open();
	t.is(volume.group(0).index, 0);
	for (const index of [1, -1, 2 ** 32]) {
		const error = t.throws(() => volume.group(index), {instanceOf: CorruptError});
		t.is(error.code, 'EXT4_BAD_GROUP_DESCRIPTOR');
	}
});
