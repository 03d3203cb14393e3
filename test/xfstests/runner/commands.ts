/** Programs run to their end, for the runner and for tests. */
import {spawnSync} from 'node:child_process';

export const environment = {
	...process.env,
	PATH: `${process.env['PATH']}:/usr/sbin:/sbin`,
	LC_ALL: 'C',
	TZ: 'UTC',
};

export type Ended = {readonly status: number | null; readonly out: string; readonly err: string};

export type CommandOptions = {
	readonly input?: string | Uint8Array;
	readonly cwd?: string;
	readonly timeoutSeconds?: number;
};

/** Throws where the program can't be started or does not end in time. */
export function runCommand(
	program: string,
	args: readonly string[],
	options: CommandOptions = {},
): Ended {
	const {status, stdout, stderr, error} = spawnSync(program, args, {
		env: environment,
		cwd: options.cwd,
		input: options.input ?? '',
		encoding: 'utf8',
		maxBuffer: 2 ** 28,
		timeout: (options.timeoutSeconds ?? 100) * 1000,
		killSignal: 'SIGKILL',
	});
	if (error !== undefined) throw new Error(`${program}: ${error.message}`, {cause: error});
	return {status, out: stdout, err: stderr};
}

export class CommandError extends Error {
	override readonly name = 'CommandError';
}

/** Runs a program that must succeed; returns what it printed. */
export function mustRun(program: string, ...args: string[]): string {
	const {status, out, err} = runCommand(program, args);
	if (status !== 0) {
		throw new CommandError(`${program} ${args.join(' ')}: status ${status}\n${out}${err}`);
	}
	return out;
}

/** Blocks until `isDone`, at most so long; whether it came to be so. */
export function waitUntil(isDone: () => boolean, seconds: number): boolean {
	const end = performance.now() + seconds * 1000;
	while (!isDone()) {
		if (performance.now() > end) return false;
		Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
	}
	return true;
}
