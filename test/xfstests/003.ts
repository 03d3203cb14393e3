import {closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';

export const test = xfstest({
	title: 'What fsync has acknowledged is there after a crash',
	groups: ['auto', 'quick', 'recovery'],
	needs: ['root'],
	run(t) {
		const rounds = 3;
		for (let round = 0; round < rounds; round++) {
			for (let index = 0; index < 10; index++) {
				const file = openSync(t.path(`kept-${round}-${index}`), 'w');
				writeSync(file, `round ${round}, ${index}\n`.repeat(1 + index * 300));
				fsyncSync(file);
				closeSync(file);
				closeSync(openSync(t.path(`loose-${round}-${index}`), 'w'));
			}
			t.crash();
			const problems: string[] = [];
			for (let index = 0; index < 10; index++) {
				const name = t.path(`kept-${round}-${index}`);
				const wanted = `round ${round}, ${index}\n`.repeat(1 + index * 300);
				if (!existsSync(name)) problems.push(`${index} is missing`);
				else if (readFileSync(name, 'utf8') !== wanted) problems.push(`${index} has other bytes`);
			}
			t.verdict(`after crash ${round + 1}`, problems);
		}
	},
});
