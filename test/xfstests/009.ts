import {
	closeSync,
	constants,
	fstatSync,
	ftruncateSync,
	openSync,
	readFileSync,
	writeSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

export const test = xfstest({
	title: 'O_DIRECT and the page cache tell of the same file',
	groups: ['auto', 'quick', 'rw', 'aio'],
	needs: ['direct'],
	run(t) {
		const direct = openSync(
			t.path('file'),
			constants.O_RDWR | constants.O_CREAT | calls.open.direct,
			0o644,
		);
		const cached = openSync(t.path('file'), 'r+');
		const block = calls.alignedBuffer(4096);
		const large = calls.alignedBuffer(1 << 20);
		const cachedAt = (at: number) => {
			const byte = Buffer.alloc(1);
			calls.pread(cached, byte, at);
			return byte[0];
		};
		block.fill(1);
		t.print(`written directly: ${calls.pwrite(direct, block, 0)}`);
		t.print(`size: ${fstatSync(direct).size}`);
		t.print(`read through the cache: ${cachedAt(4095)}`);
		writeSync(cached, Buffer.alloc(4096, 2), 0, 4096, 0);
		calls.pread(direct, block, 0);
		t.print(`read directly after a cached write: ${block[0]} ${block[4095]}`);
		block.fill(3);
		calls.pwrite(direct, block, 0);
		t.print(`read through the cache after a direct write: ${cachedAt(17)}`);
		{
			using mapping = calls.mmap(cached, 0, 4096);
			mapping.bytes[9] = 4;
			calls.pread(direct, block, 0);
			t.print(`read directly after a change of a mapping: ${block[9]}`);
		}
		large.fill(5);
		t.print(`a MiB behind a hole: ${calls.pwrite(direct, large, 2 << 20)}`);
		large.fill(0xff);
		t.print(`the hole: ${calls.pread(direct, large, 65_536)}`);
		t.print(`its bytes other than zero: ${large.findIndex(byte => byte !== 0)}`);
		ftruncateSync(cached, (3 << 20) - 1000);
		t.print(`over the end: ${calls.pread(direct, large, (3 << 20) - 8192)}`);
		t.print(`at the end: ${calls.pread(direct, large, 3 << 20)}`);
		// Another one's blocks, and what the cache keeps of them, side by side.
		for (let index = 0; index < 64; index++) {
			block.fill(100 + index);
			if (index % 2 === 0) calls.pwrite(direct, block, index * 4096);
			else writeSync(cached, block, 0, 4096, index * 4096);
		}
		const wrong: string[] = [];
		const check = () => {
			const bytes = readFileSync(t.path('file'));
			for (let index = 0; index < 64; index++) {
				const piece = bytes.subarray(index * 4096, (index + 1) * 4096);
				if (!piece.every(byte => byte === 100 + index)) wrong.push(`block ${index}`);
			}
		};
		check();
		t.verdict('blocks written by turns', wrong);
		closeSync(direct);
		closeSync(cached);
		t.remount();
		check();
		t.verdict('mounted again', wrong);
	},
});
