import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import {serialTestUnless, testUnless} from '../../support/skip.ts';
import {parseArguments, UsageError} from './arguments.ts';
import {difference} from './compare.ts';
import {allTests, importTest, select, type Test} from './discovery.ts';
import {append, readHistory} from './history.ts';
import {junit} from './junit.ts';
import {isMounted} from './mount-table.ts';
import {page} from './page.ts';
import {argumentsOf} from './processes.ts';
import type {Result} from './results.ts';
import {type Outcome, runTest} from './running.ts';
import {systemNamed} from './systems.ts';
import {tap} from './tap.ts';

const ext4box = systemNamed('ext4box');
const cli = path.resolve(import.meta.dirname, '../../../dist/src/cli.js');
const missing = ext4box.whyMissing() ?? (fs.existsSync(cli) ? undefined : 'not built');

function resultOf(title: string, outcome: Outcome): Result {
	const definition = {title, groups: ['auto'] as const, run: () => undefined};
	const made: Test = {number: '999', file: '', golden: '', definition};
	return {test: made, run: {outcome, seconds: 1.25, out: '', full: ''}};
}

/** A test written into a folder of its own, with a golden output. */
async function written(folder: string, body: string, golden: string, rest = ''): Promise<Test> {
	const api = path.resolve(import.meta.dirname, '../api.ts');
	const file = path.join(folder, '999.ts');
	const text = `import * as fs from 'node:fs';
import {xfstest} from ${JSON.stringify(api)};
export const test = xfstest({title: 'T', groups: ['auto'], image: {size: '16M'}, ${rest} async run(t) {${body}}});`;
	fs.writeFileSync(file, text);
	const goldenFile = path.join(folder, '999.out');
	fs.writeFileSync(goldenFile, golden);
	return {number: '999', file, golden: goldenFile, definition: await importTest(file)};
}

async function outcomeOf(body: string, golden: string, rest?: string): Promise<Outcome> {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-test-'));
	try {
		const {outcome} = await runTest(await written(folder, body, golden, rest), ext4box);
		return outcome;
	} finally {
		fs.rmSync(folder, {recursive: true});
	}
}

test('numbers, ranges, groups and file systems are told apart from mistakes', t => {
	const args = parseArguments([
		'7',
		'010-012',
		'-g',
		'rw,aio',
		'-x',
		'stress,011',
		'--fs',
		'kernel',
	]);
	t.deepEqual(args.numbers, ['007', '010', '011', '012']);
	t.deepEqual(args.groups, ['rw', 'aio']);
	t.deepEqual(args.excluded, ['stress', '011']);
	t.deepEqual(args.systems, ['kernel']);
	for (const wrong of [
		['-g', 'fast'],
		['--fs', 'xfs'],
		['one'],
		['--sideways'],
		['--repeat', '0'],
		['-j', 'x'],
	]) {
		t.throws(() => parseArguments(wrong), {instanceOf: UsageError}, wrong.join(' '));
	}
});

test('every test has a golden output, a sentence for a title, and group auto or a reason not to', async t => {
	const tests = await allTests();
	t.true(tests.length > 0);
	for (const {number, golden, definition} of tests) {
		t.true(fs.existsSync(golden), `${number}.out`);
		t.regex(definition.title, /^[A-Z0-9].* .*[^.]$|^[a-z_]+ .*[^.]$/, number);
		t.true(definition.groups.length > 0, number);
	}
	t.throws(() => select(tests, {numbers: ['000'], groups: [], excluded: []}));
	const [first] = tests;
	t.deepEqual(
		select(tests, {numbers: [], groups: [], excluded: [first?.number ?? '']}),
		tests.slice(1),
	);
});

test('the first line that differs is shown with what comes before it', t => {
	t.is(difference('a\nb\n', 'a\nb\n'), '');
	t.is(
		difference('a\nb\n', 'a\nc\n'),
		'@@ line 2: - golden, + printed\n   a\n-  b\n-  \n+  c\n+  ',
	);
	t.not(difference('a\n', 'a\nb\n'), '');
	t.not(difference('a\nb\n', 'a\n'), '');
});

