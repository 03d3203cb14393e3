/** Group descriptors and bitmaps that give away what is in use. */
import {writeFileSync} from 'node:fs';
import {xfstest} from './api.ts';
import {
	type Damage,
	type HostileImage,
	onlyForTheBrave,
	survive,
	uncheckedImage,
} from './tools/hostile.ts';

/** Descriptors follow the superblock; with 64bit each has 64 bytes. */
const descriptors = 2048;

function bitmap(image: HostileImage, field: number): number {
	return image.bytes.readUInt32LE(descriptors + field) * image.blockBytes;
}

const damages: readonly Damage[] = [
	['a block bitmap in block 0', ({bytes}) => bytes.writeUInt32LE(0, descriptors)],
	['a block bitmap beyond the end', ({bytes}) => bytes.writeUInt32LE(0x7fff_ffff, descriptors)],
	['a block bitmap on the superblock', ({bytes}) => bytes.writeUInt32LE(1, descriptors)],
	[
		'both bitmaps in one block',
		({bytes}) => bytes.writeUInt32LE(bytes.readUInt32LE(descriptors), descriptors + 4),
	],
	['an inode table in block 0', ({bytes}) => bytes.writeUInt32LE(0, descriptors + 8)],
	['an inode table beyond the end', ({bytes}) => bytes.writeUInt32LE(0x7fff_ff00, descriptors + 8)],
	[
		'an inode table on the bitmap',
		({bytes}) => bytes.writeUInt32LE(bytes.readUInt32LE(descriptors), descriptors + 8),
	],
	['more free blocks than there are', ({bytes}) => bytes.writeUInt16LE(0xffff, descriptors + 12)],
	['more free inodes than there are', ({bytes}) => bytes.writeUInt16LE(0xffff, descriptors + 14)],
	['more directories than inodes', ({bytes}) => bytes.writeUInt16LE(0xffff, descriptors + 16)],
	['all blocks free', image => image.bytes.fill(0, bitmap(image, 0), bitmap(image, 0) + 1024)],
	['all blocks taken', image => image.bytes.fill(0xff, bitmap(image, 0), bitmap(image, 0) + 1024)],
	['all inodes free', image => image.bytes.fill(0, bitmap(image, 4), bitmap(image, 4) + 1024)],
	['all inodes taken', image => image.bytes.fill(0xff, bitmap(image, 4), bitmap(image, 4) + 1024)],
	['descriptors of noise', ({bytes}) => bytes.fill(0xa5, descriptors, descriptors + 1024)],
];

export const test = xfstest({
	title:
		'Descriptors and bitmaps that lie do not have a server overwrite its own metadata and die of it',
	groups: ['auto', 'hostile'],
	needs: ['program debugfs'],
	image: uncheckedImage,
	run(t) {
		onlyForTheBrave(t);
		for (let index = 0; index < 6; index++)
			writeFileSync(t.path(`file-${index}`), Buffer.alloc(5000, index));
		survive(t, damages);
	},
});
