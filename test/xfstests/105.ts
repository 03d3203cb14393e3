/** Nothing is fsynced; syncfs, once in a while, has to be enough for all of it. */
import {
	closeSync,
	linkSync,
	mkdirSync,
	openSync,
	renameSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';
import {bytesOf} from './tools/files.ts';
import {absent, directory, file, symlink} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'Everything from before a sync of the file system is there after a crash',
	groups: ['auto', 'recovery', 'metadata'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		if (t.system === 'ext4box')
			t.notRun('sync(2) and syncfs(2) do not reach a FUSE server: see README.md');
		await using scene = await Scene.open(t);
		scene.mount();
		for (let round = 0; round < 5; round++) {
			const folder = `round-${round}`;
			mkdirSync(scene.at(folder));
			for (let index = 0; index < 8; index++) {
				writeFileSync(scene.at(`${folder}/${index}`), bytesOf(round * 8 + index, index * 1500));
			}
			linkSync(scene.at(`${folder}/3`), scene.at(`${folder}/linked`));
			renameSync(scene.at(`${folder}/4`), scene.at(`${folder}/renamed`));
			symlinkSync('3', scene.at(`${folder}/symlink`));
			const open = openSync(scene.dir, 'r');
			calls.syncFileSystem(open);
			closeSync(open);
			scene.expect(folder, directory);
			scene.expect(`${folder}/4`, absent);
			scene.expect(`${folder}/symlink`, symlink('3'));
			for (const [name, index] of [
				['1', 1],
				['linked', 3],
				['renamed', 4],
				['7', 7],
			] as const) {
				scene.expect(`${folder}/${name}`, file(bytesOf(round * 8 + index, index * 1500)));
			}
		}
		await scene.trial();
		t.print('all of it is there');
	},
});
