/** Running programs from the stress tests: to the end, or beside us. */
import {type ChildProcess, spawn, spawnSync} from 'node:child_process';

const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};

export type Ended = {readonly status: number | null; readonly out: string; readonly err: string};

/** Runs a program to its end. */
export function run(program: string, ...args: string[]): Ended {
	const {status, stdout, stderr, error} = spawnSync(program, args, {
		env,
		encoding: 'utf8',
		maxBuffer: 2 ** 28,
	});
	if (error !== undefined) throw error;
	return {status, out: stdout, err: stderr};
}

/** Runs a program that must succeed. */
export function must(program: string, ...args: string[]): string {
	const {status, out, err} = run(program, ...args);
	if (status !== 0) throw new Error(`${program} ${args.join(' ')}: status ${status}\n${out}${err}`);
	return out;
}

/** Starts a program in a directory; the promise gives how it ended. */
export function start(
	directory: string,
	program: string,
	...args: string[]
): [ChildProcess, Promise<Ended>] {
	const child = spawn(program, args, {cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe']});
	let out = '';
	let err = '';
	child.stdout.on('data', text => {
		out += text;
	});
	child.stderr.on('data', text => {
		err += text;
	});
	const ended = new Promise<Ended>((resolve, reject) => {
		child.on('error', reject);
		child.on('close', status => resolve({status, out, err}));
	});
	return [child, ended];
}
