/**
 * Waiting awake for what will come in a moment. To be woken from another core costs some 100 µs on
 * a virtual machine, several times what a request takes to answer: so whoever has just been woken
 * after a short sleep stays awake the next time, for about as long as a wake-up costs. At worst that
 * doubles the cost of a wait; where nothing comes in time it is soon given up.
 * `decisions/busy-wait.md` has the figures.
 */

/** Milliseconds; what a wake-up costs. */
const longest = 0.15;
/** Shorter than this is not worth it. */
const shortest = 0.01;

export class BusyWait {
	readonly #now: () => number;
	/** How long the next wait stays awake. */
	#window = 0;

	/** `now` tells milliseconds of a clock that only goes forward. */
	constructor(now: () => number) {
		this.#now = now;
	}

	/** Calls `attempt` again and again until it returns true; returns whether it did in time. */
	until(attempt: () => boolean): boolean {
		if (this.#window === 0) return false;
		const end = this.#now() + this.#window;
		do {
			if (attempt()) return true;
		} while (this.#now() < end);
		this.#window = this.#window / 2 < shortest ? 0 : this.#window / 2;
		return false;
	}

	/** Sleeps through `sleep`, and learns from how long that was. Returns what it returns. */
	learnFrom<Result>(sleep: () => Result): Result {
		const before = this.#now();
		const result = sleep();
		if (this.#now() - before < longest) this.#window = longest;
		return result;
	}
}
