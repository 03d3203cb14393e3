/** `check` as a user runs it: what it prints, in all its forms, and its exit status. */
import {spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {openImage} from '../../images/index.ts';
import {Interrupted, runEngine} from '../../src/check/engine.ts';
import {replayText} from '../../src/check/verdict.ts';
import {checkJson, damagedCopy} from '../support/checked.ts';
import {debugfs, e2fsprogs} from '../support/e2fsprogs.ts';
import {makeImage} from '../support/made-image.ts';
import {writeMbr} from '../support/partition-tables.ts';
import {type Result, run, temporary} from '../support/program.ts';
import {testUnless} from '../support/skip.ts';

const root = join(import.meta.dirname, '../..');
const image = makeImage();
test.after.always(() => image.remove());

/** The image as the first partition of a disk, which begins at 1 MiB. */
function disk(t: ExecutionContext, of: string): string {
	const path = join(temporary(t), 'disk');
	const bytes = Buffer.alloc(10 * 2 ** 20);
	fs.readFileSync(of).copy(bytes, 2 ** 20);
	writeMbr(bytes, [{start: 2048, length: 8 * 2048}]);
	fs.writeFileSync(path, bytes);
	return path;
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
	const path = damagedCopy(t, image.path);
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
	const path = damagedCopy(t, image.path);
	fs.chmodSync(path, 0o444);
	const before = fs.readFileSync(path);
	t.is(run(['check', path]).status, 4);
	t.true(before.equals(fs.readFileSync(path)));
});

test('--max-findings counts what it does not print', t => {
	const path = damagedCopy(t, image.path);
	const {stdout} = run(['check', '--max-findings', '1', path]);
	t.is([...stdout.matchAll(/^error /gm)].length, 1);
	t.regex(stdout, /^… and 1 finding more, .*: a larger --max-findings shows it$/m);
	t.regex(stdout, /2 errors/);
});

test('as many threads as one likes find the same', t => {
	const path = damagedCopy(t, image.path);
	const strip = ({stdout}: Result) => stdout.replace(/; [^;]* of tables in memory/, '');
	t.is(strip(run(['check', '--jobs', '3', path])), strip(run(['check', '--jobs', '1', path])));
});

test('a partition is found by itself, by number and by offset', t => {
	const path = disk(t, damagedCopy(t, image.path));
	const found = checkJson(t, [path], 4);
	t.deepEqual(found.image, {path, offsetBytes: 2 ** 20, partition: 1});
	t.is(found.summary.repair, `e2fsck -f '${path}?offset=1048576'`);
	t.deepEqual(checkJson(t, ['--partition', '1', path], 4).findings, found.findings);
	t.deepEqual(checkJson(t, ['--offset', '1M', path], 4).findings, found.findings);
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
	t.is(checkJson(t, [path], 4).summary.repair, null);
	e2fsprogs('e2fsck', ['-fy', path], [8]);
	// What it tells instead does repair it.
	const command = /: truncate -s (\d+) (\S+) && e2fsck -f (\S+)$/m.exec(stdout);
	t.deepEqual(command?.slice(1), [String(size), path, path]);
	fs.truncateSync(path, size);
	e2fsprogs('e2fsck', ['-fy', path], [0, 1]);
	t.is(run(['check', path]).status, 0);
});

test('of an image in use no command is told that would repair it', t => {
	const path = damagedCopy(t, image.path);
	const {status, stdout} = run(['check', '--live', path]);
	t.is(status, 4, stdout);
	t.regex(stdout, /^It is in use: /m);
	t.notRegex(stdout, /e2fsck/);
	t.is(checkJson(t, ['--live', path], 4).summary.repair, null);
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
	for (const args of [
		[image.path],
		['--json', damagedCopy(t, image.path)],
		[damagedCopy(t, image.path)],
		['--explain', 'all'],
	]) {
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
