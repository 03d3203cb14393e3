/** Directories may have three levels of index, and orphans have a file of their own. */
import {xfstest} from './api.ts';
import {mix, runMix} from './tools/mix.ts';

export const test = xfstest({
	title:
		'A random mix of operations on large_dir and orphan_file leaves the tree that it adds up to',
	groups: ['auto', 'stress', 'metadata'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024', '-O', 'large_dir,orphan_file'], size: '64M'},
	workers: {mix},
	async run(t) {
		await runMix(t, 1, 450);
	},
});
