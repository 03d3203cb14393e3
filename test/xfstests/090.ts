/** A superblock whose fields have been made up. */
import {ext4_super_block} from '../../ext4/layout/superblock.ts';
import {poke} from '../support/poke.ts';
import {xfstest} from './api.ts';
import {type Damage, onlyForTheBrave, survive, uncheckedImage} from './tools/hostile.ts';

type Values = Parameters<typeof poke<typeof ext4_super_block.fields>>[3];

const superblocks: readonly (readonly [string, Values])[] = [
	['blocks without end', {s_blocks_count_lo: 0xffff_ffff}],
	['blocks of a tebibyte', {s_log_block_size: 30}],
	['no inodes in a group', {s_inodes_per_group: 0}],
	['more blocks in a group than its bitmap has bits', {s_blocks_per_group: 0xffff_fff8}],
	['a first block beyond the last', {s_first_data_block: 0x7fff_ffff}],
	['inodes of 7 bytes', {s_inode_size: 7}],
	['inodes larger than a block', {s_inode_size: 0x8000}],
	['descriptors of 3 bytes', {s_desc_size: 3}],
	['a feature of tomorrow', {s_feature_incompat: 0x8000_0242}],
	['a journal in no inode', {s_journal_inum: 0x7fff_fff0}],
	['a journal in the root directory', {s_journal_inum: 2}],
	['blocks reserved for more groups than there can be', {s_reserved_gdt_blocks: 0xffff}],
	['flexible groups of 2^255', {s_log_groups_per_flex: 255}],
	['a first inode of 0', {s_first_ino: 0}],
	['extra room that no inode has', {s_want_extra_isize: 60_000}],
	['orphans that begin at the root', {s_last_orphan: 2}],
	['orphans that begin nowhere', {s_last_orphan: 0xffff_fff0}],
];

export const test = xfstest({
	title: 'A superblock with impossible fields is refused, or borne',
	groups: ['auto', 'hostile'],
	image: uncheckedImage,
	run(t) {
		onlyForTheBrave(t);
		survive(
			t,
			superblocks.map(
				([name, values]): Damage => [
					name,
					({bytes}) => poke(ext4_super_block, bytes, 1024, values),
				],
			),
		);
	},
});
