import {closeSync, constants, openSync, readFileSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';

const recordBytes = 100;
const records = 300;

export const test = xfstest({
	title: 'Appends of several processes neither overwrite nor tear each other',
	groups: ['auto', 'quick', 'rw'],
	workers: {
		append(t, byte) {
			const {O_WRONLY, O_APPEND, O_CREAT} = constants;
			const file = openSync(t.path('log'), O_WRONLY | O_APPEND | O_CREAT);
			const record = Buffer.alloc(recordBytes, byte);
			for (let count = 0; count < records; count++) writeSync(file, record);
			// An offset is of no use to a file that is appended to.
			writeSync(file, record, 0, recordBytes, 0);
			closeSync(file);
		},
	},
	async run(t) {
		const names = ['a', 'b', 'c', 'd'];
		await Promise.all(names.map(name => t.worker('append', name)));
		const look = () => {
			const text = readFileSync(t.path('log'), 'latin1');
			const seen = new Map<string, number>();
			const torn: string[] = [];
			for (let at = 0; at < text.length; at += recordBytes) {
				const record = text.slice(at, at + recordBytes);
				const [first = ''] = record;
				if (record !== first.repeat(recordBytes)) torn.push(`at ${at}`);
				seen.set(first, (seen.get(first) ?? 0) + 1);
			}
			t.verdict('records', torn);
			t.print(names.map(name => `${name}: ${seen.get(name)}`).join(', '));
		};
		look();
		t.remount();
		look();
	},
});
