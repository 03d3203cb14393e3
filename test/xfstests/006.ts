import {
	closeSync,
	fstatSync,
	fsyncSync,
	ftruncateSync,
	mkdirSync,
	openSync,
	readFileSync,
	writeSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

const {keepSize, zeroRange, collapseRange, insertRange, punchHole} = calls.allocate;

export const test = xfstest({
	title: 'fallocate gives space that reads as zeros, within the file and beyond its end',
	groups: ['auto', 'quick', 'rw'],
	needs: ['allocate', 'zero-range'],
	run(t) {
		const file = openSync(t.path('file'), 'w+');
		const told = () => `${fstatSync(file).size} bytes, ${fstatSync(file).blocks * 512} allocated`;
		calls.fallocate(file, 0, 0, 100_000);
		t.print(`from nothing: ${told()}`);
		calls.fallocate(file, keepSize, 0, 200_000);
		t.print(`beyond the end: ${told()}`);
		writeSync(file, Buffer.alloc(10_000, 0x61), 0, 10_000, 95_000);
		fsyncSync(file);
		t.print(`written over the end: ${told()}`);
		const zeros = readFileSync(t.path('file')).lastIndexOf(0);
		t.print(`zeros up to ${zeros}`);
		calls.fallocate(file, zeroRange, 96_000, 1000);
		calls.fallocate(file, zeroRange | keepSize, 104_000, 50_000);
		t.print(`zeroed within, and over the end: ${told()}`);
		const bytes = readFileSync(t.path('file'));
		const count = bytes.reduce((sum, byte) => sum + (byte === 0x61 ? 1 : 0), 0);
		t.print(`bytes that are left: ${count}`);
		calls.fallocate(file, zeroRange, 300_000, 100_000);
		t.print(`zeroed far behind: ${told()}`);
		closeSync(file);
		t.remount();
		const again = readFileSync(t.path('file'));
		const left = again.reduce((sum, byte) => sum + (byte === 0x61 ? 1 : 0), 0);
		t.print(`mounted again: ${again.length} bytes, ${left} left`);

		const other = openSync(t.path('file'), 'r+');
		t.attempt('no length', () => calls.fallocate(other, 0, 0, 0));
		t.attempt('negative offset', () => calls.fallocate(other, 0, -4096, 4096));
		t.attempt('negative length', () => calls.fallocate(other, 0, 4096, -4096));
		t.attempt('punching and zeroing', () =>
			calls.fallocate(other, zeroRange | punchHole | keepSize, 0, 4096),
		);
		t.attempt('collapsing, keeping the size', () =>
			calls.fallocate(other, collapseRange | keepSize, 0, 4096),
		);
		t.attempt('inserting and punching', () =>
			calls.fallocate(other, insertRange | punchHole, 0, 4096),
		);
		t.attempt('more than there is', () => calls.fallocate(other, 0, 0, 2 ** 30));
		// Some of it may be allocated now.
		ftruncateSync(other, 0);
		t.print(`cut to nothing: ${fstatSync(other).blocks} sectors`);
		closeSync(other);
		mkdirSync(t.path('folder'));
		const folder = openSync(t.path('folder'), 'r');
		t.attempt('a directory', () => calls.fallocate(folder, 0, 0, 4096));
		closeSync(folder);
	},
});
