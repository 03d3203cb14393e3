/** The same without extents: what a block map can't do is left out. */
import {xfstest} from './api.ts';
import {runFsx} from './tools/fsx.ts';

export const test = xfstest({
	title: 'Random operations on a file agree with its copy on ext2',
	groups: ['auto', 'stress', 'rw'],
	image: {mkfs: ['-t', 'ext2', '-b', '1024'], size: '64M'},
	async run(t) {
		await runFsx(t, {seeds: [77, 78], operations: 800});
	},
});
