/** Where requests come from and replies go to. Tests and fuzzers bring their own. */
import {errno, errnoName} from '../errno.ts';
import type {BusyWait} from './busy-wait.ts';

/** read(2) and write(2): they return a count of bytes, or an errno as a negative number. */
export type DescriptorCalls = {
	read(descriptor: number, into: Uint8Array): number;
	write(descriptor: number, from: Uint8Array, length: number): number;
};

/** What falls due by itself while requests are waited for. */
export type Clock = {
	/**
	 * Waits until the descriptor can be read, at most so many milliseconds; undefined: for any time.
	 * Returns false where no more requests are to be taken.
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

	/** As `receive`, but 0 where none is there yet. */
	receiveReady?(into: Uint8Array): number;

	/**
	 * Sends the first `length` bytes of `from` as one message. `gone`: nobody waits for this answer
	 * any more; `refused`: the kernel finds it malformed.
	 */
	send(from: Uint8Array, length: number): 'sent' | 'gone' | 'refused';
}

/**
 * Under a load that never lets the server wait, the clock is asked after so many requests; else only
 * before a sleep: asking for the time is a system call on some machines. Not more, for on a slow disk
 * each may take long, while a commit is due or another host waits for a sign of life.
 */
const requestsBetweenTicks = 8;
/** So many times later it is also asked whether it is to end. */
const ticksBetweenWaits = 8;

/** What it means that read(2) on /dev/fuse brought no request. Throws for what must not happen. */
function whyNothing(error: number): 'taken back' | 'none yet' | 'ended' {
	switch (error) {
		// The request was taken back while it was being handed over.
		case errno.ENOENT:
		case errno.EINTR:
			return 'taken back';
		case errno.EAGAIN:
			return 'none yet';
		// Unmounted; or cut off through the connection's `abort` file.
		case errno.ENODEV:
		case errno.ECONNABORTED:
			return 'ended';
		default:
			throw new Error(`reading /dev/fuse: ${errnoName(error)}`);
	}
}

/** /dev/fuse. */
export class DeviceTransport implements Transport {
	readonly #descriptor: number;
	readonly #calls: DescriptorCalls;
	readonly #clock: Clock;
	readonly #busyWait: BusyWait | undefined;
	#untilTick = requestsBetweenTicks;
	#untilWait = ticksBetweenWaits;

	/**
	 * The descriptor must be non-blocking: a request may be taken back after a wait. Without
	 * `busyWait` it goes to sleep at once; so it must where there is only one processor.
	 */
	constructor(descriptor: number, calls: DescriptorCalls, clock: Clock, busyWait?: BusyWait) {
		this.#descriptor = descriptor;
		this.#calls = calls;
		this.#clock = clock;
		this.#busyWait = busyWait;
	}

	receive(into: Uint8Array): number {
		for (;;) {
			if (--this.#untilTick === 0 && !this.#pass()) return 0;
			const length = this.#read(into);
			if (length > 0) return length;
			const why = whyNothing(-length);
			if (why === 'ended') return 0;
			if (why === 'none yet' && !this.#sleep(this.#clock.tick())) return 0;
		}
	}

	receiveReady(into: Uint8Array): number {
		for (;;) {
			const length = this.#calls.read(this.#descriptor, into);
			if (length > 0) return length;
			// Of an end `receive` will be told, too.
			if (whyNothing(-length) !== 'taken back') return 0;
		}
	}

	/** Does what is due in the midst of requests. Returns whether more of them are to be taken. */
	#pass(): boolean {
		this.#untilTick = requestsBetweenTicks;
		this.#clock.tick();
		if (--this.#untilWait > 0) return true;
		this.#untilWait = ticksBetweenWaits;
		return this.#clock.wait(0);
	}

	/** Reads a request; EAGAIN where none has come for as long as it pays to stay awake. */
	#read(into: Uint8Array): number {
		let length = this.#calls.read(this.#descriptor, into);
		if (length !== -errno.EAGAIN) return length;
		this.#busyWait?.until(() => {
			length = this.#calls.read(this.#descriptor, into);
			return length !== -errno.EAGAIN;
		});
		return length;
	}

	#sleep(timeout: number | undefined): boolean {
		const sleep = () => this.#clock.wait(timeout);
		return this.#busyWait === undefined ? sleep() : this.#busyWait.learnFrom(sleep);
	}

	send(from: Uint8Array, length: number): 'sent' | 'gone' | 'refused' {
		for (;;) {
			const sent = this.#calls.write(this.#descriptor, from, length);
			if (sent >= 0) return 'sent';
			switch (-sent) {
				case errno.EINTR:
				case errno.EAGAIN:
					break;
				// The request was interrupted, or the whole file system is gone: `receive` tells.
				case errno.ENOENT:
				case errno.ENODEV:
				case errno.ECONNABORTED:
				// What a message of our own is about the kernel does not know.
				case errno.ESTALE:
					return 'gone';
				case errno.EINVAL:
				case errno.EUCLEAN:
					return 'refused';
				default:
					throw new Error(`writing to /dev/fuse: ${errnoName(-sent)}`);
			}
		}
	}
}
