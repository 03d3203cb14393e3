/** A second name for a file, then the first one taken away: the file is reached by what is promised. */
import {linkSync, unlinkSync} from 'node:fs';
import {xfstest} from './api.ts';
import {bytesOf, fsync, store} from './tools/files.ts';
import {absent, file} from './tools/look.ts';
import {Scene, smallImage} from './tools/scene.ts';

export const test = xfstest({
	title: 'A hard link that was fsynced is there after a crash, and the count of links is right',
	groups: ['auto', 'recovery', 'metadata'],
	needs: ['root'],
	image: smallImage,
	async run(t) {
		await using scene = await Scene.open(t);
		scene.mount();
		for (let index = 0; index < 6; index++) {
			const bytes = bytesOf(index, 4000);
			const [first, second] = [`first-${index}`, `second-${index}`];
			store(scene.at(first), bytes);
			scene.expect(first, file(bytes));
			linkSync(scene.at(first), scene.at(second));
			fsync(scene.at(first));
			fsync(scene.dir);
			scene.expect(second, file(bytes));
			scene.hold(`links of ${second}`, look => {
				const count = look.see(first) === absent ? 1 : 2;
				return look.links(second) === count ? undefined : `are ${look.links(second)}`;
			});
			if (index % 2 === 0) continue;
			scene.expect(first, file(bytes), absent);
			unlinkSync(scene.at(first));
			fsync(scene.dir);
			scene.expect(first, absent);
		}
		await scene.trial();
		t.print('every link is there and counted');
	},
});
