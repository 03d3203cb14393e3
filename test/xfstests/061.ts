/** Usage is counted in files of the file system's own, in the same transactions as what is counted. */
import {chownSync, mkdirSync, unlinkSync} from 'node:fs';
import {xfstest} from './api.ts';
import {anotherIfKnown} from './tools/another.ts';
import {bytesOf, store} from './tools/files.ts';
import {absent, file} from './tools/look.ts';
import {Scene} from './tools/scene.ts';

export const test = xfstest({
	title: 'Quota usage is right after a crash',
	groups: ['auto', 'recovery', 'metadata'],
	needs: ['root'],
	image: {size: '8M'},
	async run(t) {
		const mkfs = ['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', 'quota,project', '-I', '256'];
		const place = anotherIfKnown(t, 'counted', {mkfs, size: '8M'});
		await using scene = await Scene.open(t, place);
		scene.mount();
		mkdirSync(scene.at('d'));
		for (let index = 0; index < 12; index++) {
			const bytes = bytesOf(index, 9000);
			store(scene.at(`d/${index}`), bytes);
			scene.expect(`d/${index}`, file(bytes));
			chownSync(scene.at(`d/${index}`), 1000 + (index % 3), 2000 + (index % 2));
			if (index % 4 !== 3) continue;
			scene.expect(`d/${index}`, file(bytes), absent);
			unlinkSync(scene.at(`d/${index}`));
		}
		await scene.trial({states: 12, mounts: 6});
		t.print('the counts are right');
	},
});
