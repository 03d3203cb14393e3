import test from 'ava';
import {DeviceError} from '../../../ext4/errors.ts';
import {Overlay} from '../../../ext4/journal/overlay.ts';
import {OverlayDevice} from '../../../ext4/journal/overlay-device.ts';
import {MemoryDevice} from '../../support/memory-device.ts';

function makeDevice(): {base: MemoryDevice; device: OverlayDevice; expected: Uint8Array} {
	const base = new MemoryDevice(Uint8Array.from({length: 16 * 1024}, (_, index) => index % 253));
	const overlay = new Overlay(base, 1024);
	overlay.set(3, new Uint8Array(1024).fill(0xee));
	overlay.point(5, 9, false);
	overlay.point(6, 10, true);
	const expected = base.bytes.slice();
	expected.fill(0xee, 3 * 1024, 4 * 1024);
	expected.set(base.bytes.subarray(9 * 1024, 11 * 1024), 5 * 1024);
	expected.set([0xc0, 0x3b, 0x39, 0x98], 6 * 1024);
	return {base, device: new OverlayDevice(base, overlay), expected};
}

test('every range reads as if the overlay had been written', t => {
	const {device, expected} = makeDevice();
	t.is(device.sizeBytes, expected.length);
	for (const [position, length] of [
		[0, 16 * 1024],
		[3 * 1024, 1024],
		[3 * 1024 + 1, 1],
		[4 * 1024 - 1, 2],
		[2 * 1024 + 500, 3000],
		[5 * 1024 + 1023, 4],
		[6 * 1024, 1024],
		[7 * 1024, 9 * 1024],
		[100, 0],
	] as const) {
		const into = new Uint8Array(length);
		device.read(position, into);
		t.deepEqual(into, expected.slice(position, position + length), `${position}, ${length}`);
	}
});

test('a scattered read sees the overlay in each of its parts', t => {
	const {device, expected} = makeDevice();
	const parts = [700, 1024, 1, 3000, 2048].map(length => new Uint8Array(length));
	device.readScattered(2 * 1024 + 100, parts);
	const joined = Buffer.concat(parts);
	t.deepEqual(
		new Uint8Array(joined),
		expected.slice(2 * 1024 + 100, 2 * 1024 + 100 + joined.length),
	);
});

test('nothing can be written through it, and closing closes what lies below', t => {
	const {base, device} = makeDevice();
	const before = base.bytes.slice();
	t.true(device.isReadOnly);
	t.throws(() => device.write(0, new Uint8Array(1)), {instanceOf: DeviceError});
	device.flush();
	t.deepEqual(base.bytes, before);
	device.close();
	t.true(base.isClosed);
});

test('a read beyond the end fails as on the device below', t => {
	const {device} = makeDevice();
	t.throws(() => device.read(16 * 1024 - 1, new Uint8Array(2)), {instanceOf: DeviceError});
});
