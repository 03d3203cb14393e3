/** A directory becomes a tree, its leaves split, and the power fails in between. */
import {closeSync, mkdirSync, openSync, unlinkSync} from 'node:fs';
import {xfstest} from './api.ts';
import {fsync} from './tools/files.ts';
import {Scene, smallImage} from './tools/scene.ts';

const total = 360;
const names = Array.from({length: total}, (_, index) => `${index}-${'n'.repeat(100)}`);

export const test = xfstest({
	title: 'A directory that grows into an index loses no name that was fsynced, and shows no other',
	groups: ['auto', 'quick', 'recovery', 'metadata'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		mkdirSync(scene.at('big'));
		fsync(scene.dir);
		let removed = 0;
		for (let made = 0; made < total; made++) {
			closeSync(openSync(scene.at(`big/${names[made]}`), 'wx'));
			if (made % 7 === 6) unlinkSync(scene.at(`big/${names[removed++]}`));
			if (made % 40 !== 39) continue;
			fsync(scene.at('big'));
			const wanted = names.slice(removed, made + 1);
			scene.hold('big', look => {
				const found = new Set(look.names('big'));
				// Removed since by the workload, which goes on.
				const lost = wanted.slice(6).find(name => !found.has(name));
				if (lost !== undefined) return `has lost ${lost}`;
				const unknown = [...found].find(name => !names.includes(name));
				if (unknown !== undefined) return `has gained ${unknown}`;
				const blind = wanted.slice(6).find(name => look.see(`big/${name}`) === 'absent');
				return blind === undefined ? undefined : `lists ${blind} and does not find it`;
			});
		}
		await scene.trial({states: 16});
		t.print('every name is listed and found');
	},
});
