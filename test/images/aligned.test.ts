import test from 'ava';
import fc from 'fast-check';
import {AlignedDevice} from '../../images/index.ts';
import {MemoryDevice} from '../support/memory-device.ts';

const sizeBytes = 64 * 1024;
const unit = 512;

/** Takes whole sectors alone, as a device past the page cache does. */
class SectorDevice extends MemoryDevice {
	override read(position: number, into: Uint8Array): void {
		assertSectors(position, into);
		super.read(position, into);
	}

	override write(position: number, from: Uint8Array): void {
		assertSectors(position, from);
		super.write(position, from);
	}
}

function assertSectors(position: number, bytes: Uint8Array): void {
	const isAligned = [position, bytes.length, bytes.byteOffset].every(each => each % unit === 0);
	if (!isAligned) throw new Error(`${bytes.length} bytes at ${position}`);
}

test('any range is read and written in whole sectors', t => {
	const range = fc.record({
		position: fc.integer({min: 0, max: sizeBytes - 1}),
		length: fc.integer({min: 0, max: 5000}),
		isScattered: fc.boolean(),
		fill: fc.integer({min: 0, max: 255}),
	});
	fc.assert(
		fc.property(fc.array(range, {maxLength: 20}), ranges => {
			const device = new AlignedDevice(new SectorDevice(new Uint8Array(sizeBytes)));
			device.align(unit);
			const model = new Uint8Array(sizeBytes);
			for (const {position, length, isScattered, fill} of ranges) {
				const bytes = new Uint8Array(Math.min(length, sizeBytes - position)).fill(fill);
				const half = Math.floor(bytes.length / 2);
				const parts = [bytes.subarray(0, half), bytes.subarray(half)];
				if (isScattered) device.writeScattered(position, parts);
				else device.write(position, bytes);
				model.set(bytes, position);
				const found = new Uint8Array(bytes.length);
				if (isScattered)
					device.readScattered(position, [found.subarray(0, half), found.subarray(half)]);
				else device.read(position, found);
				t.deepEqual(found, bytes);
			}
			const whole = new Uint8Array(sizeBytes);
			device.read(0, whole);
			t.is(Buffer.compare(whole, model), 0);
		}),
	);
});

test('until it is told so it passes all on as it is', t => {
	const memory = new MemoryDevice(Uint8Array.from({length: 100}, (_, index) => index));
	const device = new AlignedDevice(memory);
	const found = new Uint8Array(3);
	device.read(7, found);
	t.deepEqual([...found], [7, 8, 9]);
	device.write(1, Uint8Array.of(42));
	t.is(memory.bytes[1], 42);
});

test('what lies outside is refused, and sectors that no device has', t => {
	const device = new AlignedDevice(new MemoryDevice(new Uint8Array(1024)));
	t.throws(() => device.align(100), {instanceOf: RangeError});
	device.align(unit);
	t.throws(() => device.read(1000, new Uint8Array(100)), {message: /beyond|bytes 1000 to 1100/});
});
