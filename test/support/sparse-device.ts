/** A large device in memory of which only what is not zeros is kept. */
import {closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync} from 'node:fs';
import type {BlockDevice} from '../../ext4/device.ts';
import {DeviceError} from '../../ext4/errors.ts';

const chunkBytes = 64 * 1024;
const zeros = new Uint8Array(chunkBytes);

function isZeros(bytes: Uint8Array): boolean {
	return Buffer.compare(bytes, zeros.subarray(0, bytes.length)) === 0;
}

export class SparseDevice implements BlockDevice {
	readonly isReadOnly = false;
	readonly sizeBytes: number;
	readonly #chunks = new Map<number, Uint8Array>();

	constructor(sizeBytes: number) {
		this.sizeBytes = sizeBytes;
	}

	/** With the contents of a file. */
	static load(path: string): SparseDevice {
		const file = openSync(path, 'r');
		try {
			const device = new SparseDevice(fstatSync(file).size);
			const bytes = new Uint8Array(chunkBytes);
			for (let at = 0; at < device.sizeBytes; at += chunkBytes) {
				const length = readSync(file, bytes, 0, chunkBytes, at);
				device.write(at, bytes.subarray(0, length));
			}
			return device;
		} finally {
			closeSync(file);
		}
	}

	/** Into a file with holes. */
	save(path: string): void {
		const file = openSync(path, 'w');
		try {
			for (const [number, bytes] of this.#chunks) {
				writeSync(file, bytes, 0, chunkBytes, number * chunkBytes);
			}
			ftruncateSync(file, this.sizeBytes);
		} finally {
			closeSync(file);
		}
	}

	read(position: number, into: Uint8Array): void {
		for (const {number, within, from, count} of this.#pieces(position, into.length)) {
			const chunk = this.#chunks.get(number) ?? zeros;
			into.set(chunk.subarray(within, within + count), from);
		}
	}

	readScattered(position: number, into: readonly Uint8Array[]): void {
		let at = position;
		for (const bytes of into) {
			this.read(at, bytes);
			at += bytes.length;
		}
	}

	write(position: number, from: Uint8Array): void {
		for (const {number, within, from: at, count} of this.#pieces(position, from.length)) {
			const bytes = from.subarray(at, at + count);
			let chunk = this.#chunks.get(number);
			if (chunk === undefined) {
				if (isZeros(bytes)) continue;
				chunk = new Uint8Array(chunkBytes);
				this.#chunks.set(number, chunk);
			}
			chunk.set(bytes, within);
		}
	}

	writeScattered(position: number, from: readonly Uint8Array[]): void {
		let at = position;
		for (const bytes of from) {
			this.write(at, bytes);
			at += bytes.length;
		}
	}

	flush(): void {
		// Nothing is held back.
	}

	close(): void {
		// There is nothing to give back.
	}

	/** The range, cut at chunks. */
	*#pieces(position: number, length: number) {
		if (position < 0 || position + length > this.sizeBytes) {
			throw new DeviceError('beyond the end of the device', position, length);
		}
		for (let from = 0; from < length; ) {
			const number = Math.floor((position + from) / chunkBytes);
			const within = position + from - number * chunkBytes;
			const count = Math.min(length - from, chunkBytes - within);
			yield {number, within, from, count};
			from += count;
		}
	}
}
