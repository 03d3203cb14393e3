/** The recording device that other tests judge by. */
import test from 'ava';
import {CrashDevice, crashesOf} from '../../support/crash-device.ts';

const kibibyte = (value: number) => new Uint8Array(1024).fill(value);

test('what was flushed is always there, what was not in any combination', t => {
	const device = new CrashDevice<string>(new Uint8Array(64 * 1024));
	device.write(0, kibibyte(1));
	device.flush();
	device.mark('flushed');
	device.writeScattered(8192, [kibibyte(2), kibibyte(3)]);
	device.write(0, kibibyte(4));
	const seen = new Set<string>();
	for (const crash of crashesOf(device, {seed: 1, lossesPerEpoch: 200})) {
		const image = crash.image();
		const state = [image[0], image[8192], image[9216]].join();
		if (crash.mark === 'flushed') t.true(image[0] === 1 || image[0] === 4);
		seen.add(`${crash.mark} ${state}`);
	}
	// One request of 2 KiB inside 4 KiB arrives whole; the two writes independently.
	const after = [...seen].filter(state => state.startsWith('flushed'));
	t.deepEqual(
		after.sort(),
		['1,0,0', '1,2,3', '4,0,0', '4,2,3'].map(state => `flushed ${state}`),
	);
	t.deepEqual(device.counts, {writes: 3, flushes: 1});
});

test('long requests are cut at 4 KiB, torn ones at 512 bytes', t => {
	const device = new CrashDevice(new Uint8Array(64 * 1024));
	device.write(2048, new Uint8Array(8192).fill(7));
	t.deepEqual(
		device.events.map(event => (event.kind === 'write' ? event.bytes.length : 0)),
		[2048, 4096, 2048],
	);
	let torn = 0;
	for (const crash of crashesOf(device, {seed: 2, tornPerEpoch: 50})) {
		const image = crash.image();
		for (let at = 0; at < image.length; at += 512) {
			const sector = image.subarray(at, at + 512);
			t.true(sector.every(byte => byte === sector[0]));
		}
		if (crash.kind === 'torn' && image[2048] !== image[2560]) torn++;
	}
	t.true(torn > 5);
	for (const crash of crashesOf(device, {
		seed: 2,
		tornPerEpoch: 50,
		untorn: {from: 2048, to: 3072},
	})) {
		const image = crash.image();
		t.is(image[2048], image[2560]);
	}
});

test('the same contents at the same mark have the same key, other contents another', t => {
	const device = new CrashDevice<number>(new Uint8Array(16 * 1024));
	const keys = new Map<string, string>();
	for (let round = 0; round < 40; round++) {
		device.write((round % 5) * 700, new Uint8Array(600).fill(round % 3));
		if (round % 7 === 0) device.flush();
	}
	for (const crash of crashesOf(device, {seed: 3, lossesPerEpoch: 20, tornPerEpoch: 20})) {
		const contents = Buffer.from(crash.image()).toString('latin1');
		const known = keys.get(crash.key);
		t.true(known === undefined || known === contents);
		keys.set(crash.key, contents);
	}
	t.is(new Set(keys.values()).size, keys.size);
	const again = [...crashesOf(device, {seed: 3, lossesPerEpoch: 20})].map(crash => crash.key);
	t.deepEqual(
		again,
		[...crashesOf(device, {seed: 3, lossesPerEpoch: 20})].map(crash => crash.key),
	);
});

test('the base stays as it was', t => {
	const base = new Uint8Array(4096);
	const device = new CrashDevice(base);
	device.write(0, kibibyte(1));
	t.is(base[0], 0);
	t.is(device.bytes[0], 1);
	const [first] = crashesOf(device, {seed: 1});
	t.is(first?.image()[0], 0);
});
