/**
 * Servers that do not answer, that die, and that get no memory, on real mounts: nobody hangs on them,
 * and the image recovers. Oracles: the mount table, statfs and sync of this machine, e2fsck.
 */
import {type ChildProcess, execFileSync, spawn, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import {mountAt} from '../../src/mount/mounts.ts';
import {MemoryCgroup, whyNoMemoryCgroup} from '../support/memory-cgroup.ts';
import {
	buildTools,
	ordinaryUser,
	Playground,
	readProc,
	root,
	type User,
	until,
	whyNoFuse,
	whyNoFusermount3,
	whyNoRoot,
} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';
import {WritableImage} from '../support/writable-mount.ts';

const watchdogSeconds = 2;
/** The limit, and what a machine that is busy with other tests takes besides. */
const cutOffWithinMs = watchdogSeconds * 1000 + 15_000;
const goneWithinMs = 1000;

test.before(() => {
	if (whyNoFuse() === null) buildTools('test-tools');
});

function whyNot(user: User): string | null {
	return user.uid === 0 ? whyNoRoot() : whyNoFusermount3();
}

function users(
	title: string,
	body: (t: ExecutionContext, user: User) => Promise<void>,
	who: readonly User[] = [root, ordinaryUser],
): void {
	for (const user of who) {
		const reason = whyNot(user);
		const name = `${title}, ${user.uid === 0 ? 'as root' : 'as an ordinary user'}`;
		if (reason !== null) test.serial.skip(`${name} (${reason})`, () => {});
		else test.serial(name, async t => await body(t, user));
	}
}

function standsIn(
	title: string,
	mode: string,
	body: (t: ExecutionContext, place: Playground) => Promise<void>,
	seconds = watchdogSeconds,
): void {
	users(title, async (t, user) => {
		const place = new Playground(user);
		try {
			const ended = await place.mount(mode, '--watchdog', String(seconds));
			t.is(ended.code, 0, ended.err);
			await body(t, place);
		} finally {
			await place.close();
		}
	});
}

async function familyOf(place: Playground) {
	const mounted = place.mounted();
	const supervisor = pidOfSupervisor(mounted?.device.split(':')[1] ?? '');
	return await place.family(`ready - - - ${supervisor}\n`);
}

function pidOfSupervisor(minor: string): number {
	const pids = fs.readdirSync('/proc').filter(name => /^\d+$/.test(name));
	return Number(pids.find(pid => readProc(Number(pid), 'comm') === `ext4box:${minor}\n`));
}

/** Ends with an error once whoever it asks has been cut off; is killed with the playground. */
function ask(place: Playground, name: string): ChildProcess {
	return place.start('/usr/bin/stat', [path.join(place.mountpoint, name)], 'ignore');
}

standsIn('a stopped server is cut off when somebody waits', 'serve', async (t, place) => {
	const {server, supervisor, sentinel} = await familyOf(place);
	place.kill(server, 'SIGSTOP');
	const asking = ask(place, 'hello');
	const {promise, resolve} = Promise.withResolvers<number | null>();
	asking.once('exit', resolve);
	t.not(await until(() => place.mounted() === null, cutOffWithinMs), null, 'still mounted');
	t.is(await promise, 1, 'who waited has an error');
	const all = [server, supervisor, sentinel];
	t.not(await until(() => !all.some(pid => place.isAlive(pid)), 5000), null, 'a process is left');
});

standsIn('a server in an endless loop is cut off', 'loop', async (t, place) => {
	const {server} = await familyOf(place);
	ask(place, 'loop');
	// By the CPU time that it got, of which a busy machine has less.
	t.not(await until(() => place.mounted() === null, 8 * cutOffWithinMs), null, 'still mounted');
	t.not(await until(() => !place.isAlive(server), 5000), null, 'the server is left');
});

standsIn('a server that says that it is at work is left at it', 'busy', async (t, place) => {
	const {server} = await familyOf(place);
	ask(place, 'loop');
	await sleep(3 * watchdogSeconds * 1000);
	t.not(place.mounted(), null);
	t.true(place.isAlive(server));
});

standsIn(
	'with watchdog 0 nobody is cut off',
	'serve',
	async (t, place) => {
		const {server} = await familyOf(place);
		place.kill(server, 'SIGSTOP');
		ask(place, 'hello');
		await sleep(3 * watchdogSeconds * 1000);
		t.not(place.mounted(), null);
		place.kill(server, 'SIGCONT');
	},
	0,
);

standsIn('a server that answers is never cut off', 'serve', async (t, place) => {
	const script = 'end=$(($(date +%s) + 6)); while [ $(date +%s) -lt $end ]; do stat "$0"; done';
	t.is((await place.run('/bin/sh', '-c', script, `${place.mountpoint}/hello`)).code, 0);
	t.not(place.mounted(), null);
});

users(
	'with the connections in sight, a stopped server on which nobody waits is let be',
	async (t, user) => {
		const place = new Playground(user);
		// In a mount namespace of its own: that this machine shows connections is not ours to change.
		const script = 'mount -t fusectl none /sys/fs/fuse/connections && exec "$@" 3>"$0"';
		const report = path.join(place.folder, 'report');
		const mount = place.mountArguments('serve', '--watchdog', String(watchdogSeconds));
		try {
			const made = await place.run(
				'/usr/bin/unshare',
				...['--mount', '--propagation', 'private', '/bin/sh', '-c', script, report],
				...[place.helper, ...mount],
			);
			t.is(made.code, 0, made.err);
			const {server, supervisor} = await place.family(fs.readFileSync(report, 'utf8'));
			const inside = () => readProc(supervisor, 'mountinfo')?.includes(place.mountpoint) === true;
			t.true(inside());
			const hello = `/proc/${supervisor}/root${place.mountpoint}/hello`;
			// It is ready before it reads its first request, INIT; and somebody waits until that is answered.
			t.is((await place.run('/usr/bin/stat', hello)).code, 0);
			place.kill(server, 'SIGSTOP');
			await sleep(3 * watchdogSeconds * 1000);
			t.true(inside());
			t.true(place.isAlive(server));
			place.start('/usr/bin/stat', [hello], 'ignore');
			t.not(await until(() => !place.isAlive(server), cutOffWithinMs), null, 'not cut off');
			t.not(await until(() => !place.isAlive(supervisor), 5000), null, 'still mounted');
		} finally {
			await place.close();
		}
	},
	[root],
);

/** The messages that come to a log of the system's, a socket at `path`. */
async function listenAt(path: string): Promise<{readonly messages: string[]; close(): void}> {
	const messages: string[] = [];
	const listener = net.createServer(socket => {
		socket.setEncoding('utf8');
		socket.on('data', text => messages.push(String(text)));
	});
	await new Promise<void>(resolve => listener.listen({path, writableAll: true}, resolve));
	return {messages, close: () => listener.close()};
}

users(
	'of a daemon that was cut off, the log of the system tells',
	async (t, user) => {
		const place = new Playground(user);
		const log = await listenAt(path.join(place.folder, 'log'));
		// A /dev of its own, with that log in it.
		const script = `
			mkdir dev && mount -t tmpfs none dev && touch dev/log && mount --bind log dev/log
			mknod dev/null c 1 3 && mknod dev/fuse c 10 229 && mount --move dev /dev && exec "$@" 3>report`;
		const mount = place.mountArguments('serve', '--watchdog', String(watchdogSeconds));
		try {
			const made = await place.run(
				'/usr/bin/unshare',
				...['--mount', '--propagation', 'private', '/bin/sh', '-c', script, 'sh'],
				...[place.helper, ...mount],
			);
			t.is(made.code, 0, made.err);
			const report = fs.readFileSync(path.join(place.folder, 'report'), 'utf8');
			const {server, supervisor} = await place.family(report);
			place.kill(server, 'SIGSTOP');
			place.start('/usr/bin/stat', [`/proc/${supervisor}/root${place.mountpoint}/hello`], 'ignore');
			const said = `the server has not answered for ${watchdogSeconds} s, and is ended (${place.mountpoint})`;
			const daemonError = '<27>';
			const hasCause = () =>
				log.messages.some(
					text => text.startsWith(daemonError) && text.includes(`ext4box: ${said}`),
				);
			// Each is told by a process of its own.
			const isTold = () => /signal 9/.test(log.messages.join()) && hasCause();
			t.not(await until(isTold, cutOffWithinMs), null, log.messages.join());
		} finally {
			log.close();
			await place.close();
		}
	},
	[root],
);

/**
 * A load that writes, syncs, reads and removes, in `sh`, until the mount is gone. What it was told to be
 * durable it notes in the file $1, outside.
 */
const load = `
i=0
mkdir -p synced
while :; do
	i=$((i + 1)); d=d$((i % 16)); rm -rf $d; mkdir $d
	for f in 1 2 3 4 5 6 7 8; do head -c $((f * 3000)) /dev/zero > $d/$f; done
	mv $d/1 $d/one; ln $d/2 $d/two; cat $d/* > /dev/null
	echo "content $i" > synced/$i; sync synced/$i; echo $i >> "$1"
done
`;

type Struck = {
	readonly image: WritableImage;
	readonly server: number;
	readonly who: Partial<User>;
};

/** What the load noted and the image does not have, read by debugfs after the recovery. */
function lostFiles(image: WritableImage, acknowledged: readonly string[]): string[] {
	const found = path.join(image.folder, 'found');
	fs.mkdirSync(found);
	execFileSync('debugfs', ['-R', `rdump /synced ${found}`, image.image], {stdio: 'pipe'});
	return acknowledged.filter(name => {
		const file = path.join(found, 'synced', name);
		return !fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== `content ${name}\n`;
	});
}

function linesOf(file: string): string[] {
	return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}

function isEnded(pid: number): boolean {
	return /\) [^ZX] /.exec(readProc(pid, 'stat') ?? '') === null;
}

