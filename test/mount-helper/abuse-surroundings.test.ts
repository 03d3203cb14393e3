/** Environment, limits, signals and descriptors that a caller passes on to the privileged helper. */
import {spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {Abuse, descriptorsOf, goneWithinMs, linkTo} from '../support/abuse.ts';
import {readProc, until} from '../support/mounting.ts';

const cases = new Abuse('abuse-surroundings');
const {abuse} = cases;

abuse('an environment that would lead libc or Node astray', async (t, place) => {
	const variables = {
		LD_PRELOAD: `${place.folder}/evil.so`,
		LD_LIBRARY_PATH: place.folder,
		NODE_OPTIONS: `--require=${place.folder}/evil.js`,
		EXT4BOX_DEBUG: '1',
		GCONV_PATH: place.folder,
		LOCPATH: place.folder,
		PATH: place.folder,
		TMPDIR: place.folder,
		MALLOC_TRACE: `${place.folder}/trace`,
		_FUSE_COMMFD: '3',
	};
	const words = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
	const args = [...words, cases.installation.helper, ...cases.argumentsOf(place, {})];
	const ended = await place.run('/usr/bin/env', ...args);
	cases.remember(place, ended.report);
	t.regex(ended.report, /^ready installed/);
	const environment = (readProc(cases.installation.servers()[0] ?? 0, 'environ') ?? '').split('\0');
	// Those that are there come from the sandbox.
	t.deepEqual(
		environment.filter(one => words.includes(one) || one.includes(place.folder)),
		[],
	);
	t.false(existsSync(`${place.folder}/trace`));
});

for (const limit of [
	...['--nofile=4', '--nofile=8', '--fsize=0', '--as=4000000', '--as=20000000', '--stack=65536'],
	...['--data=100000', '--cpu=1', '--nproc=1', '--core=unlimited', '--memlock=0', '--sigpending=0'],
]) {
	abuse(`started under a limit: ${limit}`, async (t, place) => {
		const args = cases.argumentsOf(place, {});
		// Set as root, for a limit that is too tight would end prlimit itself.
		const script =
			'limit=$1 id=$2; shift 2; exec prlimit "$limit" setpriv --reuid="$id" --regid="$id" --clear-groups "$0" "$@"';
		const child = spawnSync(
			'/bin/bash',
			['-c', script, cases.installation.helper, limit, String(place.user.uid), ...args],
			{cwd: place.folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe', 'pipe']},
		);
		const report = child.output[3] ?? '';
		cases.remember(place, report);
		// It may not come so far as to start at all; half of a mount there is not.
		t.is(report.startsWith('ready'), cases.mounts().length === 1, `${report}${child.stderr}`);
		if (report.startsWith('ready')) {
			const [server] = cases.installation.servers();
			const limits = readProc(server ?? 0, 'limits') ?? '';
			t.regex(limits, /^Max core file size +0 +0 /m);
			t.regex(limits, /^Max file size +unlimited +unlimited /m);
		}
	});
}

abuse('signals ignored and blocked, and a timer, by the caller', async (t, place) => {
	const script = `
		use POSIX;
		$SIG{$_} = 'IGNORE' for qw(CHLD TERM INT HUP QUIT PIPE USR1);
		sigprocmask(SIG_BLOCK, POSIX::SigSet->new(1 .. 31));
		alarm 1;
		exec @ARGV;`;
	const args = ['-e', script, cases.installation.helper, ...cases.argumentsOf(place, {})];
	const ended = await place.run('/usr/bin/perl', ...args);
	cases.remember(place, ended.report);
	t.regex(ended.report, /^ready installed/);
	const supervisor = Number(ended.report.trim().split(' ')[4]);
	// The timer would have ended it.
	await new Promise(done => setTimeout(done, 1200));
	t.is(cases.mounts().length, 1);
	process.kill(supervisor, 'SIGTERM');
	t.not(await until(cases.isNothingLeft, goneWithinMs), null, cases.describeLeft());
});

for (const [what, redirect] of [
	['standard descriptors closed', '<&- >&- 2>&-'],
	['standard output and errors full', '>/dev/full 2>/dev/full'],
	['a report descriptor that is full', '3>/dev/full'],
	['a report descriptor that is closed', '3>&-'],
	['a report descriptor that is read-only', '3</dev/null'],
	['hundreds of descriptors open', '4</etc/passwd 5</etc/passwd 9</etc/passwd 200</etc/passwd'],
] as const) {
	abuse(`started with ${what}`, async (t, place) => {
		const args = cases.argumentsOf(place, {});
		const script = `exec "$@" ${redirect}`;
		const ended = await place.run(
			'/bin/bash',
			'-c',
			script,
			'sh',
			cases.installation.helper,
			...args,
		);
		cases.remember(place, ended.report);
		if (!ended.report.startsWith('ready')) {
			// Nobody was told, so nothing may stay.
			t.not(await until(cases.isNothingLeft, goneWithinMs), null, cases.describeLeft());
			return;
		}
		t.is(cases.mounts().length, 1);
		t.is(descriptorsOf(cases.installation.servers()[0] ?? 0).length, 5);
	});
}

abuse('no_new_privs: says so, and does nothing', async (t, place) => {
	const args = ['--no-new-privs', cases.installation.helper, ...cases.argumentsOf(place, {})];
	const ended = await place.run('/usr/bin/setpriv', ...args);
	t.regex(ended.report, /^failed privilege 0 /);
	t.deepEqual(cases.mounts(), []);
});

abuse('secure bits that would have capabilities outlive a change of ids', async (t, place) => {
	const {uid, gid} = place.user;
	const args = [
		'--securebits=+no_setuid_fixup',
		`--reuid=${uid}`,
		`--regid=${gid}`,
		'--clear-groups',
	];
	const child = spawnSync(
		'setpriv',
		[...args, cases.installation.helper, ...cases.argumentsOf(place, {})],
		{
			cwd: place.folder,
			encoding: 'utf8',
			stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
		},
	);
	t.regex(child.output[3] ?? '', /^failed privilege 0 /, child.stderr);
	t.deepEqual(cases.mounts(), []);
});

abuse('as root of a user namespace of one’s own', async (t, place) => {
	const args = ['-Urm', cases.installation.helper, ...cases.argumentsOf(place, {})];
	const ended = await place.run('/usr/bin/unshare', ...args);
	t.regex(ended.report, /^failed (privilege|policy) /);
	t.deepEqual(cases.mounts(), []);
});

abuse('a copy of the helper, and a link to it', async (t, place) => {
	const copy = join(place.folder, 'copy');
	t.is((await place.run('/bin/cp', cases.installation.helper, copy)).code, 0);
	t.regex((await place.run(copy, ...cases.argumentsOf(place, {}))).report, /^failed privilege /);
	const link = linkTo(() => cases.installation.helper)(place);
	const ended = await place.run(link, ...cases.argumentsOf(place, {}));
	cases.remember(place, ended.report);
	t.regex(ended.report, /^ready installed/);
});
