/** A journal that waits to be replayed, and lies. */
import {closeSync, fsyncSync, openSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';
import {
	type Damage,
	type HostileImage,
	onlyForTheBrave,
	survive,
	uncheckedImage,
} from './tools/hostile.ts';

/** Of the journal's block, counted from its superblock. */
function at(image: HostileImage, index: number): number {
	return image.block('<8>', index);
}

const damages: readonly Damage[] = [
	['no magic number', image => image.bytes.writeUInt32BE(0, at(image, 0))],
	['a superblock of no known version', image => image.bytes.writeUInt32BE(9, at(image, 0) + 4)],
	['blocks of another size', image => image.bytes.writeUInt32BE(4096, at(image, 0) + 12)],
	['blocks of no size', image => image.bytes.writeUInt32BE(0, at(image, 0) + 12)],
	['longer than its file', image => image.bytes.writeUInt32BE(0x7fff_ffff, at(image, 0) + 16)],
	['of length 0', image => image.bytes.writeUInt32BE(0, at(image, 0) + 16)],
	['a first block beyond its end', image => image.bytes.writeUInt32BE(0xffff, at(image, 0) + 20)],
	['a start beyond its end', image => image.bytes.writeUInt32BE(0x7fff_ffff, at(image, 0) + 28)],
	['a start on its superblock', image => image.bytes.writeUInt32BE(0, at(image, 0) + 28)],
	['features of tomorrow', image => image.bytes.writeUInt32BE(0x8000_0000, at(image, 0) + 40)],
	['an errno', image => image.bytes.writeInt32BE(-5, at(image, 0) + 32)],
	[
		'a fast commit area larger than all',
		image => image.bytes.writeUInt32BE(0xffff, at(image, 0) + 84),
	],
	[
		'a tag to a block beyond the end',
		image => image.bytes.writeUInt32BE(0x7fff_ffff, at(image, 1) + 12),
	],
	[
		'a tag to the root directory',
		image => image.bytes.writeUInt32BE(image.block('<2>') / 1024, at(image, 1) + 12),
	],
	[
		'a tag to the journal itself',
		image => image.bytes.writeUInt32BE(at(image, 1) / 1024, at(image, 1) + 12),
	],
	['tags without a last one', image => image.bytes.fill(0, at(image, 1) + 60, at(image, 1) + 1000)],
	['a descriptor that is a revoke block', image => image.bytes.writeUInt32BE(5, at(image, 1) + 4)],
	[
		'a wave of sequence numbers',
		image => {
			for (let index = 1; index < 40; index++)
				image.bytes.writeUInt32BE(0xffff_ffff, at(image, index) + 8);
		},
	],
	[
		'noise in place of a log',
		image => {
			for (let index = 1; index < 60; index++)
				image.bytes.fill(0xc0 + index, at(image, index) + 12, at(image, index) + 1024);
		},
	],
];

export const test = xfstest({
	title: 'A journal that lies is refused or recovered from, never obeyed beyond the image',
	groups: ['auto', 'hostile', 'recovery'],
	needs: ['root', 'program debugfs'],
	image: uncheckedImage,
	run(t) {
		onlyForTheBrave(t);
		for (let index = 0; index < 20; index++) {
			const file = openSync(t.path(`file-${index}`), 'w');
			writeSync(file, 'j'.repeat(3000));
			fsyncSync(file);
			closeSync(file);
		}
		// Killed: the log is as it was written last. Read-only it stays so.
		t.crash('ro');
		survive(t, damages);
	},
});