test('what tests print stays text in XML, TAP and HTML', t => {
	const evil = '<script>"\u0001&#\n  ...';
	const results = [
		resultOf(evil, {kind: 'failed', reason: evil, details: evil}),
		resultOf('skipped', {kind: 'notrun', reason: evil}),
	];
	const xml = junit(results, 'ext4box', '2026-01-01T00:00:00.000Z');
	t.false(xml.includes('<script>') || xml.includes('\u0001'));
	t.regex(xml, /tests="2" failures="1" skipped="1"/);
	const lines = tap(results).split('\n');
	t.deepEqual(lines.slice(0, 2), ['TAP version 14', '1..2']);
	t.is(lines.filter(line => /^(not )?ok /.test(line)).length, 2);
	const past = {kind: 'failed', number: '999', title: evil, reason: evil, seconds: 1} as const;
	const html = page([
		{when: '2026-01-01T00:00:00.000Z', system: evil, revision: evil, kernel: evil, tests: [past]},
	]);
	t.false(html.includes('<script'));
});

test('a history that was damaged is told with its line', t => {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-test-'));
	t.teardown(() => fs.rmSync(folder, {recursive: true}));
	const file = path.join(folder, 'history.jsonl');
	t.deepEqual(readHistory(file), []);
	const run = {when: '', system: 'ext4box', revision: '', kernel: '', tests: []};
	append(file, run);
	append(file, run);
	t.deepEqual(readHistory(file), [run, run]);
	fs.appendFileSync(file, '{\n');
	t.throws(() => readHistory(file), {message: /line 3/});
});

testUnless(missing, 'a test passes only with the golden lines and status 0', async t => {
	t.deepEqual(await outcomeOf(`t.print('here')`, 'here\n'), {kind: 'passed'});
	t.like(await outcomeOf(`t.print('here')`, 'there\n'), {
		kind: 'failed',
		reason: 'its output differs',
	});
	t.like(await outcomeOf(`t.print('here'); throw new Error('x')`, 'here\n'), {kind: 'failed'});
	t.like(await outcomeOf(`t.notRun('today')`, ''), {kind: 'notrun', reason: 'today'});
});

testUnless(missing, 'an image that is left damaged fails the test', async t => {
	const body = `t.unmount(); t.run('debugfs', ['-w', '-R', 'clri <2>', t.image], {cwd: t.scratch}); t.print('x')`;
	t.like(await outcomeOf(body, 'x\n'), {kind: 'failed'});
	t.deepEqual(await outcomeOf(body, 'x\n', `image: {leftDamaged: 'on purpose'},`), {
		kind: 'passed',
	});
});

serialTestUnless(
	missing,
	'a test that hangs is ended with what it started and mounted',
	async t => {
		const body = `fs.writeFileSync(t.path('x'), ''); fs.openSync(t.path('x'));
		const {child} = t.start('sleep', ['1000']);
		fs.writeFileSync(${JSON.stringify(os.tmpdir())} + '/ext4box-hang-${process.pid}', t.dir + ' ' + child.pid);
		await new Promise(resolve => setTimeout(resolve, 1e6))`;
		const outcome = await outcomeOf(body, '', 'timeLimitSeconds: 15,');
		t.like(outcome, {kind: 'failed', reason: 'it did not end within its time limit'});
		const note = path.join(os.tmpdir(), `ext4box-hang-${process.pid}`);
		const [directory = '', pid] = fs.readFileSync(note, 'utf8').split(' ');
		fs.rmSync(note);
		t.false(isMounted(directory));
		t.false(fs.existsSync(path.dirname(directory)));
		// One that is dead, and not yet buried, has no arguments.
		t.is(argumentsOf(Number(pid)).join(''), '');
	},
);
