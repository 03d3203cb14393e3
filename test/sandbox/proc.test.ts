/**
 * What the kernel says, in /proc, of real servers behind real mounts. Read as root, for a server's
 * entries are closed even to the user that it runs as.
 */
import {spawnSync} from 'node:child_process';
import {readdirSync, readFileSync, readlinkSync, statSync} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {exposedFiles} from '../../src/mount/exposed-files.ts';
import {parseMountinfo} from '../../src/mount/mounts.ts';
import type {Status} from '../../src/status.ts';
import {
	buildTools,
	builtTool,
	ordinaryUser,
	whyNoFusermount3,
	whyNoNamespaces,
	whyNoRoot,
} from '../support/mounting.ts';
import {missing, serialTestUnless} from '../support/skip.ts';
import {WritableImage} from '../support/writable-mount.ts';

const packageRoot = join(import.meta.dirname, '../..');
const program = join(packageRoot, 'src/cli.ts');
const lacking = missing('mke2fs') ?? whyNoRoot();
const namespaces = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'];

test.before(() => {
	if (lacking === null) buildTools('test-tools');
});

type Server = {readonly pid: number; readonly place: WritableImage};

function serves(
	title: string,
	isOrdinary: boolean,
	look: (t: ExecutionContext, server: Server) => void,
): void {
	const why = lacking ?? whyNoNamespaces() ?? (isOrdinary ? whyNoFusermount3() : null);
	const who = isOrdinary ? 'an ordinary user' : 'root';
	serialTestUnless(why, `a server of ${who}: ${title}`, async t => {
		await using place = new WritableImage({isOrdinary});
		place.mount();
		look(t, {pid: place.processes().server, place});
		place.umount();
		t.is(place.check(), '');
	});
}

/** A line of /proc/PID/status. */
function fieldOf(pid: number | 'self', name: string): string {
	const text = readFileSync(`/proc/${pid}/status`, 'utf8');
	return new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(text)?.[1] ?? '';
}

function statusOf(place: WritableImage): Status {
	const {stdout} = place.cli('status', place.mountpoint, '--json');
	return (JSON.parse(stdout) as {status: Status}).status;
}

/** Every file, link and device below, without going into what is bound there. */
function filesBelow(directory: string, isBound: (path: string) => boolean, at = ''): string[] {
	return readdirSync(join(directory, at), {withFileTypes: true}).flatMap(entry => {
		const path = `${at}/${entry.name}`;
		if (isBound(path)) return [];
		return entry.isDirectory() ? filesBelow(directory, isBound, path) : [path];
	});
}

for (const isOrdinary of [true, false]) {
	serves(
		'no capabilities, no new privileges, system calls filtered',
		isOrdinary,
		(t, {pid, place}) => {
			for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
				t.is(fieldOf(pid, set), '0000000000000000', set);
			}
			t.is(fieldOf(pid, 'NoNewPrivs'), '1');
			t.is(fieldOf(pid, 'Seccomp'), '2');
			t.is(fieldOf(pid, 'Seccomp_filters'), '2');
			// Root's has one of its own, that no other server has at the same time.
			const table = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
			const device = table.findLast(mount => mount.path === place.mountpoint)?.device;
			const id = isOrdinary ? ordinaryUser.uid : 0x7e00_0000 + Number(device?.split(':')[1]);
			for (const kind of ['Uid', 'Gid']) t.is(fieldOf(pid, kind), `${id}\t${id}\t${id}\t${id}`);
			t.is(fieldOf(pid, 'Groups').trim(), '');
		},
	);

	serves('on every thread', isOrdinary, (t, {pid}) => {
		const threads = readdirSync(`/proc/${pid}/task`);
		t.true(threads.length > 1);
		for (const thread of threads) {
			const text = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
			t.regex(text, /^Seccomp:\t2$/m);
			t.regex(text, /^Seccomp_filters:\t2$/m);
			t.regex(text, /^NoNewPrivs:\t1$/m);
		}
	});

	serves('namespaces of its own', isOrdinary, (t, {pid}) => {
		for (const name of namespaces) {
			t.not(readlinkSync(`/proc/${pid}/ns/${name}`), readlinkSync(`/proc/self/ns/${name}`), name);
		}
		// The first of its pid namespace.
		t.regex(fieldOf(pid, 'NSpid'), /\t1$/);
	});

	serves('a root that holds the program and nothing else', isOrdinary, (t, {pid}) => {
		const mounts = parseMountinfo(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'));
		const bound = mounts.map(({path}) => path).filter(path => path !== '/');
		const exposed = exposedFiles(packageRoot, false);
		const others = bound.filter(path => path !== process.execPath && !exposed.includes(path));
		for (const path of others) t.regex(path, /^\/.*\/(lib|ld-)[^/]*\.so[.0-9]*$/);
		for (const path of [process.execPath, ...exposed]) t.true(bound.includes(path), path);
		for (const {options} of mounts) {
			for (const word of ['ro', 'nosuid', 'nodev']) t.true(options.includes(word));
		}
		t.deepEqual(
			filesBelow(`/proc/${pid}/root`, path => bound.includes(path)),
			[],
		);
		t.is(readlinkSync(`/proc/${pid}/cwd`), '/');
	});

	serves('descriptors 0 to 4, or anonymous ones', isOrdinary, (t, {pid, place}) => {
		const targets = readdirSync(`/proc/${pid}/fd`).map((name): [number, string] => [
			Number(name),
			readlinkSync(`/proc/${pid}/fd/${name}`),
		]);
		for (const [descriptor, target] of targets) {
			if (descriptor <= 2 || descriptor > 4) t.regex(target, /^(pipe|anon_inode):/);
		}
		t.is(new Map(targets).get(3), '/dev/fuse');
		t.is(new Map(targets).get(4), place.image);
	});

	serves('limits', isOrdinary, (t, {pid}) => {
		const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
		t.regex(limits, /^Max core file size +0 +0 /m);
		t.regex(limits, /^Max open files +5 +5 /m);
		t.regex(limits, /^Max processes +0 +0 /m);
		t.regex(limits, /^Max locked memory +0 +0 /m);
		t.regex(limits, /^Max data size +\d+ +\d+ /m);
		t.regex(limits, /^Max address space +17179869184 +17179869184 /m);
		// What cannot be dumped belongs to root here.
		t.is(statSync(`/proc/${pid}/maps`).uid, 0);
	});

	serves('status says so', isOrdinary, (t, {place}) => {
		const {sandbox} = statusOf(place);
		t.is(sandbox.level, 'normal');
		const names = sandbox.layers.filter(layer => layer.isActive).map(({name}) => name);
		const wanted = ['root', 'namespaces', 'limits', 'capabilities', 'seccomp', 'self-test'];
		for (const name of wanted) t.true(names.includes(name), name);
	});
}

