/** Files that have no name any more and are still open when the power fails. */
import {closeSync, openSync, statfsSync, unlinkSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync, store} from './tools/files.ts';
import {file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'Mounting after a crash frees what only open descriptors held',
	groups: ['auto', 'quick', 'recovery', 'metadata'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		const kept = bytesOf(53, 5000);
		store(scene.at('kept'), kept);
		fsync(scene.dir);
		const free = freeOf(scene.dir);
		const open: number[] = [];
		for (let index = 0; index < 6; index++) {
			const held = openSync(scene.at(`gone-${index}`), 'wx');
			writeSync(held, bytesOf(index, 40_000));
			unlinkSync(scene.at(`gone-${index}`));
			open.push(held);
			fsync(scene.dir);
			scene.expect('kept', file(kept));
		}
		for (const held of open) closeSync(held);
		for (const state of await scene.states({states: 3, isPromisedOnly: true})) {
			await using after = await Scene.after(t, state);
			after.mount();
			const left = freeOf(after.dir);
			if (left !== free) throw new Error(`${state.about}: free were ${free}, are ${left}`);
			await after.trial({states: 2, mounts: 1});
		}
		t.print('nothing is left of them');
	},
});

function freeOf(directory: string): string {
	const {bfree, ffree} = statfsSync(directory);
	return `${bfree} blocks, ${ffree} inodes`;
}
