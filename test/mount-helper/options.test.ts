/** The helper's command line, with its address and undefined-behaviour checks on. */
import {spawnSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {buildTools, builtTool} from '../support/mounting.ts';

const isCompiler = spawnSync('cc', ['--version']).status === 0;
const check = isCompiler ? test : test.skip;

test.before(() => {
	if (isCompiler) {
		buildTools('sanitize');
	}
});

function helper(args: readonly string[], cwd = tmpdir()) {
	const ended = spawnSync(builtTool('mount-helper-sanitized'), args, {
		cwd,
		stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
		encoding: 'utf8',
		timeout: 20_000,
	});
	return {status: ended.status, err: ended.stderr, report: ended.output[3] ?? ''};
}

const mount = ['mount', '--image', '/i', '--mountpoint', '/m', '--fsname', 'n'];
const run = ['run', '--image', '/i', '--mountpoint', '/m', '--fsname', 'n'];
const unmount = ['unmount', '--mountpoint', '/m', '--id', '1', '--device', '0:1'];
const server = ['--', '/server'];

const refused: [string, string[], RegExp][] = [
	['nothing', [], /usage/],
	['an unknown action', ['frobnicate'], /unknown action: frobnicate/],
	['an empty action', [''], /unknown action/],
	['an unknown option', [...mount, '--suid', ...server], /unknown option: --suid/],
	['an abbreviation', [...mount, '--foregr', ...server], /unknown option/],
	['a value glued on', [...mount, '--way=direct', ...server], /unknown option/],
	['a short option', [...mount, '-o', 'suid', ...server], /unknown option: -o/],
	['a word astray', [...mount, 'suid', ...server], /unknown option: suid/],
	['the same twice', [...mount, '--image', '/j', ...server], /given twice: --image/],
	['a flag twice', [...mount, '--read-only', '--read-only', ...server], /given twice/],
	['no image', ['mount', '--mountpoint', '/m', '--fsname', 'n', ...server], /missing: --image/],
	['no value', ['mount', '--image'], /without its value: --image/],
	['an empty path', ['mount', '--image', ''], /not a path/],
	['a long path', ['mount', '--image', 'x'.repeat(4096)], /not a path/],
	['an empty fsname', ['mount', '--fsname', ''], /fsname is empty/],
	['a long fsname', ['mount', '--fsname', 'x'.repeat(1025)], /too long/],
	['a carriage return in fsname', ['mount', '--fsname', 'a\rb'], /control character/],
	['an escape in fsname', ['mount', '--fsname', 'a\x1bb'], /control character/],
	['a DEL in fsname', ['mount', '--fsname', 'a\x7fb'], /control character/],
	['an unknown way', [...mount, '--way', 'namespace', ...server], /unknown way/],
	['no server', mount, /missing: -- SERVER/],
	['an empty server', [...mount, '--'], /no server given/],
	['a relative server', [...mount, '--', 'node'], /not absolute: node/],
	['a server without a name', [...mount, '--', ''], /not absolute/],
	['too many arguments', [...mount, ...server, ...Array(64).fill('x')], /too many arguments/],
	['a long argument', [...mount, ...server, 'x'.repeat(65_537)], /too long/],
	['a standard report fd', [...mount, '--report-fd', '2', ...server], /standard one/],
	['a negative number', [...mount, '--report-fd', '-1', ...server], /not a number/],
	['a signed number', [...mount, '--report-fd', '+5', ...server], /not a number/],
	['a number and more', [...mount, '--report-fd', '5x', ...server], /not a number/],
	['a number too great', [...mount, '--report-fd', '99999999999999999999', ...server], /range/],
	['2^31', [...mount, '--report-fd', '2147483648', ...server], /range/],
	['2^32', [...unmount.slice(0, 3), '--id', '4294967296'], /range/],
	['recover twice', [...mount, '--recover', '--recover', ...server], /given twice/],
	['unmount that recovers', [...unmount, '--recover'], /unknown option/],
	['mount with an option of run', [...mount, '--enter', ...server], /unknown option: --enter/],
	['unmount with an option of mount', [...unmount, '--read-only'], /unknown option/],
	['unmount with a program', [...unmount, '--', '/bin/sh'], /takes no program/],
	['a device without colon', ['unmount', '--device', '1'], /not MAJOR:MINOR/],
	['a device of colons', ['unmount', '--device', ':'], /not MAJOR:MINOR/],
	['half a device', ['unmount', '--device', '1:'], /not a number/],
	['run without a count', [...run, ...server, 'ls'], /missing: --server-argc/],
	['run with a count of 0', [...run, '--server-argc', '0', ...server, 'ls'], /no server given/],
	['run without a command', [...run, '--server-argc', '1', ...server], /no command given/],
	['run with a count too great', [...run, '--server-argc', '65', ...server, 'ls'], /range/],
];

for (const [what, args, message] of refused) {
	check(`refuses ${what}`, t => {
		const {status, err} = helper(args);
		t.is(status, 2);
		t.regex(err, message);
		t.regex(err, /^mount-helper: [^\n]*\n$/);
	});
}

check('reports on the descriptor it was given, and not on stderr', t => {
	const absent = ['mount', '--image', '/nonexistent', '--mountpoint', '/m', '--fsname', 'n'];
	const {status, err, report} = helper([...absent, '--report-fd', '3', '--read-only', ...server]);
	t.is(status, 1);
	t.is(err, '');
	t.is(report, 'failed image 2 cannot open /nonexistent\n');
});

check('a report descriptor that is not open is an error, not a crash', t => {
	const {status, err} = helper([...mount, '--report-fd', '99', ...server]);
	t.is(status, 1);
	t.regex(err, /Bad file descriptor/);
});

check('unmounting what is not mounted is done already', t => {
	t.is(helper(['unmount', '--mountpoint', '/', '--id', '2147483647', '--device', '0:0']).status, 0);
	// The root mount is not ext4box's, whatever its id: it is never found by that search.
	const [id, , device] = (
		spawnSync('sh', ['-c', 'grep " / / " /proc/self/mountinfo'], {encoding: 'utf8'}).stdout ||
		'1 1 0:1'
	).split(' ');
	t.is(
		helper(['unmount', '--mountpoint', '/', '--id', id ?? '', '--device', device ?? '']).status,
		0,
	);
});

check('a path with a line feed is reported as one line', t => {
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-test-'));
	t.teardown(() => rmSync(folder, {recursive: true}));
	writeFileSync(join(folder, 'disk.img'), 'x');
	mkdirSync(join(folder, 'mnt'));
	const args = ['mount', '--image', 'disk.img', '--mountpoint', 'no\nsuch', '--fsname', 'n'];
	const {status, report} = helper([...args, '--report-fd', '3', '--read-only', ...server], folder);
	t.is(status, 1);
	t.is(report, 'failed mountpoint 2 no such\n');
});

check('300 seeded command lines: no check fires, no mount is made', t => {
	const words = [
		...new Set([...mount, ...run, ...unmount, ...server, ...refused.flatMap(([, a]) => a)]),
	];
	let state = 0x2545_f491;
	const random = (below: number): number => {
		state ^= state << 13;
		state ^= state >>> 17;
		state ^= state << 5;
		return (state >>> 0) % below;
	};
	for (let round = 0; round < 300; round++) {
		const args = Array.from({length: random(14)}, () => words[random(words.length)] ?? '');
		const {status, err} = helper([['mount', 'run', 'unmount'][random(3)] ?? '', ...args]);
		t.true(
			status === 0 || status === 1 || status === 2,
			`${JSON.stringify(args)}: ${status} ${err}`,
		);
		t.notRegex(err, /Sanitizer|runtime error/);
	}
});

check('starts with its standard descriptors closed', t => {
	const absent = '--image /nonexistent --mountpoint /m --fsname n --read-only --report-fd 9';
	const script = `exec 9>&1; exec "$0" mount ${absent} -- /server <&- >&- 2>&-`;
	const {status, stdout} = spawnSync('sh', ['-c', script, builtTool('mount-helper-sanitized')], {
		encoding: 'utf8',
	});
	t.is(status, 1);
	t.is(stdout, 'failed image 2 cannot open /nonexistent\n');
});
