/** Maps of blocks, and a journal that knows no checksums. */
import {xfstest} from './api.ts';
import {runMixCrash} from './tools/mix-crash.ts';

export const test = xfstest({
	title: 'After a crash in a random mix on ext3 all names are as they were',
	groups: ['auto', 'recovery', 'stress'],
	needs: ['root'],
	image: {mkfs: ['-t', 'ext3', '-b', '1024', '-J', 'size=1'], size: '24M'},
	async run(t) {
		await runMixCrash(t, 111);
	},
});
