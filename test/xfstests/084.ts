/** A directory's index grows to its second level and is taken apart again. */
import {
	closeSync,
	linkSync,
	mkdirSync,
	openSync,
	readdirSync,
	rmdirSync,
	statSync,
	unlinkSync,
} from 'node:fs';
import {xfstest} from './api.ts';

const total = 50_000;

export const test = xfstest({
	title: 'Fifty thousand names can be made in a directory, found, listed and removed',
	groups: ['auto', 'stress', 'metadata'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024'], size: '64M'},
	timeLimitSeconds: 400,
	run(t) {
		mkdirSync(t.path('big'));
		const name = (index: number) => t.path('big', `name-${index}`);
		closeSync(openSync(t.path('file'), 'w'));
		// Names of few files: what is tried is the directory.
		for (let index = 0; index < total; index++) {
			if (index % 50 === 0) closeSync(openSync(name(index), 'wx'));
			else linkSync(name(index - (index % 50)), name(index));
		}
		t.print(`listed: ${new Set(readdirSync(t.path('big'))).size}`);
		t.remount();
		t.print(`listed after mounting again: ${new Set(readdirSync(t.path('big'))).size}`);
		let missed = 0;
		for (let index = 0; index < total; index += 97) {
			if (statSync(name(index), {throwIfNoEntry: false})?.nlink !== 50) missed++;
		}
		t.print(`not found: ${missed}`);
		for (let index = 0; index < total; index += 2) unlinkSync(name(index));
		t.print(`every other one removed: ${readdirSync(t.path('big')).length}`);
		for (let index = 1; index < total; index += 2) unlinkSync(name(index));
		t.print(`left: ${readdirSync(t.path('big')).length}`);
		t.attempt('and it goes', () => rmdirSync(t.path('big')));
	},
});
