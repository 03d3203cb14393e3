/** `check` as a user runs it: what it prints, in all its forms, and its exit status. */
import {spawn, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {openImage} from '../../images/index.ts';
import {Interrupted, runEngine} from '../../src/check/engine.ts';
import {allCodes, explanationOf, wrap} from '../../src/check/explain.ts';
import {isLockedForWriting} from '../../src/check/in-use.ts';
import {barText, partDone} from '../../src/check/progress.ts';
import {uriOf} from '../../src/check/sarif.ts';
import {repairCommand, replayText} from '../../src/check/verdict.ts';
import {debugfs, e2fsprogs} from '../support/e2fsprogs.ts';
import {type Schema, violations} from '../support/json-schema.ts';
import {makeImage} from '../support/made-image.ts';
import {writeMbr} from '../support/partition-tables.ts';
import {type Result, run, temporary} from '../support/program.ts';
import {sarifSchema} from '../support/sarif-schema.ts';
import {testUnless} from '../support/skip.ts';

const image = makeImage();
test.after.always(() => image.remove());

const root = join(import.meta.dirname, '../..');

/** A copy in which the root says that 77 names lead to it, and /hello 9. */
function damaged(t: ExecutionContext): string {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image.path, path);
	debugfs([Buffer.from('sif <2> links_count 77'), Buffer.from('sif /hello links_count 9')], path);
	return path;
}

/** The image as the first partition of a disk, which begins at 1 MiB. */
function disk(t: ExecutionContext, of: string): string {
	const path = join(temporary(t), 'disk');
	const bytes = Buffer.alloc(10 * 2 ** 20);
	fs.readFileSync(of).copy(bytes, 2 ** 20);
	writeMbr(bytes, [{start: 2048, length: 8 * 2048}]);
	fs.writeFileSync(path, bytes);
	return path;
}

type Json = {
	image: {path: string; offsetBytes: number; partition: number | null};
	findings: {
		code: string;
		severity: string;
		message: string;
		place: {inode?: number};
		ranges: object | null;
	}[];
	summary: {
		verdict: string;
		exitStatus: number;
		findingCounts: {[severity: string]: number};
		codeCounts: {[code: string]: number};
		repair: string | null;
		volume: {totals: {files: number}; inodeCount: number};
		memoryBytes: number;
	};
};

function json(t: ExecutionContext, args: readonly string[], status: number): Json {
	const result = run(['check', '--json', ...args]);
	t.is(result.status, status, result.stderr);
	return JSON.parse(result.stdout) as Json;
}

const schema = JSON.parse(fs.readFileSync(join(root, 'docs/check.schema.json'), 'utf8')) as Schema;

function conforms(t: ExecutionContext, value: unknown): void {
	t.deepEqual(violations(value, schema, schema.$defs ?? {}), []);
}

test('a sound file system is clean, and counted as e2fsck counts it', t => {
	const {status, stdout, stderr} = run(['check', image.path]);
	t.is(status, 0, stderr);
	const lines = stdout.trimEnd().split('\n');
	t.is(lines.length, 2, stdout);
	const theirs = e2fsprogs('e2fsck', ['-fn', image.path]).trimEnd().split('\n').at(-1) ?? '';
	const usage = /\d+\/\d+ files \(.*\), \d+\/\d+ blocks/.exec(theirs)?.[0] ?? 'none';
	t.true(lines[0]?.includes(usage), `${lines[0]} and ${theirs}`);
	t.is(lines[1], `${image.path}: clean`);
	t.is(stderr, '');
});

