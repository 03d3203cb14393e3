/** Random operations, and one fsync for all of them. */
import {xfstest} from './api.ts';
import {runMixCrash} from './tools/mix-crash.ts';

export const test = xfstest({
	title: 'After a crash in a random mix all names from before the last fsync are as they were',
	groups: ['auto', 'recovery', 'stress'],
	needs: ['root'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024', '-J', 'size=1'], size: '24M'},
	async run(t) {
		await runMixCrash(t, 108);
	},
});
