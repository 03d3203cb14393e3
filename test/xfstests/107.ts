/** Owners come and go, files grow and shrink: e2fsck counts afterwards, and must come to the same. */
import {chownSync, lchownSync, mkdirSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {xfstest} from './api.ts';
import {anotherIfKnown} from './tools/another.ts';
import {foundBelow, Mixer} from './tools/mixer.ts';

export const test = xfstest({
	title: 'After a random mix under many owners the quota files count what is there',
	groups: ['auto', 'stress', 'metadata'],
	needs: ['root'],
	image: {size: '16M'},
	run(t) {
		if (t.system === 'fuse2fs') t.notRun('fuse2fs counts no quota');
		const mkfs = ['-t', 'ext4', '-O', 'quota,project', '-I', '256'];
		const place = anotherIfKnown(t, 'counted', {mkfs, size: '64M'});
		mkdirSync(join(place.dir, 'shared'));
		const mixer = new Mixer(join(place.dir, 'tree'), join(place.dir, 'shared'), 107);
		for (let round = 0; round < 6; round++) {
			mixer.run((round + 1) * 60);
			for (const [index, name] of readdirSync(join(place.dir, 'tree')).entries()) {
				const path = join(place.dir, 'tree', name);
				if (index % 2 === round % 2) lchownSync(path, 3000 + (index % 5), 4000 + round);
			}
		}
		const isSame = foundBelow(join(place.dir, 'tree')).join('\n') === mixer.expected.join('\n');
		t.print(`the tree is as it should be: ${isSame}`);
		chownSync(join(place.dir, 'shared'), 1, 1);
		// Checked like every image, its quota files included.
		place.unmount();
	},
});
