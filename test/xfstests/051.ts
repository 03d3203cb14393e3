/** A file made without a name, written, fsynced and only then named. */
import {closeSync, fsyncSync, writeSync} from 'node:fs';
import {calls, xfstest} from './api.ts';
import {bytesOf, fsync} from './tools/files.ts';
import {absent, file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'A nameless file that gets its name after fsync is absent or whole after a crash',
	groups: ['auto', 'quick', 'recovery', 'metadata'],
	needs: ['root', 'nameless'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		const left: number[] = [];
		for (let index = 0; index < 8; index++) {
			const bytes = bytesOf(index, 1 + index * 3000);
			const open = calls.openNameless(scene.dir);
			writeSync(open, bytes);
			fsyncSync(open);
			scene.expect(`file-${index}`, absent, file(bytes));
			calls.linkDescriptor(open, scene.at(`file-${index}`));
			closeSync(open);
			if (index % 3 === 0) continue;
			fsync(scene.dir);
			scene.expect(`file-${index}`, file(bytes));
			// What never gets a name is gone after a crash; e2fsck would tell of what is left of it.
			const nameless = calls.openNameless(scene.dir);
			writeSync(nameless, bytes);
			left.push(nameless);
		}
		for (const nameless of left) closeSync(nameless);
		await scene.trial();
		t.print('every file is absent or whole');
	},
});