/** `strike` returns, or resolves, when the time begins within which the mount is to be gone. */
async function underLoad(
	t: ExecutionContext,
	user: User,
	strike: (struck: Struck) => void | Promise<void>,
	withinMs: number,
	format?: readonly string[],
): Promise<void> {
	await using image = new WritableImage({
		isOrdinary: user.uid !== 0,
		...(format === undefined ? {} : {format}),
	});
	image.mount(`rw,commit=1,watchdog=${watchdogSeconds}`);
	const {server} = image.processes();
	const who = process.geteuid?.() === 0 ? user : {};
	const noted = path.join(image.folder, 'noted');
	const child = spawn('sh', ['-ec', `cd "$0"\n${load}`, image.mountpoint, noted], {
		...who,
		cwd: '/',
		stdio: 'ignore',
		detached: true,
	});
	const ended = new Promise(resolve => child.once('exit', resolve));
	try {
		const isRunning = () => linesOf(noted).length > 8;
		t.not(await until(isRunning, 60_000), null, 'the load does not run');
		await strike({image, server, who});
		t.not(await until(() => mountAt(image.mountpoint) === null, withinMs), null, 'still mounted');
		await ended; // With an error, as its working directory is gone.
	} finally {
		// The whole group: what it has started would keep the mount.
		if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
	}
	t.is(spawnSync('df', [image.folder], {timeout: 60_000}).status, 0);
	t.is(spawnSync('sync', ['-f', image.folder], {timeout: 60_000}).status, 0);
	t.not(await until(() => isEnded(server), 5000), null, 'the server is left');
	t.is(image.recoverAndCheck(), '');
	t.deepEqual(lostFiles(image, linesOf(noted)), []);
}

