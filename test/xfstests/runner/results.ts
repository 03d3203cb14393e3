/** The folder of results, as people know it from xfstests: a folder for each file system. */
import {appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Test} from './discovery.ts';
import type {Run} from './running.ts';

export type Result = {readonly test: Test; readonly run: Run};

/** Seconds of each test's last run, by number. */
function readTimes(file: string): Map<string, number> {
	if (!existsSync(file)) return new Map();
	const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
	return new Map(
		lines.map(line => {
			const [number = '', seconds] = line.split(' ');
			return [number, Number(seconds)];
		}),
	);
}

export class ResultFolder {
	readonly folder: string;

	constructor(results: string, system: string) {
		this.folder = join(results, system);
		mkdirSync(this.folder, {recursive: true});
	}

	/** `NNN.full` always; `NNN.out.bad` or `NNN.notrun` where it was so. */
	keep({test, run}: Result): void {
		const at = (suffix: string) => join(this.folder, `${test.number}.${suffix}`);
		for (const suffix of ['out.bad', 'notrun', 'full']) rmSync(at(suffix), {force: true});
		const {outcome} = run;
		if (outcome.kind === 'notrun') writeFileSync(at('notrun'), `${outcome.reason}\n`);
		if (outcome.kind === 'failed') writeFileSync(at('out.bad'), run.out);
		const judgement = outcome.kind === 'failed' ? `\n${outcome.reason}\n${outcome.details}\n` : '';
		writeFileSync(at('full'), `${run.full}${judgement}`);
		this.#keepTime(test.number, run.seconds);
	}

	#keepTime(number: string, seconds: number): void {
		const file = join(this.folder, 'check.time');
		const times = readTimes(file);
		times.set(number, Math.round(seconds));
		const lines = [...times].sort(([a], [b]) => a.localeCompare(b));
		writeFileSync(file, lines.map(([test, time]) => `${test} ${time}\n`).join(''));
	}

	/** A paragraph for the run is added to `check.log`. */
	log(results: readonly Result[], when: string): void {
		const of = (kind: string) =>
			results.filter(({run}) => run.outcome.kind === kind).map(({test}) => test.number);
		const [ran, notRun, failures] = [
			results.map(({test}) => test.number),
			of('notrun'),
			of('failed'),
		];
		const lines = [
			when,
			`Ran: ${ran.join(' ')}`,
			...(notRun.length > 0 ? [`Not run: ${notRun.join(' ')}`] : []),
			...(failures.length > 0
				? [`Failures: ${failures.join(' ')}`, `Failed ${failures.length} of ${ran.length} tests`]
				: [`Passed all ${ran.length - notRun.length} tests`]),
		];
		appendFileSync(join(this.folder, 'check.log'), `${lines.join('\n')}\n\n`);
	}
}
