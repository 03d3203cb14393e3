import {spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {DeviceError} from '../../ext4/errors.ts';
import {ImageError} from '../../images/errors.ts';
import {openRaw, RawDevice} from '../../images/raw.ts';
import {Window} from '../../images/window.ts';
import {testUnless} from '../support/skip.ts';

function temporary(t: ExecutionContext): string {
	const directory = fs.mkdtempSync(join(tmpdir(), 'ext4box-raw-'));
	t.teardown(() => fs.rmSync(directory, {recursive: true}));
	return directory;
}

/** 10,000 bytes, each a function of its place. */
function countingFile(t: ExecutionContext): string {
	const path = join(temporary(t), 'image');
	fs.writeFileSync(
		path,
		Uint8Array.from({length: 10000}, (_, index) => (index * 7) & 0xff),
	);
	return path;
}

test('reads fill their buffers from where they are told', t => {
	using device = openRaw(countingFile(t));
	t.is(device.sizeBytes, 10000);
	t.true(device.isReadOnly);
	const bytes = new Uint8Array(3);
	device.read(9997, bytes);
	t.deepEqual(
		[...bytes],
		[9997, 9998, 9999].map(index => (index * 7) & 0xff),
	);
});

test('a scattered read fills more buffers than one system call takes', t => {
	using device = openRaw(countingFile(t));
	const buffers = Array.from({length: 3000}, (_, index) => new Uint8Array(index % 4));
	device.readScattered(100, buffers);
	const total = Buffer.concat(buffers);
	t.deepEqual(total, Buffer.from(Uint8Array.from(total, (_, index) => ((100 + index) * 7) & 0xff)));
});

for (const [position, length] of [
	[9999, 2],
	[10000, 1],
	[-1, 1],
	[2 ** 53, 1],
	[Number.NaN, 1],
] as const) {
	test(`a read of ${length} at ${position} is refused, for it lies outside`, t => {
		using device = openRaw(countingFile(t));
		t.throws(() => device.read(position, new Uint8Array(length)), {instanceOf: DeviceError});
		t.throws(() => device.readScattered(position, [new Uint8Array(length)]), {
			instanceOf: DeviceError,
		});
	});
}

test('an image cut while it is open is a device error, not zeros and not a hang', t => {
	const path = countingFile(t);
	using device = openRaw(path);
	fs.truncateSync(path, 5000);
	const bytes = new Uint8Array(6000);
	t.throws(() => device.read(0, bytes), {instanceOf: DeviceError, message: /ended at byte 5000/});
	t.throws(() => device.readScattered(0, [bytes.subarray(0, 10), bytes.subarray(10)]), {
		instanceOf: DeviceError,
		message: /ended at byte 5000/,
	});
});

test('a device opened for reading takes no writes', t => {
	using device = openRaw(countingFile(t));
	t.throws(() => device.write(0, new Uint8Array(1)), {instanceOf: DeviceError});
});

test('a device opened for writing writes inside and nowhere else', t => {
	const path = countingFile(t);
	{
		using device = openRaw(path, {isWritable: true});
		device.write(10, new Uint8Array([1, 2, 3]));
		device.flush();
		t.throws(() => device.write(9999, new Uint8Array(2)), {instanceOf: DeviceError});
	}
	const bytes = fs.readFileSync(path);
	t.is(bytes.length, 10000);
	t.deepEqual([...bytes.subarray(9, 14)], [63, 1, 2, 3, 91]);
});

test('a closed device says so', t => {
	const device = openRaw(countingFile(t));
	device.close();
	device.close();
	t.throws(() => device.read(0, new Uint8Array(1)), {instanceOf: DeviceError, message: /closed/});
});

test('an inherited descriptor is a device, and is left open if told so', t => {
	const descriptor = fs.openSync(countingFile(t), 'r');
	const device = new RawDevice(descriptor, {sizeBytes: 100, closesDescriptor: false});
	t.is(device.sizeBytes, 100);
	t.throws(() => device.read(99, new Uint8Array(2)), {instanceOf: DeviceError});
	device.close();
	t.is(fs.fstatSync(descriptor).size, 10000);
	fs.closeSync(descriptor);
});

const wrong: readonly [string, string, (directory: string) => string][] = [
	['a missing file', 'IMAGE_NOT_FOUND', directory => join(directory, 'none')],
	['a path through a file', 'IMAGE_NOT_FOUND', () => '/proc/version/x'],
	['a directory', 'IMAGE_IS_DIRECTORY', directory => directory],
	['a character device', 'IMAGE_NOT_A_FILE', () => '/dev/null'],
	[
		'a pipe that nobody writes to',
		'IMAGE_NOT_A_FILE',
		directory => {
			const path = join(directory, 'pipe');
			spawnSync('mkfifo', [path]);
			return path;
		},
	],
];
for (const [name, code, prepare] of wrong) {
	test(`${name} is refused at once`, t => {
		const path = prepare(temporary(t));
		t.throws(() => openRaw(path), {instanceOf: ImageError, code});
	});
}

test('a directory can not be opened for writing either', t => {
	t.throws(() => openRaw(temporary(t), {isWritable: true}), {code: 'IMAGE_IS_DIRECTORY'});
});

test('a window shows its part and nothing of its neighbours', t => {
	using device = openRaw(countingFile(t));
	const window = new Window(device, 1000, 500);
	const bytes = new Uint8Array(2);
	window.read(498, bytes);
	t.deepEqual([...bytes], [(1498 * 7) & 0xff, (1499 * 7) & 0xff]);
	window.readScattered(0, [bytes.subarray(0, 1), bytes.subarray(1)]);
	t.deepEqual([...bytes], [(1000 * 7) & 0xff, (1001 * 7) & 0xff]);
	for (const position of [499, 500, -1]) {
		t.throws(() => window.read(position, bytes), {instanceOf: DeviceError});
		t.throws(() => window.write(position, bytes), {instanceOf: DeviceError});
		t.throws(() => window.readScattered(position, [bytes]), {instanceOf: DeviceError});
	}
	t.throws(() => new Window(device, 9000, 1001), {instanceOf: RangeError});
	t.throws(() => new Window(device, -1, 1), {instanceOf: RangeError});
	t.throws(() => new Window(device, 0.5, 1), {instanceOf: RangeError});
});

const noLoop = process.geteuid?.() === 0 ? undefined : 'only root attaches loop devices';
testUnless(noLoop, 'the size of a block device is found', t => {
	const image = join(temporary(t), 'image');
	const sizeBytes = 3 * 2 ** 20 + 5 * 512;
	fs.writeFileSync(image, '');
	fs.truncateSync(image, sizeBytes);
	const attached = spawnSync('losetup', ['--find', '--show', '--read-only', image], {
		encoding: 'utf8',
	});
	t.is(attached.status, 0, attached.stderr);
	const path = attached.stdout.trim();
	try {
		using device = openRaw(path);
		t.is(device.sizeBytes, sizeBytes);
	} finally {
		spawnSync('losetup', ['--detach', path]);
	}
});
