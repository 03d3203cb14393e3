/** A part of a device, seen as a device: a partition, or what follows `--offset`. */
import {type BlockDevice, discardOn} from '../ext4/device.ts';
import {DeviceError} from '../ext4/errors.ts';

/** `sizeBytes` bytes of `device` from `startBytes`. Closing it closes the device beneath. */
export class Window implements BlockDevice, Disposable {
	readonly startBytes: number;
	readonly sizeBytes: number;
	readonly isReadOnly: boolean;
	readonly #device: BlockDevice;

	/** Throws `RangeError` unless the window lies inside the device: the caller cuts it to fit. */
	constructor(device: BlockDevice, startBytes: number, sizeBytes: number) {
		const isInside =
			Number.isSafeInteger(startBytes) &&
			Number.isSafeInteger(sizeBytes) &&
			startBytes >= 0 &&
			sizeBytes >= 0 &&
			startBytes + sizeBytes <= device.sizeBytes;
		if (!isInside) {
			throw new RangeError(
				`a window of ${sizeBytes} bytes at ${startBytes} on ${device.sizeBytes} bytes`,
			);
		}
		this.#device = device;
		this.startBytes = startBytes;
		this.sizeBytes = sizeBytes;
		this.isReadOnly = device.isReadOnly;
	}

	// Without this check a read beyond the window would show the neighbouring partition.
	#check(position: number, length: number): void {
		if (position >= 0 && position + length <= this.sizeBytes) return;
		throw new DeviceError(
			`bytes ${position} to ${position + length} of a partition of ${this.sizeBytes} bytes`,
			position,
			length,
		);
	}

	read(position: number, into: Uint8Array): void {
		this.#check(position, into.length);
		this.#device.read(this.startBytes + position, into);
	}

	readScattered(position: number, into: readonly Uint8Array[]): void {
		let length = 0;
		for (const buffer of into) length += buffer.length;
		this.#check(position, length);
		this.#device.readScattered(this.startBytes + position, into);
	}

	write(position: number, from: Uint8Array): void {
		this.#check(position, from.length);
		this.#device.write(this.startBytes + position, from);
	}

	writeScattered(position: number, from: readonly Uint8Array[]): void {
		let length = 0;
		for (const buffer of from) length += buffer.length;
		this.#check(position, length);
		this.#device.writeScattered(this.startBytes + position, from);
	}

	flush(): void {
		this.#device.flush();
	}

	discard(position: number, lengthBytes: number): void {
		this.#check(position, lengthBytes);
		discardOn(this.#device, this.startBytes + position, lengthBytes);
	}

	close(): void {
		this.#device.close();
	}

	[Symbol.dispose](): void {
		this.close();
	}
}
