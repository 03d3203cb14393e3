/** A file of many pieces is cut; the power fails before all its pieces are freed. */
import {closeSync, fsyncSync, ftruncateSync, openSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf} from './tools/files.ts';
import {file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title:
		'A large file is whole or cut after a crash in truncate, and nothing of it is lost or leaked',
	groups: ['auto', 'recovery'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		const open = openSync(scene.at('pieces'), 'w+');
		const size = 1_600_000;
		const model = Buffer.alloc(size);
		// Every other block: as many extents as there are blocks.
		for (let at = 0; at < size; at += 2048) {
			const bytes = bytesOf(at, 1024).subarray(0, Math.min(1024, size - at));
			writeSync(open, bytes, 0, bytes.length, at);
			bytes.copy(model, at);
		}
		fsyncSync(open);
		scene.expect('pieces', file(model));
		let before: Buffer = model;
		for (const length of [1_500_001, 700_000, 12_345, 0]) {
			const after = before.subarray(0, length);
			// Nothing behind the new end shows when the file grows again: so the rest of its last block is
			// zeroed first, in place.
			const end = Math.ceil(length / 1024) * 1024;
			const zeroed = Buffer.from(before).fill(0, length, Math.min(end, before.length));
			scene.expect('pieces', file(before), file(zeroed), file(after));
			ftruncateSync(open, length);
			fsyncSync(open);
			scene.expect('pieces', file(after));
			before = after;
		}
		closeSync(open);
		await scene.trial({states: 16});
		t.print('the file is whole or cut');
	},
});
