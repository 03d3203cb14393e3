/** Space taken, zeroed and given back: what fallocate did before fsync is done after a crash. */
import {closeSync, fsyncSync, openSync, writeSync} from 'node:fs';
import {calls, xfstest} from './api.ts';
import {bytesOf} from './tools/files.ts';
import {file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

const {keepSize, punchHole, zeroRange} = calls.allocate;

export const test = xfstest({
	title: 'What fallocate changed reads after a crash as it did when fsync returned',
	groups: ['auto', 'recovery'],
	needs: ['root', 'allocate', 'punch-hole', 'zero-range'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		const random = t.rng(48);
		scene.mount();
		const model = Buffer.alloc(200_000);
		const open = openSync(scene.at('f'), 'w+');
		calls.fallocate(open, 0, 0, model.length);
		fsyncSync(open);
		scene.expect('f', file(model));
		for (let round = 0; round < 20; round++) {
			const at = random.below(190_000);
			const length = 1 + random.below(10_000);
			scene.release('f');
			if (round % 2 === 0) {
				writeSync(open, bytesOf(round, length), 0, length, at);
				bytesOf(round, length).copy(model, at);
			} else {
				const mode = round % 4 === 1 ? punchHole | keepSize : zeroRange | keepSize;
				calls.fallocate(open, mode, at, length);
				model.fill(0, at, at + length);
			}
			if (round % 3 === 2) calls.fallocate(open, keepSize, model.length + round * 8192, 8192);
			fsyncSync(open);
			scene.expect('f', file(Buffer.from(model)));
		}
		closeSync(open);
		await scene.trial();
		t.print('the file reads as it did');
	},
});
