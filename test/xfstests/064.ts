/** fdatasync may leave times behind, not data, and not the length that is needed to reach it. */
import {closeSync, fdatasyncSync, openSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync} from './tools/files.ts';
import {file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'What fdatasync has returned for can be read after a crash',
	groups: ['auto', 'quick', 'recovery', 'rw'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		const random = t.rng(64);
		scene.mount();
		const open = openSync(scene.at('table'), 'w+');
		fsync(scene.dir);
		let model = Buffer.alloc(0);
		for (let round = 0; round < 24; round++) {
			const at = round % 3 === 0 ? model.length : random.below(model.length);
			const bytes = bytesOf(round, 1 + random.below(6000));
			scene.release('table');
			writeSync(open, bytes, 0, bytes.length, at);
			fdatasyncSync(open);
			const next = Buffer.alloc(Math.max(model.length, at + bytes.length));
			model.copy(next);
			bytes.copy(next, at);
			model = next;
			scene.expect('table', file(model));
		}
		closeSync(open);
		await scene.trial();
		t.print('the table is as it was written');
	},
});
