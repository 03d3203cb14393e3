/** Runs programs, times them, and ends those still running when the bench has to stop. */
import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';

export type Command = {
	readonly program: string;
	readonly args: readonly string[];
	/** Statuses that mean success; 0 alone by default. */
	readonly statuses?: readonly number[];
};

export class CommandError extends Error {
	override readonly name = 'CommandError';
}

/** The bench was told to stop: nothing is measured any more, only cleaned up. */
export class StoppedError extends Error {
	override readonly name = 'StoppedError';
}

const running = new Set<ChildProcess>();
let isStopping = false;

/** From now on no command starts, and those that run are told to end. */
export function stopCommands(): void {
	isStopping = true;
	for (const child of running) child.kill('SIGTERM');
}

/**
 * Runs a command to its end; its output goes nowhere. Returns the seconds from before the fork to
 * after the exit. Throws `CommandError` with what it said on stderr, `StoppedError`.
 */
export async function timeCommand(command: Command): Promise<number> {
	const {start, end} = await runCommand(command, 'status');
	return (end - start) / 1000;
}

/** Runs commands at once; the seconds until the last has ended. Throws as `timeCommand`. */
export async function timeTogether(commands: readonly Command[]): Promise<number> {
	const runs = await Promise.allSettled(commands.map(command => runCommand(command, 'status')));
	let first = Number.POSITIVE_INFINITY;
	let last = 0;
	for (const run of runs) {
		if (run.status === 'rejected') throw run.reason;
		first = Math.min(first, run.value.start);
		last = Math.max(last, run.value.end);
	}
	return (last - first) / 1000;
}

/** Runs a command to its end and returns its standard output. Throws as `timeCommand`. */
export async function readCommand(command: Command): Promise<string> {
	return (await runCommand(command, 'output')).printed;
}

/**
 * Runs a command without letting anything else happen: for cleaning up, so it works while
 * stopping, too. Returns whether it succeeded.
 */
export function runToCleanUp(program: string, args: readonly string[]): boolean {
	return spawnSync(program, args, {stdio: 'ignore'}).status === 0;
}

/** Whether a program can be started at all. */
export function isInstalled(program: string): boolean {
	return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program], {stdio: 'ignore'}).status === 0;
}

/** Times in milliseconds of `performance.now()`. */
type Run = {readonly start: number; readonly end: number; readonly printed: string};

/**
 * Output goes to files without a name, not to pipes: a mount's server inherits them and lives on,
 * and a pipe whose reader has gone would end it.
 */
function runCommand(command: Command, wanted: 'status' | 'output'): Promise<Run> {
	if (isStopping) return Promise.reject(new StoppedError('stopped'));
	const {program, args, statuses = [0]} = command;
	const output = wanted === 'output' ? openNameless() : undefined;
	const complaint = openNameless();
	const start = performance.now();
	const child = spawn(program, args, {stdio: ['ignore', output ?? 'ignore', complaint]});
	running.add(child);
	const run = new Promise<Run>((resolve, reject) => {
		child.on('error', error => reject(new CommandError(`${program}: ${error.message}`)));
		child.on('exit', (status, signal) => {
			const end = performance.now();
			if (isStopping) return reject(new StoppedError('stopped'));
			if (status !== null && statuses.includes(status)) {
				return resolve({start, end, printed: output === undefined ? '' : readWhole(output)});
			}
			const line = [program, ...args].join(' ');
			const said = readWhole(complaint).trim() || 'it said nothing';
			reject(new CommandError(`"${line}" ended with ${status ?? signal}: ${said}`));
		});
	});
	return run.finally(() => {
		running.delete(child);
		fs.closeSync(complaint);
		if (output !== undefined) fs.closeSync(output);
	});
}

function openNameless(): number {
	const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-bench-'));
	const name = path.join(directory, 'output');
	const descriptor = fs.openSync(name, 'w+');
	fs.rmSync(directory, {recursive: true});
	return descriptor;
}

/** All of a file from its start, wherever its offset stands. */
function readWhole(descriptor: number): string {
	const bytes = Buffer.alloc(fs.fstatSync(descriptor).size);
	const count = fs.readSync(descriptor, bytes, 0, bytes.length, 0);
	return bytes.toString('utf8', 0, count);
}
