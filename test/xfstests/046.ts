/** What was removed stays removed, and what was not is there. */
import {mkdirSync, rmdirSync, unlinkSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync, store} from './tools/files.ts';
import {absent, directory, file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'Names removed from a directory stay away after a crash once the directory was fsynced',
	groups: ['auto', 'quick', 'recovery', 'metadata'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		mkdirSync(scene.at('d'));
		const contents = (index: number) => bytesOf(index, 1 + index * 700);
		for (let index = 0; index < 16; index++) {
			store(scene.at(`d/file-${index}`), contents(index));
			mkdirSync(scene.at(`d/folder-${index}`));
		}
		fsync(scene.at('d'));
		for (let index = 0; index < 16; index++) {
			scene.expect(`d/file-${index}`, file(contents(index)));
			scene.expect(`d/folder-${index}`, directory);
		}
		for (let index = 1; index < 16; index += 2) {
			scene.expect(`d/file-${index}`, file(contents(index)), absent);
			scene.expect(`d/folder-${index}`, directory, absent);
			unlinkSync(scene.at(`d/file-${index}`));
			rmdirSync(scene.at(`d/folder-${index}`));
			fsync(scene.at('d'));
			scene.expect(`d/file-${index}`, absent);
			scene.expect(`d/folder-${index}`, absent);
		}
		await scene.trial();
		t.print('what was removed is away, the rest is there');
	},
});
