/** What a running test has at hand: `t`. */
import {type ChildProcess, spawn} from 'node:child_process';
import {openSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {inspect} from 'node:util';
import {Random} from '../../fuzz/random.ts';
import type {ImageOptions} from '../api.ts';
import {errorCode} from '../calls.ts';
import {type CommandOptions, type Ended, environment, runCommand} from './commands.ts';
import {type Feature, whyLacking} from './needs.ts';
import {Place} from './place.ts';
import {type SystemName, systemNamed} from './systems.ts';

/** The test can't be run here; the message says why. */
export class NotRun extends Error {
	override readonly name = 'NotRun';
}

export type User = {
	readonly uid: number;
	readonly gid: number;
	readonly groups?: readonly number[];
};
export type WorkerEnd = {readonly status: number | null; readonly out: string};

/** A process of the test's that goes on beside it; killed with it. */
export type Started = {readonly child: ChildProcess; readonly ended: Promise<Ended>};

export type RunOptions = CommandOptions & {
	/** The exit status that it has to have: 0 unless given, any where null. */
	readonly expect?: number | null;
};

export type Surroundings = {
	/** The test's file. */
	readonly file: string;
	readonly system: SystemName;
	/** The test's own folder, on the machine's disk. */
	readonly folder: string;
	/** Where lines for the golden output go. */
	readonly out: string;
};

/** What workers have, too. */
class Context {
	readonly #around: Surroundings;

	constructor(around: Surroundings) {
		this.#around = around;
	}

	/** The name of the file system. What is printed may not depend on it. */
	get system(): SystemName {
		return this.#around.system;
	}

	/** A folder of the test's own outside of the file system: for scripts, copies, notes. */
	get scratch(): string {
		return this.#around.folder;
	}

	/** A line for the log, `NNN.full`. */
	full(...values: unknown[]): void {
		const words = values.map(value => (typeof value === 'string' ? value : inspect(value)));
		process.stdout.write(`${words.join(' ')}\n`);
	}

	/** The same numbers for the same seed. */
	rng(seed: number): Random {
		return new Random(seed);
	}

	/** What `action` returns, or the name of the errno that it fails with. Other errors pass. */
	codeOf(action: () => unknown): unknown {
		try {
			return action();
		} catch (error) {
			return errorCode(error);
		}
	}
}

export class WorkerContext extends Context {
	/** The file system's root, in which the worker was started. */
	readonly dir: string;

	constructor(around: Surroundings, dir: string) {
		super(around);
		this.dir = dir;
	}

	/** The path of a name on the file system. */
	path(...names: string[]): string {
		return join(this.dir, ...names);
	}

	/** A line that the test gets as part of the worker's `out`. */
	print(line: string | number): void {
		process.stdout.write(`${line}\n`);
	}
}

export class TestContext extends Context {
	readonly #around: Surroundings;
	readonly #place: Place;
	/** Open, as other users may not open it. */
	readonly #out: number;

	constructor(around: Surroundings, options: ImageOptions) {
		super(around);
		this.#around = around;
		this.#out = openSync(around.out, 'a');
		this.#place = new Place(systemNamed(around.system), around.folder, 'mnt', options);
		this.#place.mount();
	}

	/** The root of the mounted file system. */
	get dir(): string {
		return this.#place.dir;
	}

	/** The file that holds it. */
	get image(): string {
		return this.#place.image;
	}

	get place(): Place {
		return this.#place;
	}

	path(...names: string[]): string {
		return join(this.dir, ...names);
	}

	/** A line of the golden output: the same on every file system, at every run. */
	print(line: string | number): void {
		writeSync(this.#out, `${line}\n`);
		this.full(`> ${line}`);
	}

	/** Prints `label: ` and what `action` returned, `ok` for nothing, or the errno it failed with. */
	attempt(label: string, action: () => unknown): void {
		const value = this.codeOf(action) ?? 'ok';
		const isPlain = ['string', 'number', 'bigint', 'boolean'].includes(typeof value);
		this.print(
			`${label}: ${isPlain ? value : inspect(value, {breakLength: Number.POSITIVE_INFINITY})}`,
		);
	}

	/** Prints `label: ok` where all is as it should be, else `label: ` and the first problem. */
	verdict(label: string, problems: readonly string[]): void {
		for (const problem of problems) this.full(`${label}: ${problem}`);
		this.print(`${label}: ${problems[0] ?? 'ok'}`);
	}

	mount(options?: string): void {
		this.#place.mount(options);
	}

	unmount(): void {
		this.#place.unmount();
	}

	remount(options?: string): void {
		this.#place.remount(options);
	}

	/** See `Place.crash`. Descriptors that were open on the file system lead nowhere afterwards. */
	crash(options?: string): void {
		this.#place.crash(options);
	}

	/** A second file system of the same kind, made and mounted; unmounted and checked as the first. */
	another(name: string, options: ImageOptions = {}): Place {
		const place = new Place(systemNamed(this.system), this.#around.folder, name, options);
		place.mount();
		return place;
	}

	/** Ends the test as not run. */
	notRun(reason: string): never {
		throw new NotRun(reason);
	}

	/** Ends the test as not run where the file system lacks what only this part of it needs. */
	require(feature: Feature): void {
		const reason = whyLacking(feature, this.dir);
		if (reason !== undefined) this.notRun(`${feature}: ${reason}`);
	}

	/** Runs a program to its end, in the root of the file system; throws where it ends otherwise than expected. */
	run(program: string, args: readonly string[] = [], options: RunOptions = {}): Ended {
		const ended = runCommand(program, args, {cwd: this.dir, ...options});
		const {expect = 0} = options;
		this.full(`$ ${[program, ...args].join(' ')} = ${ended.status}\n${ended.out}${ended.err}`);
		if (expect !== null && ended.status !== expect) {
			throw new Error(`${program} ended with ${ended.status}, not ${expect}: ${ended.err}`);
		}
		return ended;
	}

	/** Starts a program beside the test. */
	start(program: string, args: readonly string[] = []): Started {
		const child = spawn(program, args, {
			cwd: this.dir,
			env: environment,
			stdio: ['ignore', 'pipe', 'pipe'],
		});
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
		return {child, ended};
	}

	/**
	 * Runs one of the test's workers in a process of its own. Resolves to what it printed; rejects where
	 * it fails. Not awaited, several run at once: `await Promise.all([…])`.
	 */
	async worker(name: string, ...args: (string | number)[]): Promise<string> {
		const {file, system, folder, out} = this.#around;
		const around = [file, system, folder, out, 'worker', this.dir, name];
		const main = join(import.meta.dirname, 'test-process.ts');
		const {ended} = this.start(process.execPath, [main, ...around, ...args.map(String)]);
		const end = await ended;
		this.full(`worker ${name} ${args.join(' ')}: ${end.status}\n${end.out}${end.err}`);
		if (end.status !== 0) throw new Error(`worker ${name}: status ${end.status}\n${end.err}`);
		return end.out;
	}

	/**
	 * Runs `action`, synchronous, with another's effective ids and without privileges; for tests that
	 * need root. It should start no programs: they would have root's real ids.
	 */
	asUser<T>(user: User, action: () => T): T {
		const {seteuid, setegid, setgroups, getgroups} = process;
		if (!(seteuid && setegid && setgroups && getgroups)) throw new Error('users are only of POSIX');
		const before = getgroups();
		setgroups([...(user.groups ?? [])]);
		setegid(user.gid);
		seteuid(user.uid);
		try {
			return action();
		} finally {
			seteuid(0);
			setegid(0);
			setgroups(before);
		}
	}
}
