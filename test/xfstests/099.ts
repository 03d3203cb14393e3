/** Space is given out in clusters of 16 blocks. */
import {xfstest} from './api.ts';
import {mix, runMix} from './tools/mix.ts';

export const test = xfstest({
	title: 'A random mix of operations on bigalloc leaves the tree that it adds up to',
	groups: ['auto', 'stress', 'metadata'],
	image: {mkfs: ['-t', 'ext4', '-O', 'bigalloc', '-C', '65536'], size: '96M'},
	workers: {mix},
	async run(t) {
		await runMix(t, 1, 450);
	},
});
