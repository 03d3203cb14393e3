/**
 * What one request may cost. A file system of a sound image needs a handful of blocks to answer one;
 * a hostile image could have us read all of it, or go round in what is cached, for a single name. The
 * figures, and where they come from: docs/decisions/budgets.md.
 *
 *   unlimited ──begin──► limited ──end──► unlimited
 *                        │    ▲ └── over a limit: throws, at every access from then on
 *                 pause  ▼    │ resume
 *                        paused
 *
 *   unlimited: where a volume is opened, closed, or used without a server.
 *   paused:    in commits and rollbacks, which must come to their end.
 */
import {BudgetError} from './errors.ts';

export type BudgetLimits = {
	/** Blocks of metadata looked at, cached or not. */
	readonly accesses: number;
	/** Of metadata, from the device. */
	readonly readBytes: number;
	/** Of CPU time, and of any time; both from the first 1024 accesses on. */
	readonly cpuMilliseconds: number;
	readonly milliseconds: number;
};

/** Clocks, and who is told that something long is being worked at: from time to time. */
export type BudgetMeter = {
	readonly milliseconds: () => number;
	readonly cpuMilliseconds: () => number;
	readonly working: () => void;
};

/** Accesses from one look at the clocks to the next: some 0.3 ms where all is cached. */
const sliceAccesses = 1024;

type Clocks = {readonly time: number; readonly cpu: number};

export class Budget {
	/** Requests that cost too much, and the most that one has cost; for `status`. */
	readonly counts = {exceeded: 0, mostAccesses: 0, mostReadBytes: 0};
	#limits: BudgetLimits | undefined;
	#meter: BudgetMeter | undefined;
	#isLimited = false;
	/** Accesses until the next look. */
	#left = sliceAccesses;
	#accesses = 0;
	#readBytes = 0;
	/** When the limited work was first looked at. */
	#since: Clocks | undefined;
	#hasCounted = false;

	/** From now on what lies between `begin` and `end` is limited. */
	limit(limits: BudgetLimits, meter: BudgetMeter): void {
		this.#limits = limits;
		this.#meter = meter;
	}

	/** A request begins. */
	begin(): void {
		this.#isLimited = this.#limits !== undefined;
		this.#hasCounted = false;
		this.#reset();
	}

	/** A part of a request is done for good, a transaction for one: the next has a budget of its own. */
	renew(): void {
		if (this.#isLimited) this.#note();
		this.#reset();
	}

	/** The request is answered. */
	end(): void {
		if (this.#isLimited) this.#note();
		this.#isLimited = false;
	}

	/** Runs `action` without limits; it costs the request nothing. */
	pause<T>(action: () => T): T {
		const wasLimited = this.#isLimited;
		const cost = this.#cost;
		const readBytes = this.#readBytes;
		this.#isLimited = false;
		try {
			return action();
		} finally {
			this.#isLimited = wasLimited;
			this.#reset();
			this.#accesses += cost;
			this.#readBytes = readBytes;
		}
	}

	/** A block is looked at. Throws `BudgetError`. */
	access(): void {
		if (--this.#left <= 0) this.#look();
	}

	/** Something took long that looks at no block. Throws `BudgetError`. */
	beat(): void {
		this.#meter?.working();
		this.#assertInTime();
	}

	/** So much is about to be read from the device. Throws `BudgetError`. */
	read(bytes: number): void {
		this.#readBytes += bytes;
		if (this.#isLimited && this.#limits !== undefined && this.#readBytes > this.#limits.readBytes) {
			this.#fail(`reads more than ${this.#limits.readBytes} bytes of metadata`);
		}
	}

	/** Accesses so far. */
	get #cost(): number {
		return this.#accesses + sliceAccesses - this.#left;
	}

	#reset(): void {
		this.#accesses = this.#left - sliceAccesses;
		this.#readBytes = 0;
		this.#since = undefined;
	}

	#note(): void {
		const {counts} = this;
		const cost = this.#cost;
		if (cost > counts.mostAccesses) counts.mostAccesses = cost;
		if (this.#readBytes > counts.mostReadBytes) counts.mostReadBytes = this.#readBytes;
	}

	#look(): void {
		this.#left = sliceAccesses;
		this.#accesses += sliceAccesses;
		this.#meter?.working();
		const limits = this.#limits;
		if (this.#isLimited && limits !== undefined && this.#accesses > limits.accesses) {
			this.#fail(`looks at more than ${limits.accesses} blocks of metadata`);
		}
		this.#assertInTime();
	}

	#assertInTime(): void {
		const limits = this.#limits;
		if (!this.#isLimited || limits === undefined || this.#meter === undefined) return;
		const now = {time: this.#meter.milliseconds(), cpu: this.#meter.cpuMilliseconds()};
		this.#since ??= now;
		if (now.cpu - this.#since.cpu > limits.cpuMilliseconds) {
			this.#fail(`calculates for more than ${limits.cpuMilliseconds} ms`);
		}
		if (now.time - this.#since.time > limits.milliseconds) {
			this.#fail(`takes more than ${limits.milliseconds} ms`);
		}
	}

	#fail(what: string): never {
		if (!this.#hasCounted) this.counts.exceeded++;
		this.#hasCounted = true;
		this.#left = 0; // Whoever catches this and goes on gets no further.
		throw new BudgetError(`the request ${what}`);
	}
}
