/** Symbolic links whose target lies in the inode, and such that need a block. */
import {symlinkSync} from 'node:fs';
import {xfstest} from './api.ts';
import {fsync} from './tools/files.ts';
import {absent, symlink} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title:
		'A symbolic link is there with its whole target after a crash once its directory was fsynced',
	groups: ['auto', 'recovery', 'metadata'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		for (const length of [1, 58, 59, 60, 61, 200, 500, 1000]) {
			const target = 't'.repeat(length);
			const path = `link-${length}`;
			scene.expect(path, absent, symlink(target));
			symlinkSync(target, scene.at(path));
			if (length % 2 === 1) continue;
			fsync(scene.dir);
			scene.expect(path, symlink(target));
		}
		await scene.trial({states: 16});
		t.print('every link is absent or has its target');
	},
});
