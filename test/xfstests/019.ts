import {
	chmodSync,
	closeSync,
	fstatSync,
	lstatSync,
	openSync,
	readFileSync,
	renameSync,
} from 'node:fs';
import {calls, xfstest} from './api.ts';

const types = {
	fifo: 0o010_000,
	character: 0o020_000,
	block: 0o060_000,
	file: 0o100_000,
	socket: 0o140_000,
};
const devices = [
	[0, 0],
	[1, 3],
	[8, 255],
	[8, 256],
	[259, 1_048_575],
	[4095, 1_048_575],
] as const;

export const test = xfstest({
	title: 'Special files keep their type, their mode and their device numbers, and open nothing',
	groups: ['auto', 'quick', 'metadata'],
	needs: ['root'],
	run(t) {
		for (const [name, type] of Object.entries(types)) {
			t.attempt(name, () => calls.mknod(t.path(name), type | 0o640));
		}
		t.attempt('a directory', () => calls.mknod(t.path('directory'), 0o040_755));
		t.attempt('no type is a file', () => {
			calls.mknod(t.path('none'), 0o600);
			return lstatSync(t.path('none')).mode.toString(8);
		});
		t.attempt('where one is', () => calls.mknod(t.path('fifo'), types.fifo));
		for (const [major, minor] of devices) {
			calls.mknod(t.path(`c-${major}-${minor}`), types.character | 0o600, major, minor);
			calls.mknod(t.path(`b-${major}-${minor}`), types.block | 0o600, major, minor);
		}
		renameSync(t.path('character'), t.path('moved'));
		calls.link(t.path('moved'), t.path('linked'));
		chmodSync(t.path('block'), 0o4777);
		t.remount();
		for (const name of ['fifo', 'moved', 'linked', 'block', 'file', 'socket']) {
			const {mode, nlink, size} = lstatSync(t.path(name));
			t.print(`${name}: mode ${mode.toString(8)}, links ${nlink}, size ${size}`);
		}
		for (const [major, minor] of devices) {
			for (const kind of ['c', 'b']) {
				const {rdev} = lstatSync(t.path(`${kind}-${major}-${minor}`), {bigint: true});
				t.print(`${kind} ${major} ${minor}: 0x${rdev.toString(16)}`);
			}
		}
		t.attempt('opening a device', () => readFileSync(t.path('c-1-3')));
		t.attempt('opening a socket', () => readFileSync(t.path('socket')));
		t.attempt('a fifo, both ends', () => {
			const pipe = openSync(t.path('fifo'), 'r+');
			const isFifo = fstatSync(pipe).isFIFO();
			closeSync(pipe);
			return isFifo;
		});
		t.asUser({uid: 1234, gid: 1234}, () => {
			t.attempt('a device, by a user', () =>
				calls.mknod(t.path('mine'), types.character | 0o600, 1, 3),
			);
		});
		chmodSync(t.dir, 0o777);
		t.asUser({uid: 1234, gid: 1234}, () => {
			t.attempt('a device where one may write', () =>
				calls.mknod(t.path('mine'), types.character | 0o600, 1, 3),
			);
			t.attempt('a fifo', () => calls.mknod(t.path('mine'), types.fifo | 0o600));
			t.attempt('a whiteout', () => calls.mknod(t.path('white'), types.character, 0, 0));
		});
		t.print(`owner: ${lstatSync(t.path('mine')).uid}`);
	},
});
