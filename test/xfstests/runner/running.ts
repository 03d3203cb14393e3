/** One test on one file system: in a process of its own, to its end or its time limit, and judged. */
import {type ChildProcess, spawn} from 'node:child_process';
import {
	chmodSync,
	closeSync,
	existsSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {checkImage} from './checking.ts';
import {clearUp} from './clearing.ts';
import {environment, waitUntil} from './commands.ts';
import {difference} from './compare.ts';
import {hasGolden, type Test} from './discovery.ts';
import {whyNotHere} from './needs.ts';
import {imageSuffix} from './place.ts';
import {killAll, sessionOf} from './processes.ts';
import type {System} from './systems.ts';

export type Outcome =
	| {readonly kind: 'passed'}
	| {readonly kind: 'notrun'; readonly reason: string}
	/** `reason` is one line, `details` what a person wants to see. */
	| {readonly kind: 'failed'; readonly reason: string; readonly details: string};

export type Run = {
	readonly outcome: Outcome;
	readonly seconds: number;
	/** What the test printed. */
	readonly out: string;
	/** Its log, and what was said when it was cleared away and checked. */
	readonly full: string;
};

/** Far beyond what a test takes on a machine that has other work. */
const defaultLimitSeconds = 300;
const notRunStatus = 77;

type Ended = {readonly status: number | null; readonly isTimedOut: boolean};

/** Waits for its end; at the limit kills the session that it leads. */
function awaitEnd(child: ChildProcess, limitSeconds: number): Promise<Ended> {
	return new Promise((resolve, reject) => {
		let isTimedOut = false;
		const timer = setTimeout(() => {
			isTimedOut = true;
			killAll(sessionOf(child.pid ?? 0));
		}, limitSeconds * 1000);
		child.once('error', reject);
		child.once('exit', status => {
			clearTimeout(timer);
			resolve({status, isTimedOut});
		});
	});
}

async function runProcess(test: Test, system: System, folder: string): Promise<Ended> {
	const log = openSync(join(folder, 'full'), 'a');
	const main = join(import.meta.dirname, 'test-process.ts');
	const args = [main, test.file, system.name, folder, join(folder, 'out')];
	// A session of its own: all that it starts is found by it.
	const child = spawn(process.execPath, args, {
		cwd: folder,
		env: {...environment, TMPDIR: folder},
		detached: true,
		stdio: ['ignore', log, log],
	});
	closeSync(log);
	const limit = test.definition.timeLimitSeconds ?? defaultLimitSeconds;
	const ended = await awaitEnd(child, limit);
	const left = () => sessionOf(child.pid ?? 0);
	killAll(left());
	if (!waitUntil(() => left().length === 0, 30)) throw new Error(`${left()} can't be killed`);
	return ended;
}

function failed(reason: string, details = ''): Outcome {
	return {kind: 'failed', reason, details};
}

function judge(test: Test, folder: string, ended: Ended, out: string, problems: string[]): Outcome {
	if (ended.isTimedOut) return failed('it did not end within its time limit');
	if (ended.status !== 0 && ended.status !== notRunStatus) {
		return failed(`its process ended with ${ended.status ?? 'a signal'}, see the .full file`);
	}
	const [problem] = problems;
	if (problem !== undefined) return failed(problem.split('\n')[0] ?? '', problems.join('\n'));
	if (ended.status === notRunStatus) {
		return {kind: 'notrun', reason: readFileSync(join(folder, 'notrun'), 'utf8')};
	}
	if (!hasGolden(test))
		return failed('there is no golden output for it (--golden writes one)', out);
	const differing = difference(readFileSync(test.golden, 'utf8'), out);
	return differing === '' ? {kind: 'passed'} : failed('its output differs', differing);
}

/** What is wrong with what it left behind: mounts, servers, damaged images. */
async function settle(test: Test, system: System, folder: string): Promise<string[]> {
	const problems = await clearUp(system, folder);
	const reason = test.definition.image?.leftDamaged;
	if (reason !== undefined) return problems;
	const images = readdirSync(folder).filter(name => name.endsWith(imageSuffix));
	return [...problems, ...images.flatMap(name => checkImage(join(folder, name)))];
}

/** Runs a test and leaves nothing behind. */
export async function runTest(test: Test, system: System): Promise<Run> {
	const missing = (test.definition.needs ?? [])
		.map(whyNotHere)
		.find(reason => reason !== undefined);
	if (missing !== undefined) {
		return {outcome: {kind: 'notrun', reason: missing}, seconds: 0, out: '', full: ''};
	}
	const folder = mkdtempSync(join(tmpdir(), `xfstests-${test.number}-${system.name}-`));
	// Other users pass through it to the mount.
	chmodSync(folder, 0o711);
	const start = performance.now();
	const outPath = join(folder, 'out');
	writeFileSync(outPath, '');
	const ended = await runProcess(test, system, folder);
	const seconds = (performance.now() - start) / 1000;
	const problems = await settle(test, system, folder);
	const out = readFileSync(outPath, 'utf8');
	const log = existsSync(join(folder, 'full')) ? readFileSync(join(folder, 'full'), 'utf8') : '';
	const outcome = judge(test, folder, ended, out, problems);
	await removeFolder(folder);
	return {outcome, seconds, out, full: [log, ...problems].join('\n')};
}

async function removeFolder(folder: string): Promise<void> {
	// Never into what may be mounted still.
	const child = spawn('rm', ['-rf', '--one-file-system', folder], {stdio: 'inherit'});
	await awaitEnd(child, 60);
}