test('the file system’s own files are counted as e2fsck counts them', t => {
	const path = join(temporary(t), 'image');
	const folder = temporary(t);
	fs.writeFileSync(join(folder, 'file'), 'file');
	for (const options of [
		['-t', 'ext4', '-O', 'orphan_file'],
		['-t', 'ext4', '-O', 'quota,project', '-E', 'quotatype=usrquota:grpquota:prjquota'],
		['-t', 'ext4', '-O', 'quota,project,orphan_file', '-g', '1024'],
		['-t', 'ext4', '-O', 'bigalloc,^has_journal'],
		['-r', '0', '-t', 'ext2'],
		['-t', 'ext2', '-N', '32', '-b', '1024', '-g', '1024'],
	]) {
		fs.rmSync(path, {force: true});
		e2fsprogs('mke2fs', ['-q', '-d', folder, ...options, path, '16M']);
		// 4: what mke2fs -d puts into an image with quotas it does not charge to anybody.
		const theirs = e2fsprogs('e2fsck', ['-fn', path], [0, 4]).trimEnd().split('\n').at(-1) ?? '';
		const usage = /\d+\/\d+ files \(.*\), \d+\/\d+ blocks/.exec(theirs)?.[0] ?? 'none';
		const ours = run(['check', path]).stdout;
		t.true(ours.includes(usage), `${options.join(' ')}: ${ours} and ${theirs}`);
	}
});

test('what is wrong is told a line each, with the command that repairs it', t => {
	const path = damaged(t);
	const {status, stdout} = run(['check', path]);
	t.is(status, 4, stdout);
	t.regex(stdout, /^error +inode 2 .*77.* \[CHECK_[A-Z_]+\]$/m);
	t.regex(stdout, /2 errors; nothing was changed$/m);
	const command = /^To repair it, on a copy first: e2fsck -f (.*)$/m.exec(stdout)?.[1];
	t.is(command, path);
	t.notRegex(stdout, /\u001b/);
	// And it does.
	e2fsprogs('e2fsck', ['-fy', path], [0, 1]);
	t.is(run(['check', path]).status, 0);
});

test('the image is not changed by a single byte', t => {
	const path = damaged(t);
	fs.chmodSync(path, 0o444);
	const before = fs.readFileSync(path);
	t.is(run(['check', path]).status, 4);
	t.true(before.equals(fs.readFileSync(path)));
});

test('--json is one document, as its schema has it', t => {
	const clean = json(t, [image.path], 0);
	conforms(t, clean);
	t.deepEqual(clean.findings, []);
	t.is(clean.summary.verdict, 'clean');
	t.is(clean.summary.repair, null);
	const path = damaged(t);
	const document = json(t, [path], 4);
	conforms(t, document);
	t.is(document.summary.exitStatus, 4);
	t.is(document.summary.findingCounts['error'], 2);
	t.is(document.findings.length, 2);
	t.true(document.findings.some(each => each.place.inode === 2));
	t.true(document.summary.memoryBytes > 0);
});

test('--json=lines is an object a line, and the summary is the last', t => {
	const {status, stdout} = run(['check', '--json=lines', damaged(t)]);
	t.is(status, 4);
	const objects = stdout
		.trimEnd()
		.split('\n')
		.map(line => JSON.parse(line) as {[name: string]: unknown});
	t.deepEqual(
		objects.map(each => Object.keys(each)[0]),
		['image', 'finding', 'finding', 'summary'],
	);
	for (const each of objects) {
		const [[name = '', value] = []] = Object.entries(each);
		t.deepEqual(violations(value, {$ref: `#/$defs/${name}`}, schema.$defs ?? {}), [], name);
	}
});

