/** One process, so that whatever is wrong is wrong every time. */
import {xfstest} from './api.ts';
import {mix, runMix} from './tools/mix.ts';

export const test = xfstest({
	title: 'A random mix of operations leaves the tree that they add up to',
	groups: ['auto', 'quick', 'stress', 'metadata', 'rw'],
	image: {size: '64M'},
	workers: {mix},
	async run(t) {
		await runMix(t, 1, 700);
	},
});