users('killed under load: gone within a second, and the image recovers', async (t, user) => {
	await underLoad(t, user, ({server}) => void process.kill(server, 'SIGKILL'), goneWithinMs);
});

users(
	"stopped under load: gone within the watchdog's time, the image recovers",
	async (t, user) => {
		await underLoad(t, user, ({server}) => void process.kill(server, 'SIGSTOP'), cutOffWithinMs);
	},
);

/** By which this machine knows it, in whatever namespace it is. */
function idOf(status: string, which: 'Uid' | 'Gid'): number {
	return Number(new RegExp(`^${which}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
}

/** No byte of data more than it has: the next time that it can't do without it ends. */
function limitData(server: number): void {
	const status = readProc(server, 'status') ?? '';
	const kibibytes = Number(/^VmData:\s+(\d+) kB$/m.exec(status)?.[1]);
	execFileSync('prlimit', ['--pid', String(server), `--data=${kibibytes * 1024}`], {
		// Only a user's own processes can be limited without being all-powerful.
		...(process.geteuid?.() === 0 ? {uid: idOf(status, 'Uid'), gid: idOf(status, 'Gid')} : {}),
	});
}

/** Of these every directory is a block of the cache, which has room for all of them. */
const forestDirectories = 4000;

/** For mke2fs: a tree whose listing has the server hold some 20 MiB more than before. */
function withForest(t: ExecutionContext): string[] {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-forest-'));
	t.teardown(() => fs.rmSync(folder, {recursive: true}));
	for (let number = 0; number < forestDirectories; number++) {
		fs.mkdirSync(path.join(folder, 'forest', String(number % 50), String(number)), {
			recursive: true,
		});
	}
	return ['-t', 'ext4', '-d', folder];
}

/** Has the server need more memory than it has. Resolves at its end. */
async function demandMemory(t: ExecutionContext, {image, server, who}: Struck): Promise<void> {
	const listing = spawn('ls', ['-R', image.mountpoint], {...who, cwd: '/', stdio: 'ignore'});
	const ended = new Promise(resolve => listing.once('exit', resolve));
	t.not(await until(() => isEnded(server), 120_000), null, 'it lives on without memory');
	await ended;
}

users(
	'without memory by its own limit, under load: gone within a second of its end, the image recovers',
	async (t, user) => {
		const strike = async (struck: Struck) => {
			limitData(struck.server);
			await demandMemory(t, struck);
		};
		await underLoad(t, user, strike, goneWithinMs, withForest(t));
	},
);

for (const user of [root, ordinaryUser]) {
	const who = user.uid === 0 ? 'as root' : 'as an ordinary user';
	serialTestUnless(
		whyNoMemoryCgroup() ?? whyNot(user),
		`without memory by its control group, under load: gone within a second of its end, the image recovers, ${who}`,
		async t => {
			using group = new MemoryCgroup(2 << 20);
			const strike = async (struck: Struck) => {
				group.take(struck.server);
				await demandMemory(t, struck);
			};
			await underLoad(t, user, strike, goneWithinMs, withForest(t));
			t.true(group.killCount > 0, 'the kernel has ended it');
		},
	);
}

const whyNoLoop =
	whyNoRoot() ?? (spawnSync('losetup', ['--find']).status === 0 ? null : 'no loop devices');

(whyNoLoop === null ? test.serial : test.serial.skip)(
	'a server that waits for its disk is waited for',
	async t => {
		await using image = new WritableImage();
		const disk = path.join(image.folder, 'host');
		fs.writeFileSync(disk, '');
		fs.truncateSync(disk, 200 << 20);
		execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', disk]);
		const host = path.join(image.folder, 'hosting');
		fs.mkdirSync(host);
		execFileSync('mount', ['-o', 'loop', disk, host]);
		let isFrozen = false;
		try {
			const inner = path.join(host, 'disk.img');
			fs.copyFileSync(image.image, inner);
			const {status, stderr} = image.cli(
				...['mount', inner, image.mountpoint, '-o', `rw,watchdog=${watchdogSeconds}`],
			);
			t.is(status, 0, stderr);
			const {server} = image.processes();
			execFileSync('fsfreeze', ['-f', host]);
			isFrozen = true;
			const writing = spawn('sh', ['-c', 'echo a > "$0/a" && sync "$0/a"', image.mountpoint], {
				stdio: 'ignore',
			});
			const written = new Promise(resolve => writing.once('exit', resolve));
			const isWaiting = () => readProc(server, 'stat')?.split(') ')[1]?.startsWith('D') === true;
			t.not(await until(isWaiting, 20_000), null, 'the server does not wait for its disk');
			await sleep(4 * watchdogSeconds * 1000);
			t.true(isWaiting());
			t.not(mountAt(image.mountpoint), null);
			execFileSync('fsfreeze', ['-u', host]);
			isFrozen = false;
			t.is(await written, 0);
			image.umount();
		} finally {
			if (isFrozen) execFileSync('fsfreeze', ['-u', host]);
			if (mountAt(image.mountpoint) !== null) image.umount('--lazy');
			execFileSync('umount', ['-l', host]);
		}
	},
);
