import test from 'ava';
import {describe} from '../../src/commands/status.ts';
import {encodeStatus, type Status, statusBytesMax, statusIoctl} from '../../src/status.ts';

const status: Status = {
	ext4box: 1,
	image: 'disk.img',
	readOnly: true,
	allowOther: false,
	sandbox: {level: 'off', wanted: 'off', required: 'off', layers: []},
	dataPath: {kind: 'fuse', reason: 'a test'},
	loop: null,
	protocol: {minor: 45, kernelMinor: 45, flags: []},
	uptimeSeconds: 1,
	cpuSeconds: {user: 0, system: 0},
	memoryBytes: {residentPeak: 1, heap: 1},
	requests: {LOOKUP: 1},
	errors: {},
	receivedBytes: 0,
	sentBytes: 0,
	deviceReads: {count: 0, bytes: 0},
	deviceWrites: {count: 0, bytes: 0},
	deviceFlushes: 0,
	writing: null,
	blockCache: {hits: 0, misses: 0},
	volume: {label: '', uuid: '', blockSize: 4096, blockCount: 1, features: [], replayed: 0},
	budget: {exceeded: 0, mostAccesses: 0, mostReadBytes: 0},
	faultCount: 0,
	lastFaults: [],
};

test('the ioctl reads, and says how many bytes', t => {
	// linux/ioctl.h: two bits of direction (2 is reading), fourteen of size, eight of type, eight.
	t.is(statusIoctl >>> 30, 2);
	t.is((statusIoctl >>> 16) & 0x3fff, statusBytesMax);
	t.is(statusIoctl, 0xbff8_4542);
});

test('a status that is too long loses its oldest faults', t => {
	const lastFaults = Array.from({length: 16}, (_, index) => ({
		time: '',
		code: 'X',
		message: `${index} `.repeat(1000),
		operation: 'READ',
		inode: 1,
	}));
	const bytes = encodeStatus({...status, lastFaults});
	t.true(bytes.length <= statusBytesMax);
	const read = JSON.parse(new TextDecoder().decode(bytes)) as Status;
	t.true(read.lastFaults.length > 0 && read.lastFaults.length < 16);
	t.true(read.lastFaults.at(-1)?.message.startsWith('15 '));
});

test('a status that can not be made to fit is an error, not a torn text', t => {
	t.throws(() => encodeStatus({...status, image: 'x'.repeat(20_000)}), {instanceOf: RangeError});
});

test('a label, a message or a path does not reach the terminal as it is', t => {
	const evil = '\u009b2J\u001b[2J\nx\u202e';
	const fault = {time: '', code: 'X', message: evil, operation: 'READ', inode: 1};
	const shown = {...status, volume: {...status.volume, label: evil}, lastFaults: [fault]};
	const mount = {
		id: 1,
		device: '0:1',
		path: `/${evil}`,
		type: 'fuse.ext4box',
		source: evil,
		options: [],
		uid: 0,
		isReadOnly: false,
		allowsOther: false,
	};
	const text = describe(mount, shown);
	t.notRegex(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
	t.is(
		text.split('\n').length,
		describe({...mount, path: '/', source: ''}, shown).split('\n').length,
	);
});
