/** So many transactions that a journal of 1 MiB is written round and round. */
import {mkdirSync, rmSync, writeFileSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync, store} from './tools/files.ts';
import {file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'While the journal wraps, again and again, every crash leaves what was fsynced last',
	groups: ['auto', 'recovery'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		for (let round = 0; round < 140; round++) {
			const folder = scene.at(`folder-${round % 5}`);
			scene.release(`folder-${round % 5}/file`);
			rmSync(folder, {recursive: true, force: true});
			mkdirSync(folder);
			for (let index = 0; index < 12; index++) {
				writeFileSync(`${folder}/${index}-${'x'.repeat(80)}`, `${round}`);
			}
			const bytes = bytesOf(round, 1 + ((round * 37) % 3000));
			store(`${folder}/file`, bytes);
			fsync(folder);
			fsync(scene.dir);
			scene.expect(`folder-${round % 5}/file`, file(bytes));
		}
		await scene.trial({states: 24, mounts: 3});
		t.print('every folder has its file');
	},
});
