/** One file is written and read through the page cache and around it in turn. */
import {xfstest} from './api.ts';
import {tool} from './tools/programs.ts';

export const test = xfstest({
	title: "Direct and buffered access see each other's writes",
	groups: ['auto', 'quick', 'aio', 'rw'],
	needs: ['direct'],
	image: {size: '64M'},
	run(t) {
		const direct = tool('direct');
		t.run(direct, ['mixed', t.path('f'), '78', '200', '4000']);
		t.print('every read saw the last write');
	},
});
