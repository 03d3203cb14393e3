import {
	closeSync,
	fstatSync,
	ftruncateSync,
	openSync,
	readFileSync,
	readSync,
	writeSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title: 'A shared mapping and read and write see each other, and beyond the end nothing stays',
	groups: ['auto', 'quick', 'rw'],
	needs: ['shared-mapping'],
	workers: {
		// Another process writes what the test sees in its mapping.
		poke(t, name, at, byte) {
			const file = openSync(t.path(name), 'r+');
			writeSync(file, Buffer.of(Number(byte)), 0, 1, Number(at));
			closeSync(file);
		},
		peek(t, name, at) {
			const file = openSync(t.path(name), 'r');
			using mapping = calls.mmap(file, 0, 16_384, {isWritable: false});
			t.print(mapping.bytes[Number(at)] ?? -1);
			closeSync(file);
		},
	},
	async run(t) {
		const file = openSync(t.path('file'), 'w+');
		writeSync(file, Buffer.alloc(16_384, 1));
		const one = Buffer.alloc(1);
		const readAt = (at: number) => {
			readSync(file, one, 0, 1, at);
			return one[0];
		};
		{
			using mapping = calls.mmap(file, 0, 16_384);
			const {bytes} = mapping;
			bytes[5000] = 2;
			t.print(`read after a change of the mapping: ${readAt(5000)}`);
			writeSync(file, Buffer.of(3), 0, 1, 5001);
			t.print(`the mapping after a write: ${bytes[5001]}`);
			await t.worker('poke', 'file', 9000, 4);
			t.print(`the mapping after another process wrote: ${bytes[9000]}`);
			bytes[9001] = 5;
			t.print(`another process's mapping: ${(await t.worker('peek', 'file', 9001)).trim()}`);
			using mine = calls.mmap(file, 0, 16_384, {isPrivate: true});
			mine.bytes[100] = 6;
			t.print(`a private change: ${mine.bytes[100]}, in the file ${readAt(100)}`);
			bytes[101] = 7;
			t.print(`the other pages of a private mapping: ${mine.bytes[4096 * 3]}`);
			mapping.sync();
		}
		ftruncateSync(file, 10_000);
		{
			using mapping = calls.mmap(file, 8192, 4096);
			t.print(`behind the end, in its page: ${mapping.bytes[10_000 - 8192]}`);
			mapping.bytes.fill(9, 10_000 - 8192);
			mapping.sync();
			t.print(`size after changing it: ${fstatSync(file).size}`);
		}
		ftruncateSync(file, 12_288);
		const tail = readFileSync(t.path('file')).subarray(10_000);
		t.print(`grown again, behind the old end: ${tail.findIndex(byte => byte !== 0)}`);
		{
			// Through a hole.
			ftruncateSync(file, 1 << 20);
			using mapping = calls.mmap(file, 524_288, 65_536);
			for (let at = 0; at < 65_536; at += 4096) mapping.bytes[at] = 11;
		}
		closeSync(file);
		t.remount();
		const bytes = readFileSync(t.path('file'));
		t.print(`mounted again: ${[100, 101, 5000, 5001, 9000, 9001].map(at => bytes[at])}`);
		t.print(`tail: ${bytes.subarray(10_000, 524_288).findIndex(byte => byte !== 0)}`);
		const dots = Array.from({length: 16}, (_, page) => bytes[524_288 + page * 4096]);
		t.print(`what was mapped over a hole: ${dots}`);
	},
});
