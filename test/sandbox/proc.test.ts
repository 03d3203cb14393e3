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
import {buildTools, whyNoFusermount3, whyNoNamespaces, whyNoRoot} from '../support/mounting.ts';
import {missing, serialTestUnless} from '../support/skip.ts';
import {WritableImage} from '../support/writable-mount.ts';

const packageRoot = join(import.meta.dirname, '../..');
const program = join(packageRoot, 'src/cli.ts');
const lacking = missing('mke2fs') ?? whyNoRoot();
const namespaces = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'];

test.before(() => {
	if (lacking === null) buildTools();
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
	serves('no capabilities, no new privileges, system calls filtered', isOrdinary, (t, {pid}) => {
		for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
			t.is(fieldOf(pid, set), '0000000000000000', set);
		}
		t.is(fieldOf(pid, 'NoNewPrivs'), '1');
		t.is(fieldOf(pid, 'Seccomp'), '2');
		t.is(fieldOf(pid, 'Seccomp_filters'), '2');
		t.is(fieldOf(pid, 'Uid'), '65534\t65534\t65534\t65534');
		t.is(fieldOf(pid, 'Groups').trim(), '');
	});

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

/** Runs the command where no namespaces are to be had, as root of a user namespace of its own. */
function withoutNamespaces(
	place: WritableImage,
	...args: string[]
): {status: number; said: string} {
	const script = `
		echo 0 >/proc/sys/user/max_user_namespaces
		echo 0 >/proc/sys/user/max_mnt_namespaces
		node=$1 cli=$2 image=$3 directory=$4
		shift 4
		"$node" "$cli" mount "$image" "$directory" "$@" || exit
		"$node" "$cli" status "$directory"
		ls "$directory"
		"$node" "$cli" umount "$directory"`;
	const {status, stdout, stderr} = spawnSync(
		'unshare',
		[
			...['--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh'],
			...[process.execPath, program, place.image, place.mountpoint, ...args],
		],
		{encoding: 'utf8'},
	);
	return {status: status ?? -1, said: stdout + stderr};
}

serialTestUnless(
	lacking,
	'without namespaces it serves, says that the sandbox is partial, and why',
	async t => {
		await using place = new WritableImage();
		const {status, said} = withoutNamespaces(place);
		t.is(status, 0, said);
		t.regex(said, /sandbox +partial: .*seccomp.*without root.*without namespaces \(.*\)/);
		t.regex(said, /^lost\+found$/m);
	},
);

serialTestUnless(
	lacking,
	'without namespaces and with more required it serves nothing',
	async t => {
		await using place = new WritableImage();
		const {status, said} = withoutNamespaces(place, '--require-sandbox', 'normal');
		t.is(status, 1);
		t.regex(said, /^ext4box: .*the sandbox is partial, and normal is required \(.*namespaces/m);
	},
);

serialTestUnless(lacking, '--sandbox off has none of it, and must be asked for', async t => {
	await using place = new WritableImage();
	t.is(place.cli('mount', place.image, place.mountpoint, '--sandbox', 'off').status, 0);
	const {server} = place.processes();
	t.is(fieldOf(server, 'Seccomp'), '0');
	t.is(readlinkSync(`/proc/${server}/ns/mnt`), readlinkSync('/proc/self/ns/mnt'));
	t.is(statusOf(place).sandbox.level, 'off');
	place.umount();
});
