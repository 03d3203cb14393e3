import {chmodSync, chownSync, mkdirSync, statSync, writeFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title: 'Access control lists grant, are masked by chmod, and are handed down by directories',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['root', 'program setfacl', 'acl'],
	run(t) {
		const acl = (name: string) => {
			const {out} = t.run('getfacl', ['-cnpE', name]);
			return out.trim().replaceAll('\n', ' ');
		};
		const mode = (name: string) => (statSync(t.path(name)).mode & 0o7777).toString(8);
		const may = (uid: number, groups: readonly number[], name: string) =>
			t.asUser({uid, gid: uid, groups}, () => {
				const bits = [4, 2, 1].map(bit => calls.mayAccess(t.path(name), bit));
				return bits.map((is, index) => (is ? 'rwx'[index] : '-')).join('');
			});
		writeFileSync(t.path('file'), 'x');
		chmodSync(t.path('file'), 0o640);
		chownSync(t.path('file'), 1000, 1000);
		t.print(`before: ${acl('file')}`);
		t.run('setfacl', ['-m', 'u:1001:rw,u:1002:0,g:2000:r,g:2001:rwx,o::r', 'file']);
		t.print(`set: ${acl('file')}, mode ${mode('file')}`);
		const users = [
			['the owner', 1000, []],
			['a user that may', 1001, []],
			['a user that may not', 1002, [2001]],
			['a group', 1003, [2000]],
			['two groups', 1003, [2000, 2001]],
			['the file’s group', 1004, [1000]],
			['anybody', 1005, []],
		] as const;
		for (const [who, uid, groups] of users) t.print(`${who}: ${may(uid, groups, 'file')}`);
		chmodSync(t.path('file'), 0o604);
		t.print(`masked: ${acl('file')}, mode ${mode('file')}`);
		for (const [who, uid, groups] of users) t.print(`${who}: ${may(uid, groups, 'file')}`);
		t.run('setfacl', ['-b', 'file']);
		t.print(`taken away: ${acl('file')}, mode ${mode('file')}`);

		mkdirSync(t.path('folder'));
		chmodSync(t.path('folder'), 0o777);
		t.run('setfacl', ['-d', '-m', 'u::rwx,u:1001:rwx,g::rx,g:2000:rwx,o::0', 'folder']);
		t.print(`default: ${acl('folder')}`);
		t.asUser({uid: 1003, gid: 1003}, () => {
			process.umask(0o077);
			writeFileSync(t.path('folder/file'), '', {mode: 0o666});
			writeFileSync(t.path('folder/closed'), '', {mode: 0o600});
			mkdirSync(t.path('folder/inner'), {mode: 0o777});
			calls.mknod(t.path('folder/inner/fifo'), 0o010_666);
			process.umask(0o022);
		});
		const names = ['folder/file', 'folder/closed', 'folder/inner', 'folder/inner/fifo'];
		for (const name of names) t.print(`${name}: ${acl(name)}, mode ${mode(name)}`);
		t.run('setfacl', ['-k', 'folder']);
		t.print(`no default: ${acl('folder')}`);
		t.attempt(
			'a default for a file',
			() => t.run('setfacl', ['-d', '-m', 'u:1001:r', 'file'], {expect: null}).status,
		);
		t.attempt('not an owner', () =>
			t.asUser({uid: 1001, gid: 1001}, () =>
				calls.setXattr(
					t.path('file'),
					'system.posix_acl_access',
					Buffer.from(
						'0200000001000700ffffffff02000700e903000004000400ffffffff10000700ffffffff20000400ffffffff',
						'hex',
					),
				),
			),
		);
		t.attempt('no list at all', () =>
			calls.setXattr(t.path('file'), 'system.posix_acl_access', Buffer.from('02000000ffff', 'hex')),
		);
		t.remount();
		for (const name of names) t.print(`mounted again: ${acl(name)}, mode ${mode(name)}`);
		t.print(`a user that may: ${may(1001, [], 'folder/inner')} ${may(1001, [], 'folder/file')}`);
	},
});
