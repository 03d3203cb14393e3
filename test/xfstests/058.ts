/** Crash, mount, work, crash, mount, work, crash. */
import {mkdirSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync, store} from './tools/files.ts';
import {directory, file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

function work(scene: Scene, life: number): void {
	scene.mount();
	mkdirSync(scene.at(`life-${life}`), {recursive: true});
	for (let index = 0; index < 6; index++) {
		const bytes = bytesOf(life * 10 + index, 2000 * (index + 1));
		store(scene.at(`life-${life}/file-${index}`), bytes);
		fsync(scene.at(`life-${life}`));
		fsync(scene.dir);
		scene.expect(`life-${life}`, directory);
		scene.expect(`life-${life}/file-${index}`, file(bytes));
	}
}

export const test = xfstest({
	title: 'What was promised before a crash and after it survives the next crash',
	groups: ['auto', 'quick', 'recovery'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using first = await Scene.open(t);
		work(first, 0);
		const [state] = await first.states({states: 1, seed: 7});
		if (state === undefined) throw new Error('the first life left no state');
		await using second = await Scene.after(t, state);
		work(second, 1);
		const [next] = await second.states({states: 1, seed: 8, isPromisedOnly: true});
		if (next === undefined) throw new Error('the second life left no state');
		await using third = await Scene.after(t, next);
		work(third, 2);
		await third.trial({states: 10});
		t.print('all three lives are remembered');
	},
});
