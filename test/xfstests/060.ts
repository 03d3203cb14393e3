/** Blocks that held another file's secrets are given to new files; the power fails before all is written. */
import {closeSync, openSync, unlinkSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';
import {fsync, store} from './tools/files.ts';
import {Scene, smallImage} from './tools/scene.ts';

const secret = Buffer.from('SECRET! '.repeat(128));

export const test = xfstest({
	title: 'After a crash no file shows what a removed one had in the same blocks',
	groups: ['auto', 'recovery'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		store(scene.at('secrets'), Buffer.concat(Array.from({length: 4500}, () => secret)));
		unlinkSync(scene.at('secrets'));
		fsync(scene.dir);
		const hold = () =>
			scene.hold('secrets', look => {
				const told = look.names('').find(name => Buffer.from(look.bytes(name)).includes('SECRET!'));
				return told === undefined ? undefined : `${told} shows them`;
			});
		hold();
		for (let index = 0; index < 40; index++) {
			const open = openSync(scene.at(`new-${index}`), 'w');
			for (let at = 0; at < 30; at++) writeSync(open, 'n'.repeat(1500), at * 3000 + index);
			closeSync(open);
			if (index % 6 !== 5) continue;
			fsync(scene.dir); // Names and lengths, of files nobody fsynced.
			hold();
		}
		await scene.trial({states: 24});
		t.print('no secret is told');
	},
});
