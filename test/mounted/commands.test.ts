/** `ext4box mount`, `umount` and `run` from the outside, with a stand-in server. */
import {spawnSync} from 'node:child_process';
import {chmodSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {findSupervisors, isAsking, mountAt} from '../../src/mount/mounts.ts';
import {
	buildTools,
	type Ended,
	ending,
	ordinaryUser,
	Playground,
	readProc,
	root,
	until,
	whyNoFuse,
	whyNoFusermount3,
	whyNoNamespaces,
	whyNoRoot,
} from '../support/mounting.ts';

const cli = join(import.meta.dirname, '../support/stand-in-cli.ts');
const readOnlyLine =
	'ext4box: mounted read-only: you may not write to it (-o ro silences this line)\n';

test.before(() => {
	if (whyNoFuse() === null) {
		buildTools('test-tools');
	}
});

/** The commands are Node's to run: an ordinary user must be able to read them where they lie. */
function whyUnreachable(): string | null {
	const options = process.getuid?.() === 0 ? ordinaryUser : {};
	const tried = spawnSync(process.execPath, ['--check', cli], {...options, cwd: '/'});
	return tried.status === 0 ? null : 'the checkout is not readable to other users';
}

const unreachable = whyNoFuse() ?? whyUnreachable();

type Body = (t: ExecutionContext, place: Playground) => Promise<void>;

function place(
	title: string,
	reason: string | null,
	body: Body,
	user = ordinaryUser,
	helper?: string,
) {
	if (reason !== null) {
		test.serial.skip(`${title} (${reason})`, () => {});
		return;
	}
	test.serial(title, async t => {
		const playground = new Playground(user, helper);
		try {
			await body(t, playground);
		} finally {
			await playground.close();
		}
	});
}

const mounts = (title: string, body: Body): void =>
	place(title, unreachable ?? whyNoFusermount3(), body);
const runs = (title: string, body: Body): void =>
	place(title, unreachable ?? whyNoNamespaces(), body);

function start(playground: Playground, mode: string, ...args: string[]) {
	const {helper, standIn} = playground;
	return playground.start(process.execPath, [cli, helper, standIn, mode, ...args]);
}

async function ext4box(playground: Playground, mode: string, ...args: string[]): Promise<Ended> {
	const ended = await ending(start(playground, mode, ...args));
	if (playground.mounted() !== null) {
		await remember(playground);
	}
	return ended;
}

/** The supervisor of the mount that is there now: to be ended with the playground. */
async function remember(playground: Playground) {
	const mount = playground.mounted();
	const pid = mount === null ? 0 : (findSupervisors(mount)[0]?.pid ?? 0);
	return await playground.family(`ready fusermount3 0 0:0 ${pid}`);
}

const mountArguments = ['mount', 'disk.img', 'mnt', '-o', 'ro'];

mounts(
	'mount says that it is read-only unless asked for it, and by which way with -v',
	async (t, playground) => {
		chmodSync(playground.image, 0o444);
		const said = await ext4box(playground, 'serve', 'mount', 'disk.img', 'mnt', '-v');
		t.is(said.code, 0);
		t.true(said.err.includes(readOnlyLine));
		t.regex(
			said.err,
			/mounted on .*\/mnt by fusermount3 \(device 0:\d+, supervisor \d+\)\next4box: sandbox, data: not known\n$/,
		);
		t.is((await playground.run('/bin/cat', 'mnt/hello')).out, 'hello\n');
		t.is((await ext4box(playground, 'serve', 'umount', 'mnt')).code, 0);
		t.is(playground.mounted(), null);
		const silent = await ext4box(playground, 'serve', ...mountArguments);
		t.is(silent.code, 0);
		t.is(silent.err, '');
		t.is(silent.out, '');
	},
);

mounts(
	'an odd name of an image is its mount’s, and the mountpoint’s too',
	async (t, playground) => {
		const image = join(playground.folder, 'a\n\tb c\\d#e,f\\012.img');
		const mountpoint = join(playground.folder, 'm\n\to #\\040');
		renameSync(playground.image, image);
		renameSync(playground.mountpoint, mountpoint);
		const mount = () => mountAt(mountpoint);
		t.is((await ext4box(playground, 'serve', 'mount', image, mountpoint, '-o', 'ro')).err, '');
		t.is(mount()?.source, image);
		const [supervisor] = findSupervisors(mount() ?? t.fail());
		await playground.family(`ready fusermount3 0 0:0 ${supervisor?.pid}`);
		t.is((await ext4box(playground, 'serve', 'umount', mountpoint)).err, '');
		t.is(mount(), null);
	},
);

mounts('umount waits for a server that still commits', async (t, playground) => {
	await ext4box(playground, 'linger', ...mountArguments);
	const {server} = await remember(playground);
	const started = performance.now();
	const ended = await ext4box(playground, 'linger', 'umount', '-v', 'mnt');
	t.is(ended.code, 0);
	t.true(performance.now() - started > 900);
	t.regex(ended.err, /the server ended \d+ ms after the unmount/);
	t.false(playground.isAlive(server));
});

mounts(
	'umount tells what its server could not keep, and the supervisor ends',
	async (t, playground) => {
		const isThere = () => playground.isAlive(supervisor);
		await ext4box(playground, 'lose', 'mount', 'disk.img', 'mnt', '-o', 'rw');
		const {supervisor} = await remember(playground);
		const ended = await ext4box(playground, 'lose', 'umount', 'mnt');
		t.is(ended.code, 1);
		t.regex(
			ended.err,
			/mnt is unmounted, but not all that was .* given up \(no space left on device\)\n$/,
		);
		// It has been told that it was heard.
		t.not(await until(() => !isThere(), 3000), null);
		await ext4box(playground, 'lose', ...mountArguments);
		t.is((await ext4box(playground, 'lose', 'umount', 'mnt')).err, '', 'nothing was written');
	},
);

mounts('umount does not wait for what only bears a supervisor’s name', async (t, playground) => {
	await ext4box(playground, 'serve', ...mountArguments);
	const mount = playground.mounted() ?? t.fail();
	const {supervisor} = await remember(playground);
	const name = join(playground.folder, `ext4box:${mount.device.split(':')[1]}`);
	symlinkSync('/bin/sleep', name);
	const other = playground.start(name, ['60']);
	const pid = other.pid ?? 0;
	const isThere = () => readProc(pid, 'comm') === `${basename(name)}\n`;
	t.not(await until(isThere, 5000), null);
	t.deepEqual(
		findSupervisors(mount).map(found => found.pid),
		[supervisor],
	);
	t.is((await ext4box(playground, 'serve', 'umount', 'mnt')).code, 0);
	t.true(isThere(), 'it was waited for');
	other.kill('SIGKILL');
});

mounts('umount waits for the watchdog’s own question', async (t, playground) => {
	await ext4box(playground, 'slow', 'mount', 'disk.img', 'mnt', '-o', 'ro,watchdog=6');
	const [supervisor] = findSupervisors(playground.mounted() ?? t.fail());
	// Where fusectl is mounted, nobody asks a server that nobody waits for.
	const isAsked = await until(() => supervisor !== undefined && isAsking(supervisor), 4000);
	if (isAsked === null) t.log('it was not asked');
	const {code, err} = await ext4box(playground, 'slow', 'umount', 'mnt');
	t.is(code, 0, err);
	t.is(playground.mounted(), null);
});

mounts('umount says which other mount namespace keeps the server', async (t, playground) => {
	await ext4box(playground, 'serve', ...mountArguments);
	const {server} = await remember(playground);
	// Takes a copy of every mount along; its own user namespace makes the copy private.
	const holder = playground.start('unshare', ['-rm', 'sh', '-c', 'echo ready; exec sleep 600']);
	for await (const _ of holder.stdout ?? []) break;
	const unmounting = start(playground, 'serve', 'umount', 'mnt');
	let said = '';
	unmounting.stderr?.on('data', chunk => {
		said += chunk;
	});
	const ended = ending(unmounting);
	t.not(await until(() => said !== '', 20_000), null);
	t.true(playground.isAlive(server));
	holder.kill('SIGKILL');
	const {code, err} = await ended;
	t.is(code, 0);
	t.regex(err, /still in use: other mount namespaces .* sleep \(\d+\)/);
	t.false(playground.isAlive(server));
});

mounts(
	'a mount in use: umount says by whom, and --lazy does it all the same',
	async (t, playground) => {
		await ext4box(playground, 'serve', ...mountArguments);
		const holder = await playground.holdOpen();
		const refused = await ext4box(playground, 'serve', 'umount', 'mnt');
		t.is(refused.code, 1);
		t.regex(refused.err, new RegExp(`mnt is in use by sleep \\(${holder.pid}\\)`));
		t.not(playground.mounted(), null);
		t.is((await ext4box(playground, 'serve', 'umount', '--lazy', 'mnt')).code, 0);
		t.is(playground.mounted(), null);
	},
);

mounts('a living mount is not mounted over', async (t, playground) => {
	await ext4box(playground, 'serve', ...mountArguments);
	const {supervisor} = await remember(playground);
	const ended = await ext4box(playground, 'serve', ...mountArguments);
	t.is(ended.code, 1);
	t.regex(ended.err, new RegExp(`is in use: .*served by process ${supervisor} `));
});

for (const command of ['mount', 'umount'] as const) {
	mounts(
		`all processes of a mount killed: the next ${command} clears it`,
		async (t, playground) => {
			await ext4box(playground, 'serve', ...mountArguments);
			const family = await remember(playground);
			await playground.holdOpen();
			await playground.killAll(family);
			t.not(playground.mounted(), null);
			const args = command === 'mount' ? mountArguments : ['umount', 'mnt'];
			const ended = await ext4box(playground, 'serve', ...args);
			t.is(ended.err, '');
			t.is(ended.code, 0);
			if (command === 'umount') {
				t.is(playground.mounted(), null);
			} else {
				t.is((await playground.run('/bin/cat', 'mnt/hello')).out, 'hello\n');
			}
		},
	);
}

mounts('a server that refuses: its line alone, exit status 1', async (t, playground) => {
	const ended = await ext4box(playground, 'fail', ...mountArguments);
	t.is(ended.code, 1);
	t.is(ended.err, 'stand-in: not an ext file system\n');
	t.is(playground.mounted(), null);
});

mounts('a mountpoint through a symbolic link', async (t, playground) => {
	symlinkSync('mnt', join(playground.folder, 'link'));
	const ended = await ext4box(playground, 'serve', 'mount', 'disk.img', 'link/', '-o', 'ro');
	t.is(ended.code, 0);
	t.not(playground.mounted(), null);
	t.is((await ext4box(playground, 'serve', 'umount', 'link')).code, 0);
	t.is(playground.mounted(), null);
});

mounts('what can not be mounted is named, with exit status 1', async (t, playground) => {
	writeFileSync(join(playground.folder, 'file'), '');
	symlinkSync('loop', join(playground.folder, 'loop'));
	const cases: [string[], RegExp][] = [
		[['absent.img', 'mnt'], /^ext4box: absent\.img: there is no such file \[IMAGE_NOT_FOUND\]\n$/],
		[['file/x', 'mnt'], /: file\/x: .*not a directory \[IMAGE_NOT_FOUND\]/],
		[['.', 'mnt'], /: \.: this is a directory, not a disk image \[IMAGE_IS_DIRECTORY\]/],
		[['.', 'mnt', '-r'], /: \.: this is a directory, not a disk image \[IMAGE_IS_DIRECTORY\]/],
		[['/dev/null', 'mnt', '-r'], /: \/dev\/null: .* \[IMAGE_NOT_A_FILE\]/],
		[['/proc/self/stat', 'mnt', '-r'], /a file on a disk, or a block device \[IMAGE_NOT_A_FILE\]/],
		[['loop', 'mnt', '-r'], /too many symbolic links .* \[IMAGE_NOT_OPENED\]/],
		[['disk.img', 'absent'], /absent does not exist: make it with mkdir/],
		[['disk.img', 'file'], /file is not a directory/],
		[['disk.img', 'file/mnt'], /not a directory/],
		[['disk.img', '/usr'], /holds what the server itself needs/],
		[['disk.img', '/'], /holds what the server itself needs/],
		...(playground.user.uid === 0
			? []
			: [[['disk.img', '/mnt'], /is not yours/] as [string[], RegExp]]),
	];
	for (const [args, message] of cases) {
		const ended = await ext4box(playground, 'serve', 'mount', ...args);
		t.is(ended.code, 1, args.join(' '));
		t.regex(ended.err, message);
		t.is(ended.err.trim().split('\n').length, 1);
	}
});

mounts('what can not be unmounted is named', async (t, playground) => {
	const cases: [string, RegExp][] = [
		['mnt', /nothing is mounted on/],
		['absent', /: \S+\/absent: does not exist\n$/],
		['absent/mnt', /: absent\/mnt: does not exist\n$/],
		['/proc', /not ext4box's: its type is proc/],
	];
	for (const [directory, message] of cases) {
		const ended = await ext4box(playground, 'serve', 'umount', directory);
		t.is(ended.code, 1);
		t.regex(ended.err, message);
	}
});

mounts('wrong usage has exit status 2', async (t, playground) => {
	for (const args of [
		['mount', 'disk.img'],
		['mount', 'disk.img', 'mnt', 'more'],
		['mount', 'disk.img', 'mnt', '-o', 'rw,norecovery'],
		['mount', 'mnt', '-o', 'remount'],
		['mount', 'disk.img', 'mnt', '--frob'],
		['umount'],
		['run', 'disk.img'],
		['run', 'disk.img', '--'],
		['run', '--', 'true'],
	]) {
		t.is((await ext4box(playground, 'serve', ...args)).code, 2, args.join(' '));
		t.is(playground.mounted(), null);
	}
});

mounts('--foreground: TERM to the command unmounts, status 0', async (t, playground) => {
	const child = start(playground, 'serve', ...mountArguments, '--foreground');
	const exit = new Promise(done => child.once('exit', done));
	t.not(await until(() => playground.mounted() !== null, 5000), null);
	t.is((await playground.run('/bin/cat', 'mnt/hello')).out, 'hello\n');
	child.kill('SIGTERM');
	t.is(await exit, 0);
	t.is(playground.mounted(), null);
});

for (const [signal, status] of [
	['SIGINT', 130],
	['SIGTERM', 143],
] as const) {
	mounts(
		`${signal} while the server starts: status ${status}, not a word, no mount`,
		async (t, playground) => {
			for (const more of [[], ['--foreground']]) {
				const child = start(playground, 'mute', ...mountArguments, ...more);
				const ended = ending(child);
				t.not(await until(() => playground.mounted() !== null, 5000), null);
				child.kill(signal);
				const {code, out, err} = await ended;
				t.is(playground.mounted(), null);
				t.deepEqual({code, out, err}, {code: status, out: '', err: ''});
			}
		},
	);
}

mounts(
	'--foreground: the command killed, the mount is gone within a second',
	async (t, playground) => {
		const child = start(playground, 'serve', ...mountArguments, '--foreground');
		t.not(await until(() => playground.mounted() !== null, 5000), null);
		await playground.run('/bin/cat', 'mnt/hello');
		await remember(playground);
		child.kill('SIGKILL');
		t.not(await until(() => playground.mounted() === null, 1000), null);
	},
);

place(
	'another user may not unmount it',
	unreachable ?? whyNoRoot(),
	async (t, playground) => {
		t.is((await ext4box(playground, 'serve', ...mountArguments)).code, 0);
		const other = new Playground(ordinaryUser);
		const ended = await ext4box(other, 'serve', 'umount', playground.mountpoint);
		await other.close();
		t.is(ended.code, 1);
		t.regex(ended.err, /not yours: uid 0 mounted it|you may not/);
		t.not(playground.mounted(), null);
		t.is((await ext4box(playground, 'serve', 'umount', 'mnt')).code, 0);
	},
	root,
);

place(
	'without fusermount3, mount says what to do',
	unreachable,
	async (t, playground) => {
		const ended = await ext4box(playground, 'serve', ...mountArguments);
		t.is(ended.code, 1);
		t.regex(
			ended.err,
			/fusermount3 is not installed: install the package fuse3, or use "ext4box run/,
		);
	},
	ordinaryUser,
	'mount-helper-no-fusermount3',
);

place(
	'without fusermount3, run works: it needs no program with privileges',
	unreachable ?? whyNoNamespaces(),
	async (t, playground) => {
		const ended = await ext4box(
			playground,
			'serve',
			'run',
			'disk.img',
			'--ro',
			'--',
			'cat',
			'hello',
		);
		t.is(ended.err, '');
		t.is(ended.out, 'hello\n');
		t.is(ended.code, 0);
	},
	ordinaryUser,
	'mount-helper-no-fusermount3',
);

/** Every place that `run` made under TMPDIR, which is the playground's folder. */
function leftovers(playground: Playground): string[] {
	return readdirSync(playground.folder).filter(name => name.startsWith('ext4box-'));
}

const who = [
	['as an ordinary user', ordinaryUser, null],
	['as root', root, whyNoRoot()],
] as const;

for (const [title, user, reason] of who) {
	place(
		`run ${title}: the command starts in a fresh place, its environment names it`,
		unreachable ?? whyNoNamespaces() ?? reason,
		async (t, playground) => {
			const script = 'pwd; echo "$EXT4BOX_MOUNT"; cat hello; id -u; exit 7';
			const ended = await ext4box(
				playground,
				'serve',
				'run',
				'disk.img',
				'--ro',
				'--',
				'sh',
				'-c',
				script,
			);
			const [cwd, named, content, uid] = ended.out.split('\n');
			t.is(ended.code, 7);
			t.regex(cwd ?? '', /\/ext4box-\w+$/);
			t.is(named, cwd);
			t.is(content, 'hello');
			t.is(uid, String(user.uid));
			t.deepEqual(leftovers(playground), []);
		},
		user,
	);
}

runs('run says that it mounts read-only where nobody has asked for that', async (t, playground) => {
	chmodSync(playground.image, 0o444);
	const command = ['--', 'cat', 'hello'];
	const unasked = await ext4box(playground, 'serve', 'run', 'disk.img', ...command);
	t.is(
		unasked.err,
		'ext4box: warning: mounted read-only: you may not write to it (--ro silences this line)\n',
	);
	t.is(unasked.out, 'hello\n');
	t.is(unasked.code, 0);
	for (const asked of [['--ro'], ['-o', 'ro']]) {
		t.is((await ext4box(playground, 'serve', 'run', 'disk.img', ...asked, ...command)).err, '');
	}
	const refused = await ext4box(playground, 'serve', 'run', 'disk.img', '-o', 'rw', ...command);
	t.is(refused.code, 1);
	t.regex(refused.err, /can't be mounted for writing: you may not write to it/);
});

runs('run --at: the working directory stays, the outside sees no mount', async (t, playground) => {
	const script = 'pwd; cat mnt/hello; echo ready; read line';
	const child = start(
		playground,
		'serve',
		'run',
		'disk.img',
		'--ro',
		'--at',
		'mnt',
		'--',
		'sh',
		'-c',
		script,
	);
	const ended = ending(child);
	const outside = await playground.run('/bin/cat', 'mnt/hello');
	t.regex(outside.err, /No such file/);
	t.is(playground.mounted(), null);
	const {code, out} = await ended;
	t.is(out, `${playground.folder}\nhello\nready\n`);
	t.is(code, 1); // read met the end of its input.
});

runs('run returns 128 and the number of the signal, 127 and 126', async (t, playground) => {
	mkdirSync(join(playground.folder, 'folder'));
	for (const [command, code] of [
		[['sh', '-c', 'kill -TERM $$'], 143],
		[['no-such-program'], 127],
		[[playground.image], 126],
		[['sh', '-c', 'exit 255'], 255],
		[['true'], 0],
	] as const) {
		const ended = await ext4box(playground, 'serve', 'run', 'disk.img', '--ro', '--', ...command);
		t.is(ended.code, code, command.join(' '));
		t.deepEqual(leftovers(playground), []);
	}
});

runs("run passes stdin on, and the options behind -- are the command's", async (t, playground) => {
	const child = start(playground, 'serve', 'run', 'disk.img', '--ro', '--', 'cat', '-A', '--', '-');
	child.stdin?.end('one\n');
	const {code, out} = await ending(child);
	t.is(code, 0);
	t.is(out, 'one$\n');
});

runs('run: TERM reaches the command, whose status counts', async (t, playground) => {
	const script = 'trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done';
	const child = start(playground, 'serve', 'run', 'disk.img', '--ro', '--', 'sh', '-c', script);
	child.stdout?.once('data', () => child.kill('SIGTERM'));
	t.like(await ending(child), {code: 9, signal: null});
});

runs('run: all that holds the mount when the command ends is cut off', async (t, playground) => {
	const script = 'sleep 8 > /dev/null 2>&1 & exec 9< hello; sleep 8 > /dev/null 2>&1 & exit 3';
	const started = performance.now();
	const ended = await ext4box(
		playground,
		'serve',
		'run',
		'disk.img',
		'--ro',
		'--',
		'sh',
		'-c',
		script,
	);
	t.is(ended.code, 3);
	t.true(performance.now() - started < 6000);
	t.deepEqual(leftovers(playground), []);
});

runs('run: a server that refuses, no command is run', async (t, playground) => {
	const ended = await ext4box(playground, 'fail', 'run', 'disk.img', '--ro', '--', 'echo', 'ran');
	t.is(ended.code, 1);
	t.is(ended.out, '');
	t.is(ended.err, 'stand-in: not an ext file system\n');
	t.deepEqual(leftovers(playground), []);
});

runs(
	'run: the supervisor killed, the command is told to end and the place is removed',
	async (t, playground) => {
		const script = 'echo $PPID; exec sleep 30';
		const child = start(playground, 'serve', 'run', 'disk.img', '--ro', '--', 'sh', '-c', script);
		child.stdout?.once('data', (data: Buffer) => {
			const supervisor = Number(data.toString());
			playground.rememberProcess(supervisor);
			playground.kill(supervisor);
		});
		const {code} = await ending(child);
		t.is(code, 137);
		t.not(await until(() => leftovers(playground).length === 0, 1000), null);
	},
);
