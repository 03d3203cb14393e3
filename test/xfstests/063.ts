/** Two files, and a file and a directory, change places. */
import {mkdirSync} from 'node:fs';
import {calls, xfstest} from './api.ts';
import {bytesOf, fsync, store} from './tools/files.ts';
import {directory, file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'After a crash either both names were exchanged or neither',
	groups: ['auto', 'quick', 'recovery', 'metadata'],
	needs: ['root', 'exchange'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		for (const name of ['p', 'q', 'p/folder']) mkdirSync(scene.at(name));
		const [one, two] = [bytesOf(1, 3000), bytesOf(2, 6000)];
		store(scene.at('p/file'), one);
		store(scene.at('q/file'), two);
		fsync(scene.at('p'));
		fsync(scene.at('q'));
		const hold = (name: string, pairs: readonly [string, string][], p: string, q: string) =>
			scene.hold(name, look => {
				const seen = [look.see(p), look.see(q)];
				const fits = pairs.some(([a, b]) => seen[0] === a && seen[1] === b);
				return fits ? undefined : `are ${seen.join(' and ')}`;
			});
		const both: [string, string][] = [
			[file(one), file(two)],
			[file(two), file(one)],
		];
		for (let round = 0; round < 8; round++) {
			hold('files', both, 'p/file', 'q/file');
			calls.rename(scene.at('p/file'), scene.at('q/file'), calls.renaming.exchange);
			if (round % 2 === 1) continue;
			fsync(scene.at('p'));
			hold('files', both.slice(1), 'p/file', 'q/file');
		}
		// An even number of times: they are as they were at first.
		fsync(scene.at('p'));
		hold('files', both.slice(0, 1), 'p/file', 'q/file');
		scene.release('files');
		const mixed: [string, string][] = [
			[directory, file(two)],
			[file(two), directory],
		];
		for (let round = 0; round < 6; round++) {
			hold('file and folder', mixed, 'p/folder', 'q/file');
			calls.rename(scene.at('p/folder'), scene.at('q/file'), calls.renaming.exchange);
			fsync(scene.at('q'));
			const now = round % 2 === 0 ? mixed.slice(1) : mixed.slice(0, 1);
			hold('file and folder', now, 'p/folder', 'q/file');
		}
		await scene.trial({states: 16});
		t.print('the names were exchanged or were not');
	},
});
