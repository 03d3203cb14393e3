/** fsync of a directory is what makes names in it last, without fsync of what they name. */
import {closeSync, mkdirSync, openSync} from 'node:fs';
import {xfstest} from './api.ts';
import {fsync} from './tools/files.ts';
import {directory, file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'Names made in a directory are there after a crash once the directory was fsynced',
	groups: ['auto', 'quick', 'recovery', 'metadata'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		for (let folder = 0; folder < 6; folder++) {
			mkdirSync(scene.at(`d${folder}`));
			fsync(scene.dir);
			scene.expect(`d${folder}`, directory);
			for (let name = 0; name < 10; name++) {
				closeSync(openSync(scene.at(`d${folder}/name-${name}`), 'wx'));
			}
			mkdirSync(scene.at(`d${folder}/sub`));
			fsync(scene.at(`d${folder}`));
			scene.expect(`d${folder}/sub`, directory);
			for (let name = 0; name < 10; name++) {
				scene.expect(`d${folder}/name-${name}`, file(Buffer.of()));
			}
		}
		await scene.trial();
		t.print('every name is there');
	},
});
