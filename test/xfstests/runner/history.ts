/** All runs that were: a line of JSON each in `history.jsonl`. */
import {appendFileSync, existsSync, readFileSync} from 'node:fs';
import {runCommand} from './commands.ts';
import type {Result} from './results.ts';

export type PastTest = {
	readonly number: string;
	readonly title: string;
	readonly kind: 'passed' | 'failed' | 'notrun';
	readonly reason: string;
	readonly seconds: number;
};

export type PastRun = {
	/** ISO 8601. */
	readonly when: string;
	readonly system: string;
	/** The commit, with a plus where files differ from it; empty outside of a repository. */
	readonly revision: string;
	readonly kernel: string;
	readonly tests: readonly PastTest[];
};

export function describeRun(results: readonly Result[], system: string, when: string): PastRun {
	const tests = results.map(({test, run}): PastTest => {
		const {outcome} = run;
		return {
			number: test.number,
			title: test.definition.title,
			kind: outcome.kind,
			reason: outcome.kind === 'passed' ? '' : outcome.reason,
			seconds: Number(run.seconds.toFixed(2)),
		};
	});
	const kernel = runCommand('uname', ['-r']).out.trim();
	return {when, system, revision: revision(), kernel, tests};
}

function revision(): string {
	const git = (...args: string[]) => runCommand('git', ['-C', import.meta.dirname, ...args]);
	const {status, out} = git('rev-parse', '--short', 'HEAD');
	if (status !== 0) return '';
	const isChanged = git('status', '--porcelain', '--untracked-files=no').out !== '';
	return `${out.trim()}${isChanged ? '+' : ''}`;
}

export function append(file: string, run: PastRun): void {
	appendFileSync(file, `${JSON.stringify(run)}\n`);
}

/** The runs in a file, oldest first. Throws where a line is none. */
export function readHistory(file: string): PastRun[] {
	if (!existsSync(file)) return [];
	const lines = readFileSync(file, 'utf8').split('\n');
	return lines.flatMap((line, index) => {
		if (line === '') return [];
		try {
			return [JSON.parse(line) as PastRun]; // Written by `append` alone.
		} catch (cause) {
			throw new Error(`${file}, line ${index + 1} is no run: mend it or take it out`, {cause});
		}
	});
}
