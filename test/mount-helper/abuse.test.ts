/**
 * The privileged helper against an ordinary user who means ill: whatever that user gives it, there is
 * no mount, no open file and no process that the policy does not permit.
 */
import {execFileSync, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {
	chmodSync,
	chownSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	renameSync,
	rmSync,
	symlinkSync,
	truncateSync,
	unlinkSync,
	writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import type {Readable} from 'node:stream';
import test, {type ExecutionContext} from 'ava';
import {Installation, mountsNamed, permissive} from '../support/installed.ts';
import {
	type Ended,
	ending,
	Playground,
	readProc,
	root,
	until,
	whyNoRoot,
} from '../support/mounting.ts';

const why = whyNoRoot();
const word = 'abuse';
const config = '{"mode":"serve"}';
/**
 * The helper counts a user's mounts, so this user makes no other: `nobody` mounts in other test files,
 * which run at the same time. `games` is on every Debian, and the policy may name it.
 */
const mounter = {uid: 5, gid: 60};
const stranger = {uid: 4242, gid: 4242};
/** Generous: a namespace takes its time to go on a busy machine. */
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

type Body = (t: ExecutionContext, place: Playground) => Promise<void> | void;

/** Each in a place of the user's own, one after another; nothing may be left of any. */
function abuse(title: string, body: Body, user = mounter): void {
	if (why !== null) {
		test.serial.skip(`${title} (${why})`, () => {});
		return;
	}
	test.serial(title, async t => {
		const place = new Playground(user);
		try {
			await body(t, place);
		} finally {
			installation.restore();
			await place.close();
		}
		t.not(await until(() => isNothingLeft(), goneWithinMs), null, describeLeft());
	});
}

function isNothingLeft(): boolean {
	return mountsNamed(word).length === 0 && installation.servers().length === 0;
}

function describeLeft(): string {
	const paths = mountsNamed(word).map(mount => mount.path);
	return `left: mounts ${paths}, servers ${installation.servers()}`;
}

function descriptorsOf(pid: number): string[] {
	return readdirSync(`/proc/${pid}/fd`)
		.map(fd => `${fd} ${readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/:\[\d+\]/, '')}`)
		.sort();
}

type Asked = {
	readonly image?: string;
	readonly mountpoint?: string;
	readonly fsname?: string;
	readonly options?: readonly string[];
	readonly sandbox?: readonly string[];
	readonly server?: readonly string[];
};

function argumentsOf(place: Playground, asked: Asked): string[] {
	return [
		...['mount', '--image', asked.image ?? place.image],
		...['--mountpoint', asked.mountpoint ?? place.mountpoint],
		...[
			'--fsname',
			asked.fsname ?? word,
			'--report-fd',
			'3',
			...(asked.sandbox ?? ['--sandbox', 'normal']),
			...(asked.options ?? ['--read-only']),
		],
		...['--', ...(asked.server ?? [config])],
	];
}

async function mount(place: Playground, asked: Asked = {}): Promise<Ended> {
	const ended = await place.run(installation.helper, ...argumentsOf(place, asked));
	await remember(place, ended.report);
	return ended;
}

/** Supervisor, sentinel, keeper and server, to be ended with the playground. */
async function remember(place: Playground, report: string): Promise<void> {
	if (report.startsWith('ready')) {
		place.rememberProcess(Number(report.trim().split(' ')[4]));
	}
	for (const pid of installation.servers()) {
		place.rememberProcess(pid);
	}
}

/** Refused, with this report, and nothing was mounted or started meanwhile. */
async function assertRefused(
	t: ExecutionContext,
	place: Playground,
	asked: Asked,
	report: RegExp,
): Promise<void> {
	const ended = await mount(place, asked);
	t.regex(ended.report, report);
	t.is(ended.code, 1);
	t.deepEqual(mountsNamed(word), []);
	t.deepEqual(installation.servers(), []);
}

async function assertMounted(t: ExecutionContext, place: Playground, asked: Asked = {}) {
	const ended = await mount(place, asked);
	t.is(ended.err, '');
	t.regex(ended.report, /^ready installed \d+ \d+:\d+ \d+\n$/);
	const [made] = mountsNamed(word);
	return {
		...ended,
		made,
		supervisor: Number(ended.report.trim().split(' ')[4]),
		id: ended.report.split(' ')[2] ?? '',
		device: ended.report.split(' ')[3] ?? '',
	};
}

function unmount(place: Playground, id: string, device: string, ...more: string[]) {
	const asked = ['--mountpoint', '/', '--id', id, '--device', device, '--report-fd', '3'];
	return place.run(installation.helper, 'unmount', ...asked, ...more);
}

/* ---- what it is for ---- */

abuse('an ordinary mount works, and is nosuid, nodev and its caller’s', async (t, place) => {
	const {made} = await assertMounted(t, place);
	t.is(made?.path, place.mountpoint);
	t.is(made?.uid, place.user.uid);
	t.deepEqual(
		['nosuid', 'nodev', 'ro'].filter(option => made?.options.includes(option)),
		['nosuid', 'nodev', 'ro'],
	);
	t.is((await place.run('/bin/cat', `${place.mountpoint}/hello`)).out, 'hello\n');
	const {id, device} = made ?? {id: 0, device: ''};
	t.is((await unmount(place, String(id), device)).code, 0);
});

abuse('the server has an id that is nobody’s and the contract’s descriptors', async (t, place) => {
	const {made} = await assertMounted(t, place);
	const [server = 0] = installation.servers();
	const id = 0x7e00_0000 + Number(made?.device.split(':')[1]);
	const status = readProc(server, 'status') ?? '';
	t.true(status.includes(`Uid:\t${id}\t${id}\t${id}\t${id}\n`), status);
	t.true(status.includes(`Gid:\t${id}\t${id}\t${id}\t${id}\n`));
	t.deepEqual(descriptorsOf(server), [
		'0 /dev/null',
		'1 pipe',
		'2 pipe',
		'3 /dev/fuse',
		`4 ${place.image}`,
	]);
});

abuse(
	'supervisor and sentinel are their caller’s, the keeper is not, none has a capability',
	async (t, place) => {
		const {supervisor} = await assertMounted(t, place);
		const children = (readProc(supervisor, `task/${supervisor}/children`) ?? '').trim().split(' ');
		t.is(children.length, 2);
		const [server = 0] = installation.servers();
		const serverId = /^Uid:\t(\d+)/m.exec(readProc(server, 'status') ?? '')?.[1];
		for (const pid of [supervisor, ...children.map(Number)]) {
			const status = readProc(pid, 'status') ?? '';
			const isKeeper = readProc(pid, 'comm') === 'ext4box-keeper\n';
			const {uid, gid} = isKeeper ? {uid: serverId, gid: serverId} : place.user;
			t.true(status.includes(`Uid:\t${uid}\t${uid}\t${uid}\t${uid}\n`));
			t.true(status.includes(`Gid:\t${gid}\t${gid}\t${gid}\t${gid}\n`));
			for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) {
				t.regex(status, new RegExp(`^${set}:\\s+0+$`, 'm'));
			}
			const held = readdirSync(`/proc/${pid}/fd`).map(fd => readlinkSync(`/proc/${pid}/fd/${fd}`));
			t.deepEqual(
				held.filter(target => /fuse|disk\.img/.test(target)),
				[],
			);
		}
	},
);

abuse(
	'the caller can not look into the server, signal it, or trace anything of it',
	async (t, place) => {
		const {supervisor} = await assertMounted(t, place);
		const [server = 0] = installation.servers();
		t.not(server, 0);
		const status = readProc(server, 'status') ?? '';
		t.regex(status, /^CapPrm:\s+0+$/m);
		t.regex(status, /^NoNewPrivs:\s+1$/m);
		t.regex(status, /^Groups:\s*$/m);
		t.not(readlinkSync(`/proc/${server}/ns/user`), readlinkSync('/proc/self/ns/user'));
		for (const pid of [server, supervisor]) {
			for (const file of ['fd/3', 'mem', 'environ', 'maps']) {
				const {code} = await place.run('/bin/sh', '-c', `: <"/proc/${pid}/${file}"`);
				t.not(code, 0, file);
			}
			t.not((await place.run('/bin/ls', `/proc/${pid}/fd`)).code, 0);
		}
		for (const signal of ['KILL', 'STOP', 'TERM', 'USR1']) {
			t.not((await place.run('/bin/sh', '-c', `kill -${signal} ${server}`)).code, 0, signal);
		}
		t.true(installation.servers().includes(server));
	},
);

for (const victims of [['supervisor'], ['server'], ['keeper'], ['keeper', 'supervisor']] as const) {
	abuse(`${victims.join(' and ')} killed: mount and server are gone`, async (t, place) => {
		const {supervisor} = await assertMounted(t, place);
		const [server = 0] = installation.servers();
		const keeper = Number(/^PPid:\s+(\d+)/m.exec(readProc(server, 'status') ?? '')?.[1]);
		const pids = {supervisor, server, keeper};
		for (const victim of victims) {
			process.kill(pids[victim], 'SIGKILL');
		}
		t.not(await until(isNothingLeft, goneWithinMs), null, describeLeft());
	});
}

/* ---- the command line ---- */

const usage: [string, Asked][] = [
	['a program of the caller’s', {server: ['/bin/sh']}],
	['a program and a configuration', {server: ['/bin/sh', config]}],
	['a configuration and more', {server: [config, '--eval=1']}],
	['no configuration', {server: []}],
	['an empty configuration', {server: ['']}],
	['an option for Node', {server: ['--require=/tmp/x.js']}],
	['a configuration of 65,537 bytes', {server: [`{${' '.repeat(65_536)}`]}],
	['a way to mount', {options: ['--way', 'direct']}],
	['another way to mount', {options: ['--way', 'fusermount3']}],
	['suid', {options: ['--suid']}],
	['-o suid,dev', {options: ['-o', 'suid,dev']}],
	['a user id', {options: ['--user-id', '0']}],
	['an option of run', {options: ['--temporary']}],
	['a path for its sandbox to show', {options: ['--expose', '/etc']}],
	['an unknown sandbox', {sandbox: ['--sandbox', 'none']}],
	['a count of server arguments', {options: ['--server-argc', '1']}],
	['a line feed in the name', {fsname: `${word}\nx`}],
	['a name of 1,025 bytes', {fsname: word.padEnd(1025, 'x')}],
	['an empty name', {fsname: ''}],
	['an empty mountpoint', {mountpoint: ''}],
	['an image path of 4,096 bytes', {image: '/'.padEnd(4096, 'x')}],
];

for (const [what, asked] of usage) {
	abuse(`refused as wrong usage: ${what}`, async (t, place) => {
		const {code, report, err} = await mount(place, asked);
		t.is(code, 2);
		// On stderr, where the report's descriptor comes behind what was wrong.
		t.regex(`${report}${err}`, /^(failed usage 0|mount-helper:) [^\n]+\n$/);
		t.deepEqual(mountsNamed(word), []);
		t.deepEqual(installation.servers(), []);
	});
}

abuse('refused as wrong usage: run', async (t, place) => {
	const args = argumentsOf(place, {}).slice(1, -2);
	const ended = await place.run(
		installation.helper,
		...['run', ...args, '--server-argc', '1', '--', config, '/bin/id'],
	);
	t.is(ended.code, 2);
	t.is(ended.out, '');
});

abuse('started without any argument, not even its name', (t, place) => {
	const script = 'exec {$ARGV[0]} () or die "cannot"';
	const perl = spawnSync('perl', ['-e', script, installation.helper], {
		...place.user,
		encoding: 'utf8',
	});
	t.not(perl.status, 0);
});

for (const name of [
	'a,allow_other',
	'a,suid,dev',
	'a\\,user_id=0',
	'a user_id=0 rw',
	'a\\040,fd=0',
]) {
	abuse(`a name is a name and no option: ${name}`, async (t, place) => {
		const {made} = await assertMounted(t, place, {fsname: `${word} ${name}`});
		t.is(made?.source, `${word} ${name}`);
		t.is(made?.uid, place.user.uid);
		t.true(made?.options.includes('nosuid'));
		t.true(made?.options.includes('nodev'));
		const line = readFileSync('/proc/self/mountinfo', 'utf8')
			.split('\n')
			.find(one => one.includes(place.mountpoint));
		t.regex(line ?? '', /ro,user_id=\d+,group_id=\d+$/);
	});
}

/* ---- images ---- */

type Prepared = (place: Playground) => string;

function foreignImage(mode: number, name = 'theirs.img'): Prepared {
	return place => {
		const path = join(place.folder, name);
		writeFileSync(path, '');
		truncateSync(path, 1 << 20);
		chownSync(path, stranger.uid, stranger.gid);
		chmodSync(path, mode);
		return path;
	};
}

function linkTo(target: (place: Playground) => string): Prepared {
	return place => {
		const path = join(place.folder, 'link');
		symlinkSync(target(place), path);
		return path;
	};
}

function made(program: string, ...args: string[]): Prepared {
	return place => {
		const path = join(place.folder, 'made');
		execFileSync(program, [...args, path]);
		chownSync(path, place.user.uid, place.user.gid);
		return path;
	};
}

function hidden(place: Playground): string {
	const folder = join(place.folder, 'hidden');
	mkdirSync(folder);
	const path = join(folder, 'theirs.img');
	writeFileSync(path, 'x');
	chmodSync(path, 0o644);
	chmodSync(folder, 0o700);
	return path;
}

const image = /^failed image \d+ /;
const images: [string, Prepared, RegExp, (readonly string[])?][] = [
	['/etc/shadow', () => '/etc/shadow', /^failed image 13 /],
	['a link to /etc/shadow', linkTo(() => '/etc/shadow'), /^failed image 13 /],
	['somebody’s 0600 file', foreignImage(0o600), /^failed image 13 /],
	['somebody’s 0644 file, for writing', foreignImage(0o644), /^failed image 13 /, []],
	['a file in a directory that is closed', hidden, /^failed image 13 /],
	['a dangling link', linkTo(() => '/nonexistent/x'), /^failed image 2 /],
	['a link to itself', linkTo(place => join(place.folder, 'link')), /^failed image 40 /],
	['a directory', place => place.folder, image],
	['a directory, for writing', place => place.folder, image, []],
	['a fifo', made('mkfifo'), image],
	['a fifo, for writing', made('mkfifo'), image, []],
	['/dev/null', () => '/dev/null', image],
	['/dev/full', () => '/dev/full', image, []],
	['/dev/fuse', () => '/dev/fuse', image, []],
	['/dev/mem', () => '/dev/mem', /^failed image \d+ /],
	['the helper’s own memory', () => '/proc/self/mem', image],
	['the helper’s own memory, for writing', () => '/proc/self/mem', image, []],
	['a link to it', linkTo(() => '/proc/self/mem'), image, []],
	['the helper’s environment', () => '/proc/self/environ', image],
	['the memory of process 1', () => '/proc/1/mem', image],
	['a file behind the root of process 1', () => '/proc/1/root/etc/passwd', image],
	['a setting of the kernel’s', () => '/proc/sys/kernel/hostname', image],
	['a file of sysfs', () => '/sys/kernel/uevent_seqnum', image],
	['the policy, for writing', () => installation.policyPath, /^failed image 13 /, []],
	['the helper itself, for writing', () => installation.helper, /^failed image (13|26) /, []],
	['the installed Node, for writing', () => installation.node, /^failed image (13|26) /, []],
	['the lock file', () => join(installation.prefix, 'run/ext4box.lock'), image],
];

for (const [what, prepare, report, options] of images) {
	abuse(`not an image for this caller: ${what}`, async (t, place) => {
		const asked = {image: prepare(place), ...(options === undefined ? {} : {options})};
		await assertRefused(t, place, asked, report);
	});
}

abuse('an image that another user has for writing', async (t, place) => {
	const shared = foreignImage(0o666)(place);
	const other = new Playground(stranger);
	try {
		chmodSync(place.folder, 0o755);
		await assertMounted(t, other, {image: shared, options: []});
		t.regex((await mount(place, {image: shared})).report, /^failed in-use /);
		t.is(mountsNamed(word).length, 1);
	} finally {
		await other.close();
	}
});

abuse('an image that is swapped for somebody’s while it is opened', async (t, place) => {
	const theirs = foreignImage(0o600)(place);
	const script = `
		my ($dir, $own, $theirs) = @ARGV;
		while (1) {
			symlink($own, "$dir/n") && rename("$dir/n", "$dir/swap");
			symlink($theirs, "$dir/n") && rename("$dir/n", "$dir/swap");
		}`;
	const swapper = place.start('/usr/bin/perl', ['-e', script, place.folder, place.image, theirs]);
	const swap = join(place.folder, 'swap');
	t.not(await until(() => existsSync(swap), 2000), null);
	let opened = 0;
	for (let round = 0; round < 60; round++) {
		const ended = await mount(place, {image: swap});
		if (ended.report.startsWith('ready')) {
			opened++;
			t.true(descriptorsOf(installation.servers()[0] ?? 0).includes(`4 ${place.image}`));
			const [now] = mountsNamed(word);
			await unmount(place, String(now?.id), now?.device ?? '', '--lazy');
			await until(isNothingLeft, goneWithinMs);
		} else {
			t.regex(ended.report, /^failed image (13|2) |^failed in-use/);
		}
	}
	swapper.kill('SIGKILL');
	await ending(swapper);
	t.log(`${opened} of 60 opened the caller’s own`);
});

/* ---- mountpoints ---- */

function folder(name: string, mode: number, owner: {uid: number; gid: number}): Prepared {
	return place => {
		const path = join(place.folder, name);
		mkdirSync(path);
		chownSync(path, owner.uid, owner.gid);
		chmodSync(path, mode);
		return path;
	};
}

/** Of the user's own, in a place of the system's; removed with the playground's next test. */
function ownBelow(parent: string): Prepared {
	return place => {
		const path = join(parent, 'ext4box-test-own');
		rmSync(path, {recursive: true, force: true});
		mkdirSync(path);
		chownSync(path, place.user.uid, place.user.gid);
		return path;
	};
}

const refusedPlace = /^failed mountpoint \d+ /;
const places: [string, Prepared, RegExp?][] = [
	...[
		'/',
		'/etc',
		'/usr',
		'/usr/local',
		'/bin',
		'/proc',
		'/sys',
		'/sys/fs',
		'/dev',
		'/dev/shm',
	].map((path): [string, Prepared] => [path, () => path]),
	...['/run', '/tmp', '/var', '/var/tmp', '/home', '/root', '/proc/self', '/proc/1/root'].map(
		(path): [string, Prepared] => [path, () => path],
	),
	['a directory of one’s own below /dev/shm', ownBelow('/dev/shm')],
	['a directory of one’s own below /var/lib', ownBelow('/var/lib')],
	['a directory of one’s own below /etc', ownBelow('/etc')],
	['somebody’s directory', folder('d', 0o755, stranger), /you may not write to it/],
	['somebody’s sticky directory', folder('d', 0o1777, stranger), /sticky/],
	['a directory that is read-only to its owner', folder('d', 0o555, mounter), /not write/],
	['a file', place => place.image, /^failed mountpoint 20 /],
	['nothing', place => join(place.folder, 'absent'), /^failed mountpoint 2 /],
	['a link to /etc', linkTo(() => '/etc')],
	['a link to somebody’s directory', linkTo(folder('d', 0o755, stranger)), /not write/],
	['a directory behind one that is closed', place => join(hidden(place), '..')],
	['a descriptor of a file', () => '/proc/self/fd/0'],
	['the working directory of process 1', () => '/proc/1/cwd'],
	['the directory of the policy', () => join(installation.prefix, 'etc')],
	['the directory of the program', () => join(installation.prefix, 'lib/ext4box')],
];

for (const [what, prepare, report] of places) {
	abuse(`not a mountpoint for this caller: ${what}`, async (t, place) => {
		const mountpoint = prepare(place);
		try {
			await assertRefused(t, place, {mountpoint}, report ?? refusedPlace);
		} finally {
			if (mountpoint.endsWith('ext4box-test-own')) {
				rmSync(mountpoint, {recursive: true});
			}
		}
	});
}

abuse(
	'not a mountpoint: the root of a FUSE file system, whose server need not answer',
	async (t, place) => {
		await assertMounted(t, place);
		const ended = await mount(place, {image: foreignImage(0o644)(place)});
		t.regex(ended.report, /^failed mountpoint 1 /);
		t.is(mountsNamed(word).length, 1);
	},
);

abuse('not a mountpoint: a directory that was removed', async (t, place) => {
	const script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"';
	const args = argumentsOf(place, {mountpoint: '.'});
	const ended = await place.run('/bin/sh', '-c', script, 'sh', installation.helper, ...args);
	t.regex(ended.report, /^failed (mountpoint|mount) /);
	t.deepEqual(mountsNamed(word), []);
});

abuse('not a mountpoint: a path beyond PATH_MAX', async (t, place) => {
	const script =
		'n=$(printf "%0200d" 0); for i in $(seq 25); do mkdir $n && cd -P $n || exit 9; done; exec "$@"';
	const args = argumentsOf(place, {mountpoint: '.'});
	const ended = await place.run('/bin/bash', '-c', script, 'sh', installation.helper, ...args);
	t.regex(ended.report, /^failed mountpoint /);
	t.deepEqual(mountsNamed(word), []);
});

abuse('not a mountpoint: a directory of another mount namespace', async (t, place) => {
	const {mountpoint} = place;
	const held = place.start('/usr/bin/unshare', [
		...['-Urm', '/bin/sh', '-c', 'mount -t tmpfs x "$0" && echo up && exec sleep 30', mountpoint],
	]);
	for await (const _ of held.stdout ?? []) {
		break;
	}
	for (const path of [`/proc/${held.pid}/root${mountpoint}`, `/proc/${held.pid}/root/tmp`]) {
		const ended = await mount(place, {mountpoint: path});
		t.regex(ended.report, /^failed (mountpoint|mount) /);
	}
	t.deepEqual(mountsNamed(word), []);
	held.kill('SIGKILL');
});

abuse(
	'a mountpoint that is swapped for a link to somebody’s while it is opened',
	async (t, place) => {
		const theirs = folder('theirs', 0o755, stranger)(place);
		const swap = folder('swap', 0o755, place.user)(place);
		const script = `
		my ($dir, $theirs) = @ARGV;
		while (1) {
			rename("$dir/swap", "$dir/kept") && symlink($theirs, "$dir/swap");
			unlink("$dir/swap"); rename("$dir/kept", "$dir/swap");
		}`;
		const swapper = place.start('/usr/bin/perl', ['-e', script, place.folder, theirs]);
		let mounted = 0;
		for (let round = 0; round < 60; round++) {
			const ended = await mount(place, {mountpoint: swap});
			for (const one of mountsNamed(word)) {
				mounted++;
				t.true([swap, join(place.folder, 'kept')].includes(one.path), one.path);
				await unmount(place, String(one.id), one.device, '--lazy');
			}
			t.regex(ended.report, /^(ready installed|failed mountpoint|failed mount|failed signal) ?/);
			await until(isNothingLeft, goneWithinMs);
		}
		swapper.kill('SIGKILL');
		await ending(swapper);
		t.log(`${mounted} of 60 mounted on the caller’s own`);
	},
);

abuse('a mountpoint whose parents are swapped while it is unmounted', async (t, place) => {
	const theirs = join(place.folder, 'theirs');
	mkdirSync(join(theirs, 'mnt'), {recursive: true});
	mkdirSync(join(place.folder, 'own/mnt'), {recursive: true});
	for (const path of ['own', 'own/mnt']) {
		chownSync(join(place.folder, path), place.user.uid, place.user.gid);
	}
	// A mount of root's, of the same type even, at the end of the path that the swapped parent leads to.
	const other = new Playground(root);
	try {
		execFileSync('mount', ['-t', 'tmpfs', 'theirs', join(theirs, 'mnt')]);
		const script = `
			my ($dir) = @ARGV;
			while (1) {
				rename("$dir/own", "$dir/kept") && symlink("$dir/theirs", "$dir/own");
				unlink("$dir/own"); rename("$dir/kept", "$dir/own");
			}`;
		for (let round = 0; round < 25; round++) {
			const {id, device} = await assertMounted(t, place, {
				mountpoint: join(place.folder, 'own/mnt'),
			});
			const swapper = place.start('/usr/bin/perl', ['-e', script, place.folder]);
			for (let tries = 0; tries < 200 && mountsNamed(word).length > 0; tries++) {
				await unmount(place, id, device);
			}
			swapper.kill('SIGKILL');
			await ending(swapper);
			if (existsSync(join(place.folder, 'kept'))) {
				rmSync(join(place.folder, 'own'), {force: true});
				renameSync(join(place.folder, 'kept'), join(place.folder, 'own'));
			}
			t.true(readFileSync('/proc/self/mountinfo', 'utf8').includes(`${theirs}/mnt `));
			t.not(await until(isNothingLeft, goneWithinMs), null, describeLeft());
		}
	} finally {
		spawnSync('umount', [join(theirs, 'mnt')]);
		await other.close();
	}
});

/* ---- environment, limits, descriptors ---- */

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
	const args = [...words, installation.helper, ...argumentsOf(place, {})];
	const ended = await place.run('/usr/bin/env', ...args);
	await remember(place, ended.report);
	t.regex(ended.report, /^ready installed/);
	const environment = (readProc(installation.servers()[0] ?? 0, 'environ') ?? '').split('\0');
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
		const args = argumentsOf(place, {});
		// Set as root, for a limit that is too tight would end prlimit itself.
		const script =
			'limit=$1 id=$2; shift 2; exec prlimit "$limit" setpriv --reuid="$id" --regid="$id" --clear-groups "$0" "$@"';
		const child = spawnSync(
			'/bin/bash',
			['-c', script, installation.helper, limit, String(place.user.uid), ...args],
			{cwd: place.folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe', 'pipe']},
		);
		const report = child.output[3] ?? '';
		await remember(place, report);
		// It may not come so far as to start at all; half of a mount there is not.
		t.is(report.startsWith('ready'), mountsNamed(word).length === 1, `${report}${child.stderr}`);
		if (report.startsWith('ready')) {
			const [server] = installation.servers();
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
	const args = ['-e', script, installation.helper, ...argumentsOf(place, {})];
	const ended = await place.run('/usr/bin/perl', ...args);
	await remember(place, ended.report);
	t.regex(ended.report, /^ready installed/);
	const supervisor = Number(ended.report.trim().split(' ')[4]);
	// The timer would have ended it.
	await new Promise(done => setTimeout(done, 1200));
	t.is(mountsNamed(word).length, 1);
	process.kill(supervisor, 'SIGTERM');
	t.not(await until(isNothingLeft, goneWithinMs), null, describeLeft());
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
		const args = argumentsOf(place, {});
		const script = `exec "$@" ${redirect}`;
		const ended = await place.run('/bin/bash', '-c', script, 'sh', installation.helper, ...args);
		await remember(place, ended.report);
		if (!ended.report.startsWith('ready')) {
			// Nobody was told, so nothing may stay.
			t.not(await until(isNothingLeft, goneWithinMs), null, describeLeft());
			return;
		}
		t.is(mountsNamed(word).length, 1);
		t.is(descriptorsOf(installation.servers()[0] ?? 0).length, 5);
	});
}

