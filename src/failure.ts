/** The end of a command that failed: what is printed, and the exit status. */
import {CorruptError, isExpectedError} from '../ext4/errors.ts';
import {ImageError, printable} from '../images/errors.ts';
import {CliError} from './cli-error.ts';
import {log, writeError} from './log.ts';
import {flushOutput, OutputClosed} from './output.ts';

/** As a shell counts a program that SIGPIPE ended: who reads only the beginning is used to that. */
const statusOutputClosed = 141;
const statusFault = 70; // EX_SOFTWARE of sysexits.h.

/** A failure together with the image that it is about, as the user named it. */
export class FailureAbout extends Error {
	override readonly name = 'FailureAbout';
	readonly subject: string;
	override readonly cause: unknown;

	constructor(subject: string, cause: unknown) {
		super(subject);
		this.subject = subject;
		this.cause = cause;
	}
}

/** Runs `action`; what it throws is about `subject`, unless it is a `CliError`, which names its own. */
export async function about<T>(subject: string, action: () => T | Promise<T>): Promise<T> {
	try {
		return await action();
	} catch (error) {
		const isComplete =
			error instanceof FailureAbout || error instanceof CliError || error instanceof OutputClosed;
		if (isComplete) throw error;
		throw new FailureAbout(subject, error);
	}
}

const withoutJournal = '; norecovery reads the file system without its journal';
const hints: {readonly [code: string]: string} = {
	EXT4_BAD_JOURNAL: withoutJournal,
	EXT4_BAD_JOURNAL_CHECKSUM: withoutJournal,
};

/**
 * `problem [CODE]` for what an image, a device or a caller can provoke; undefined for a fault of
 * this program.
 */
export function describeFailure(error: unknown): string | undefined {
	if (error instanceof ImageError || isExpectedError(error)) {
		const hint = hints[error.code] ?? '';
		return `${error.message}${hint} [${error.code}]`;
	}
	return error instanceof CliError ? error.message : undefined;
}

/** As `describeFailure`, once, where damage ends a command: with the one that tells all of it. */
export function describeEnd(error: unknown): string | undefined {
	const isDamage = error instanceof CorruptError && error.code.startsWith('EXT4_BAD_');
	if (!isDamage || hints[error.code] !== undefined) return describeFailure(error);
	return `${error.message}; "ext4box check" tells all that is wrong with the image [${error.code}]`;
}

/** Prints one line, or a stack where it is our fault, and returns the exit status. */
export async function reportFailure(thrown: unknown): Promise<number> {
	const subject = thrown instanceof FailureAbout ? `${thrown.subject}: ` : '';
	const error = thrown instanceof FailureAbout ? thrown.cause : thrown;
	if (error instanceof OutputClosed) return statusOutputClosed;
	try {
		flushOutput(); // What was found before it failed.
	} catch (closed) {
		if (closed instanceof OutputClosed) return statusOutputClosed;
		log.error(String(closed));
	}
	const described = describeEnd(error);
	if (described !== undefined) {
		log.error(`${subject}${described}`);
		return error instanceof CliError ? error.exitCode : 1;
	}
	const stack = error instanceof Error ? (error.stack ?? String(error)) : String(error);
	const lines = stack.split('\n').map(printable).join('\n');
	writeError(
		`ext4box: ${printable(subject)}a fault of ext4box itself; please report it with these lines:\n${lines}\n`,
	);
	return statusFault;
}