type Said = {readonly status: number; readonly said: string};

/** Mounts, asks, lists and unmounts by the real command, all of it started by `around`. */
function withMount(place: WritableImage, around: readonly string[], ...args: string[]): Said {
	const script = `
		node=$1 cli=$2 image=$3 directory=$4
		shift 4
		"$node" "$cli" mount "$image" "$directory" "$@" || exit
		"$node" "$cli" status "$directory"
		ls "$directory"
		"$node" "$cli" umount "$directory"`;
	const [command = '', ...before] = [...around, 'sh', '-c', script, 'sh', process.execPath];
	const {status, stdout, stderr} = spawnSync(
		command,
		[...before, program, place.image, place.mountpoint, ...args],
		{encoding: 'utf8', cwd: '/'},
	);
	return {status: status ?? -1, said: stdout + stderr};
}

const inUserNamespace = ['unshare', '--user', '--map-root-user', '--mount'];
const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const readOnlyProc = 'mount -o remount,bind,ro /proc && exec "$@"';

/** What machines deny, and how the sandbox says it. */
const poorMachines = [
	{
		what: 'without namespaces',
		around: [
			...[...inUserNamespace, 'sh', '-c'],
			'cd /proc/sys/user && echo 0 >max_mnt_namespaces && echo 0 >max_user_namespaces && cd / && exec "$@"',
			'sh',
		],
		why: /without root.*without namespaces \(user namespaces: none can be made: /,
	},
	{
		what: 'where nobody may mount in a user namespace, as root',
		around: [builtTool('deny-call'), 'private-mount'],
		why: /without root.*without namespaces \(user namespaces: there are no rights in one: making mounts private: /,
	},
	{
		what: 'where nobody may mount in a user namespace, as an ordinary user',
		isOrdinary: true,
		around: [builtTool('deny-call'), 'private-mount', ...asNobody],
		why: /without root.*without namespaces \(user namespaces: there are no rights in one: making mounts private: /,
	},
	{
		what: 'where nobody may map an id, as root',
		around: ['unshare', '--mount', 'sh', '-c', readOnlyProc, 'sh'],
		why: /partial: .*root.*without namespaces \(user namespaces: setgroups: /,
	},
	{
		what: 'where nobody may map an id, as an ordinary user',
		isOrdinary: true,
		around: ['unshare', '--mount', 'sh', '-c', readOnlyProc, 'sh', ...asNobody],
		why: /without root.*without namespaces \(user namespaces: there are no rights in one: setgroups: /,
	},
];

for (const {what, isOrdinary = false, around, why} of poorMachines) {
	const skipped = lacking ?? (isOrdinary ? whyNoFusermount3() : null);
	serialTestUnless(
		skipped,
		`${what} it serves, says that the sandbox is partial, and why`,
		async t => {
			await using place = new WritableImage({isOrdinary});
			const {status, said} = withMount(place, around);
			t.is(status, 0, said);
			const line = said.split('\n').find(one => /^ *sandbox /.test(one)) ?? '';
			t.regex(line, /sandbox +partial: .*seccomp/);
			t.regex(line, why);
			t.regex(said, /^lost\+found$/m);
		},
	);

	serialTestUnless(skipped, `${what} and with more required it serves nothing`, async t => {
		await using place = new WritableImage({isOrdinary});
		const {status, said} = withMount(place, around, '--require-sandbox', 'normal');
		t.is(status, 1);
		t.regex(said, /^ext4box: .*the sandbox is partial, and normal is required \(.*namespaces/m);
	});
}

serialTestUnless(lacking, '--sandbox off has none of it, and must be asked for', async t => {
	await using place = new WritableImage();
	t.is(place.cli('mount', place.image, place.mountpoint, '--sandbox', 'off').status, 0);
	const {server} = place.processes();
	t.is(fieldOf(server, 'Seccomp'), '0');
	t.is(readlinkSync(`/proc/${server}/ns/mnt`), readlinkSync('/proc/self/ns/mnt'));
	t.is(statusOf(place).sandbox.level, 'off');
	// Root's rights but for the one by which a kernel grants iomap, which was given up before the mount.
	const mayUseRawIo = (set: string) => (BigInt(`0x${fieldOf(server, set)}`) >> 17n) & 1n;
	t.deepEqual(['CapPrm', 'CapEff', 'CapBnd'].map(mayUseRawIo), [0n, 0n, 0n]);
	place.umount();
});
