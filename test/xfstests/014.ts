import {
	mkdirSync,
	readdirSync,
	readFileSync,
	rmdirSync,
	statSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs';
import {xfstest} from './api.ts';

const depth = 600;

export const test = xfstest({
	title: 'Directories nest deeper than a path can say, and come apart again',
	groups: ['auto', 'quick', 'metadata'],
	run(t) {
		const home = process.cwd();
		const name = 'a-directory-in-a-directory';
		const down = (levels: number) => {
			for (let level = 0; level < levels; level++) process.chdir(name);
		};
		process.chdir(t.dir);
		for (let level = 0; level < depth; level++) {
			mkdirSync(name);
			process.chdir(name);
		}
		writeFileSync('bottom', 'deep down');
		t.attempt('by its whole path', () =>
			readFileSync(`${t.dir}/${`${name}/`.repeat(depth)}bottom`, 'utf8'),
		);
		process.chdir(home);
		t.remount();
		process.chdir(t.dir);
		down(depth);
		t.print(readFileSync('bottom', 'utf8'));
		t.print(`links of the last: ${statSync('.').nlink}, of the one above: ${statSync('..').nlink}`);
		unlinkSync('bottom');
		let removed = 0;
		for (let level = 0; level < depth; level++) {
			process.chdir('..');
			rmdirSync(name);
			removed++;
		}
		t.print(`removed: ${removed}`);
		t.print(`left: ${readdirSync('.')}`);
		process.chdir(home);
		t.print(`links of the root: ${statSync(t.dir).nlink}`);
	},
});
