import {closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync} from 'node:fs';
import {calls, type TestContext, xfstest} from './api.ts';

const {data, hole} = calls.seeking;
const size = 1 << 20;
const blockBytes = 4096;

/** Copies as cp(1) does, what lies between holes alone. */
function copyData(t: TestContext, file: number): Buffer {
	const copy = Buffer.alloc(size);
	for (let at = 0; at < size; ) {
		const start = t.codeOf(() => calls.lseek(file, at, data));
		if (start === 'ENXIO') break;
		const end = calls.lseek(file, Number(start), hole);
		calls.pread(file, copy.subarray(Number(start), end), Number(start));
		t.full(`data ${start}-${end}`);
		at = end;
	}
	return copy;
}

export const test = xfstest({
	title: 'A copy of what SEEK_DATA and SEEK_HOLE call data lacks nothing, written back or not',
	groups: ['auto', 'quick', 'rw'],
	needs: ['allocate', 'punch-hole'],
	run(t) {
		const file = openSync(t.path('sparse'), 'w+');
		const compare = (label: string) => {
			const isSame = copyData(t, file).equals(readFileSync(t.path('sparse')));
			t.print(`${label}: ${isSame ? 'the same' : 'data was called a hole'}`);
		};
		const write = (block: number) =>
			writeSync(
				file,
				Buffer.alloc(blockBytes, 1 + (block % 255)),
				0,
				blockBytes,
				block * blockBytes,
			);
		ftruncateSync(file, size);
		compare('all of it a hole');
		for (const block of [1, 2, 7, 100, 255]) write(block);
		compare('five blocks just written');
		fsyncSync(file);
		compare('five blocks written back');
		calls.fallocate(file, calls.allocate.punchHole | calls.allocate.keepSize, 100 * 4096, 4096);
		compare('one punched out');
		calls.fallocate(file, 0, 196 * blockBytes, 30 * blockBytes);
		for (let block = 200; block < 216; block += 2) write(block);
		compare('over allocated space');
		{
			using mapping = calls.mmap(file, 0, size);
			mapping.bytes[50 * blockBytes + 5] = 9;
			compare('in a mapping');
		}
		for (const [label, at, whence] of [
			['data at the end', size, data],
			['hole at the end', size, hole],
			['data before the start', -1, data],
			['hole beyond the end', size + 1, hole],
			['data in the last byte', size - 1, data],
			['the hole behind all', size - 1, hole],
		] as const) {
			t.attempt(label, () => calls.lseek(file, at, whence));
		}
		closeSync(file);
		t.remount('ro');
		const again = openSync(t.path('sparse'), 'r');
		const isSame = copyData(t, again).equals(readFileSync(t.path('sparse')));
		t.print(`mounted read-only: ${isSame}`);
		closeSync(again);
	},
});
