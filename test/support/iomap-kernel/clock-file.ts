/** The kernel's clock in a file, for a server in another process. */
import {writeSync} from 'node:fs';
import {Clock, type Time} from './node.ts';

export const clockBytes = 16;

export function readClock(bytes: Uint8Array): Time {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	return {seconds: view.getFloat64(0, true), nanoseconds: view.getFloat64(8, true)};
}

export class FileClock extends Clock {
	readonly #descriptor: number;

	constructor(descriptor: number) {
		super();
		this.#descriptor = descriptor;
		this.#write();
	}

	override tick(): void {
		super.tick();
		this.#write();
	}

	#write(): void {
		const {seconds, nanoseconds} = this.now;
		writeSync(
			this.#descriptor,
			new Uint8Array(Float64Array.of(seconds, nanoseconds).buffer),
			0,
			16,
			0,
		);
	}
}
