import {closeSync, openSync, writeFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title: 'Locks of files and of ranges keep other processes out, and end with their holder',
	groups: ['auto', 'quick', 'metadata'],
	workers: {
		// What another process gets: words such as "flock exclusive" and "range write 0 10".
		tries(t, ...words) {
			const file = openSync(t.path('file'), 'r+');
			const said = words.map(word => {
				const [way, kind, from, length] = word.split(' ');
				const code = t.codeOf(() => {
					if (way === 'flock') calls.flock(file, kind === 'shared' ? 'shared' : 'exclusive');
					else
						calls.lockRange(file, kind === 'read' ? 'read' : 'write', Number(from), Number(length));
				});
				return `${word}: ${code ?? 'ok'}`;
			});
			t.print(said.join(', '));
		},
	},
	async run(t) {
		writeFileSync(t.path('file'), 'x'.repeat(100));
		const file = openSync(t.path('file'), 'r+');
		const others = async (label: string, ...words: string[]) => {
			t.print(`${label} — ${(await t.worker('tries', ...words)).trim()}`);
		};
		calls.flock(file, 'shared');
		await others('flock shared', 'flock shared', 'flock exclusive');
		calls.flock(file, 'exclusive');
		await others('flock exclusive', 'flock shared', 'flock exclusive', 'range write 0 10');
		const second = openSync(t.path('file'), 'r+');
		t.attempt('flock, opened twice here', () => calls.flock(second, 'exclusive'));
		calls.flock(file, 'none');
		await others('none', 'flock exclusive');
		await others('of one that has ended', 'flock exclusive');

		calls.lockRange(file, 'write', 10, 20);
		await others(
			'range 10-30',
			'range write 0 10',
			'range write 0 11',
			'range read 29 1',
			'range write 30 5',
		);
		t.attempt('the same process again', () => calls.lockRange(second, 'write', 0, 0));
		calls.lockRange(file, 'none', 15, 5);
		await others('a hole in it', 'range write 15 5', 'range write 14 1', 'range write 20 1');
		calls.lockRange(file, 'read', 0, 0);
		await others(
			'all of it to read',
			'range read 0 0',
			'range write 50 1',
			'range write 1000000 1',
		);
		// The rule that surprises: closing any descriptor of the file lets all of its locks go.
		closeSync(second);
		await others('another descriptor closed', 'range write 0 0');
		calls.lockRange(file, 'write', 0, 0);
		await others('beyond the end', 'range write 5000000 1', 'flock exclusive');
		closeSync(file);
		await others('closed', 'range write 0 0');
		const reader = openSync(t.path('file'), 'r');
		t.attempt('to write, of what is open for reading', () =>
			calls.lockRange(reader, 'write', 0, 1),
		);
		t.attempt('to read', () => calls.lockRange(reader, 'read', 0, 1));
		closeSync(reader);
	},
});