test('--sarif has what SARIF 2.1.0 asks for', t => {
	const path = damaged(t);
	const {status, stdout} = run(['check', '--sarif', path]);
	t.is(status, 4);
	const log = JSON.parse(stdout) as {
		version: string;
		runs: {
			tool: {driver: {name: string; rules: {id: string; shortDescription: {text: string}}[]}};
			artifacts: {location: {uri: string}}[];
			invocations: {executionSuccessful: boolean; exitCode: number}[];
			results: {
				ruleId: string;
				ruleIndex: number;
				level: string;
				message: {text: string};
				locations: {physicalLocation: {artifactLocation: {uri: string; index: number}}}[];
			}[];
		}[];
	};
	t.deepEqual(violations(log, sarifSchema, sarifSchema.$defs ?? {}), []);
	t.is(log.version, '2.1.0');
	t.is(log.runs.length, 1);
	const [only] = log.runs;
	t.truthy(only?.tool.driver.name);
	t.is(only?.invocations[0]?.exitCode, 4);
	t.is(only?.invocations[0]?.executionSuccessful, true);
	t.is(only?.results.length, 2);
	for (const result of only?.results ?? []) {
		t.is(only?.tool.driver.rules[result.ruleIndex]?.id, result.ruleId);
		t.true(['none', 'note', 'warning', 'error'].includes(result.level));
		t.true(result.message.text.length > 0);
		const [location] = result.locations;
		t.is(location?.physicalLocation.artifactLocation.uri, `file://${path}`);
	}
});

test('stretches of blocks are regions of the image in SARIF, and ranges in the other forms', t => {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image.path, path);
	debugfs([Buffer.from('setb 5000 10'), Buffer.from('setb 5020 2')], path);
	const log = JSON.parse(run(['check', '--sarif', path]).stdout) as {
		runs: {results: {ruleId: string; locations: {physicalLocation: {region: object}}[]}[]}[];
	};
	t.deepEqual(violations(log, sarifSchema, sarifSchema.$defs ?? {}), []);
	const result = log.runs[0]?.results.find(({ruleId}) => ruleId === 'CHECK_BLOCKS_MARKED');
	t.deepEqual(
		result?.locations.map(({physicalLocation}) => physicalLocation.region),
		[
			{byteOffset: 5000 * 1024, byteLength: 10 * 1024},
			{byteOffset: 5020 * 1024, byteLength: 2 * 1024},
		],
	);
	const document = json(t, [path], 4);
	conforms(t, document);
	const list = [
		[5000, 5009],
		[5020, 5021],
	];
	const found = document.findings.find(({code}) => code === 'CHECK_BLOCKS_MARKED');
	t.deepEqual(found?.ranges, {of: 'block', list, omittedCount: 0});
	t.regex(run(['check', path]).stdout, /what nothing uses: blocks 5000-5009, 5020-5021 \[/);
});

test('what SARIF asks for is there where nothing was found, and where nothing could be checked', t => {
	const journal = join(temporary(t), 'journal');
	e2fsprogs('mke2fs', ['-q', '-O', 'journal_dev', journal, '8M']);
	for (const [path, status] of [
		[image.path, 0],
		[journal, 8],
	] as const) {
		const result = run(['check', '--sarif', path]);
		t.is(result.status, status);
		t.deepEqual(violations(JSON.parse(result.stdout), sarifSchema, sarifSchema.$defs ?? {}), []);
	}
});

test('--max-findings counts what it does not print', t => {
	const path = damaged(t);
	const {stdout} = run(['check', '--max-findings', '1', path]);
	t.is([...stdout.matchAll(/^error /gm)].length, 1);
	t.regex(stdout, /and 1 finding more/);
	t.regex(stdout, /2 errors/);
});

test('as many threads as one likes find the same', t => {
	const path = damaged(t);
	const strip = ({stdout}: Result) => stdout.replace(/; [^;]* of tables in memory/, '');
	t.is(strip(run(['check', '--jobs', '3', path])), strip(run(['check', '--jobs', '1', path])));
});

test('a partition is found by itself, by number and by offset', t => {
	const path = disk(t, damaged(t));
	const found = json(t, [path], 4);
	t.deepEqual(found.image, {path, offsetBytes: 2 ** 20, partition: 1});
	t.is(found.summary.repair, `e2fsck -f '${path}?offset=1048576'`);
	t.deepEqual(json(t, ['--partition', '1', path], 4).findings, found.findings);
	t.deepEqual(json(t, ['--offset', '1M', path], 4).findings, found.findings);
	// The command it tells means what it says.
	t.notThrows(() => e2fsprogs('e2fsck', ['-fy', `${path}?offset=1048576`], [0, 1]));
	t.is(run(['check', path]).status, 0);
});

