/** As careful programs save: a new file, fsync, a rename over the old one, fsync of the directory. */
import {renameSync, writeFileSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync, store} from './tools/files.ts';
import {file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title:
		'A file replaced by rename after fsync is the old one or the new one, whole, after a crash',
	groups: ['auto', 'quick', 'recovery'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		let old = bytesOf(0, 3000);
		store(scene.at('document'), old);
		fsync(scene.dir);
		scene.expect('document', file(old));
		for (let round = 1; round <= 8; round++) {
			const next = bytesOf(round, 1000 + round * 2500);
			writeFileSync(scene.at('document.new'), next);
			fsync(scene.at('document.new'));
			scene.expect('document', file(old), file(next));
			renameSync(scene.at('document.new'), scene.at('document'));
			if (round % 2 === 0) {
				fsync(scene.dir);
				scene.expect('document', file(next));
			}
			old = next;
		}
		await scene.trial();
		t.print('the document is the old one or the new one');
	},
});
