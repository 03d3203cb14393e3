/** A file cut short and grown again reads zeros between, before and after a crash. */
import {closeSync, fsyncSync, ftruncateSync, openSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf} from './tools/files.ts';
import {file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title:
		'After a crash a file has the length that truncate gave it before fsync, and zeros behind its end',
	groups: ['auto', 'quick', 'recovery'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		const random = t.rng(47);
		scene.mount();
		let model = bytesOf(47, 60_000);
		const open = openSync(scene.at('f'), 'w+');
		writeSync(open, model);
		fsyncSync(open);
		scene.expect('f', file(model));
		for (let round = 0; round < 10; round++) {
			const short = random.below(model.length);
			const long = short + random.below(50_000);
			scene.release('f');
			ftruncateSync(open, short);
			if (round % 2 === 0) fsyncSync(open);
			ftruncateSync(open, long);
			fsyncSync(open);
			model = Buffer.concat([model.subarray(0, short), Buffer.alloc(long - short)]);
			scene.expect('f', file(model));
			const more = bytesOf(round, 7000);
			scene.release('f');
			writeSync(open, more, 0, more.length, long);
			fsyncSync(open);
			model = Buffer.concat([model, more]);
			scene.expect('f', file(model));
		}
		closeSync(open);
		await scene.trial();
		t.print('the lengths and the zeros are as they were');
	},
});
