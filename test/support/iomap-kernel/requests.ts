/** Requests as the kernel sends them: counted, noted for golden traces, what was refused remembered. */
import type {Answer, Ask, FakeKernel} from '../fake-kernel.ts';
import {errnos, KernelError} from './wire.ts';

/** Told of every request, before it is sent and when it is answered. */
export type RequestObserver = {before(name: string): void; after(name: string): void};

export class Requests {
	readonly wire: FakeKernel;
	readonly counts: {[operation: string]: number} = {};
	/** Each request, with what of it counts. */
	readonly trace: string[] = [];
	/** Requests that somebody waited for. */
	roundTrips = 0;
	observer: RequestObserver | undefined;
	readonly #refused = new Set<string>();

	constructor(wire: FakeKernel) {
		this.wire = wire;
	}

	/** Sends it, whatever the answer. `shown` stands in the trace. */
	send(name: string, ask: Ask = {}, shown = name): Answer {
		this.trace.push(shown);
		this.counts[name] = (this.counts[name] ?? 0) + 1;
		// Nobody waits for the answer to a RELEASE.
		if (name !== 'RELEASE') this.roundTrips++;
		this.observer?.before(name);
		const answer = this.wire.ask(name, ask);
		this.observer?.after(name);
		return answer;
	}

	/** Throws `KernelError` where the answer is an error. */
	ask(name: string, ask: Ask = {}, shown = name): DataView {
		const {error, view} = this.send(name, ask, shown);
		if (error !== 0) throw new KernelError(error, shown);
		return view;
	}

	/** What is refused with ENOSYS is never asked again. Returns whether it was asked and is done. */
	askUnlessRefused(name: string, ask: Ask, shown = name): boolean {
		if (this.#refused.has(name)) return false;
		const {error} = this.send(name, ask, shown);
		if (error === errnos.ENOSYS) this.#refused.add(name);
		else if (error !== 0) throw new KernelError(error, shown);
		return error === 0;
	}

	/** Says what needs no answer. */
	tell(name: string, ask: Ask): void {
		this.trace.push(name);
		this.counts[name] = (this.counts[name] ?? 0) + 1;
		this.observer?.before(name);
		this.wire.tell(name, ask);
		this.observer?.after(name);
	}
}
