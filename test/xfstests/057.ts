/** The power fails, and fails again while the file system is being recovered. */
import {mkdirSync, renameSync, unlinkSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync, store} from './tools/files.ts';
import {file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'A crash during the recovery from a crash costs nothing',
	groups: ['auto', 'recovery'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		mkdirSync(scene.at('d'));
		for (let index = 0; index < 10; index++) {
			const bytes = bytesOf(index, 3000 + index);
			store(scene.at(`new-${index}`), bytes);
			renameSync(scene.at(`new-${index}`), scene.at(`d/file-${index}`));
			if (index > 3) unlinkSync(scene.at(`d/file-${index - 4}`));
			fsync(scene.at('d'));
			if (index >= 3) scene.release(`d/file-${index - 3}`); // The next round removes it.
			scene.expect(`d/file-${index}`, file(bytes));
		}
		for (const state of await scene.states({states: 3})) {
			await using recovery = await Scene.after(t, state);
			recovery.mount();
			await recovery.trial({states: 5, mounts: 1});
		}
		t.print('every recovery can be interrupted');
	},
});
