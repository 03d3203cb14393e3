import {closeSync, mkdirSync, openSync, writeFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

const count = 600;

export const test = xfstest({
	title: 'From every offset that a directory gives, reading goes on with the entry behind it',
	groups: ['auto', 'quick', 'metadata'],
	run(t) {
		for (const [label, files] of [
			['one block', 20],
			['with an index', count],
		] as const) {
			const path = t.path(label);
			mkdirSync(path);
			for (let index = 0; index < files; index++) {
				writeFileSync(`${path}/a-name-that-takes-some-room-${index}`, '');
			}
			const folder = openSync(path, 'r');
			const readAll = (bytes: number) => {
				const entries: calls.Entry[] = [];
				for (;;) {
					const more = calls.readEntries(folder, bytes);
					if (more.length === 0) return entries;
					entries.push(...more);
				}
			};
			const all = readAll(32_768);
			t.print(`${label}: ${all.length} entries`);
			t.print(`names: ${new Set(all.map(({name}) => name.toString())).size}`);
			t.print(`offsets: ${new Set(all.map(({offset}) => offset)).size}`);
			const wrong: string[] = [];
			for (const [index, entry] of all.entries()) {
				calls.lseek(folder, entry.offset, calls.seeking.set);
				const [next] = calls.readEntries(folder, 600);
				const expected = all[index + 1];
				if (next?.name.toString() !== expected?.name.toString()) {
					wrong.push(`behind ${entry.name}: ${next?.name}, not ${expected?.name}`);
				}
			}
			t.verdict('seeking to each', wrong);
			calls.lseek(folder, 0, calls.seeking.set);
			const again = readAll(300);
			const isSame = again.every(
				(entry, index) => entry.name.toString() === all[index]?.name.toString(),
			);
			t.print(`in small pieces: ${again.length === all.length && isSame}`);
			t.attempt('at the end', () => calls.readEntries(folder).length);
			closeSync(folder);
		}
		const file = openSync(t.path('file'), 'w+');
		t.attempt('a file', () => calls.readEntries(file));
		closeSync(file);
		mkdirSync(t.path('gone'));
		const gone = openSync(t.path('gone'), 'r');
		t.attempt('too little room', () => calls.readEntries(gone, 20));
		t.run('rmdir', ['gone']);
		t.attempt('one that was removed', () => calls.readEntries(gone).length);
		t.attempt('a file in it', () => writeFileSync(`/proc/self/fd/${gone}/x`, ''));
		closeSync(gone);
	},
});
