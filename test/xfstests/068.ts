/** Two processes, each with a tree of its own and a folder that they share. */
import {xfstest} from './api.ts';
import {mix, runMix} from './tools/mix.ts';

export const test = xfstest({
	title: 'Random mixes in two processes leave the trees that they add up to',
	groups: ['auto', 'stress', 'metadata', 'rw'],
	image: {size: '64M'},
	workers: {mix},
	async run(t) {
		await runMix(t, 2, 900);
	},
});
