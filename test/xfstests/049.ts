/** Extended attributes, in the inode and in a block of their own. */
import {writeFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';
import {fsync} from './tools/files.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title:
		'An attribute has after a crash the value that was fsynced, or a later one, never a mixture',
	groups: ['auto', 'quick', 'recovery', 'metadata'],
	needs: ['root', 'xattr'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		const random = t.rng(49);
		scene.mount();
		writeFileSync(scene.at('f'), 'f');
		const values = new Map<string, string | undefined>();
		const hold = (name: string, ...allowed: (string | undefined)[]) =>
			scene.hold(`f ${name}`, look => {
				const found = look.xattr('f', name);
				return allowed.includes(found) ? undefined : `is ${found}`;
			});
		fsync(scene.at('f'));
		for (let round = 0; round < 24; round++) {
			const name = `user.name${random.below(4)}`;
			const before = values.get(name);
			const isRemoved = before !== undefined && round % 5 === 4;
			const value = isRemoved ? undefined : String(round).repeat(1 + random.below(90));
			hold(name, before, value);
			if (value === undefined) calls.removeXattr(scene.at('f'), name);
			else calls.setXattr(scene.at('f'), name, value);
			values.set(name, value);
			fsync(scene.at('f'));
			hold(name, value);
		}
		await scene.trial();
		t.print('every attribute has its value');
	},
});
