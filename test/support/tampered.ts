/**
 * The privileged helper under strace, which answers some of its system calls in the kernel's place: so
 * does it meet what this kernel never says. Started as root, for whom alone a set-uid program stays
 * one when it is traced, and then as the user.
 */
import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Readable} from 'node:stream';
import {type Playground, readProc, until} from './mounting.ts';

/** Why there is no tampering here, or null. */
export function whyNoTampering(): string | null {
	return spawnSync('strace', ['--version']).status === 0 ? null : 'no strace here';
}

export class Tampered {
	readonly #strace: ChildProcess;
	readonly #log: string;

	/**
	 * @param traced Names of system calls, which are logged.
	 * @param injections As strace's `inject=` has them.
	 * @param wrapper What strace is started by, such as unshare(1).
	 */
	constructor(
		place: Playground,
		traced: readonly string[],
		injections: readonly string[],
		helper: readonly string[],
		wrapper: readonly string[] = [],
	) {
		const {uid, gid} = place.user;
		this.#log = join(place.folder, 'trace');
		const [program = '', ...args] = [
			...wrapper,
			...['strace', '-o', this.#log],
			...['-e', `trace=${traced.join(',')}`],
			...injections.flatMap(injection => ['-e', `inject=${injection}`]),
			...['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'],
			...helper,
		];
		this.#strace = spawn(program, args, {
			cwd: place.folder,
			stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
		});
	}

	/** The helper's one line; empty where it was killed before. */
	async report(): Promise<string> {
		let report = '';
		for await (const piece of this.#strace.stdio[3] as Readable) {
			report += String(piece);
			// Its end would not come before strace's, which has the descriptor as well.
			if (report.endsWith('\n')) break;
		}
		return report;
	}

	/** Waits for strace's end, which is the helper's. */
	async ended(): Promise<void> {
		if (this.#strace.exitCode === null && this.#strace.signalCode === null) {
			await once(this.#strace, 'exit');
		}
	}

	/** The helper's process id, once it stands stopped by an injected SIGSTOP; null where it never does. */
	async stopped(): Promise<number | null> {
		const isStopped = () => this.lines().some(line => line.includes('stopped by SIGSTOP'));
		if ((await until(isStopped, 30_000)) === null) return null;
		const {pid} = this.#strace;
		return Number((readProc(pid ?? 0, `task/${pid}/children`) ?? '').trim().split(' ')[0]);
	}

	/** What was logged so far. */
	lines(): string[] {
		return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').trimEnd().split('\n') : [];
	}
}
