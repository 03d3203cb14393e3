import {
	chmodSync,
	chownSync,
	closeSync,
	fsyncSync,
	linkSync,
	mkdirSync,
	openSync,
	readFileSync,
	renameSync,
	rmdirSync,
	truncateSync,
	unlinkSync,
	utimesSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title: 'What is immutable or may only be appended to refuses all else, even to root',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['root', 'inode-flags', 'xattr'],
	run(t) {
		const flags = {immutable: calls.inodeFlags.immutable, append: calls.inodeFlags.append};
		const change = (path: string, set: number, clear: number) => {
			const file = openSync(path, 'r');
			try {
				calls.setFlags(file, (calls.getFlags(file) | set) & ~clear);
			} finally {
				closeSync(file);
			}
		};
		const through = (flag: string, act: (file: number) => void) => (path: string) => {
			const file = openSync(path, flag);
			try {
				act(file);
			} finally {
				closeSync(file);
			}
		};
		const ofFiles: Record<string, (path: string) => unknown> = {
			read: path => readFileSync(path, 'utf8').length > 0,
			'open and truncate': path => writeFileSync(path, ''),
			truncate: path => truncateSync(path, 1),
			chmod: path => chmodSync(path, 0o600),
			chown: path => chownSync(path, 1, 1),
			'set times': path => utimesSync(path, 1, 1),
			touch: path => calls.setTimes(path, 'now', 'now'),
			link: path => linkSync(path, `${path}-link`),
			rename: path => renameSync(path, `${path}-renamed`),
			'replace it': path => {
				writeFileSync(`${path}-other`, '');
				renameSync(`${path}-other`, path);
			},
			setxattr: path => calls.setXattr(path, 'user.a', 'b'),
			removexattr: path => calls.removeXattr(path, 'user.kept'),
			'other flags': path => change(path, calls.inodeFlags.noDump, 0),
			unlink: path => unlinkSync(path),
		};
		const ofFolders: Record<string, (path: string) => unknown> = {
			create: path => writeFileSync(`${path}/new`, ''),
			mkdir: path => mkdirSync(`${path}/inner`),
			'rename within': path => renameSync(`${path}/file`, `${path}/file2`),
			'unlink within': path => unlinkSync(`${path}/file`),
			'write into a file in it': path => writeFileSync(`${path}/file`, 'changed'),
			rmdir: path => rmdirSync(path),
			rename: path => renameSync(path, `${path}-renamed`),
		};
		let count = 0;
		for (const [flag, bit] of Object.entries(flags)) {
			for (const [label, act] of Object.entries(ofFiles)) {
				const path = t.path(`file-${count++}`);
				writeFileSync(path, 'contents');
				calls.setXattr(path, 'user.kept', 'value');
				change(path, bit, 0);
				t.attempt(`${flag}: ${label}`, () => act(path));
				t.codeOf(() => change(path, 0, bit));
			}
			for (const [label, act] of Object.entries(ofFolders)) {
				const path = t.path(`folder-${count++}`);
				mkdirSync(path);
				writeFileSync(`${path}/file`, 'contents');
				change(path, bit, 0);
				t.attempt(`${flag} directory: ${label}`, () => act(path));
				t.codeOf(() => change(path, 0, bit));
			}
		}
		// FUSE opens such a file for writing; what is written is refused then.
		const written: string[] = [];
		for (const [flag, bit] of Object.entries(flags)) {
			for (const way of ['r+', 'a']) {
				const path = t.path(`${flag} opened ${way}`);
				writeFileSync(path, 'contents');
				change(path, bit, 0);
				t.codeOf(() =>
					through(way, file => {
						writeSync(file, ' more');
						fsyncSync(file);
					})(path),
				);
				written.push(path);
			}
		}
		t.remount();
		for (const path of written) {
			t.print(`${path.slice(t.dir.length + 1)}: ${readFileSync(path, 'utf8')}`);
			change(path, 0, flags.immutable | flags.append);
		}
		const mine = t.path('mine');
		writeFileSync(mine, '');
		chownSync(mine, 1000, 1000);
		chmodSync(t.dir, 0o777);
		t.asUser({uid: 1000, gid: 1000}, () => {
			t.attempt('by a user: immutable', () => change(mine, flags.immutable, 0));
			t.attempt('by a user: no dump', () => change(mine, calls.inodeFlags.noDump, 0));
		});
		t.asUser({uid: 1001, gid: 1001}, () =>
			t.attempt('by another: no dump', () => change(mine, 0, calls.inodeFlags.noDump)),
		);
		change(mine, flags.immutable, 0);
		t.remount();
		t.attempt('mounted again', () => writeFileSync(mine, 'x'));
		change(mine, 0, flags.immutable);
		t.attempt('taken away', () => writeFileSync(mine, 'x'));
	},
});
