import {closeSync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync} from 'node:fs';
import {xfstest} from './api.ts';

/** How far apart the writes lie: inside a block, at its edges, over several. */
const sizes = [1, 511, 512, 4095, 4096, 4097, 65_535, 65_536, 1_000_001];

export const test = xfstest({
	title: 'What a truncation cuts off reads as zeros when the file grows over it again',
	groups: ['auto', 'quick', 'rw'],
	run(t) {
		for (const size of sizes) {
			const name = t.path(`cut-${size}`);
			const file = openSync(name, 'w+');
			writeSync(file, Buffer.alloc(1 << 20, 0x5a));
			ftruncateSync(file, size);
			ftruncateSync(file, 1 << 20);
			const isZero = (bytes: Buffer) => bytes.subarray(size).every(byte => byte === 0);
			const isKept = (bytes: Buffer) => bytes.subarray(0, size).every(byte => byte === 0x5a);
			const before = readFileSync(name);
			closeSync(file);
			t.print(`${size}: kept ${isKept(before)}, zeros ${isZero(before)}`);
		}
		t.remount();
		for (const size of sizes) {
			const bytes = readFileSync(t.path(`cut-${size}`));
			const kept = bytes.findIndex(byte => byte !== 0x5a);
			const zeros = bytes.findLastIndex(byte => byte !== 0);
			t.print(`${size} afterwards: ${bytes.length} bytes, ${kept} kept, last at ${zeros}`);
		}
		const file = openSync(t.path('cut-4097'), 'r+');
		ftruncateSync(file, 0);
		t.print(`cut to nothing: ${fstatSync(file).size}`);
		closeSync(file);
	},
});
