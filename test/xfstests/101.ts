/** No journal, no extents, inodes of 128 bytes. */
import {xfstest} from './api.ts';
import {mix, runMix} from './tools/mix.ts';

export const test = xfstest({
	title: 'A random mix of operations on ext2 leaves the tree that it adds up to',
	groups: ['auto', 'stress', 'metadata'],
	image: {mkfs: ['-t', 'ext2', '-b', '1024', '-I', '128'], size: '64M'},
	workers: {mix},
	async run(t) {
		await runMix(t, 1, 450);
	},
});
