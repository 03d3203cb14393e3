/**
 * Whole command lines that make no sense, each to a process of its own: the answer is a sentence and
 * an exit status, never a stack. The fuzzer's drive `arguments` does so in one process, with the
 * commands that only read; here are the others too, with nothing that they could mount or unmount.
 */
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import test from 'ava';
import {Random} from './random.ts';

const cli = resolve(import.meta.dirname, '../../src/cli.ts');
const seed = 20_261_121;
const lines = 60;
const atOnce = 4;

const commands = [
	...['mount', 'umount', 'run', 'status', 'info', 'ls', 'cat', 'stat', 'extents', 'extract'],
	...['check', 'report', 'replay', 'mkfs', 'put', 'rm', 'help', 'mont', '', '--', '-o'],
];
const words = [
	...['no-such-image', 'not-an-image', 'no-such/dir', '.', '--json', '--help', '-x', '--', '-'],
	...['-o', 'ro', 'map=me', 'offset=1', 'uid=x', '--at', '--ro', '--offset', '--partition', '0'],
	...['1M', '-1', '', 'ä', '\ud800', 'a\nb', '%s', '-o=ro', '--foreground', '-h', '--version'],
	...['--all', '-l', '-R', 'x'.repeat(3000), '--no-json', '--json=yes', '<2>', '/', '--verbose'],
];

function runLine(args: readonly string[], cwd: string): Promise<{status: number; err: string}> {
	return new Promise((resolve_, reject) => {
		const child = spawn(process.execPath, [cli, ...args], {
			cwd,
			stdio: ['ignore', 'ignore', 'pipe'],
			timeout: 120_000,
		});
		let err = '';
		child.stderr.on('data', (data: Buffer) => {
			err += data.toString();
		});
		child.on('error', reject);
		child.on('close', status => resolve_({status: status ?? -1, err}));
	});
}

test(`${lines} senseless command lines (seed ${seed}) get an answer and no stack`, async t => {
	t.timeout(280_000);
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-lines-'));
	t.teardown(() => rmSync(folder, {recursive: true}));
	writeFileSync(join(folder, 'not-an-image'), 'no file system at all');
	const random = new Random(seed);
	const todo = Array.from({length: lines}, () => [
		random.pick(commands),
		...Array.from({length: random.below(5)}, () => random.pick(words)),
	]);
	const statuses = new Set<number>();
	const work = async () => {
		for (let args = todo.pop(); args !== undefined; args = todo.pop()) {
			const {status, err} = await runLine(args, folder);
			const line = JSON.stringify(args);
			statuses.add(status);
			t.true([0, 1, 2, 8, 16].includes(status), `${line}: ${status} ${err}`);
			t.notRegex(err, /\n {4}at |a fault of ext4box/, line);
			if (status !== 0) t.regex(err, /^ext4box: ./, line);
		}
	};
	await Promise.all(Array.from({length: atOnce}, work));
	t.true(statuses.has(0) && statuses.has(1) && statuses.has(2), [...statuses].join(' '));
});
