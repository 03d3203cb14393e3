import {
	closeSync,
	fstatSync,
	fsyncSync,
	ftruncateSync,
	openSync,
	readSync,
	statfsSync,
	writeSync,
} from 'node:fs';
import {xfstest} from './api.ts';

const apart = 5 * 2 ** 30;
const count = 1600;

export const test = xfstest({
	title: 'Blocks strewn over terabytes lie where they were written, and come off from the end',
	groups: ['auto', 'quick', 'rw'],
	image: {size: '64M'},
	run(t) {
		t.remount();
		const before = statfsSync(t.dir).bfree;
		const file = openSync(t.path('sparse'), 'w+');
		// Far apart, so that each is an extent of its own; out of order; at the edges of blocks.
		const places = Array.from({length: count}, (_, index) => ({
			at: ((index * 7919) % count) * apart + (index % 4) * 1000,
			bytes: Buffer.from(`place ${index} `.repeat(3)),
		}));
		for (const {at, bytes} of places) writeSync(file, bytes, 0, bytes.length, at);
		fsyncSync(file);
		const wrong = (limit: number) => {
			const found: string[] = [];
			for (const {at, bytes} of places) {
				if (at + bytes.length > limit) continue;
				const into = Buffer.alloc(bytes.length);
				readSync(file, into, 0, into.length, at);
				if (!into.equals(bytes)) found.push(`${at}: ${into}`);
			}
			return found;
		};
		t.verdict('written', wrong(Number.POSITIVE_INFINITY));
		t.print(`size ${fstatSync(file).size}`);
		const blocks = () => fstatSync(file).blocks / 8;
		// Those of the extent tree come on top.
		t.print(`blocks: ${blocks() >= count && blocks() < count + 20}`);
		for (let part = 3; part >= 0; part--) {
			const limit = ((part * count) / 4) * apart;
			ftruncateSync(file, limit);
			t.verdict(`cut to ${limit}`, wrong(limit));
			const left = blocks() - (part * count) / 4;
			t.print(`about ${part} quarters are left: ${left >= 0 && left < 20}`);
		}
		closeSync(file);
		t.remount();
		t.print(`blocks that are missing: ${before - statfsSync(t.dir).bfree}`);
	},
});
