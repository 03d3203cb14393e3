/**
 * A device that can be told to go past the page cache: then memory, position and length of every
 * transfer must be aligned, so all goes by way of a buffer that is. Needed where the kernel moves
 * the data of files by itself: it goes past the page cache, too, so what that holds of the device
 * would be out of date, and could be written over what the kernel has written.
 */
import {type BlockDevice, discardOn} from '../ext4/device.ts';
import {DeviceError} from '../ext4/errors.ts';

/** As large as a sector of any device of today; file systems are made of whole ones or of 1 KiB. */
const sectorBytesMax = 4096;
const bufferBytes = 1024 * 1024;

export class AlignedDevice implements BlockDevice {
	readonly sizeBytes: number;
	readonly isReadOnly: boolean;
	readonly #device: BlockDevice;
	/** What positions and lengths are multiples of; undefined while nothing need be aligned. */
	#unit: number | undefined;
	#buffer = new Uint8Array(0);

	constructor(device: BlockDevice) {
		this.#device = device;
		this.sizeBytes = device.sizeBytes;
		this.isReadOnly = device.isReadOnly;
	}

	/** From now on transfers are multiples of `unit` bytes. The descriptor beneath is made direct after. */
	align(unit: number): void {
		if (unit < 512 || unit > sectorBytesMax || sectorBytesMax % unit !== 0) {
			throw new RangeError(`sectors of ${unit} bytes`);
		}
		// Only a buffer that can grow is given pages of its own, and so lies where one begins.
		this.#buffer = new Uint8Array(new ArrayBuffer(bufferBytes, {maxByteLength: bufferBytes}));
		this.#unit = unit;
	}

	read(position: number, into: Uint8Array): void {
		if (this.#unit === undefined) {
			this.#device.read(position, into);
			return;
		}
		for (const {start, length, skip, count, done} of this.#pieces(position, into.length)) {
			const piece = this.#buffer.subarray(0, length);
			this.#device.read(start, piece);
			into.set(piece.subarray(skip, skip + count), done);
		}
	}

	readScattered(position: number, into: readonly Uint8Array[]): void {
		if (this.#unit === undefined) {
			this.#device.readScattered(position, into);
			return;
		}
		let at = position;
		for (const part of into) {
			this.read(at, part);
			at += part.length;
		}
	}

	write(position: number, from: Uint8Array): void {
		if (this.#unit === undefined) {
			this.#device.write(position, from);
			return;
		}
		for (const {start, length, skip, count, done} of this.#pieces(position, from.length)) {
			const piece = this.#buffer.subarray(0, length);
			// What shares a sector with what is written stays as it is.
			if (count < length) this.#device.read(start, piece);
			piece.set(from.subarray(done, done + count), skip);
			this.#device.write(start, piece);
		}
	}

	writeScattered(position: number, from: readonly Uint8Array[]): void {
		if (this.#unit === undefined) {
			this.#device.writeScattered(position, from);
			return;
		}
		const length = from.reduce((sum, part) => sum + part.length, 0);
		const whole = new Uint8Array(length);
		let at = 0;
		for (const part of from) {
			whole.set(part, at);
			at += part.length;
		}
		this.write(position, whole);
	}

	flush(): void {
		this.#device.flush();
	}

	discard(position: number, lengthBytes: number): void {
		discardOn(this.#device, position, lengthBytes);
	}

	close(): void {
		this.#device.close();
	}

	/** What covers a range, in pieces that fit the buffer. */
	*#pieces(position: number, length: number) {
		const unit = this.#unit ?? 1;
		if (position < 0 || position + length > this.sizeBytes) {
			throw new DeviceError(
				`bytes ${position} to ${position + length} of a device of ${this.sizeBytes} bytes`,
				position,
				length,
			);
		}
		for (let done = 0; done < length; ) {
			const at = position + done;
			const start = at - (at % unit);
			const skip = at - start;
			const count = Math.min(length - done, bufferBytes - skip);
			const wanted = Math.ceil((skip + count) / unit) * unit;
			yield {start, length: wanted, skip, count, done};
			done += count;
		}
	}
}
