import {closeSync, fstatSync, openSync, readFileSync, writeFileSync, writeSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title: 'copy_file_range copies within a file, between files, over holes and ends',
	groups: ['auto', 'quick', 'rw'],
	run(t) {
		const size = 300_000;
		const bytes = Buffer.from(Array.from({length: size}, (_, at) => (at * 7 + (at >> 8)) % 256));
		writeFileSync(t.path('from'), bytes);
		const from = openSync(t.path('from'), 'r');
		const to = openSync(t.path('to'), 'w+');
		const copyAll = (offset: number, toOffset: number, length: number) => {
			let done = 0;
			while (done < length) {
				const count = calls.copyFileRange(from, offset + done, to, toOffset + done, length - done);
				if (count === 0) break;
				done += count;
			}
			return done;
		};
		t.attempt('all of it', () => copyAll(0, 0, size));
		t.print(`the same: ${readFileSync(t.path('to')).equals(bytes)}`);
		t.attempt('odd offsets', () => copyAll(12_345, 500_001, 100_000));
		const there = readFileSync(t.path('to'));
		t.print(`its length: ${there.length}`);
		t.print(`the gap is empty: ${there.subarray(size, 500_001).every(byte => byte === 0)}`);
		t.print(`there: ${there.subarray(500_001).equals(bytes.subarray(12_345, 112_345))}`);
		t.attempt('over the end', () => copyAll(size - 100, 0, 4096));
		t.attempt('beyond the end', () => copyAll(size + 1, 0, 4096));
		t.attempt('nothing', () => copyAll(0, 0, 0));
		const self = openSync(t.path('from'), 'r+');
		t.attempt('within a file', () => calls.copyFileRange(self, 0, self, 200_000, 50_000));
		const moved = readFileSync(t.path('from'));
		t.print(`within: ${moved.subarray(200_000, 250_000).equals(bytes.subarray(0, 50_000))}`);
		t.attempt('onto itself, overlapping', () => calls.copyFileRange(self, 0, self, 10, 100));
		t.attempt('to a reader', () => calls.copyFileRange(from, 0, from, 0, 100));
		const appender = openSync(t.path('to'), 'a');
		t.attempt('to one that appends', () => calls.copyFileRange(from, 0, appender, 0, 100));
		const folder = openSync(t.dir, 'r');
		t.attempt('from a directory', () => calls.copyFileRange(folder, 0, to, 0, 100));
		t.attempt('to a directory', () => calls.copyFileRange(from, 0, folder, 0, 100));
		t.attempt('a negative offset', () => calls.copyFileRange(from, -1, to, 0, 100));
		for (const each of [from, to, self, appender, folder]) closeSync(each);

		// What was just written and is not on the disk yet.
		const fresh = openSync(t.path('fresh'), 'w+');
		const copy = openSync(t.path('copy'), 'w+');
		writeSync(fresh, Buffer.alloc(70_000, 1));
		t.attempt('just written', () => calls.copyFileRange(fresh, 0, copy, 0, 70_000));
		t.print(`copied: ${readFileSync(t.path('copy')).equals(Buffer.alloc(70_000, 1))}`);
		writeSync(copy, Buffer.alloc(10, 2), 0, 10, 0);
		calls.copyFileRange(fresh, 0, copy, 5, 5);
		t.print(
			`over what was just written: ${readFileSync(t.path('copy')).subarray(0, 12).join(' ')}`,
		);
		t.print(`size: ${fstatSync(copy).size}`);
		closeSync(fresh);
		closeSync(copy);
		t.remount();
		t.print(`mounted again: ${readFileSync(t.path('copy')).subarray(0, 12).join(' ')}`);
		const again = readFileSync(t.path('to'));
		t.print(`there: ${again.subarray(500_001).equals(bytes.subarray(12_345, 112_345))}`);
	},
});
