/** Passes all on to another device and counts, for `status`. */
import {type BlockDevice, discardOn} from '../ext4/index.ts';

export class CountingDevice implements BlockDevice {
	readonly sizeBytes: number;
	readonly isReadOnly: boolean;
	readonly reads = {count: 0, bytes: 0};
	readonly writes = {count: 0, bytes: 0};
	readonly flushes = {count: 0};
	readonly #device: BlockDevice;

	constructor(device: BlockDevice) {
		this.#device = device;
		this.sizeBytes = device.sizeBytes;
		this.isReadOnly = device.isReadOnly;
	}

	read(position: number, into: Uint8Array): void {
		this.reads.count++;
		this.reads.bytes += into.length;
		this.#device.read(position, into);
	}

	readScattered(position: number, into: readonly Uint8Array[]): void {
		this.reads.count++;
		for (const buffer of into) this.reads.bytes += buffer.length;
		this.#device.readScattered(position, into);
	}

	write(position: number, from: Uint8Array): void {
		this.writes.count++;
		this.writes.bytes += from.length;
		this.#device.write(position, from);
	}

	writeScattered(position: number, from: readonly Uint8Array[]): void {
		this.writes.count++;
		for (const buffer of from) this.writes.bytes += buffer.length;
		this.#device.writeScattered(position, from);
	}

	flush(): void {
		this.flushes.count++;
		this.#device.flush();
	}

	discard(position: number, lengthBytes: number): void {
		discardOn(this.#device, position, lengthBytes);
	}

	close(): void {
		this.#device.close();
	}
}
