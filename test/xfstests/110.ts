/** A cluster is shared by what is written at different times. */
import {xfstest} from './api.ts';
import {runMixCrash} from './tools/mix-crash.ts';

export const test = xfstest({
	title: 'After a crash in a random mix on bigalloc all names are as they were',
	groups: ['auto', 'recovery', 'stress'],
	needs: ['root'],
	image: {
		mkfs: ['-t', 'ext4', '-b', '1024', '-O', 'bigalloc', '-C', '8192', '-J', 'size=1'],
		size: '32M',
	},
	async run(t) {
		await runMixCrash(t, 110);
	},
});
