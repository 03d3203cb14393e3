/**
 * Mount ids and device numbers are given out again at once: the privileged helper, asked to unmount what
 * is its caller's, must not take away what has the same numbers a moment later.
 */
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {chownSync, existsSync, mkdirSync, readFileSync, renameSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {Installation} from '../support/installed.ts';
import {ordinaryUser, Playground, until, whyNoRoot} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';

const why =
	whyNoRoot() ?? (spawnSync('strace', ['--version']).status === 0 ? null : 'no strace here');
const goneWithinMs = 8000;

let installation: Installation;

test.before(() => {
	if (why === null) {
		installation = new Installation();
	}
});

test.after.always(() => {
	if (why === null) {
		installation?.remove();
	}
});

/** A mount of root's below `folder` with these numbers, which are free again; else null. */
function takeNumbers(folder: string, id: string, device: string): string | null {
	const numbersOf = (path: string): string | undefined => {
		const table = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
		const [line = ''] = table.filter(text => text.split(' ')[4] === path);
		return /^(\d+) \d+ (\S+)/.exec(line)?.slice(1).join(' ');
	};
	let source: string | null = null;
	for (let made = 0; made < 256; made++) {
		const path = join(folder, String(made));
		mkdirSync(path);
		// The device first; then that one again and again, until the id comes round.
		const type = source === null ? ['-t', 'tmpfs', 'theirs'] : ['--bind', source];
		execFileSync('mount', [...type, path]);
		const numbers = numbersOf(path);
		if (numbers === `${id} ${device}`) return path;
		if (numbers?.endsWith(` ${device}`) === true) source ??= path;
		if (made === 64 && source === null) return null;
	}
	return null;
}

serialTestUnless(why, 'not what has its numbers by the time that it is looked for', async t => {
	const place = new Playground(ordinaryUser);
	t.teardown(() => place.close());
	const userName = execFileSync('id', ['-nu', String(place.user.uid)], {encoding: 'utf8'}).trim();
	const theirs = join(place.folder, 'theirs');
	const many = join(place.folder, 'many');
	for (const path of ['theirs/deep/mnt', 'own/deep/mnt', 'many']) {
		mkdirSync(join(place.folder, path), {recursive: true});
	}
	chownSync(join(place.folder, 'own/deep/mnt'), place.user.uid, place.user.gid);
	const shared = ['--mountpoint', join(place.folder, 'own/deep/mnt'), '--report-fd', '3'];
	const {report} = await place.run(
		installation.helper,
		...['mount', ...shared, '--image', place.image, '--fsname', 'numbers'],
		...['--sandbox', 'normal', '--read-only', '--', '{"mode":"serve"}'],
	);
	const [, id = '', device = '', supervisor] =
		/^ready installed (\d+) (\d+:\d+) (\d+)\n$/.exec(report) ?? [];
	place.rememberProcess(Number(supervisor));
	// Stopped when it has read the table, as its user can have it wait in a file system of his.
	const log = join(place.folder, 'strace.log');
	const stop = ['-e', 'trace=getuid', '-e', 'inject=getuid:signal=STOP:when=2'];
	const asked = ['--mountpoint', '/', '--id', id, '--device', device, '--lazy'];
	const tracer = spawn(
		'strace',
		[...['-o', log, ...stop, '-u', userName], ...[installation.helper, 'unmount', ...asked]],
		{stdio: 'ignore'},
	);
	const ended = once(tracer, 'exit');
	try {
		const isStopped = () =>
			existsSync(log) && readFileSync(log, 'utf8').includes('stopped by SIGSTOP');
		t.not(await until(isStopped, goneWithinMs), null);
		t.is((await place.run(installation.helper, 'unmount', ...asked)).code, 0);
		const hasEnded = () => installation.servers().length === 0;
		t.not(await until(hasEnded, goneWithinMs), null);
		const taken = takeNumbers(many, id, device);
		t.not(taken, null, 'the numbers are given out again');
		execFileSync('mount', ['--move', taken ?? '', join(theirs, 'deep/mnt')]);
		renameSync(join(place.folder, 'own'), join(place.folder, 'kept'));
		symlinkSync(theirs, join(place.folder, 'own'));
		const [helper = ''] = readFileSync(
			`/proc/${tracer.pid}/task/${tracer.pid}/children`,
			'utf8',
		).split(' ');
		process.kill(Number(helper), 'SIGCONT');
		await ended;
		t.true(readFileSync('/proc/self/mountinfo', 'utf8').includes(`${theirs}/deep/mnt `));
	} finally {
		tracer.kill('SIGKILL');
		const paths = readFileSync('/proc/self/mountinfo', 'utf8')
			.split('\n')
			.map(line => line.split(' ')[4] ?? '')
			.filter(path => path.startsWith(theirs) || path.startsWith(many));
		for (const path of paths.reverse()) {
			spawnSync('umount', ['-l', path]);
		}
	}
});