test('an ordinary user checks an image that belongs to root', t => {
	const folder = temporary(t);
	const path = join(folder, 'image');
	fs.copyFileSync(image.path, path);
	fs.chmodSync(path, 0o444);
	t.is(run(['check', path], {isOrdinary: true}).status, 0);
	fs.chmodSync(path, 0o000);
	const refused = run(['check', path], {isOrdinary: true});
	t.is(refused.status, 8);
	t.regex(refused.stderr, /^ext4box: .*IMAGE_FORBIDDEN\]\n$/);
});

test('a journal that was not brought home is told, and is no damage', t => {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image.path, path);
	// An empty transaction is enough for e2fsprogs to want a replay.
	debugfs([Buffer.from('jo'), Buffer.from('jw -b 5000 /dev/zero'), Buffer.from('jc')], path);
	const {status, stdout} = run(['check', path]);
	t.is(status, 0, stdout);
	t.regex(stdout, /the journal holds 1 transaction \(\d+ blocks?\) yet to be brought home/);
	t.regex(stdout, /as after a crash; .* "e2fsck -p", brings it home\.$/m);
	const live = run(['check', '--live', path]).stdout;
	t.regex(live, /holds 1 transaction .* home, which is to be expected of an image in use; /);
	t.notRegex(live, /e2fsck|crash/);
});

test('a journal that holds nothing is not said to hold 0 transactions', t => {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image.path, path);
	debugfs([Buffer.from('feature needs_recovery')], path);
	const {status, stdout} = run(['check', path]);
	t.is(status, 0, stdout);
	t.regex(stdout, /it was not unmounted, but its journal holds nothing/);
	t.notRegex(run(['check', '--live', path]).stdout, /journal/);
	const replayed = {transactions: 0, blocks: 0, fastCommits: 2};
	t.regex(
		replayText({replayed}, false) ?? '',
		/^the journal holds 2 fast commits yet .* brings them home$/,
	);
});

test('an image that is cut off is not said to be repaired by e2fsck as it is', t => {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image.path, path);
	const {size} = fs.statSync(path);
	fs.truncateSync(path, size - 2 ** 20);
	const {status, stdout} = run(['check', path]);
	t.is(status, 4, stdout);
	t.regex(stdout, /^It is cut off, and e2fsck can't repair it as it is: get the whole of it\./m);
	t.is(json(t, [path], 4).summary.repair, null);
	e2fsprogs('e2fsck', ['-fy', path], [8]);
	// What it tells instead does repair it.
	const command = /: truncate -s (\d+) (\S+) && e2fsck -f (\S+)$/m.exec(stdout);
	t.deepEqual(command?.slice(1), [String(size), path, path]);
	fs.truncateSync(path, size);
	e2fsprogs('e2fsck', ['-fy', path], [0, 1]);
	t.is(run(['check', path]).status, 0);
});

test('of an image in use no command is told that would repair it', t => {
	const path = damaged(t);
	const {status, stdout} = run(['check', '--live', path]);
	t.is(status, 4, stdout);
	t.regex(stdout, /^It is in use: /m);
	t.notRegex(stdout, /e2fsck/);
	t.is(json(t, ['--live', path], 4).summary.repair, null);
});

test('what can not be checked is said, with exit status 8', t => {
	const folder = temporary(t);
	const zeros = join(folder, 'zeros');
	fs.writeFileSync(zeros, Buffer.alloc(2 ** 20));
	for (const path of [zeros, join(folder, 'none'), folder]) {
		const {status, stderr} = run(['check', path]);
		t.is(status, 8, path);
		t.regex(stderr, /^ext4box: [^\n]* \[IMAGE_[A-Z_]+\]\n$/);
	}
	const journal = join(folder, 'journal');
	e2fsprogs('mke2fs', ['-q', '-O', 'journal_dev', journal, '8M']);
	const {status, stdout} = run(['check', journal]);
	t.is(status, 8);
	t.regex(stdout, /could not be checked: /);
});

