/** A device read as if a journal had been replayed onto it; the device itself stays as it is. */
import type {BlockDevice} from '../device.ts';
import {DeviceError} from '../errors.ts';
import type {Overlay} from './overlay.ts';

export class OverlayDevice implements BlockDevice {
	readonly isReadOnly = true;
	readonly #base: BlockDevice;
	readonly #overlay: Overlay;

	constructor(base: BlockDevice, overlay: Overlay) {
		this.#base = base;
		this.#overlay = overlay;
	}

	get sizeBytes(): number {
		return this.#base.sizeBytes;
	}

	read(position: number, into: Uint8Array): void {
		this.#base.read(position, into);
		this.#layOver(position, into);
	}

	readScattered(position: number, into: readonly Uint8Array[]): void {
		this.#base.readScattered(position, into);
		let at = position;
		for (const bytes of into) {
			this.#layOver(at, bytes);
			at += bytes.length;
		}
	}

	/** Always throws: what this device shows is not what lies on the medium. */
	write(position: number, from: Uint8Array): void {
		throw new DeviceError(
			'a device that is read through a replayed journal takes no writes',
			position,
			from.length,
		);
	}

	writeScattered(position: number, from: readonly Uint8Array[]): void {
		for (const bytes of from) this.write(position, bytes);
	}

	flush(): void {
		// Nothing is ever written.
	}

	close(): void {
		this.#base.close();
	}

	#layOver(position: number, into: Uint8Array): void {
		const {blockSize} = this.#overlay;
		const end = position + into.length;
		const first = Math.floor(position / blockSize);
		const endBlock = Math.ceil(end / blockSize);
		if (this.#overlay.isClear(first, endBlock)) return;
		for (let block = first; block < endBlock; block++) {
			const bytes = this.#overlay.get(block);
			if (bytes === undefined) continue;
			const start = block * blockSize;
			const from = Math.max(0, position - start);
			const to = Math.min(blockSize, end - start);
			into.set(bytes.subarray(from, to), start + from - position);
		}
	}
}
