/** Symbolic links that lead in circles, and such as have no target that could be read. */
import {readFileSync, readlinkSync, statSync, symlinkSync} from 'node:fs';
import {xfstest} from './api.ts';
import {type Damage, onlyForTheBrave, survive, uncheckedImage} from './tools/hostile.ts';

const damages: readonly Damage[] = [
	[
		'a short target of 1000 bytes',
		image => image.bytes.writeUInt32LE(1000, image.inode('/short') + 4),
	],
	['a target of no bytes', image => image.bytes.writeUInt32LE(0, image.inode('/short') + 4)],
	['a target of 4 GiB', image => image.bytes.writeUInt32LE(0xffff_ffff, image.inode('/long') + 4)],
	[
		'a target of 2^48 bytes',
		image => image.bytes.writeUInt32LE(0xffff, image.inode('/long') + 0x6c),
	],
	['a NUL in the target', image => image.bytes.writeUInt8(0, image.inode('/short') + 0x28 + 2)],
	[
		'a long target without a block',
		image => image.bytes.fill(0, image.inode('/long') + 0x28 + 2, image.inode('/long') + 0x28 + 60),
	],
	[
		"a target that is a directory's block",
		image => {
			const at = image.inode('/long') + 0x28 + 20;
			image.bytes.writeUInt32LE(image.block('/lost+found') / 1024, at);
		},
	],
];

export const test = xfstest({
	title: 'Symbolic links that can not be followed end in an error',
	groups: ['auto', 'hostile', 'metadata'],
	needs: ['program debugfs'],
	image: uncheckedImage,
	run(t) {
		onlyForTheBrave(t);
		symlinkSync('b', t.path('a'));
		symlinkSync('a', t.path('b'));
		symlinkSync('.', t.path('here'));
		symlinkSync('short', t.path('short'));
		symlinkSync('l'.repeat(900), t.path('long'));
		t.attempt('in a circle of two', () => statSync(t.path('a')));
		t.attempt('to itself', () => readFileSync(t.path('short')));
		t.attempt('forty times here', () => statSync(t.path('here/'.repeat(39), 'here')).isDirectory());
		t.attempt('fifty times here', () => statSync(t.dir + '/here'.repeat(50)));
		t.attempt('read', () => readlinkSync(t.path('long')).length);
		survive(t, damages);
	},
});