const noFull = fs.existsSync('/dev/full') ? undefined : 'no /dev/full';
testUnless(noFull, 'a full disk behind the output is none of e2fsck’s good statuses', t => {
	for (const args of [[image.path], ['--json', damaged(t)], [damaged(t)], ['--explain', 'all']]) {
		const full = fs.openSync('/dev/full', 'w');
		const {status, stderr} = spawnSync(
			process.execPath,
			[join(root, 'src/cli.ts'), 'check', ...args],
			{stdio: ['ignore', full, 'pipe'], encoding: 'utf8'},
		);
		fs.closeSync(full);
		t.is(status, 8, args.join(' '));
		t.is(stderr, "ext4box: can't write the output: no space left on device\n");
	}
});

test('a check that is interrupted ends without a summary', async t => {
	using opened = openImage(image.path);
	const interruption = new AbortController();
	const options = {
		maxFindings: 10,
		jobs: 2,
		signal: interruption.signal,
		onFindings: () => t.fail(),
		onProgress: () => t.fail(),
	};
	const running = runEngine(opened, options);
	interruption.abort(); // Nothing can have come from the threads yet.
	await t.throwsAsync(running, {instanceOf: Interrupted});
	await t.throwsAsync(runEngine(opened, options), {instanceOf: Interrupted});
});

test('SIGINT closes the document, whenever it comes', async t => {
	const child = spawn(process.execPath, [join(root, 'src/cli.ts'), 'check', '--json', image.path]);
	let stdout = '';
	let stderr = '';
	child.stdout.on('data', chunk => {
		// How the document begins is written when the check does.
		if (stdout === '') child.kill('SIGINT');
		stdout += String(chunk);
	});
	child.stderr.on('data', chunk => {
		stderr += String(chunk);
	});
	const status = await new Promise(resolve => child.once('close', resolve));
	const document = JSON.parse(stdout) as Json;
	conforms(t, document);
	if (document.summary === null) {
		t.is(status, 130);
		t.regex(stderr, /^ext4box: .*: interrupted; 0 findings so far, and nothing was changed\n$/);
	} else t.true(status === 0 || status === null, stderr); // It was done already.
});

test('wrong usage is exit status 16', t => {
	for (const args of [
		[],
		['--bogus', image.path],
		['--json=xml', image.path],
		['--json', '--sarif', image.path],
		['--jobs', '0', image.path],
		['--jobs', '-1', image.path],
		['--offset', '-1', image.path],
		['--max-findings', 'many', image.path],
		['--partition', '1', '--offset', '0', image.path],
		['--explain', 'NONSENSE'],
	]) {
		t.is(run(['check', ...args]).status, 16, args.join(' '));
	}
});

test('names from an image can not act on a terminal', t => {
	const path = join(temporary(t), 'image');
	fs.copyFileSync(image.path, path);
	debugfs(
		[
			Buffer.concat([
				Buffer.from('mkdir evil'),
				Buffer.of(0x1b),
				Buffer.from('[31m'),
				Buffer.of(0x7f),
			]),
			Buffer.concat([
				Buffer.from('sif evil'),
				Buffer.of(0x1b),
				Buffer.from('[31m'),
				Buffer.of(0x7f),
				Buffer.from(' links_count 50'),
			]),
		],
		path,
	);
	for (const form of [[], ['--json'], ['--json=lines'], ['--sarif']]) {
		const {status, stdout} = run(['check', ...form, path]);
		t.is(status, 4, stdout);
		t.notRegex(stdout, /[\u0000-\u0008\u000b-\u001f\u007f]/);
	}
});

test('every code is explained', t => {
	const codes = allCodes()
		.trimEnd()
		.split('\n')
		.map(line => line.split(' ')[0] ?? '');
	t.true(codes.length > 50);
	for (const code of codes) {
		t.regex(code, /^CHECK_[A-Z0-9_]+$/);
		t.true(explanationOf(code).startsWith(`${code} (`));
	}
	t.is(explanationOf('check_link_count'), explanationOf('LINK_COUNT'));
	t.true(run(['check', '--explain', 'CHECK_LINK_COUNT']).stdout.includes('e2fsck calls it PR_4_'));
	t.deepEqual(wrap('one two three', 7), 'one two\nthree');
});

