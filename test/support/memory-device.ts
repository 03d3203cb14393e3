/** A device in memory. Writes are taken unless it is read-only. */
import type {BlockDevice} from '../../ext4/device.ts';
import {DeviceError} from '../../ext4/errors.ts';

export class MemoryDevice implements BlockDevice {
	readonly bytes: Uint8Array;
	readonly isReadOnly: boolean;
	/** Reads so far, scattered ones counted once. */
	reads = 0;
	isClosed = false;

	constructor(bytes: Uint8Array, isReadOnly = false) {
		this.bytes = bytes;
		this.isReadOnly = isReadOnly;
	}

	get sizeBytes(): number {
		return this.bytes.length;
	}

	read(position: number, into: Uint8Array): void {
		this.reads++;
		this.#assertInside(position, into.length);
		into.set(this.bytes.subarray(position, position + into.length));
	}

	readScattered(position: number, into: readonly Uint8Array[]): void {
		this.reads++;
		let at = position;
		for (const bytes of into) {
			this.#assertInside(at, bytes.length);
			bytes.set(this.bytes.subarray(at, at + bytes.length));
			at += bytes.length;
		}
	}

	write(position: number, from: Uint8Array): void {
		if (this.isReadOnly) throw new DeviceError('read-only', position, from.length);
		this.#assertInside(position, from.length);
		this.bytes.set(from, position);
	}

	writeScattered(position: number, from: readonly Uint8Array[]): void {
		let at = position;
		for (const bytes of from) {
			this.write(at, bytes);
			at += bytes.length;
		}
	}

	flush(): void {
		// What was written is in memory already.
	}

	close(): void {
		this.isClosed = true;
	}

	#assertInside(position: number, length: number): void {
		if (position < 0 || position + length > this.bytes.length) {
			throw new DeviceError('beyond the end of the device', position, length);
		}
	}
}
