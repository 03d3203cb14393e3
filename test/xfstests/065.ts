/** Files that are opened with O_SYNC and O_DSYNC: write itself is the promise. */
import {closeSync, constants, openSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync} from './tools/files.ts';
import {file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title:
		'What write to a file opened with O_SYNC or O_DSYNC has returned for is there after a crash',
	groups: ['auto', 'quick', 'recovery', 'rw'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		for (const [name, flag] of [
			['sync', constants.O_SYNC],
			['dsync', constants.O_DSYNC],
		] as const) {
			const open = openSync(scene.at(name), constants.O_RDWR | constants.O_CREAT | flag);
			fsync(scene.dir);
			const whole = bytesOf(65, 40_000);
			for (let length = 0, round = 1; length < 30_000; round++) {
				const end = length + round * 777;
				scene.release(name);
				writeSync(open, whole, length, end - length);
				length = end;
				scene.expect(name, file(whole.subarray(0, length)));
			}
			closeSync(open);
		}
		await scene.trial();
		t.print('every write is there');
	},
});
