/** Reads and writes by call and by mapping, truncation, fallocate in all its modes, two files at once. */
import {xfstest} from './api.ts';
import {runFsx} from './tools/fsx.ts';

export const test = xfstest({
	title: 'Random operations on a file agree with a copy of it in memory',
	groups: ['auto', 'quick', 'stress', 'rw'],
	needs: ['allocate', 'punch-hole', 'zero-range'],
	image: {size: '64M'},
	async run(t) {
		await runFsx(t, {seeds: [71, 72], operations: 800});
	},
});
