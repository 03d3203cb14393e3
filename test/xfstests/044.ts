/** A log: what fsync has returned for is there, and behind it is nothing that was never appended. */
import {closeSync, fsyncSync, openSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf} from './tools/files.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title:
		'After a crash an appended file is a prefix of what was appended, no shorter than at its fsync',
	groups: ['auto', 'quick', 'recovery'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		const random = t.rng(44);
		scene.mount();
		const whole = bytesOf(44, 200_000);
		const log = openSync(scene.at('log'), 'a');
		let length = 0;
		for (let round = 0; length < 120_000; round++) {
			const end = length + 1 + random.below(9000);
			writeSync(log, whole, length, end - length);
			length = end;
			if (round % 3 === 0) continue;
			fsyncSync(log);
			const least = length;
			scene.hold('log', look => {
				const found = look.bytes('log');
				if (found.length < least) return `has ${found.length} bytes, ${least} were fsynced`;
				const at = found.findIndex((byte, index) => byte !== whole[index]);
				return at === -1 ? undefined : `byte ${at} of ${found.length} was never appended`;
			});
		}
		closeSync(log);
		await scene.trial({states: 16});
		t.print('the log is a prefix, and long enough');
	},
});