abuse('no_new_privs: says so, and does nothing', async (t, place) => {
	const args = ['--no-new-privs', installation.helper, ...argumentsOf(place, {})];
	const ended = await place.run('/usr/bin/setpriv', ...args);
	t.regex(ended.report, /^failed privilege 0 /);
	t.deepEqual(mountsNamed(word), []);
});

abuse('secure bits that would have capabilities outlive a change of ids', async (t, place) => {
	const {uid, gid} = place.user;
	const args = [
		'--securebits=+no_setuid_fixup',
		`--reuid=${uid}`,
		`--regid=${gid}`,
		'--clear-groups',
	];
	const child = spawnSync('setpriv', [...args, installation.helper, ...argumentsOf(place, {})], {
		cwd: place.folder,
		encoding: 'utf8',
		stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
	});
	t.regex(child.output[3] ?? '', /^failed privilege 0 /, child.stderr);
	t.deepEqual(mountsNamed(word), []);
});

abuse('as root of a user namespace of one’s own', async (t, place) => {
	const args = ['-Urm', installation.helper, ...argumentsOf(place, {})];
	const ended = await place.run('/usr/bin/unshare', ...args);
	t.regex(ended.report, /^failed (privilege|policy) /);
	t.deepEqual(mountsNamed(word), []);
});

