/** Writes beyond the end are submitted at once, from the last block to the first. */
import {xfstest} from './api.ts';
import {tool} from './tools/programs.ts';

export const test = xfstest({
	title: 'Asynchronous writes that extend a file lose none of it',
	groups: ['auto', 'quick', 'aio', 'rw'],
	needs: ['direct'],
	image: {size: '64M'},
	run(t) {
		const direct = tool('direct');
		for (const count of [2, 7, 16]) {
			t.run(direct, ['extend', t.path(`f${count}`), String(count)]);
			t.print(
				`${count} blocks: ${t.run('stat', ['-c', '%s', t.path(`f${count}`)]).out.trim()} bytes`,
			);
		}
	},
});
