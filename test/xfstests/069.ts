/** Four processes, a file system of small blocks and a small journal. */
import {xfstest} from './api.ts';
import {mix, runMix} from './tools/mix.ts';

export const test = xfstest({
	title: 'Random mixes in four processes leave their trees while the journal wraps',
	groups: ['auto', 'stress', 'metadata', 'rw'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024', '-J', 'size=1'], size: '96M'},
	workers: {mix},
	async run(t) {
		await runMix(t, 4, 700);
	},
});
