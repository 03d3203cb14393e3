/**
 * As careless programs save: a new file, no fsync at all, a rename over the old one. What they are
 * promised is little: blocks of the new file may read as zeros, for its data is not waited for. But
 * the old contents are not given up for an empty file, and nobody else's bytes show.
 */
import {closeSync, openSync, renameSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync, store} from './tools/files.ts';
import {Scene, smallImage} from './tools/scene.ts';

/** Whether `found` is a beginning of `version`, some of it zeros, and not empty. */
function isOf(version: Uint8Array, found: Uint8Array): boolean {
	const {length} = found;
	if (length === 0 || length > version.length) return false;
	return found.every((byte, at) => byte === 0 || byte === version[at]);
}

export const test = xfstest({
	title: 'A file replaced by rename without fsync is neither empty nor mixed up after a crash',
	groups: ['auto', 'recovery'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		let versions = [bytesOf(0, 4000)];
		const hold = () => {
			const allowed = [...versions];
			scene.hold('settings', look => {
				const found = look.bytes('settings');
				if (allowed.some(version => isOf(version, found))) return undefined;
				return `has ${found.length} bytes of none of the versions`;
			});
		};
		store(scene.at('settings'), bytesOf(0, 4000));
		fsync(scene.dir);
		for (let round = 1; round <= 16; round++) {
			const next = bytesOf(round, 500 + round * 900);
			versions.push(next);
			hold();
			const made = openSync(scene.at('settings.new'), 'w');
			for (let at = 0; at < next.length; at += 1000) {
				writeSync(made, next, at, Math.min(1000, next.length - at));
			}
			closeSync(made);
			renameSync(scene.at('settings.new'), scene.at('settings'));
			if (round % 5 !== 0) continue;
			fsync(scene.dir);
			versions = [next];
			hold();
		}
		await scene.trial({states: 16});
		t.print('the settings are one of the versions');
	},
});
