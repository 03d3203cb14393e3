/** Nothing is fsynced; syncfs, once in a while, has to be enough for all of it. */
import {closeSync, openSync} from 'node:fs';
import {calls, xfstest} from './api.ts';
import {Scene, smallImage} from './tools/scene.ts';
import {expectSmallTree, makeSmallTree} from './tools/small-tree.ts';

export const test = xfstest({
	title: 'Everything from before a sync of the file system is there after a crash',
	groups: ['auto', 'recovery', 'metadata'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		if (t.system === 'ext4box')
			t.notRun('sync(2) and syncfs(2) do not reach a FUSE server: see README.md');
		await using scene = await Scene.open(t);
		scene.mount();
		for (let round = 0; round < 5; round++) {
			makeSmallTree(scene, round);
			const open = openSync(scene.dir, 'r');
			calls.syncFileSystem(open);
			closeSync(open);
			expectSmallTree(scene, round);
		}
		await scene.trial();
		t.print('all of it is there');
	},
});
