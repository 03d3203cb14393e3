/** Several processes count on one page, each its own word, while another reads and extends the file. */
import {closeSync, fsyncSync, ftruncateSync, openSync, readSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

const rounds = 20_000;
const counters = 3;

export const test = xfstest({
	title:
		'What processes write through mappings of one page is all there, by read and after mounting again',
	groups: ['auto', 'quick', 'stress', 'rw'],
	needs: ['shared-mapping'],
	image: {size: '32M'},
	workers: {
		count(t, slot) {
			const file = openSync(t.path('counters'), 'r+');
			using mapping = calls.mmap(file, 0, 4096);
			const at = Number(slot) * 8;
			const word = new DataView(mapping.bytes.buffer, mapping.bytes.byteOffset + at, 8);
			for (let round = 0; round < rounds; round++)
				word.setUint32(0, word.getUint32(0, true) + 1, true);
			mapping.sync();
			closeSync(file);
		},
		grow(t) {
			const file = openSync(t.path('counters'), 'r+');
			const page = Buffer.alloc(4096);
			for (let round = 1; round <= 300; round++) {
				ftruncateSync(file, 4096 + (round % 10) * 5000);
				readSync(file, page, 0, page.length, 0);
				if (round % 50 === 0) fsyncSync(file);
			}
			ftruncateSync(file, 4096);
			closeSync(file);
		},
	},
	async run(t) {
		const file = openSync(t.path('counters'), 'w+');
		ftruncateSync(file, 4096);
		const slots = Array.from({length: counters}, (_, index) => index);
		await Promise.all([...slots.map(slot => t.worker('count', slot)), t.worker('grow')]);
		const read = (from: number) => {
			const page = Buffer.alloc(4096);
			readSync(from, page, 0, page.length, 0);
			return slots.map(slot => page.readUInt32LE(slot * 8)).join(' ');
		};
		t.print(`counted: ${read(file)}`);
		closeSync(file);
		t.remount();
		const again = openSync(t.path('counters'), 'r');
		t.print(`after mounting again: ${read(again)}`);
		closeSync(again);
	},
});
