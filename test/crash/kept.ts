/** What a failure leaves for who looks into it: the state itself, and how it came about. */
import {writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {Crash} from '../support/crash-device.ts';
import type {History, Window} from './history.ts';

export type Failure = {
	readonly format: string;
	readonly workload: string;
	readonly seed: number;
	readonly crash: Crash<Window>;
	readonly window: Window;
	/** How many different states were judged, this one included. */
	readonly judged: number;
	readonly error: unknown;
	/** What judging the same bytes once more came to; undefined where nothing was wrong with them. */
	readonly errorAgain: unknown;
};

function textOf(error: unknown): string {
	return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Writes the state to a file, and what is known of it to another; returns the first one's path. */
export function keep(failure: Failure, history: History): string {
	const {format, workload, seed, crash, window, judged, error, errorAgain} = failure;
	const folder = process.env['EXT4BOX_KEEP'] ?? tmpdir();
	const name = `ext4box-crash-${format}-${workload}-${seed}-${crash.kind}-${crash.at}`;
	const path = join(folder, `${name}.img`);
	writeFileSync(path, crash.image());
	const story = {
		...{format, workload, seed, judged, window},
		crash: {kind: crash.kind, event: crash.at, key: crash.key},
		error: textOf(error),
		again: errorAgain === undefined ? 'nothing is wrong with the same bytes' : textOf(errorAgain),
		steps: history.steps.slice(0, window.most + 1),
		allowed: history.observations
			.slice(window.least, window.most + 1)
			.map(({signature}) => signature),
	};
	writeFileSync(join(folder, `${name}.json`), JSON.stringify(story, undefined, '\t'));
	return path;
}
