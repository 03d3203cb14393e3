/** Attribute blocks, and attributes in inodes, with offsets and lengths that point elsewhere. */
import {writeFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';
import {
	type Damage,
	type HostileImage,
	onlyForTheBrave,
	survive,
	uncheckedImage,
} from './tools/hostile.ts';

/** Of the attribute block of the file `outside`. */
function block(image: HostileImage): number {
	return image.bytes.readUInt32LE(image.inode('/outside') + 0x68) * image.blockBytes;
}

/** Of the attributes behind the inode of the file `inside`. */
function behind(image: HostileImage): number {
	const inode = image.inode('/inside');
	return inode + 128 + image.bytes.readUInt16LE(inode + 0x80);
}

const damages: readonly Damage[] = [
	['a block without its magic number', image => image.bytes.writeUInt32LE(0, block(image))],
	['a block nobody refers to', image => image.bytes.writeUInt32LE(0, block(image) + 4)],
	[
		'a block everybody refers to',
		image => image.bytes.writeUInt32LE(0xffff_ffff, block(image) + 4),
	],
	['a block of 77 blocks', image => image.bytes.writeUInt32LE(77, block(image) + 8)],
	['a name of 255 bytes', image => image.bytes.writeUInt8(255, block(image) + 32)],
	['a prefix of no meaning', image => image.bytes.writeUInt8(99, block(image) + 33)],
	['a value beyond the block', image => image.bytes.writeUInt16LE(0xfff0, block(image) + 34)],
	['a value on the entries', image => image.bytes.writeUInt16LE(32, block(image) + 34)],
	['a value in inode 2', image => image.bytes.writeUInt32LE(2, block(image) + 36)],
	['a value of 4 GiB', image => image.bytes.writeUInt32LE(0xffff_ffff, block(image) + 40)],
	['an inode without the magic number', image => image.bytes.writeUInt32LE(1, behind(image))],
	['a name behind the inode of 255 bytes', image => image.bytes.writeUInt8(255, behind(image) + 4)],
	['a value beyond the inode', image => image.bytes.writeUInt16LE(0x7ff0, behind(image) + 6)],
	[
		'a value behind the inode of 4 GiB',
		image => image.bytes.writeUInt32LE(0xffff_fffc, behind(image) + 12),
	],
];

export const test = xfstest({
	title: 'Attributes that lie about their place and length are answered with errors',
	groups: ['auto', 'hostile', 'metadata'],
	needs: ['program debugfs', 'xattr'],
	image: uncheckedImage,
	run(t) {
		onlyForTheBrave(t);
		writeFileSync(t.path('inside'), '');
		calls.setXattr(t.path('inside'), 'user.short', 'value');
		writeFileSync(t.path('outside'), '');
		calls.setXattr(t.path('outside'), 'user.long', 'v'.repeat(700));
		survive(t, damages);
	},
});
