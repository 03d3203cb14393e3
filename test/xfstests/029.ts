import {
	closeSync,
	mkdirSync,
	openSync,
	readdirSync,
	rmSync,
	statfsSync,
	writeFileSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title: 'Every inode can be used, the next is refused, and those removed can be used again',
	groups: ['auto', 'quick', 'metadata'],
	image: {size: '16M', mkfs: ['-t', 'ext4', '-b', '1024', '-N', '512']},
	run(t) {
		mkdirSync(t.path('folder'));
		const free = () => statfsSync(t.dir).ffree;
		const before = free();
		t.print(`free: ${before}`);
		let count = 0;
		const make = () => {
			const name = t.path('folder', String(count));
			// Of every kind that takes an inode.
			const kind = count % 3;
			const code = t.codeOf(() => {
				if (kind === 0) writeFileSync(name, 'x');
				if (kind === 1) mkdirSync(name);
				if (kind === 2) calls.mknod(name, 0o010_644);
			});
			if (code === undefined) count++;
			return code;
		};
		let code: unknown;
		while (code === undefined) code = make();
		t.print(`then: ${code}, made ${count}, free ${free()}`);
		t.attempt('a directory', () => mkdirSync(t.path('more')));
		t.attempt('a link', () => calls.link(t.path('folder/0'), t.path('link')));
		t.attempt('writing into what is there', () => writeFileSync(t.path('folder/0'), 'more'));
		t.attempt('one that has no name', () => closeSync(calls.openNameless(t.dir)));
		const open = openSync(t.path('folder/3'), 'r');
		rmSync(t.path('folder/3'));
		t.attempt('while it is open', () => writeFileSync(t.path('again'), ''));
		closeSync(open);
		t.attempt('once it is closed', () => {
			// FUSE closes behind the back of who closed.
			for (let tries = 0; tries < 500; tries++) {
				if (t.codeOf(() => writeFileSync(t.path('again'), '')) === undefined) return 'ok';
				t.run('sleep', ['0.02']);
			}
			return 'still not';
		});
		for (let index = 0; index < count; index += 2) {
			rmSync(t.path('folder', String(index)), {recursive: true, force: true});
		}
		t.remount();
		const left = readdirSync(t.path('folder')).length;
		t.print(`left: ${left}, free ${free()}`);
		const room = free();
		let made = 0;
		while (t.codeOf(() => writeFileSync(t.path(`second-${made}`), '')) === undefined) made++;
		t.print(`all of them again: ${made === room}`);
	},
});
