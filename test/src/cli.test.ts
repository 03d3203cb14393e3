import {spawn, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {contents, makeImage} from '../support/made-image.ts';
import {oneLine, run, temporary} from '../support/program.ts';
import {testUnless} from '../support/skip.ts';
import {TinyImage} from '../support/tiny-image.ts';

const program = join(import.meta.dirname, '../../src/cli.ts');
const image = makeImage();
test.after.always(() => image.remove());

const commands = [
	'mount',
	'umount',
	'run',
	'status',
	'info',
	'ls',
	'cat',
	'stat',
	'extents',
	'extract',
];

test('help names every command', t => {
	for (const args of [['--help'], ['-h'], ['help']]) {
		const {status, stdout} = run(args);
		t.is(status, 0);
		for (const command of commands) t.regex(stdout, new RegExp(`^  ${command} `, 'm'));
	}
});

for (const command of commands) {
	test(`${command} --help and help ${command} say the same`, t => {
		const {status, stdout} = run([command, '--help']);
		t.is(status, 0);
		t.regex(stdout, new RegExp(`^Usage: ext4box ${command} `));
		t.is(run(['help', command]).stdout, stdout);
	});
}

test('the version is that of the package', t => {
	const path = join(import.meta.dirname, '../../package.json');
	const {version} = JSON.parse(fs.readFileSync(path, 'utf8')) as {version: string};
	t.regex(run(['--version']).stdout, new RegExp(`^ext4box ${version} \\(Node `));
});

const wrongUsage: readonly (readonly [string, readonly string[], RegExp])[] = [
	['no command', [], /which command/],
	['an unknown command', ['frobnicate'], /there is no command "frobnicate"; see "ext4box help"/],
	['a mistyped command', ['exract'], /did you mean "extract"/],
	['an unknown option', ['ls', '--frob', 'x'], /unknown option '--frob'; see "ext4box help ls"/],
	['a missing image', ['info'], /IMAGE is missing/],
	['a missing path', ['cat', 'x'], /PATH is missing/],
	['an argument too many', ['info', 'a', 'b'], /"b" is one argument too many/],
	['an offset that is no number', ['ls', '--offset', 'far', 'x'], /--offset wants a number/],
	['an offset beyond all numbers', ['ls', '--offset', '9999999T', 'x'], /--offset wants/],
	['an offset below zero', ['info', '--offset', '-1', 'x'], /--offset wants a number.*, not "-1"/],
	['an offset below zero, joined', ['info', '--offset=-1', 'x'], /--offset wants a number.*"-1"/],
	['an option without its value', ['ls', 'x', '--offset'], /--offset wants a value; see/],
	[
		'an option in place of a value',
		['mount', '-fo', '--verbose', 'x'],
		/-o wants a value, and "--verbose" looks like an option: if it is none, write "-o--verbose"/,
	],
	['a number below zero in place of options', ['mount', '-fo', '-1', 'x', 'y'], /option.*"-1"/],
	['partition 0', ['ls', '--partition', '0', 'x'], /--partition wants a number from 1/],
	['offset and partition', ['ls', '--offset', '1', '--partition', '1', 'x'], /exclude/],
	['extract without a target', ['extract', 'x'], /where to\?/],
];
for (const [what, args, expected] of wrongUsage) {
	test(`${what} is wrong usage: one line, status 2`, t => {
		const {status, stderr} = run(args);
		t.is(status, 2);
		t.regex(stderr, expected);
		t.is(stderr.split('\n').length, 2);
	});
}

type BadImage = readonly [string, RegExp, (directory: string) => string];

const badImages: readonly BadImage[] = [
	['a missing file', /no such file \[IMAGE_NOT_FOUND\]/, directory => join(directory, 'none')],
	['a directory', /a directory, not a disk image \[IMAGE_IS_DIRECTORY\]/, directory => directory],
	['a character device', /\[IMAGE_NOT_A_FILE\]/, () => '/dev/zero'],
	['no bytes', /the image is empty \(0 bytes\) \[IMAGE_EMPTY\]/, directory => write(directory, '')],
	['text', /it seems to be text.*\[IMAGE_NOT_EXT\]/, directory => write(directory, 'some text\n')],
	[
		'zeros',
		/zeros, in its first MiB.*\[IMAGE_NOT_EXT\]/,
		directory => write(directory, new Uint8Array(2 ** 21)),
	],
	[
		'an image cut short',
		/\[EXT4_TRUNCATED\]/,
		directory => write(directory, fs.readFileSync(image.path).subarray(0, 2 ** 20)),
	],
	[
		'an absurd superblock',
		/; "ext4box check" tells all that is wrong with the image \[EXT4_BAD_SUPERBLOCK\]/,
		directory => write(directory, new TinyImage({superblock: {s_log_block_size: 77}}).bytes),
	],
	[
		'a feature that nobody knows',
		/FEATURE_I30.*\[EXT4_UNSUPPORTED_FEATURE\]/,
		directory =>
			write(directory, new TinyImage({superblock: {s_feature_incompat: 0x4000_0042}}).bytes),
	],
];

function write(directory: string, bytes: string | Uint8Array): string {
	const path = join(directory, 'bad image');
	fs.writeFileSync(path, bytes);
	return path;
}

for (const [what, expected, prepare] of badImages) {
	for (const [command, ...rest] of [
		['info'],
		['ls'],
		['cat', '/x'],
		['stat', '/x'],
		['extents', '/x'],
	]) {
		test(`${command} of ${what}: one line with the image and a code, status 1, at once`, t => {
			const path = prepare(temporary(t));
			const start = performance.now();
			const line = oneLine(t, run([command ?? '', path, ...rest], {timeoutMs: 10_000}));
			t.true(performance.now() - start < 5000);
			t.true(line.startsWith(`ext4box: ${path}: `), line);
			t.regex(line, expected);
		});
	}

	test(`extract of ${what} does not even make its target`, t => {
		const directory = temporary(t);
		const output = join(directory, 'out');
		t.regex(oneLine(t, run(['extract', prepare(directory), '-o', output])), expected);
		t.false(fs.existsSync(output));
	});
}

test('a file that may not be read is forbidden', t => {
	const path = write(temporary(t), 'x');
	fs.chmodSync(path, 0);
	t.regex(oneLine(t, run(['info', path], {isOrdinary: true})), /\[IMAGE_FORBIDDEN\]/);
});

test('what an image says can not reach the terminal through an error', t => {
	const directory = temporary(t);
	const path = join(directory, 'evil\u001b[2J\nname');
	const line = oneLine(t, run(['info', path]));
	t.true(line.includes('evil\\x1b[2J\\x0aname'), line);
});

test('a reader that goes away ends the command quietly', t => {
	const command = `"${process.execPath}" "${program}" cat "${image.path}" /text /text /text; echo $? >&2`;
	const result = spawnSync('sh', ['-c', `(${command}) | true`], {encoding: 'utf8'});
	t.regex(result.stderr, /^(141|0)\n$/);
});

test('a reader that goes away while much is written ends the command quietly', t => {
	const directory = temporary(t);
	const source = join(directory, 'source');
	fs.mkdirSync(source);
	fs.writeFileSync(join(source, 'large'), Buffer.alloc(4 * 2 ** 20, 'x'));
	const disk = join(directory, 'disk');
	spawnSync('mke2fs', ['-q', '-t', 'ext4', '-d', source, disk, '16M'], {
		env: {...process.env, PATH: `${process.env['PATH']}:/sbin:/usr/sbin`},
	});
	const command = `"${process.execPath}" "${program}" cat "${disk}" /large; echo $? >&2`;
	const result = spawnSync('sh', ['-c', `(${command}) | head -c 10`], {encoding: 'utf8'});
	t.is(result.stdout, 'xxxxxxxxxx');
	t.is(result.stderr, '141\n');
});

const noFull = fs.existsSync('/dev/full') ? undefined : 'no /dev/full';
testUnless(noFull, 'a full disk behind stdout is a failure', t => {
	const full = fs.openSync('/dev/full', 'w');
	const result = spawnSync(process.execPath, [program, 'cat', image.path, '/text'], {
		stdio: ['ignore', full, 'pipe'],
		encoding: 'utf8',
	});
	fs.closeSync(full);
	t.is(result.status, 1);
	t.is(result.stderr, "ext4box: can't write the output: no space left on device\n");
});

test('a slow reader gets every byte, in order', async t => {
	const child = spawn(process.execPath, [program, 'cat', image.path, '/text', '/hello', '/text']);
	let text = '';
	for await (const chunk of child.stdout) {
		await new Promise(resolve => setTimeout(resolve, 5));
		text += chunk;
	}
	t.is(text, contents.text + contents.hello + contents.text);
});

/** The environment is all there is; the working directory is new. */
function runIn(t: ExecutionContext, env: {[name: string]: string}, ...command: string[]) {
	const folder = temporary(t);
	const result = spawnSync(process.execPath, [program, ...command], {cwd: folder, env});
	return {folder, result};
}

test('an empty or relative XDG_CACHE_HOME leaves nothing in the working directory', t => {
	for (const XDG_CACHE_HOME of ['', 'cache', '.']) {
		const home = temporary(t);
		const {folder, result} = runIn(t, {XDG_CACHE_HOME, HOME: home}, '--version');
		t.is(result.status, 0);
		t.deepEqual(fs.readdirSync(folder), []);
		t.deepEqual(fs.readdirSync(home), ['.cache']);
	}
});

test('a home that is a relative path, or none, does no harm', t => {
	const {folder, result} = runIn(t, {HOME: 'home'}, '--version');
	t.is(result.status, 0);
	t.deepEqual(fs.readdirSync(folder), []);
	if (process.geteuid?.() !== 0) return;
	const stranger = {uid: 123_456, gid: 123_456, env: {}};
	const homeless = spawnSync(process.execPath, [program, '--version'], {...stranger, cwd: '/'});
	t.is(homeless.stderr.toString(), '');
	t.is(homeless.status, 0);
});

test('compiled code is kept in no directory that others could replace', t => {
	const shared = temporary(t);
	fs.mkdirSync(join(shared, 'ext4box'), {mode: 0o700});
	const {result} = runIn(t, {XDG_CACHE_HOME: shared}, '--version');
	t.is(result.status, 0);
	t.deepEqual(fs.readdirSync(join(shared, 'ext4box')), []);
});

for (const command of ['mount "$2" "$3"', 'run "$2" -- "$3"', 'umount "$3"', 'status "$3"']) {
	test(`an argument that can not be passed on is refused: ${command}`, t => {
		const script = `"$0" "$1" ${command.replace('$3', "$(printf 'a\\377')")}`;
		const args = ['-c', script, process.execPath, program, image.path];
		const result = spawnSync('sh', args, {encoding: 'utf8'});
		t.regex(result.stderr, /^ext4box: [^\n]*is not UTF-8[^\n]*\n$/);
		t.is(result.status, 2);
	});
}
