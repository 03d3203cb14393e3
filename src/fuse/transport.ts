/** Where requests come from and replies go to. Tests and fuzzers bring their own. */
import * as fs from 'node:fs';

/** What falls due by itself while requests are waited for. */
export type Clock = {
	/**
	 * Waits until the descriptor can be read, at most so long; undefined: for any time. Returns false
	 * where no more requests are to be taken.
	 */
	wait(timeoutMilliseconds: number | undefined): boolean;
	/** Does what is due. Returns how many milliseconds there are until the next; undefined: none. */
	tick(): number | undefined;
};

export interface Transport {
	/**
	 * Waits for a request and puts it into `into`. Returns its length in bytes, 0 when the file
	 * system is unmounted and none will follow.
	 */
	receive(into: Uint8Array): number;

	/**
	 * Sends the first `length` bytes of `from` as one message. `gone`: nobody waits for this answer
	 * any more; `refused`: the kernel finds it malformed.
	 */
	send(from: Uint8Array, length: number): 'sent' | 'gone' | 'refused';
}

function codeOf(error: unknown): string {
	return error instanceof Error && 'code' in error ? String(error.code) : '';
}

const pauseMilliseconds = 1;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** /dev/fuse. */
export class DeviceTransport implements Transport {
	readonly #descriptor: number;
	readonly #clock: Clock | undefined;

	/** With a clock the descriptor must be non-blocking: a request may be taken back after a wait. */
	constructor(descriptor: number, clock?: Clock) {
		this.#descriptor = descriptor;
		this.#clock = clock;
	}

	receive(into: Uint8Array): number {
		for (;;) {
			if (this.#clock?.wait(this.#clock.tick()) === false) return 0;
			try {
				return fs.readSync(this.#descriptor, into, 0, into.length, null);
			} catch (error) {
				switch (codeOf(error)) {
					// The request was taken back while it was being handed over.
					case 'ENOENT':
					case 'EINTR':
						break;
					case 'EAGAIN':
						// With a clock: time is up. Else whoever opened the device did so without waiting.
						if (this.#clock === undefined) Atomics.wait(pause, 0, 0, pauseMilliseconds);
						break;
					// Unmounted; or cut off through the connection's `abort` file.
					case 'ENODEV':
					case 'ECONNABORTED':
						return 0;
					default:
						throw error;
				}
			}
		}
	}

	send(from: Uint8Array, length: number): 'sent' | 'gone' | 'refused' {
		for (;;) {
			try {
				fs.writeSync(this.#descriptor, from, 0, length, null);
				return 'sent';
			} catch (error) {
				switch (codeOf(error)) {
					case 'EINTR':
					case 'EAGAIN':
						break;
					// The request was interrupted, or the whole file system is gone: `receive` tells.
					case 'ENOENT':
					case 'ENODEV':
					case 'ECONNABORTED':
						return 'gone';
					case 'EINVAL':
						return 'refused';
					default:
						throw error;
				}
			}
		}
	}
}
