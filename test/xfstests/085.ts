/** Mounted and unmounted fifty times, to write and only to read in turn. */
import {appendFileSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {xfstest} from './api.ts';

export const test = xfstest({
	title: 'Fifty mounts, some read-only, lose nothing and add nothing',
	groups: ['auto', 'stress', 'metadata'],
	image: {size: '16M'},
	timeLimitSeconds: 400,
	run(t) {
		let wanted = '';
		for (let round = 0; round < 50; round++) {
			const isReadOnly = round % 3 === 2;
			t.remount(isReadOnly ? 'ro' : '');
			const found = round === 0 ? '' : readFileSync(t.path('diary'), 'utf8');
			if (found !== wanted) throw new Error(`round ${round}: the diary has ${found.length} bytes`);
			if (isReadOnly) {
				if (round === 2)
					t.attempt('writing where it is read-only', () => writeFileSync(t.path('new'), ''));
				continue;
			}
			appendFileSync(t.path('diary'), `round ${round}\n`);
			wanted += `round ${round}\n`;
			if (round % 2 === 0) writeFileSync(t.path(`file-${round}`), String(round));
		}
		t.remount();
		t.print(`${readFileSync(t.path('diary'), 'utf8').split('\n').length - 1} lines`);
		t.print(`names: ${readdirSync(t.dir).sort().join(' ')}`);
	},
});
