import {
	closeSync,
	fsyncSync,
	mkdirSync,
	openSync,
	rmSync,
	statfsSync,
	symlinkSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title: 'statfs counts blocks and inodes to the last one, and all of them come back',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['allocate'],
	run(t) {
		mkdirSync(t.path('folder'));
		t.remount();
		const counts = () => {
			const root = openSync(t.dir, 'r');
			calls.syncFileSystem(root);
			closeSync(root);
			return statfsSync(t.dir);
		};
		const {blocks, bsize, files, type, ...first} = counts();
		t.full({blocks, bsize, files, type, ...first});
		t.print(`block ${bsize}, inodes ${files}, free ${first.ffree}`);
		t.print(`blocks ${blocks}, free ${first.bfree}, for all ${first.bavail}`);
		let before = first;
		const used = (label: string) => {
			const now = counts();
			t.print(`${label}: ${before.bfree - now.bfree} blocks, ${before.ffree - now.ffree} inodes`);
			before = now;
		};
		used('nothing');
		for (let index = 0; index < 50; index++) writeFileSync(t.path(`folder/${index}`), '');
		used('50 empty files');
		const file = openSync(t.path('file'), 'w');
		writeSync(file, Buffer.alloc(1 << 20, 1));
		fsyncSync(file);
		used('a file of a MiB');
		calls.fallocate(file, calls.allocate.keepSize, 1 << 20, 3 << 20);
		used('three MiB allocated');
		writeSync(file, Buffer.alloc(1 << 20, 1));
		fsyncSync(file);
		used('one of them written');
		closeSync(file);
		mkdirSync(t.path('folder/inner'));
		used('a directory');
		symlinkSync('short', t.path('short'));
		used('a short symbolic link');
		symlinkSync('l'.repeat(200), t.path('long'));
		used('a long one');
		t.remount();
		used('mounting again');
		for (const name of ['file', 'short', 'long', 'folder/inner']) {
			rmSync(t.path(name), {recursive: true});
		}
		for (let index = 0; index < 50; index++) rmSync(t.path(`folder/${index}`));
		t.remount();
		const last = counts();
		t.print(`all removed: ${first.bfree - last.bfree} blocks, ${first.ffree - last.ffree} inodes`);
		t.print(`reserved: ${last.bfree - last.bavail}`);
	},
});
