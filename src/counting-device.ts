/** Passes all on to another device and counts, for `status`. */
import type {BlockDevice} from '../ext4/index.ts';

export class CountingDevice implements BlockDevice {
	readonly sizeBytes: number;
	readonly isReadOnly: boolean;
	readonly reads = {count: 0, bytes: 0};
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
		this.#device.write(position, from);
	}

	flush(): void {
		this.#device.flush();
	}

	close(): void {
		this.#device.close();
	}
}