abuse('a copy of the helper, and a link to it', async (t, place) => {
	const copy = join(place.folder, 'copy');
	t.is((await place.run('/bin/cp', installation.helper, copy)).code, 0);
	t.regex((await place.run(copy, ...argumentsOf(place, {}))).report, /^failed privilege /);
	const link = linkTo(() => installation.helper)(place);
	const ended = await place.run(link, ...argumentsOf(place, {}));
	await remember(place, ended.report);
	t.regex(ended.report, /^ready installed/);
});

/* ---- policy ---- */

const refusing: [string, string | Buffer, RegExp, (readonly string[])?][] = [
	['nobody is named', 'mounts_per_user 1\n', /does not name you/],
	['an empty file', '', /does not name you/],
	['somebody else is named', 'users 4242\nmounts_per_user 1\n', /does not name you/],
	['another group is named', 'groups 4242\nmounts_per_user 1\n', /does not name you/],
	['root is named', 'users root\nmounts_per_user 1\n', /does not name you/],
	['no mounts are permitted', 'users all\nmounts_per_user 0\n', /permits 0/],
	['nothing is said of mounts', 'users all\n', /permits 0/],
	['an unknown setting', `${permissive}quota yes\n`, /line 5: unknown setting: quota/],
	['iomap twice', `${permissive}iomap no\niomap yes\n`, /line 6: a second time: iomap/],
	['iomap as the kernel’s switch is', 'iomap auto\n', /line 1: neither yes nor no: auto/],
	['loop twice', `${permissive}loop no\nloop no\n`, /line 6: a second time: loop/],
	['loop without a value', 'loop\n', /line 1: without a value: loop/],
	['a sandbox twice', 'require_sandbox normal strict\n', /line 1: more than one value: strict/],
	['no sandbox at all', 'require_sandbox off\n', /line 1: none of partial, normal, strict: off/],
	['an unknown sandbox', 'require_sandbox full\n', /line 1: none of partial, normal, strict: full/],
	[
		'a stricter sandbox than is asked for',
		`${permissive}require_sandbox strict\n`,
		/permits no sandbox below strict/,
	],
	['a setting twice', `${permissive}noexec no\n`, /line 5: a second time: noexec/],
	['a setting without a value', 'users\n', /line 1: without a value: users/],
	['two values', 'noexec no yes\n', /line 1: more than one value: yes/],
	['neither yes nor no', 'noexec maybe\n', /line 1: neither yes nor no: maybe/],
	['a number that is none', 'mounts_per_user 1x\n', /line 1: not a number/],
	['a number too great', 'mounts_per_user 99999999999999999999\n', /line 1: not a number/],
	['a negative number', 'mounts_per_user -1\n', /line 1: not a number/],
	['an unknown user', 'users nosuchuser\n', /line 1: no such user/],
	['an unknown group', 'groups nosuchgroup\n', /line 1: no such group/],
	['a line of 2,000 bytes', `# ${'x'.repeat(2000)}\n`, /line 1: too long/],
	['a zero byte', Buffer.from('users all\n\0\n'), /line 2: too long, or not text/],
	['a control character', 'users all\n\u001b[2J\n', /line 2: a control character/],
	['a carriage return', 'users all\r\n', /line 1: a control character/],
	['2,000 lines', '#\n'.repeat(2000), /line 1025: too many lines/],
	['an equals sign', 'users=all\n', /line 1: unknown setting/],
	['no sandbox', permissive, /starts no server without a sandbox/, ['--sandbox', 'off']],
	['allow_other is not permitted', permissive, /allow_other/, ['--read-only', '--allow-other']],
];

