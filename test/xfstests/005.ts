import {closeSync, fstatSync, fsyncSync, openSync, readFileSync, writeSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

const {punchHole, keepSize} = calls.allocate;
const size = 1 << 20;

export const test = xfstest({
	title: 'A hole punched anywhere reads as zeros, and only it does',
	groups: ['auto', 'quick', 'rw'],
	needs: ['punch-hole'],
	image: {mkfs: ['-t', 'ext4', '-b', '1024']},
	run(t) {
		const random = t.rng(5);
		const file = openSync(t.path('file'), 'w+');
		const model = Buffer.alloc(size);
		for (let at = 0; at < size; at++) model[at] = 1 + (at % 251);
		writeSync(file, model);
		const wrong: string[] = [];
		const edges = [0, 1, 1023, 1024, 1025, 4095, 4096, 4097, 65_535, 65_536];
		const ranges = edges.flatMap(from => edges.map(length => [from + 131_072, length] as const));
		for (let count = 0; count < 60; count++) {
			ranges.push([random.below(size), 1 + random.below(50_000)]);
		}
		for (const [from, length] of ranges) {
			if (length === 0) continue;
			calls.fallocate(file, punchHole | keepSize, from, length);
			model.fill(0, from, Math.min(size, from + length));
			const around = Buffer.alloc(length + 20_000);
			const start = Math.max(0, from - 10_000);
			const count = calls.pread(file, around, start);
			const expected = model.subarray(start, start + around.length);
			if (!around.subarray(0, count).equals(expected)) wrong.push(`${from} ${length}`);
		}
		t.verdict('right after each', wrong);
		t.print(`size: ${fstatSync(file).size}`);
		calls.fallocate(file, punchHole | keepSize, 0, size * 2);
		fsyncSync(file);
		t.print(`all punched: ${fstatSync(file).size} bytes, ${fstatSync(file).blocks} sectors`);
		const half = Buffer.alloc(size / 2, 7);
		writeSync(file, half, 0, half.length, 0);
		for (let at = 0; at < size / 2; at += 2048) calls.fallocate(file, 3, at, 1024);
		closeSync(file);
		t.remount();
		const bytes = readFileSync(t.path('file'));
		const bad = bytes.findIndex((byte, at) => {
			const isData = at < size / 2 && at % 2048 >= 1024;
			return byte !== (isData ? 7 : 0);
		});
		t.print(`every other block punched: first wrong byte ${bad}`);
		const last = openSync(t.path('file'), 'r+');
		t.attempt('without keeping the size', () => calls.fallocate(last, punchHole, 0, 4096));
		t.attempt('no length', () => calls.fallocate(last, punchHole | keepSize, 0, 0));
		t.attempt('before the start', () => calls.fallocate(last, punchHole | keepSize, -1, 10));
		closeSync(last);
		const reader = openSync(t.path('file'), 'r');
		t.attempt('opened for reading', () => calls.fallocate(reader, punchHole | keepSize, 0, 1));
		closeSync(reader);
	},
});
