/** The same where a cluster is 16 blocks. */
import {xfstest} from './api.ts';
import {runFsx} from './tools/fsx.ts';

export const test = xfstest({
	title: 'Random operations on a file agree with its copy on bigalloc',
	groups: ['auto', 'stress', 'rw'],
	needs: ['allocate', 'punch-hole', 'zero-range'],
	image: {mkfs: ['-t', 'ext4', '-O', 'bigalloc', '-C', '65536'], size: '96M'},
	async run(t) {
		await runFsx(t, {seeds: [73, 74], operations: 800, unitBytes: 65_536});
	},
});
