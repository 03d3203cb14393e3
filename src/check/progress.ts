/** A bar on a terminal that tells how far a check is. Elsewhere, nothing. */
import {isatty} from 'node:tty';
import {type PassName, passes} from '../../ext4/check/finding.ts';
import type {Progress} from '../../ext4/check/state.ts';
import {writeError} from '../log.ts';

/** How much of the time each pass takes on an ordinary file system; only for the bar. */
const shares: {readonly [pass in PassName]: number} = {
	volume: 0.03,
	inodes: 0.55,
	directories: 0.28,
	connectivity: 0.03,
	references: 0.03,
	bitmaps: 0.06,
	quota: 0.02,
};

const cells = 24;

/** The part of the whole that is done, from 0 to 1. */
export function partDone({pass, done, total}: Progress): number {
	let part = 0;
	for (const each of passes) {
		if (each === pass) {
			return part + shares[pass] * (total > 0 ? Math.min(1, Math.max(0, done / total)) : 0);
		}
		part += shares[each];
	}
	return part;
}

function durationText(seconds: number): string {
	if (seconds < 60) return `${Math.ceil(seconds)} s`;
	if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
	return `${(seconds / 3600).toFixed(1)} h`;
}

/**
 * One line, without its end: `pass 2 of 7, inodes   [######    ]  45%, about 3 s left`. Of a terminal's
 * `columns` it leaves the last free, and what does not fit out: a line that wraps can't be erased.
 */
export function barText(progress: Progress, elapsedSeconds: number, columns: number): string {
	const part = partDone(progress);
	const full = Math.round(part * cells);
	const bar = '#'.repeat(full) + ' '.repeat(cells - full);
	const number = passes.indexOf(progress.pass) + 1;
	const pass = `pass ${number} of ${passes.length}`;
	const name = `${pass}, ${progress.pass}`;
	const percent = `${Math.floor(part * 100)}%`;
	// The first second tells too little of the rest.
	const isKnown = elapsedSeconds >= 1 && part > 0.02;
	const left = isKnown ? `, about ${durationText((elapsedSeconds / part) * (1 - part))} left` : '';
	const forms = [
		`${name.padEnd(27)} [${bar}]${percent.padStart(4)}${left}`,
		`${name}, ${percent}${left}`,
		`${name}, ${percent}`,
		`${pass}, ${percent}`,
		percent,
	];
	return forms.find(form => form.length < columns) ?? '';
}

/** What a terminal that does not tell its size most likely has. */
const columnsUnknown = 80;

export class ProgressBar {
	readonly #isShown = isatty(2);
	readonly #start = performance.now();
	#hasLine = false;

	update(progress: Progress): void {
		if (!this.#isShown) return;
		// Asked each time: a window may have become narrower. Some terminals say 0.
		const columns = process.stderr.columns || columnsUnknown;
		const seconds = (performance.now() - this.#start) / 1000;
		writeError(`\r\u001b[K${barText(progress, seconds, columns)}`);
		this.#hasLine = true;
	}

	/** Makes the line free for a finding, or for good. */
	clear(): void {
		if (this.#hasLine) writeError('\r\u001b[K');
		this.#hasLine = false;
	}
}