test('a code that another command printed is told from a finding', t => {
	const {status, stderr} = run(['check', '--explain', 'EXT4_BAD_EXTENT_CHECKSUM']);
	t.is(status, 16);
	t.regex(stderr, /^ext4box: EXT4_BAD_EXTENT_CHECKSUM is no finding .*"ext4box check IMAGE".*\n$/);
	t.throws(() => explanationOf('EXT4_UNSUPPORTED_FEATURE'), {message: /uses what is not read/});
	t.throws(() => explanationOf('IMAGE_FORBIDDEN'), {message: /as a container/});
	t.throws(() => explanationOf('NONSENSE'), {message: /is no code of a finding/});
});

test('the docs name every code', t => {
	const docs = fs.readFileSync(join(root, 'docs/check.md'), 'utf8');
	const missing = allCodes()
		.trimEnd()
		.split('\n')
		.map(line => line.split(' ')[0] ?? '')
		.filter(code => !docs.includes(`\`${code}\``));
	t.deepEqual(missing, [], 'scripts/check-codes.ts writes the table anew');
});

test('the bar tells the pass, the part that is done and the time left', t => {
	const early = {pass: 'volume', done: 0, total: 1} as const;
	const middle = {pass: 'inodes', done: 1, total: 2} as const;
	t.is(partDone(early), 0);
	t.true(partDone(middle) > 0.2 && partDone(middle) < 0.5);
	t.is(Math.round(partDone({pass: 'quota', done: 5, total: 5}) * 1e6), 1e6);
	t.true(partDone({pass: 'quota', done: 9, total: 5}) <= 1.000001);
	t.notRegex(barText(early, 0.2, 80), /left/);
	t.regex(barText(middle, 10, 80), /^pass 2 of 7, inodes +\[#+ +\] +\d+%, about \d+ s left$/);
});

test('on a narrow terminal the bar goes first, then the words; it never wraps', t => {
	const middle = {pass: 'inodes', done: 1, total: 2} as const;
	t.regex(barText(middle, 10, 60), /^pass 2 of 7, inodes, \d+%, about \d+ s left$/);
	t.regex(barText(middle, 10, 30), /^pass 2 of 7, inodes, \d+%$/);
	t.regex(barText(middle, 10, 20), /^pass 2 of 7, \d+%$/);
	t.regex(barText(middle, 10, 8), /^\d+%$/);
	t.is(barText(middle, 10, 2), '');
	for (let columns = 1; columns < 100; columns++) {
		t.true(barText(middle, 10, columns).length < columns, String(columns));
	}
});

test('a lock for writing is found in the kernel’s table', t => {
	const locks =
		'1: POSIX  ADVISORY  WRITE 12 fe:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 13 fe:01:78 0 EOF\n3: FLOCK  ADVISORY  READ 14 fe:01:79 0 EOF\n';
	t.true(isLockedForWriting(locks, 0xfe, 1, 78n));
	t.false(isLockedForWriting(locks, 0xfe, 1, 77n));
	t.false(isLockedForWriting(locks, 0xfe, 1, 79n));
	t.false(isLockedForWriting(locks, 0xfe, 1, 8n));
});

test('paths with anything in them keep their meaning in commands and URIs', t => {
	t.is(repairCommand(Buffer.from('/a b/c'), 0), "e2fsck -f '/a b/c'");
	t.is(repairCommand(Buffer.from('-rf'), 0), 'e2fsck -f ./-rf');
	t.is(uriOf(Buffer.from([0x2f, 0x61, 0x20, 0xff])), 'file:///a%20%FF');
	t.is(uriOf(Buffer.from('disk.img')), 'disk.img');
});
