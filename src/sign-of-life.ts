/**
 * Tells the supervisor, which waits for answers, that something long is being worked at: a byte on
 * the descriptor on which it was told that the server is ready. docs/decisions/watchdog.md.
 */
import {writeSync} from 'node:fs';

/** Several times within the shortest limit that a watchdog can have. */
const intervalMilliseconds = 250;

export class SignOfLife {
	readonly #descriptor: number;
	#last = Number.NEGATIVE_INFINITY;
	#isWanted = false;

	constructor(descriptor: number) {
		this.#descriptor = descriptor;
	}

	/** The supervisor knows that the server is ready: until then it would not understand. */
	start(): void {
		this.#isWanted = true;
	}

	/** Never waits, and may be called as often as one likes. */
	give(): void {
		const now = performance.now();
		if (!this.#isWanted || now - this.#last < intervalMilliseconds) return;
		this.#last = now;
		try {
			writeSync(this.#descriptor, 'B');
		} catch (error) {
			// Full: nobody has looked for long, and will find enough of them. Broken: nobody will look.
			const code = error instanceof Error && 'code' in error ? error.code : undefined;
			if (code !== 'EAGAIN' && code !== 'EPIPE') throw error;
		}
	}
}
