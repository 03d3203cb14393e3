/** What fsync has returned for is there after a power cut, however much else was under way. */
import {writeFileSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, store} from './tools/files.ts';
import {file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'A new file is whole after a crash once fsync has returned',
	groups: ['auto', 'quick', 'recovery'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		const random = t.rng(41);
		scene.mount();
		for (let index = 0; index < 12; index++) {
			writeFileSync(scene.at(`beside-${index}`), bytesOf(index, 5000));
			const bytes = bytesOf(100 + index, random.below(20_000));
			store(scene.at(`file-${index}`), bytes);
			scene.expect(`file-${index}`, file(bytes));
		}
		await scene.trial();
		t.print('every file that was fsynced is there');
	},
});
