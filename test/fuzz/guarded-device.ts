/**
 * A device over an image that is put back as it was, and which no access may leave: what would be an
 * I/O error on a real disk is a fault here, since the program knew the image's size.
 */
import {MemoryDevice} from '../support/memory-device.ts';
import type {Patch} from './patch.ts';

export class GuardedDevice extends MemoryDevice {
	readonly #patch: Patch;

	constructor(patch: Patch, isReadOnly: boolean) {
		super(patch.bytes, isReadOnly);
		this.#patch = patch;
	}

	override read(position: number, into: Uint8Array): void {
		this.#assertInside(position, into.length);
		super.read(position, into);
	}

	override readScattered(position: number, into: readonly Uint8Array[]): void {
		this.#assertInside(
			position,
			into.reduce((sum, {length}) => sum + length, 0),
		);
		super.readScattered(position, into);
	}

	override write(position: number, from: Uint8Array): void {
		if (this.isReadOnly) throw new Error(`a write of ${from.length} bytes to what is only read`);
		this.#assertInside(position, from.length);
		this.#patch.touch(position, from.length);
		super.write(position, from);
	}

	#assertInside(position: number, length: number): void {
		const end = position + length;
		if (Number.isSafeInteger(end) && position >= 0 && end <= this.bytes.length) return;
		throw new Error(`${length} bytes at ${position}, outside the image`);
	}
}