for (const [what, policy, report, options] of refusing) {
	abuse(`policy: ${what}`, async (t, place) => {
		installation.permit(policy);
		const isSandbox = options?.[0] === '--sandbox';
		const asked = options === undefined ? {} : isSandbox ? {sandbox: options} : {options};
		await assertRefused(t, place, asked, report);
	});
}

const unsafe: [string, () => void, RegExp][] = [
	['the policy is missing', () => unlinkSync(installation.policyPath), /No such file/],
	[
		'the policy is somebody’s',
		() => chownSync(installation.policyPath, stranger.uid, 0),
		/belongs to uid 4242/,
	],
	['its group may write', () => chmodSync(installation.policyPath, 0o664), /may be written to/],
	['all may write', () => chmodSync(installation.policyPath, 0o646), /may be written to/],
	[
		'its directory is open',
		() => chmodSync(join(installation.policyPath, '..'), 0o777),
		/may be written to/,
	],
	[
		'its directory is sticky and open',
		() => chmodSync(join(installation.policyPath, '..'), 0o1777),
		/may be written to/,
	],
	[
		'a link leads to it',
		() => {
			renameSync(installation.policyPath, `${installation.policyPath}.real`);
			symlinkSync(`${installation.policyPath}.real`, installation.policyPath);
		},
		/not a regular file/,
	],
	[
		'it is a directory',
		() => {
			unlinkSync(installation.policyPath);
			mkdirSync(installation.policyPath);
		},
		/not a regular file/,
	],
	['Node is somebody’s', () => chownSync(installation.node, stranger.uid, 0), /belongs to uid/],
	['Node may be written to', () => chmodSync(installation.node, 0o775), /may be written to/],
	['the program is somebody’s', () => chownSync(installation.program, stranger.uid, 0), /belongs/],
	[
		'the program’s directory is open',
		() => chmodSync(join(installation.program, '..'), 0o777),
		/may be written to/,
	],
	['the whole is somebody’s', () => chownSync(installation.prefix, stranger.uid, 0), /belongs/],
];

