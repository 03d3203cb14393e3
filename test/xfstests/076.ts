/** Sixteen writes are under way at a time, by io_submit with O_DIRECT, on a file with holes. */
import {xfstest} from './api.ts';
import {tool} from './tools/programs.ts';

export const test = xfstest({
	title: 'Asynchronous direct writes are all there when they are read back',
	groups: ['auto', 'quick', 'aio', 'rw'],
	needs: ['direct'],
	image: {size: '64M'},
	run(t) {
		const direct = tool('direct');
		t.run(direct, ['aio', t.path('f'), '76', '300', '2000']);
		t.print('all blocks are as written');
		t.remount();
		t.print(`after mounting again: ${t.run('stat', ['-c', '%s', t.path('f')]).out.trim()} bytes`);
	},
});
