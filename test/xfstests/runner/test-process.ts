/**
 * node test-process.ts FILE SYSTEM FOLDER OUT [worker DIR NAME ARGUMENT…]
 *
 * The process in which one test, or one worker of it, runs. Exit status: 0 it ran to its end,
 * 77 it can't be run here (the reason is in FOLDER/notrun), else it failed. What it writes is its log.
 */
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Definition} from '../api.ts';
import {endWithParent} from '../calls.ts';
import {NotRun, type Surroundings, TestContext, WorkerContext} from './context.ts';
import {importTest} from './discovery.ts';
import {isFeature, whyLacking} from './needs.ts';
import {type System, type SystemName, systemNamed} from './systems.ts';

export const notRunStatus = 77;

/** Throws `NotRun` where a file system is known to lack what the test needs. */
function assertNotLacking(test: Definition, system: System): void {
	for (const need of test.needs ?? []) {
		const known = system.lacks[need];
		if (known !== undefined) throw new NotRun(`${need}: ${known}`);
	}
}

/** Tries the features that the test needs. Throws `NotRun` where the file system need not have one. */
function assertFeatures(test: Definition, t: TestContext): void {
	const system = systemNamed(t.system);
	for (const need of (test.needs ?? []).filter(isFeature)) {
		const reason = whyLacking(need, t.dir);
		if (reason === undefined) continue;
		if (system.mustPass) throw new Error(`${system.name} lacks ${need}: ${reason}`);
		throw new NotRun(`${need}: ${reason}`);
	}
}

async function runTest(test: Definition, around: Surroundings): Promise<void> {
	assertNotLacking(test, systemNamed(around.system));
	const t = new TestContext(around, test.image ?? {});
	assertFeatures(test, t);
	await test.run(t);
	if (t.place.isMounted) t.unmount();
}

endWithParent();
process.umask(0o022);
const [file = '', system = '', folder = '', out = '', role, dir = '', name = '', ...args] =
	process.argv.slice(2);
const around = {file, system: system as SystemName, folder, out}; // The runner names only systems.
const test = await importTest(file);
try {
	if (role === 'worker') {
		const worker = test.workers?.[name];
		if (worker === undefined) throw new Error(`${file} has no worker ${name}`);
		await worker(new WorkerContext(around, dir), ...args);
	} else {
		await runTest(test, around);
	}
} catch (error) {
	console.error(error);
	process.exitCode = 1;
	if (error instanceof NotRun) {
		writeFileSync(join(folder, 'notrun'), error.message);
		process.exitCode = notRunStatus;
	}
}
// What a test has left open or started does not keep it.
process.exit();
