/** A journal, and maps of blocks. */
import {xfstest} from './api.ts';
import {mix, runMix} from './tools/mix.ts';

export const test = xfstest({
	title: 'A random mix of operations on ext3 leaves the tree that it adds up to',
	groups: ['auto', 'stress', 'metadata'],
	image: {mkfs: ['-t', 'ext3', '-b', '2048'], size: '64M'},
	workers: {mix},
	async run(t) {
		await runMix(t, 1, 450);
	},
});