for (const [what, spoil, report] of unsafe) {
	abuse(`not safe: ${what}`, async (t, place) => {
		spoil();
		await assertRefused(t, place, {}, report);
	});
}

abuse('policy: named by number, by name and by group, each will do', async (t, place) => {
	const {uid, gid} = place.user;
	const name = new RegExp(`^([^:]*):[^:]*:${uid}:`, 'm').exec(readFileSync('/etc/passwd', 'utf8'));
	const lines = [
		`users root ${uid}`,
		`groups 0 ${gid}`,
		...(name === null ? [] : [`users ${name[1]}`]),
	];
	for (const line of lines) {
		installation.permit(`# who\n\n${line}\n  mounts_per_user\t2\nnoexec no\n`);
		const {id, device} = await assertMounted(t, place);
		t.is((await unmount(place, id, device)).code, 0);
		await until(isNothingLeft, goneWithinMs);
	}
});

abuse('policy: noexec holds where nobody asked for it', async (t, place) => {
	installation.permit('users all\nmounts_per_user 1\nnoexec yes\n');
	const {made: found} = await assertMounted(t, place);
	t.true(found?.options.includes('noexec'));
});

abuse('policy: the server is told the sandbox that is required', async (t, place) => {
	installation.permit(`${permissive}require_sandbox normal\n`);
	const {code} = await assertMounted(t, place);
	t.is(code, 0);
	const environment = readProc(installation.servers()[0] ?? 0, 'environ') ?? '';
	t.true(environment.includes('EXT4BOX_SANDBOX=wanted\tnormal\nrequired\tnormal\n'), environment);
});

