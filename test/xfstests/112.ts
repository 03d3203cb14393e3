/** Orphans are listed in a file and not in a chain through inodes. */
import {xfstest} from './api.ts';
import {runMixCrash} from './tools/mix-crash.ts';

export const test = xfstest({
	title: 'After a crash in a random mix on orphan_file all names are as they were',
	groups: ['auto', 'recovery', 'stress'],
	needs: ['root'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024', '-O', 'orphan_file', '-J', 'size=1'], size: '24M'},
	async run(t) {
		await runMixCrash(t, 112);
	},
});
