/** What the program says beside its results: one line a record, on stderr. */
import {writeSync} from 'node:fs';
import {printable} from '../images/errors.ts';

const levels = ['error', 'warn', 'info'] as const;
export type LogLevel = (typeof levels)[number];

let threshold: number = levels.indexOf('warn');

/** What is less important than `level` is not printed. `warn` until this is called. */
export function setLogLevel(level: LogLevel): void {
	threshold = levels.indexOf(level);
}

function write(level: LogLevel, message: string): void {
	if (levels.indexOf(level) > threshold) return;
	const prefix = level === 'warn' ? 'warning: ' : '';
	writeError(`ext4box: ${prefix}${printable(message)}\n`);
}

/** Synchronous: whoever is killed next has still said it. */
export function writeError(text: string): void {
	try {
		writeSync(2, text);
	} catch (error) {
		// With stderr closed or full there is nobody left to tell.
		if (!(error instanceof Error && 'code' in error)) throw error;
	}
}

/** Control characters in messages are escaped: what an image says can't reach the terminal. */
export const log = {
	error: (message: string) => write('error', message),
	warn: (message: string) => write('warn', message),
	info: (message: string) => write('info', message),
};
