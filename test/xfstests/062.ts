/** A directory with things in it goes from one parent to another, back and forth. */
import {mkdirSync, renameSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync, store} from './tools/files.ts';
import {absent, directory, file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'A directory that is moved is in exactly one place after a crash, with all that is in it',
	groups: ['auto', 'quick', 'recovery', 'metadata'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		for (const name of ['a', 'b', 'a/moved', 'a/moved/deep']) mkdirSync(scene.at(name));
		const bytes = bytesOf(62, 5000);
		store(scene.at('a/moved/deep/file'), bytes);
		fsync(scene.dir);
		scene.hold('moved', look => {
			const places = ['a', 'b'].filter(parent => look.see(`${parent}/moved`) === directory);
			const [place] = places;
			if (place === undefined || places.length > 1) return `is in ${places.length} places`;
			const seen = look.see(`${place}/moved/deep/file`);
			return seen === file(bytes) ? undefined : `its file is ${seen}`;
		});
		for (let round = 0; round < 12; round++) {
			const [from, to] = round % 2 === 0 ? ['a', 'b'] : ['b', 'a'];
			scene.release('where');
			renameSync(scene.at(`${from}/moved`), scene.at(`${to}/moved`));
			if (round % 3 === 0) continue;
			fsync(scene.at(to));
			scene.hold('where', look =>
				look.see(`${to}/moved`) === directory && look.see(`${from}/moved`) === absent
					? undefined
					: 'is not where fsync has left it',
			);
		}
		await scene.trial({states: 16});
		t.print('the directory is in one place');
	},
});
