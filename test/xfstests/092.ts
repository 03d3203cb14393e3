/** Extent trees and block maps that point to themselves, to each other and into the void. */
import {closeSync, openSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';
import {
	type Damage,
	type HostileImage,
	onlyForTheBrave,
	survive,
	uncheckedImage,
} from './tools/hostile.ts';

/** Of the root of a file's tree, in its inode. */
function root(image: HostileImage, path: string): number {
	return image.inode(path) + 0x28;
}

/** Of the first node below it. */
function node(image: HostileImage, path: string): number {
	return image.bytes.readUInt32LE(root(image, path) + 12 + 4) * image.blockBytes;
}

const damages: readonly Damage[] = [
	['a root without its magic number', image => image.bytes.writeUInt16LE(0, root(image, '/flat'))],
	['more extents than have room', image => image.bytes.writeUInt16LE(9, root(image, '/flat') + 2)],
	[
		'room for more than there is',
		image => {
			image.bytes.writeUInt16LE(0xffff, root(image, '/flat') + 2);
			image.bytes.writeUInt16LE(0xffff, root(image, '/flat') + 4);
		},
	],
	['a tree of depth 65535', image => image.bytes.writeUInt16LE(0xffff, root(image, '/tree') + 6)],
	[
		'a leaf that says it is a branch',
		image => image.bytes.writeUInt16LE(1, node(image, '/tree') + 6),
	],
	[
		'a tree whose root is a leaf by its depth',
		image => image.bytes.writeUInt16LE(0, root(image, '/tree') + 6),
	],
	['a branch to block 0', image => image.bytes.writeUInt32LE(0, root(image, '/tree') + 16)],
	[
		'a branch beyond the end',
		image => image.bytes.writeUInt32LE(0x7fff_ffff, root(image, '/tree') + 16),
	],
	[
		'a branch into the inode table',
		image => {
			image.bytes.writeUInt32LE(Math.floor(image.inode('/tree') / 1024), root(image, '/tree') + 16);
		},
	],
	['an extent of no blocks', image => image.bytes.writeUInt16LE(0, root(image, '/flat') + 16)],
	['an extent on the superblock', image => image.bytes.writeUInt32LE(1, root(image, '/flat') + 20)],
	[
		'an extent beyond the end',
		image => image.bytes.writeUInt32LE(0x7fff_fff0, root(image, '/flat') + 20),
	],
	['extents that overlap', image => image.bytes.writeUInt16LE(3000, node(image, '/tree') + 16)],
	[
		'extents out of order',
		image => image.bytes.writeUInt32LE(0xffff_fff0, node(image, '/tree') + 12),
	],
	[
		'a map of blocks where extents were',
		image => {
			const at = image.inode('/tree') + 0x20;
			image.bytes.writeUInt32LE(image.bytes.readUInt32LE(at) & ~0x8_0000, at);
		},
	],
	[
		"a directory on a file's blocks",
		image => {
			image.bytes.copy(
				image.bytes,
				root(image, '/lost+found'),
				root(image, '/flat'),
				root(image, '/flat') + 60,
			);
		},
	],
];

export const test = xfstest({
	title: 'Extent trees that lie are answered with errors',
	groups: ['auto', 'hostile'],
	needs: ['program debugfs'],
	image: uncheckedImage,
	run(t) {
		onlyForTheBrave(t);
		const flat = openSync(t.path('flat'), 'w');
		writeSync(flat, Buffer.alloc(8192, 7));
		closeSync(flat);
		const tree = openSync(t.path('tree'), 'w');
		for (let index = 0; index < 30; index++)
			writeSync(tree, Buffer.alloc(1024, 8), 0, 1024, index * 8192);
		closeSync(tree);
		survive(t, damages);
	},
});