abuse('policy: allow_other, where permitted, comes with default_permissions', async (t, place) => {
	installation.permit('users all\nmounts_per_user 1\nallow_other yes\nnoexec no\n');
	await assertMounted(t, place, {options: ['--read-only', '--allow-other']});
	t.regex(
		readFileSync('/proc/self/mountinfo', 'utf8'),
		/abuse ro,.*default_permissions,allow_other/,
	);
});

abuse('policy: of eight mounts at the same time, two are made', async (t, place) => {
	installation.permit('users all\nmounts_per_user 2\nnoexec no\n');
	const started = Array.from({length: 8}, (_, index) => {
		const mountpoint = folder(`m${index}`, 0o755, place.user)(place);
		return ending(place.start(installation.helper, argumentsOf(place, {mountpoint})));
	});
	const ended = await Promise.all(started);
	for (const {report} of ended) {
		await remember(place, report);
	}
	t.is(mountsNamed(word).length, 2);
	t.is(ended.filter(({report}) => report.startsWith('ready')).length, 2);
	t.is(ended.filter(({report}) => /^failed policy .*permits 2/.test(report)).length, 6);
});

abuse('policy: a mount that was detached counts as long as its server runs', async (t, place) => {
	installation.permit('users all\nmounts_per_user 1\nnoexec no\n');
	const {id, device} = await assertMounted(t, place);
	const holder = await place.holdOpen();
	t.is((await unmount(place, id, device, '--lazy')).code, 0);
	t.deepEqual(mountsNamed(word), []);
	t.regex((await mount(place)).report, /^failed policy 0 servers .*permits 1/);
	const end = once(holder, 'exit');
	holder.kill('SIGKILL');
	await end;
	// The helper waits for a server that still ends, but on a busy machine that may take longer.
	const deadline = Date.now() + 20_000;
	let {report} = await mount(place);
	while (/^failed policy /.test(report) && Date.now() < deadline) ({report} = await mount(place));
	t.regex(report, /^ready installed /);
});

