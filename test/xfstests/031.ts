import {
	closeSync,
	linkSync,
	mkdirSync,
	openSync,
	readFileSync,
	renameSync,
	writeFileSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

const inherit = 0x200; // FS_XFLAG_PROJINHERIT

export const test = xfstest({
	title:
		'A project is handed down by its directory, and no link or rename leads from one to another',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['root', 'project'],
	image: {mkfs: ['-t', 'ext4', '-b', '4096', '-I', '256', '-O', 'project']},
	run(t) {
		const onFile = <T>(name: string, act: (file: number) => T): T => {
			const file = openSync(t.path(name), 'r');
			try {
				return act(file);
			} finally {
				closeSync(file);
			}
		};
		const show = (name: string) => {
			const {flags, project} = onFile(name, calls.getProject);
			t.print(`${name}: project ${project}, ${(flags & inherit) === 0 ? 'not ' : ''}handed down`);
		};
		const set = (name: string, flags: number, project: number) =>
			onFile(name, file => calls.setProject(file, flags, project));
		for (const name of ['one', 'two', 'plain']) mkdirSync(t.path(name));
		writeFileSync(t.path('one/before'), 'before');
		set('one', inherit, 1001);
		set('two', inherit, 4_294_967_294);
		set('plain', 0, 77);
		for (const name of ['one', 'two', 'plain']) {
			writeFileSync(t.path(name, 'file'), name);
			mkdirSync(t.path(name, 'inner'));
			mkdirSync(t.path(name, 'inner/most'));
			writeFileSync(t.path(name, 'inner/most/file'), '');
		}
		t.remount();
		for (const name of ['one', 'two', 'plain']) {
			for (const path of ['', '/file', '/inner', '/inner/most', '/inner/most/file'])
				show(`${name}${path}`);
		}
		show('one/before');
		t.attempt('link within', () => linkSync(t.path('one/file'), t.path('one/inner/link')));
		t.attempt('link to another', () => linkSync(t.path('one/file'), t.path('two/link')));
		t.attempt('rename to another', () => renameSync(t.path('one/file'), t.path('two/moved')));
		t.attempt('rename a directory to another', () =>
			renameSync(t.path('one/inner'), t.path('two/moved')),
		);
		t.attempt('rename to none', () => renameSync(t.path('one/file'), t.path('plain/moved')));
		t.attempt('rename from none', () => renameSync(t.path('plain/file'), t.path('one/moved')));
		t.attempt('rename out of all', () => renameSync(t.path('two/file'), t.path('moved')));
		t.attempt('exchange with another', () =>
			calls.rename(t.path('one/inner'), t.path('two/inner'), calls.renaming.exchange),
		);
		t.attempt('a file of before', () =>
			renameSync(t.path('one/before'), t.path('one/inner/before')),
		);
		show('moved');
		t.print(readFileSync(t.path('moved'), 'utf8'));
		t.attempt('handing down, of a file', () => set('moved', inherit, 3));
		t.attempt('a project, of a file', () => set('moved', 0, 3));
		show('moved');
	},
});
