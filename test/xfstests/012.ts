import {linkSync, mkdirSync, rmdirSync, statSync, unlinkSync, writeFileSync} from 'node:fs';
import {xfstest} from './api.ts';

export const test = xfstest({
	title: 'A file has 65,000 links and no more; a directory of more subdirectories counts none',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['program debugfs'],
	run(t) {
		writeFileSync(t.path('file'), 'x');
		for (const name of ['small', 'folder']) {
			mkdirSync(t.path(name));
			mkdirSync(t.path(name, 'first'));
		}
		// Only a directory with an index may have more.
		for (let index = 0; index < 40; index++) {
			writeFileSync(t.path('folder', String(index).padEnd(200, '-')), '');
		}
		// Nobody waits for 65,000 links: the count is written where it lies, and put right at the end.
		const setLinks = (name: string, count: number) =>
			t.run('debugfs', ['-w', '-R', `sif ${name} links_count ${count}`, t.image], {cwd: t.scratch});
		const links = (name: string) => statSync(t.path(name)).nlink;
		t.unmount();
		setLinks('file', 64_998);
		setLinks('small', 64_999);
		setLinks('folder', 64_998);
		t.mount();
		for (const name of ['a', 'b', 'c']) {
			t.attempt(`link ${name}`, () => linkSync(t.path('file'), t.path(name)) ?? links('file'));
		}
		unlinkSync(t.path('a'));
		t.print(`one removed: ${links('file')}`);
		t.attempt('link c again', () => linkSync(t.path('file'), t.path('c')) ?? links('file'));
		for (const name of ['a', 'b']) {
			const path = t.path('small', name);
			t.attempt(`mkdir small/${name}`, () => mkdirSync(path) ?? `links: ${links('small')}`);
		}
		for (const name of ['a', 'b', 'c']) {
			const path = t.path('folder', name);
			t.attempt(`mkdir ${name}`, () => mkdirSync(path) ?? `links: ${links('folder')}`);
		}
		rmdirSync(t.path('folder/c'));
		t.print(`one removed: ${links('folder')}`);
		t.remount();
		t.print(`mounted again: ${links('file')} and ${links('folder')}`);
		t.unmount();
		// The names file, b, c; a directory's own name, its dot, and first, a (and b).
		setLinks('file', 3);
		setLinks('small', 4);
		setLinks('folder', 5);
	},
});