abuse('policy: a path that was made longer than can be read still counts', async (t, place) => {
	installation.permit('users all\nmounts_per_user 1\nnoexec no\n');
	const mountpoint = join(folder('a', 0o755, place.user)(place), 'mnt');
	mkdirSync(mountpoint);
	chownSync(mountpoint, place.user.uid, place.user.gid);
	const {supervisor} = await assertMounted(t, place, {mountpoint});
	const script = `
		my ($top) = @ARGV;
		$| = 1;
		for (1 .. 25) { mkdir("0" x 200); chdir("0" x 200) or die "$!" }
		rename("$top/a", "a") or die "$!";
		print "moved\\n";
		<STDIN>;
		rename("a", "$top/a") or die "$!";`;
	const mover = place.start('/usr/bin/perl', ['-e', script, place.folder]);
	await once(mover.stdout as Readable, 'data');
	t.false(readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${mountpoint} `));
	t.regex((await mount(place)).report, /^failed policy .*permits 1/);
	const end = once(mover, 'exit');
	mover.stdin?.end('\n');
	await end;
	place.kill(supervisor, 'SIGTERM');
	t.not(await until(isNothingLeft, 3000), null, describeLeft());
	// Too deep for the playground's own way of clearing up.
	execFileSync('rm', ['-rf', join(place.folder, '0'.repeat(200))]);
});

/* ---- unmounting ---- */

abuse('unmounting: not what another user has mounted', async (t, place) => {
	const other = new Playground(stranger);
	try {
		const {id, device} = await assertMounted(t, other);
		for (const more of [[], ['--lazy']]) {
			const ended = await unmount(place, id, device, ...more);
			t.is(ended.code, 1);
			t.regex(ended.report, /^failed policy 1 .*not yours/);
		}
		t.is(mountsNamed(word).length, 1);
	} finally {
		await other.close();
	}
});

abuse('unmounting: not what is of another type, whatever numbers are given', async (t, place) => {
	// Other tests may mount meanwhile.
	const lines = readFileSync('/proc/self/mountinfo', 'utf8')
		.split('\n')
		.filter(line => line !== '' && !/ fuse\.| loop/.test(line) && !line.includes('ext4box-'));
	for (const line of lines) {
		const [id = '', , device = ''] = line.split(' ');
		t.is((await unmount(place, id, device, '--lazy')).code, 0);
	}
	const after = readFileSync('/proc/self/mountinfo', 'utf8');
	t.deepEqual(
		lines.filter(line => !after.includes(line)),
		[],
	);
});

abuse('unmounting: not by half of the numbers', async (t, place) => {
	const {id, device} = await assertMounted(t, place);
	await unmount(place, id, '0:1');
	await unmount(place, '1', device);
	t.is(mountsNamed(word).length, 1);
});

abuse('unmounting: not from below another mount', async (t, place) => {
	const {id, device} = await assertMounted(t, place);
	execFileSync('mount', ['-t', 'tmpfs', 'cover', place.mountpoint]);
	try {
		const ended = await unmount(place, id, device, '--lazy');
		t.regex(ended.report, /^failed mountpoint /);
		t.true(readFileSync('/proc/self/mountinfo', 'utf8').includes('tmpfs cover '));
	} finally {
		execFileSync('umount', [place.mountpoint]);
	}
});

abuse(
	'unmounting: one that lies on another mount only by itself, never by its name',
	async (t, place) => {
		execFileSync('mount', [
			'-t',
			'tmpfs',
			'-o',
			`uid=${place.user.uid}`,
			'below',
			place.mountpoint,
		]);
		try {
			const {id, device} = await assertMounted(t, place);
			t.regex((await unmount(place, id, device)).report, /^failed busy /);
			t.is((await unmount(place, id, device, '--lazy')).code, 0);
			t.true(readFileSync('/proc/self/mountinfo', 'utf8').includes('tmpfs below '));
			t.deepEqual(mountsNamed(word), []);
		} finally {
			execFileSync('umount', [place.mountpoint]);
		}
	},
);

abuse('unmounting: one that is in use is busy, and goes lazily', async (t, place) => {
	const {id, device} = await assertMounted(t, place);
	await place.holdOpen();
	t.regex((await unmount(place, id, device)).report, /^failed busy 0 \//);
	t.is((await unmount(place, id, device, '--lazy')).code, 0);
	t.deepEqual(mountsNamed(word), []);
});
