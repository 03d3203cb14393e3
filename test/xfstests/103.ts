/** No checksums of metadata, no 64-bit block numbers, no flexible groups. */
import {xfstest} from './api.ts';
import {mix, runMix} from './tools/mix.ts';

export const test = xfstest({
	title: 'A random mix of operations on a plain ext4 leaves the tree that it adds up to',
	groups: ['auto', 'stress', 'metadata'],
	image: {mkfs: ['-t', 'ext4', '-O', '^metadata_csum,^64bit,^flex_bg,^uninit_bg'], size: '64M'},
	workers: {mix},
	async run(t) {
		await runMix(t, 1, 450);
	},
});
