/** Files and directories go in and out of their inodes meanwhile. */
import {xfstest} from './api.ts';
import {runMixCrash} from './tools/mix-crash.ts';

export const test = xfstest({
	title: 'After a crash in a random mix on inline data all names are as they were',
	groups: ['auto', 'recovery', 'stress'],
	needs: ['root'],
	image: {
		mkfs: ['-t', 'ext4', '-b', '1024', '-O', 'inline_data', '-I', '256', '-J', 'size=1'],
		size: '24M',
	},
	async run(t) {
		await runMixCrash(t, 109);
	},
});
