/** A line on a terminal that tells how far an extraction is. Elsewhere, nothing. */
import {isatty} from 'node:tty';
import {sizeText} from '../../images/index.ts';
import {countOf} from '../format.ts';
import {writeError} from '../log.ts';

const intervalMs = 200;

export type Done = {readonly items: number; readonly bytes: number};

function durationText(seconds: number): string {
	if (seconds < 60) return `${Math.ceil(seconds)} s`;
	if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
	return `${(seconds / 3600).toFixed(1)} h`;
}

export class Progress {
	readonly #isShown = isatty(2);
	readonly #start = performance.now();
	readonly #expected: Done | undefined;
	#last = this.#start;
	#hasLine = false;

	/** `expected` is an estimate of all there is to do; without it no time left is told. */
	constructor(expected: Done | undefined) {
		this.#expected = expected;
	}

	update(done: Done): void {
		const now = performance.now();
		if (!this.#isShown || now - this.#last < intervalMs) return;
		this.#last = now;
		const seconds = (now - this.#start) / 1000;
		const parts = [countOf(done.items, 'item')];
		if (done.bytes > 0) {
			parts.push(sizeText(done.bytes), `${sizeText(Math.round(done.bytes / seconds))}/s`);
		}
		const left = this.#secondsLeft(done, seconds);
		if (left !== undefined) parts.push(`about ${durationText(left)} left`);
		writeError(`\r\u001b[K${parts.join(', ')}`);
		this.#hasLine = true;
	}

	/** Small files take their time by number, large ones by size: the slower of both counts. */
	#secondsLeft(done: Done, seconds: number): number | undefined {
		if (this.#expected === undefined || seconds < 1) return undefined;
		const part = Math.max(
			this.#expected.bytes === 0 ? 0 : done.bytes / this.#expected.bytes,
			this.#expected.items === 0 ? 0 : done.items / this.#expected.items,
		);
		return part === 0 || part >= 1 ? undefined : (seconds / part) * (1 - part);
	}

	/** Makes the line free for a message, or for good. */
	clear(): void {
		if (this.#hasLine) writeError('\r\u001b[K');
		this.#hasLine = false;
	}
}
