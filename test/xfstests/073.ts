/** The same where a page is four blocks: what is mapped and what is not meet within a page. */
import {xfstest} from './api.ts';
import {runFsx} from './tools/fsx.ts';

export const test = xfstest({
	title: 'Random operations on a file agree with its copy on blocks of 1 KiB',
	groups: ['auto', 'stress', 'rw'],
	needs: ['allocate', 'punch-hole', 'zero-range'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024'], size: '64M'},
	async run(t) {
		await runFsx(t, {seeds: [75, 76], operations: 800});
	},
});
