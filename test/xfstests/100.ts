/** Small files and directories lie in their inodes, and leave them as they grow. */
import {xfstest} from './api.ts';
import {mix, runMix} from './tools/mix.ts';

export const test = xfstest({
	title: 'A random mix of operations on inline data leaves the tree that it adds up to',
	groups: ['auto', 'stress', 'metadata'],
	image: {mkfs: ['-t', 'ext4', '-O', 'inline_data', '-I', '256'], size: '64M'},
	workers: {mix},
	async run(t) {
		await runMix(t, 1, 450);
	},
});
