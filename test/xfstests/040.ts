import {createHash} from 'node:crypto';
import {
	accessSync,
	chmodSync,
	constants,
	linkSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmdirSync,
	statSync,
	symlinkSync,
	truncateSync,
	unlinkSync,
	utimesSync,
	writeFileSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title: 'A file system mounted read-only refuses every change, and its image keeps every bit',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['xattr', 'no-replace'],
	run(t) {
		mkdirSync(t.path('folder'));
		writeFileSync(t.path('file'), 'contents');
		calls.setXattr(t.path('file'), 'user.a', 'b');
		t.unmount();
		const hash = () => createHash('sha256').update(readFileSync(t.image)).digest('hex');
		const before = hash();
		t.mount('ro');
		const file = t.path('file');
		const acts: Record<string, () => unknown> = {
			create: () => writeFileSync(t.path('new'), ''),
			'open to write': () => openSync(file, 'r+'),
			'open to append': () => openSync(file, 'a'),
			'open and truncate': () => writeFileSync(file, ''),
			truncate: () => truncateSync(file, 1),
			mkdir: () => mkdirSync(t.path('inner')),
			'mkdir where one is': () => mkdirSync(t.path('folder')),
			rmdir: () => rmdirSync(t.path('folder')),
			'rmdir of nothing': () => rmdirSync(t.path('nothing')),
			unlink: () => unlinkSync(file),
			link: () => linkSync(file, t.path('link')),
			symlink: () => symlinkSync('x', t.path('link')),
			rename: () => renameSync(file, t.path('renamed')),
			'rename, keeping': () => calls.rename(file, t.path('renamed'), calls.renaming.noReplace),
			mkfifo: () => calls.mknod(t.path('fifo'), 0o010_600),
			chmod: () => chmodSync(file, 0o600),
			'set times': () => utimesSync(file, 1, 1),
			setxattr: () => calls.setXattr(file, 'user.b', 'c'),
			removexattr: () => calls.removeXattr(file, 'user.a'),
			'without a name': () => calls.openNameless(t.dir),
			'access to write': () => accessSync(file, constants.W_OK),
			read: () => readFileSync(file, 'utf8'),
			list: () => readdirSync(t.dir).sort().join(' '),
			getxattr: () => calls.getXattr(file, 'user.a').toString(),
		};
		for (const [label, act] of Object.entries(acts)) t.attempt(label, act);
		t.print(`size: ${statSync(file).size}`);
		t.unmount();
		t.print(`the image is the same: ${hash() === before}`);
		t.mount();
		t.attempt('writable again', () => writeFileSync(file, 'changed'));
		t.print(readFileSync(file, 'utf8'));
	},
});
