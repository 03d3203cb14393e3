import {
	closeSync,
	existsSync,
	fstatSync,
	fsyncSync,
	ftruncateSync,
	openSync,
	readSync,
	renameSync,
	statfsSync,
	unlinkSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import {xfstest} from './api.ts';

export const test = xfstest({
	title: 'A file without a name lives until it is closed, and then its space is free',
	groups: ['auto', 'quick', 'metadata'],
	run(t) {
		t.remount();
		const free = () => statfsSync(t.dir).bfree;
		const before = free();
		const inodes = statfsSync(t.dir).ffree;
		const size = 8 << 20;
		const file = openSync(t.path('file'), 'w+');
		writeSync(file, Buffer.alloc(size, 1));
		fsyncSync(file);
		unlinkSync(t.path('file'));
		t.print(`links: ${fstatSync(file).nlink}, size ${fstatSync(file).size}`);
		t.print(`its name: ${existsSync(t.path('file'))}`);
		t.print(`its space is taken: ${before - free() >= size / 4096}`);
		writeFileSync(t.path('file'), 'another one of that name');
		const bytes = Buffer.alloc(1000);
		t.print(
			`read: ${readSync(file, bytes, 0, 1000, size - 1000)}, ${bytes.every(byte => byte === 1)}`,
		);
		t.print(`written: ${writeSync(file, Buffer.alloc(4096, 2), 0, 4096, size)}`);
		ftruncateSync(file, 5000);
		t.print(`cut: ${fstatSync(file).size}`);
		t.attempt('a new name by /proc', () => writeFileSync(`/proc/self/fd/${file}`, 'by its number'));
		t.print(`size: ${fstatSync(file).size}`);
		closeSync(file);
		// Another takes its place while it is open.
		const old = openSync(t.path('file'), 'r');
		writeFileSync(t.path('new'), 'the new one');
		renameSync(t.path('new'), t.path('file'));
		readSync(old, bytes, 0, 24, 0);
		t.print(`the old one: ${bytes.toString('utf8', 0, 24)}, links ${fstatSync(old).nlink}`);
		closeSync(old);
		unlinkSync(t.path('file'));
		t.remount();
		t.print(`blocks that are missing: ${before - free()}`);
		t.print(`inodes that are missing: ${inodes - statfsSync(t.dir).ffree}`);
		const many = Array.from({length: 100}, (_, index) => {
			const made = openSync(t.path(`many-${index}`), 'w+');
			writeSync(made, Buffer.alloc(20_000, index));
			unlinkSync(t.path(`many-${index}`));
			return made;
		});
		const wrong = many.filter((each, index) => {
			readSync(each, bytes, 0, 1000, 19_000);
			return !bytes.every(byte => byte === index);
		});
		t.print(`a hundred, wrong: ${wrong.length}`);
		for (const each of many) closeSync(each);
		t.remount();
		t.print(`blocks that are missing: ${before - free()}`);
	},
});
