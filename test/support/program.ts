/** The real command, as a user runs it: from its sources, without a build. */
import {type SpawnSyncReturns, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';

const program = join(import.meta.dirname, '../../src/cli.ts');
const isRoot = process.geteuid?.() === 0;
const nobody = 65_534;

export type RunOptions = {
	/** As `nobody` where the tests run as root. */
	readonly isOrdinary?: boolean;
	readonly cwd?: string;
	readonly timeoutMs?: number;
};

export type Result = {
	readonly status: number | null;
	readonly stdout: string;
	readonly stderr: string;
	readonly bytes: Buffer;
};

export function run(args: readonly (string | Buffer)[], options: RunOptions = {}): Result {
	const who = options.isOrdinary === true && isRoot ? {uid: nobody, gid: nobody} : {};
	const result: SpawnSyncReturns<Buffer> = spawnSync(
		process.execPath,
		[program, ...(args as string[])],
		{
			...who,
			cwd: options.cwd,
			timeout: options.timeoutMs ?? 60_000,
			maxBuffer: 2 ** 28,
			env: {...process.env, TZ: 'UTC'},
		},
	);
	const {status, stdout, stderr} = result;
	return {status, stdout: stdout.toString(), stderr: stderr.toString(), bytes: stdout};
}

/** A directory of this test's own; anybody may write to it. */
export function temporary(t: ExecutionContext): string {
	const directory = fs.mkdtempSync(join(tmpdir(), 'ext4box-test-'));
	fs.chmodSync(directory, 0o777);
	t.teardown(() => {
		// What an ordinary user extracted may be closed even to its owner; root need not care.
		if (!isRoot) openAll(Buffer.from(directory));
		fs.rmSync(directory, {recursive: true, force: true});
	});
	return directory;
}

/** Names as bytes: not all of them are UTF-8. */
function openAll(directory: Buffer): void {
	fs.chmodSync(directory, 0o700);
	const entries = fs.readdirSync(directory, {withFileTypes: true, encoding: 'buffer'});
	for (const entry of entries) {
		if (!entry.isDirectory()) continue;
		openAll(Buffer.concat([directory, Buffer.from('/'), entry.name]));
	}
}

/** Exit status 1 and one line on stderr; returns the line. */
export function oneLine(t: ExecutionContext, result: Result): string {
	t.is(result.status, 1, result.stderr);
	t.regex(result.stderr, /^ext4box: [^\n]*\n$/);
	return result.stderr.trimEnd();
}
