/** Nothing is fsynced: the mount option has to be enough. */
import {xfstest} from './api.ts';
import {Scene, smallImage} from './tools/scene.ts';
import {expectSmallTree, makeSmallTree} from './tools/small-tree.ts';

export const test = xfstest({
	title: 'Every call that has returned on a file system mounted with sync is done after a crash',
	groups: ['auto', 'recovery', 'metadata'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount('sync');
		for (let round = 0; round < 5; round++) {
			makeSmallTree(scene, round);
			expectSmallTree(scene, round);
		}
		await scene.trial();
		t.print('all of it is there');
	},
});
