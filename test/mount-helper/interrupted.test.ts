/**
 * The privileged helper, ended or stopped at its system calls: one whole mount is traced, from execve
 * to exit, and each of its calls is a point where a signal may come. Wherever it does, nothing stays.
 */
import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {existsSync, readFileSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import type {Readable} from 'node:stream';
import test, {type ExecutionContext} from 'ava';
import {Installation, mountsNamed, permissive} from '../support/installed.ts';
import {loopsBelow, whyNoLoop} from '../support/loops.ts';
import {ordinaryUser, Playground, readProc, until, whyNoRoot} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';

const why =
	whyNoRoot() ??
	whyNoLoop() ??
	(spawnSync('strace', ['--version']).status === 0 ? null : 'no strace here');
const word = 'interrupted';
/** Generous: what the README promises takes 2 s where nobody holds a file open. */
const goneWithinMs = 60_000;
/** EXT4BOX_ABUSE=all takes every point, which takes minutes; EXT4BOX_ABUSE_SEED chooses others. */
const isThorough = process.env['EXT4BOX_ABUSE'] === 'all';
const seed = Number(process.env['EXT4BOX_ABUSE_SEED'] ?? 1);
const sampleSize = 24;

/** strace counts each system call by its name: the `occurrence`-th of this one. */
type Point = {readonly name: string; readonly occurrence: number};

/** STOP: stopped there, and killed where it stands. */
type Signal = 'KILL' | 'TERM' | 'STOP';

let installation: Installation;
let points: readonly Point[];

test.before(async t => {
	if (why !== null) {
		return;
	}
	installation = new Installation();
	installation.permit(`${permissive}loop yes\n`);
	const place = new Playground(ordinaryUser);
	try {
		const {calls, wasLocked} = await live(place, []);
		// Else the look at locks below would find none whatever was left.
		t.true(wasLocked, 'the lock of a mounted image is not seen in /proc/locks');
		points = pointsOf(calls);
	} finally {
		await place.close();
	}
	t.true(points.length > 200, `a whole mount has ${points.length} system calls`);
	t.deepEqual(points[0], {name: 'execve', occurrence: 1});
	t.is(points.at(-1)?.name, 'exit_group');
});

test.after.always(() => {
	if (why === null) {
		installation?.remove();
	}
});

function pointsOf(calls: readonly string[]): Point[] {
	const counts = new Map<string, number>();
	return calls.map(name => {
		const occurrence = (counts.get(name) ?? 0) + 1;
		counts.set(name, occurrence);
		return {name, occurrence};
	});
}

/** One of each of so many equal stretches, so that a sample has points from the first call to the last. */
function sampleOf(all: readonly Point[]): readonly Point[] {
	let state = seed * 2 + 1;
	return Array.from({length: sampleSize}, (_, index) => {
		state = (Math.imul(state, 0x19660d) + 0x3c6ef35f) >>> 0;
		const position = ((index + state / 2 ** 32) * all.length) / sampleSize;
		return all[Math.floor(position)] as Point; // Below the length: index + fraction < sampleSize.
	});
}

/** From its start to its end; told to end once it is ready. The calls that strace saw, by name. */
async function live(place: Playground, tracing: readonly string[], whenStopped?: () => void) {
	const log = join(place.folder, 'trace');
	rmSync(log, {force: true});
	// As root, for whom alone a set-uid program stays one when it is traced; then as the user.
	const child = spawn(
		'strace',
		[
			...['-o', log, '-u', nameOf(place.user.uid), ...tracing, installation.helper, 'mount'],
			...['--image', place.image, '--mountpoint', place.mountpoint, '--fsname', word],
			...['--report-fd', '3', '--sandbox', 'normal', '--read-only', '--foreground'],
			...['--iomap', '--loop'],
			...['--', '{"mode":"serve"}'],
		],
		{cwd: place.folder, stdio: ['ignore', 'ignore', 'ignore', 'pipe']},
	);
	const ended = new Promise(done => child.once('exit', done));
	const stopped = whenStopped === undefined ? null : killOnceStopped(child, log, whenStopped);
	let report = '';
	for await (const piece of child.stdio[3] as Readable) {
		report += String(piece);
		// Its end would not come before strace's, which has the descriptor as well.
		if (report.endsWith('\n')) {
			break;
		}
	}
	const supervisor = Number(/^ready .* (\d+)\n$/.exec(report)?.[1] ?? 0);
	place.rememberProcess(supervisor);
	const wasLocked = locksOn(place.image).length > 0;
	if (place.isAlive(supervisor)) {
		place.kill(supervisor, 'SIGTERM');
	}
	await Promise.all([ended, stopped]);
	const calls = readFileSync(log, 'utf8').matchAll(/^(?!restart_syscall)(\w+)\(/gm);
	return {calls: [...calls].map(([, name = '']) => name), wasLocked};
}

/** Kills the helper as it stands there, stopped; or lets it be, where it ends without having come to the point. */
async function killOnceStopped(strace: ChildProcess, log: string, look: () => void): Promise<void> {
	const hasEnded = () => strace.exitCode !== null || strace.signalCode !== null;
	const isStopped = () =>
		existsSync(log) && readFileSync(log, 'utf8').includes('stopped by SIGSTOP');
	await until(() => hasEnded() || isStopped(), 30_000);
	if (!hasEnded() && isStopped()) look();
	const [helper] = (readProc(strace.pid ?? 0, `task/${strace.pid}/children`) ?? '').split(' ');
	if (!hasEnded() && isStopped() && helper !== undefined && helper !== '') {
		process.kill(Number(helper), 'SIGKILL');
	}
}

function lockFile(): string {
	return join(installation.prefix, 'run/ext4box.lock');
}

/** Lines of /proc/locks; its file systems have device numbers that stat(2) may give otherwise. */
function locksOn(path: string): string[] {
	const {ino} = statSync(path);
	return readFileSync('/proc/locks', 'utf8')
		.split('\n')
		.filter(line => line.includes(`:${ino} `));
}

/** Helper, supervisor, sentinel and keeper, and the server: whoever executes what was installed. */
function processesLeft(): number[] {
	return [...installation.servers(), ...installation.helpers()];
}

function whatIsLeft(place: Playground): string[] {
	return [
		...mountsNamed(word)
			.filter(({path}) => path === place.mountpoint)
			.map(({path}) => `mount on ${path}`),
		...processesLeft().map(pid => `process ${pid} ${readProc(pid, 'comm')?.trim()}`),
		...loopsBelow(place.folder).map(({device}) => `${device} attached to the image`),
		...locksOn(place.image).map(line => `lock on the image: ${line}`),
		...(existsSync(lockFile()) ? locksOn(lockFile()) : []).map(line => `lock file: ${line}`),
	];
}

function nameOf(uid: number): string {
	const line = new RegExp(`^([^:]*):[^:]*:${uid}:`, 'm').exec(readFileSync('/etc/passwd', 'utf8'));
	return line?.[1] ?? '';
}

/** Whether the point was reached: how often the helper waits, and for what, is not always the same. */
async function interrupt(t: ExecutionContext, place: Playground, point: Point, signal: Signal) {
	const {name, occurrence} = point;
	const {calls} = await live(
		place,
		interruptedAt(point, signal),
		signal === 'STOP' ? () => undefined : undefined,
	);
	await assertNothingLeft(t, place, `SIG${signal} at ${name} ${occurrence}`);
	return calls.length >= occurrence;
}

/** For strace. */
function interruptedAt({name, occurrence}: Point, signal: Signal): string[] {
	return [
		...['-e', `trace=${name}`],
		...['-e', `inject=${name}:signal=${signal}:when=${occurrence}`],
	];
}

async function assertNothingLeft(t: ExecutionContext, place: Playground, after: string) {
	await until(() => whatIsLeft(place).length === 0, goneWithinMs);
	t.deepEqual(whatIsLeft(place), [], after);
	for (const pid of processesLeft()) {
		place.rememberProcess(pid);
	}
}

serialTestUnless(
	why,
	'from the count of a user’s mounts until there is one more, nobody counts',
	async t => {
		const name = points.some(point => point.name === 'fsopen') ? 'fsopen' : 'mount';
		const place = new Playground(ordinaryUser);
		let seen: string[] = [];
		try {
			await live(place, interruptedAt({name, occurrence: 1}, 'STOP'), () => {
				seen = locksOn(lockFile());
			});
			await assertNothingLeft(t, place, `stopped at ${name}`);
		} finally {
			await place.close();
		}
		const {uid} = place.user;
		t.regex(seen.join('\n'), new RegExp(`POSIX +ADVISORY +WRITE \\d+ \\S+ ${uid} ${uid}$`, 'm'));
		t.regex(seen.join('\n'), /OFDLCK +ADVISORY +WRITE/);
	},
);

for (const signal of ['KILL', 'TERM', 'STOP'] as const) {
	const title = `SIG${signal} at points of a whole mount: nothing stays`;
	serialTestUnless(why, title, async t => {
		t.timeout(isThorough ? 1_800_000 : 120_000);
		const chosen = isThorough ? points : sampleOf(points);
		const place = new Playground(ordinaryUser);
		let reached = 0;
		try {
			for (const point of chosen) {
				reached += Number(await interrupt(t, place, point, signal));
			}
		} finally {
			await place.close();
		}
		t.log(`${reached} of ${chosen.length} points reached, of ${points.length} in all`);
		t.true(reached >= chosen.length * 0.75);
	});
}
