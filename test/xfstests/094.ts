/** Inodes that claim sizes, kinds and counts that can not be. */
import {mkdirSync, writeFileSync} from 'node:fs';
import {ext4_inode} from '../../ext4/layout/inode.ts';
import {poke} from '../support/poke.ts';
import {xfstest} from './api.ts';
import {type Damage, onlyForTheBrave, survive, uncheckedImage} from './tools/hostile.ts';

type Values = Parameters<typeof poke<typeof ext4_inode.fields>>[3];

const inodes: readonly (readonly [string, string, Values])[] = [
	['a file of 2^63 bytes', '/file', {i_size_high: 0x7fff_ffff, i_size_lo: 0xffff_ffff}],
	['a file of a negative size', '/file', {i_size_high: 0xffff_ffff}],
	['a directory of 2^47 bytes', '/d', {i_size_high: 0x7fff}],
	['a directory of 1 byte', '/d', {i_size_lo: 1}],
	['a root of no bytes', '<2>', {i_size_lo: 0}],
	['a root that is a file', '<2>', {i_mode: 0o100644}],
	['a kind that is none', '/file', {i_mode: 0o170644}],
	['no links', '/file', {i_links_count: 0}],
	['65535 links', '/d', {i_links_count: 0xffff}],
	['deleted, and under a name', '/file', {i_dtime: 0x5000_0000, i_links_count: 0}],
	['more room behind the inode than it has', '/file', {i_extra_isize: 60_000}],
	['room that is no multiple of four', '/file', {i_extra_isize: 7}],
	['attributes in block 0xffffffff', '/file', {i_file_acl_lo: 0xffff_ffff}],
	['attributes in the superblock', '/file', {i_file_acl_lo: 1}],
	['all flags', '/file', {i_flags: 0xffff_ffff}],
	['an encrypted directory without a key', '/d', {i_flags: 0x8_0800}],
	['a journal that is a directory', '<8>', {i_mode: 0o040755}],
	['a journal of no bytes', '<8>', {i_size_lo: 0}],
];

export const test = xfstest({
	title: 'Inodes that claim what can not be are answered with errors',
	groups: ['auto', 'hostile'],
	needs: ['program debugfs'],
	image: uncheckedImage,
	run(t) {
		onlyForTheBrave(t);
		writeFileSync(t.path('file'), Buffer.alloc(9000, 7));
		mkdirSync(t.path('d'));
		writeFileSync(t.path('d/file'), 'f');
		survive(
			t,
			inodes.map(
				([name, path, values]): Damage => [
					name,
					image => poke(ext4_inode, image.bytes, image.inode(path), values),
				],
			),
		);
	},
});
