import {
	chmodSync,
	chownSync,
	existsSync,
	mkdirSync,
	renameSync,
	rmdirSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs';
import {xfstest} from './api.ts';

const users = {
	root: undefined,
	'the owner of the directory': {uid: 1000, gid: 1000},
	'the owner of the file': {uid: 1001, gid: 1001},
	another: {uid: 1002, gid: 1002},
};

export const test = xfstest({
	title: 'In a sticky directory only owners remove, rename and replace',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['root'],
	run(t) {
		const at = (...names: string[]) => t.path('sticky', ...names);
		mkdirSync(t.path('sticky'));
		chownSync(t.path('sticky'), 1000, 1000);
		chmodSync(t.path('sticky'), 0o1777);
		mkdirSync(t.path('open'));
		chmodSync(t.path('open'), 0o777);
		const fresh = () => {
			for (const name of ['file', 'renamed', 'own', 'folder/inside']) t.run('rm', ['-f', at(name)]);
			t.run('rm', ['-rf', at('folder'), t.path('open/out'), t.path('open/in')]);
			writeFileSync(at('file'), '');
			mkdirSync(at('folder'));
			for (const name of ['file', 'folder']) {
				chownSync(at(name), 1001, 1001);
				chmodSync(at(name), 0o777);
			}
		};
		const deeds = {
			unlink: () => unlinkSync(at('file')),
			rmdir: () => rmdirSync(at('folder')),
			rename: () => renameSync(at('file'), at('renamed')),
			'rename out': () => renameSync(at('file'), t.path('open/out')),
			'rename a directory out': () => renameSync(at('folder'), t.path('open/out')),
			replace: () => {
				writeFileSync(at('own'), '');
				renameSync(at('own'), at('file'));
			},
			'replace from outside': () => {
				writeFileSync(t.path('open/in'), '');
				renameSync(t.path('open/in'), at('file'));
			},
			change: () => writeFileSync(at('file'), 'changed'),
		};
		for (const [deed, act] of Object.entries(deeds)) {
			for (const [who, user] of Object.entries(users)) {
				fresh();
				const label = `${deed}, by ${who}`;
				if (user === undefined) t.attempt(label, act);
				else t.asUser(user, () => t.attempt(label, act));
			}
		}
		fresh();
		chmodSync(t.path('sticky'), 0o1755);
		t.asUser(users['the owner of the file'], () =>
			t.attempt('its owner, where only others may write', () => unlinkSync(at('file'))),
		);
		t.remount();
		t.print(`still there: ${existsSync(at('file'))}`);
	},
});
