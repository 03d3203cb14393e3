/**
 * npm run xfstests -- [-g GROUP] [-x EXCLUDE] [--fs NAME,NAME] [NNN…]; --help tells the rest.
 *
 * Runs numbered tests on the file systems, and writes what came of it below `results/`.
 */
import {chmodSync, copyFileSync, mkdirSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {type Arguments, parseArguments, UsageError, usage} from './arguments.ts';
import {allTests, select, type Test} from './discovery.ts';
import {append, describeRun, readHistory} from './history.ts';
import {junit} from './junit.ts';
import {runInNamespace, wantsNamespace} from './namespace.ts';
import {page} from './page.ts';
import {type Result, ResultFolder} from './results.ts';
import {type Run, runTest} from './running.ts';
import {type System, systemNamed} from './systems.ts';
import {tap} from './tap.ts';

function say(line: string): void {
	process.stdout.write(`${line}\n`);
}

function tell(system: System, {test, run}: Result): void {
	const {outcome} = run;
	const word = {passed: 'pass', failed: 'FAIL', notrun: 'notrun'}[outcome.kind];
	const time = outcome.kind === 'notrun' ? '' : ` ${run.seconds.toFixed(1)} s`;
	say(`${test.number} ${system.name} ${word}${time}  ${test.definition.title}`);
	if (outcome.kind === 'notrun') say(`    ${outcome.reason}`);
	if (outcome.kind !== 'failed') return;
	for (const line of [outcome.reason, ...outcome.details.split('\n')].slice(0, 40))
		say(`    ${line}`);
}

/** A file system that isn't here leaves all its tests not run. */
async function runOne(test: Test, system: System, repeat: number): Promise<Run> {
	const reason = system.whyMissing();
	if (reason !== undefined) {
		return {outcome: {kind: 'notrun', reason}, seconds: 0, out: '', full: ''};
	}
	let run = await runTest(test, system);
	for (let count = 1; count < repeat && run.outcome.kind === 'passed'; count++) {
		run = await runTest(test, system);
	}
	return run;
}

/** What a test printed becomes its golden output, where that is all that is missing. */
function takeGolden(test: Test, folder: ResultFolder, run: Run): void {
	if (run.outcome.kind !== 'failed' || !/golden|output differs/.test(run.outcome.reason)) return;
	copyFileSync(join(folder.folder, `${test.number}.out.bad`), test.golden);
	say(`    its output is golden now: read ${test.golden}`);
}

async function runSystem(
	tests: readonly Test[],
	system: System,
	args: Arguments,
): Promise<Result[]> {
	const when = new Date().toISOString();
	const folder = new ResultFolder(args.results, system.name);
	const results: Result[] = [];
	const waiting = [...tests.entries()];
	const work = async (): Promise<void> => {
		for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
			const [index, test] = next;
			const result = {test, run: await runOne(test, system, args.repeat)};
			results[index] = result;
			tell(system, result);
			folder.keep(result);
			const isGolden = args.takesGolden && system.name === args.systems[0];
			if (isGolden) takeGolden(test, folder, result.run);
		}
	};
	await Promise.all(Array.from({length: args.jobs}, work));
	folder.log(results, when);
	writeFileSync(join(folder.folder, 'junit.xml'), junit(results, system.name, when));
	writeFileSync(join(folder.folder, 'results.tap'), tap(results));
	append(join(args.results, 'history.jsonl'), describeRun(results, system.name, when));
	return results;
}

function count(results: readonly Result[], kind: string): number {
	return results.filter(({run}) => run.outcome.kind === kind).length;
}

function list(tests: readonly Test[]): void {
	for (const {number, definition} of tests) {
		say(`${number} ${definition.title} [${definition.groups.join(' ')}]`);
	}
}

/** Returns the exit status. */
async function main(): Promise<number> {
	const args = parseArguments(process.argv.slice(2));
	if (args.wantsHelp) {
		process.stdout.write(usage);
		return 0;
	}
	const tests = select(await allTests(), args);
	if (args.onlyLists) {
		list(tests);
		return 0;
	}
	if (wantsNamespace()) return await runInNamespace();
	// The folder that tidily.ts made for this run: other users pass through it to the mounts.
	if (process.env['EXT4BOX_KEEP'] !== undefined) chmodSync(tmpdir(), 0o711);
	mkdirSync(args.results, {recursive: true});
	const runs: {readonly system: System; readonly results: readonly Result[]}[] = [];
	for (const system of args.systems.map(systemNamed)) {
		runs.push({system, results: await runSystem(tests, system, args)});
	}
	const history = readHistory(join(args.results, 'history.jsonl'));
	writeFileSync(join(args.results, 'index.html'), page(history));
	for (const {system, results} of runs) {
		const [passed, failed, notRun] = ['passed', 'failed', 'notrun'].map(kind =>
			count(results, kind),
		);
		say(`${system.name}: ${passed} passed, ${failed} failed, ${notRun} not run`);
	}
	const hasRun = runs.some(({results}) => count(results, 'notrun') < results.length);
	const hasFailed = runs.some(
		({system, results}) => system.mustPass && count(results, 'failed') > 0,
	);
	return hasRun && !hasFailed ? 0 : 1;
}

try {
	process.exitCode = await main();
} catch (error) {
	if (!(error instanceof UsageError || error instanceof RangeError)) throw error;
	process.stderr.write(`xfstests: ${error.message}\n${usage}`);
	process.exitCode = 2;
}
