/**
 * Loop devices for images that are files: only where the policy permits them, only of what the caller
 * has opened himself, and never one that stays.
 */
import {execFileSync, spawnSync} from 'node:child_process';
import {
	chmodSync,
	chownSync,
	existsSync,
	fstatSync,
	mkdirSync,
	openSync,
	readdirSync,
	readlinkSync,
	renameSync,
	statSync,
	truncateSync,
	writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {
	Abuse,
	fileOfAnother,
	folder,
	foreignImage,
	goneWithinMs,
	linkTo,
	madeBy,
	type Prepared,
} from '../support/abuse.ts';
import {permissive} from '../support/installed.ts';
import {describeHolders, type Loop, loopsBelow, whyNoLoop} from '../support/loops.ts';
import {builtTool, Playground, readProc, root, until} from '../support/mounting.ts';
import {Tampered, whyNoTampering} from '../support/tampered.ts';

const cases = new Abuse('abuse-loop', whyNoLoop() ?? whyNoTampering());
const writable = ['--loop'];
const readOnly = ['--loop', '--read-only'];

/** With loop devices permitted; none may stay attached to anything of the user's. */
function abuse(title: string, body: (t: ExecutionContext, place: Playground) => Promise<void>) {
	cases.abuse(`loop: ${title}`, async (t, place) => {
		cases.installation.permit(`${permissive}loop yes\n`);
		await body(t, place);
		for (const server of cases.installation.servers()) process.kill(server, 'SIGKILL');
		await assertDetached(t, place);
	});
}

/** The one that is attached, which the server has as its image. */
function assertLoop(t: ExecutionContext, place: Playground): Loop {
	const loops = loopsBelow(place.folder);
	t.is(loops.length, 1);
	const [loop] = loops as [Loop]; // One, as was just seen.
	t.is(readlinkSync(`/proc/${cases.server()}/fd/4`), loop.device);
	return loop;
}

async function assertDetached(t: ExecutionContext, place: Playground): Promise<void> {
	const isDetached = await until(() => loopsBelow(place.folder).length === 0, goneWithinMs);
	t.not(isDetached, null, describeHolders(place.folder));
}

/** What the server is told, for a look at it from outside. */
function toldTo(server: number): string {
	const variables = (readProc(server, 'environ') ?? '').split('\0');
	return variables.find(one => one.startsWith('EXT4BOX_GRANT=')) ?? '';
}

/** Of the file behind a loop device, by the device's own word. */
function inodeBehind(device: string): string {
	return execFileSync('losetup', ['-n', '-O', 'BACK-INO', device], {encoding: 'utf8'}).trim();
}

for (const [what, options] of [
	['writable', writable],
	['read-only', readOnly],
] as const) {
	abuse(`a ${what} mount has one, and nobody but its server`, async (t, place) => {
		const {supervisor} = await cases.assertMounted(t, place, {options});
		const loop = assertLoop(t, place);
		t.like(loop, {
			backingFile: place.image,
			isAutoclear: true,
			isPartitioned: false,
			isReadOnly: what === 'read-only',
			sectorBytes: 512,
			sizeBytes: 1 << 20,
		});
		t.is(inodeBehind(loop.device), String(statSync(place.image).ino));
		const how = loop.isDirect ? 'direct' : 'buffered';
		t.is(
			toldTo(cases.server()),
			`EXT4BOX_GRANT=iomap\tunasked\t\nloop\tattached\t${loop.device}\t${how}\n`,
		);
		const flags = readProc(cases.server(), 'fdinfo/4') ?? '';
		t.regex(flags, what === 'read-only' ? /^flags:\s+0\d*0$/m : /^flags:\s+0\d*2$/m);
		for (const pid of cases.installation.helpers()) {
			const held = readdirSync(`/proc/${pid}/fd`).map(fd => readlinkSync(`/proc/${pid}/fd/${fd}`));
			t.deepEqual(
				held.filter(target => /loop|disk\.img/.test(target)),
				[],
			);
		}
		t.is((await place.run('/bin/cat', `${place.mountpoint}/hello`)).out, 'hello\n');
		place.kill(supervisor, 'SIGTERM');
		await assertDetached(t, place);
	});
}

abuse('udev’s rule knows it from any other', async (t, place) => {
	await cases.assertMounted(t, place, {options: readOnly});
	const {device} = assertLoop(t, place);
	const ask = (path: string) => spawnSync(builtTool('is-own-loop'), [path]).status;
	t.is(ask(device), 0);
	const other = join(place.folder, 'other.img');
	writeFileSync(other, Buffer.alloc(4096));
	const theirs = execFileSync('losetup', ['-f', '--show', other], {encoding: 'utf8'}).trim();
	try {
		t.is(ask(theirs), 1);
	} finally {
		execFileSync('losetup', ['-d', theirs]);
	}
	t.is(ask(other), 1);
	t.is(ask(join(place.folder, 'absent')), 1);
});

for (const [what, policy] of [
	['forbids them', `${permissive}loop no\n`],
	['says nothing of them', permissive],
] as const) {
	abuse(`refused where the policy ${what}`, async (t, place) => {
		cases.installation.permit(policy);
		await cases.assertRefused(
			t,
			place,
			{options: readOnly},
			/^failed policy 0 .* does not permit loop devices\n$/,
		);
		t.deepEqual(loopsBelow(place.folder), []);
	});
}

function ownImage(mode: number): Prepared {
	return place => {
		chmodSync(place.image, mode);
		return place.image;
	};
}

const foreign: [string, Prepared, RegExp, readonly string[]][] = [
	['somebody’s 0600 file', foreignImage(0o600), /^failed image 13 /, readOnly],
	['somebody’s 0644 file, for writing', foreignImage(0o644), /^failed image 13 /, writable],
	['a link to somebody’s file', linkTo(foreignImage(0o600)), /^failed image 13 /, readOnly],
	['a file of one’s own that is read-only', ownImage(0o444), /^failed image 13 /, writable],
	['a fifo', madeBy('mkfifo'), /^failed image /, writable],
	['a directory', place => place.folder, /^failed image /, readOnly],
	['/dev/null', () => '/dev/null', /^failed image /, writable],
	['the control device of loops', () => '/dev/loop-control', /^failed image /, readOnly],
	['the helper’s own memory', () => '/proc/self/mem', /^failed image /, readOnly],
	['the policy', () => cases.installation.policyPath, /^failed image 13 /, writable],
];

for (const [what, prepare, report, options] of foreign) {
	abuse(`not of this: ${what}`, async (t, place) => {
		await cases.assertRefused(t, place, {image: prepare(place), options}, report);
		t.deepEqual(loopsBelow(place.folder), []);
	});
}

abuse('a file that is read-only to its owner can be had for reading alone', async (t, place) => {
	await cases.assertMounted(t, place, {image: ownImage(0o444)(place), options: readOnly});
	t.true(assertLoop(t, place).isReadOnly);
});

abuse(
	'not of a file of a server of the caller’s: the kernel would wait for it',
	async (t, place) => {
		const {image, mountpoint} = await fileOfAnother(t, cases, place, 'loop yes');
		const ended = await cases.mount(place, {image, mountpoint, options: readOnly});
		t.regex(ended.report, /^failed loop 0 .*its file system is not one to put a loop device on\n$/);
		t.is(cases.mounts().length, 1);
	},
);

abuse('not of what is a block device already', async (t, place) => {
	const below = execFileSync('losetup', ['-f', '--show', place.image], {encoding: 'utf8'}).trim();
	try {
		// Another name for it, of the user's own.
		const path = join(place.folder, 'device');
		const minor = Number(below.replace('/dev/loop', ''));
		execFileSync('mknod', [path, 'b', '7', String(minor)]);
		chownSync(path, place.user.uid, place.user.gid);
		await cases.assertRefused(
			t,
			place,
			{image: path, options: readOnly},
			/^failed loop 0 .* is a block device already: leave out the option loop\n$/,
		);
	} finally {
		execFileSync('losetup', ['-d', below]);
	}
});

abuse('a terabyte of holes is as long as it says, and stays holes', async (t, place) => {
	truncateSync(place.image, 2 ** 40);
	await cases.assertMounted(t, place, {options: writable});
	t.is(assertLoop(t, place).sizeBytes, 2 ** 40);
	t.true(statSync(place.image).blocks < 1000);
});

abuse(
	'a file of no length at all, and one that ends in the middle of a sector',
	async (t, place) => {
		for (const [bytes, sizeBytes] of [
			[0, 0],
			[100_000, 99_840],
		] as const) {
			truncateSync(place.image, bytes);
			const {supervisor} = await cases.assertMounted(t, place, {options: writable});
			t.is(assertLoop(t, place).sizeBytes, sizeBytes);
			place.kill(supervisor, 'SIGTERM');
			t.not(await until(cases.isNothingLeft, goneWithinMs), null, cases.describeLeft());
		}
	},
);

abuse('the lock on the file holds as long as the device', async (t, place) => {
	const {supervisor} = await cases.assertMounted(t, place, {options: writable});
	const mountpoint = join(place.folder, 'second');
	mkdirSync(mountpoint);
	chownSync(mountpoint, place.user.uid, place.user.gid);
	for (const options of [writable, readOnly, ['--read-only']]) {
		t.regex((await cases.mount(place, {mountpoint, options})).report, /^failed in-use /);
	}
	place.kill(supervisor, 'SIGTERM');
	t.not(await until(cases.isNothingLeft, goneWithinMs), null, cases.describeLeft());
	const again = await cases.assertMounted(t, place, {mountpoint, options: writable});
	t.is(again.made?.path, mountpoint);
});

abuse('four at the same time have four devices', async (t, place) => {
	const started = [0, 1, 2, 3].map(index => {
		const image = join(place.folder, `${index}.img`);
		writeFileSync(image, Buffer.alloc((index + 1) * 4096));
		chownSync(image, place.user.uid, place.user.gid);
		const mountpoint = folder(`m${index}`, 0o755, place.user)(place);
		return cases.mount(place, {image, mountpoint, options: writable});
	});
	for (const {report} of await Promise.all(started)) t.regex(report, /^ready installed /);
	const loops = loopsBelow(place.folder);
	t.is(new Set(loops.map(loop => loop.device)).size, 4);
	for (const {backingFile, sizeBytes} of loops) t.is(sizeBytes, statSync(backingFile).size);
});

for (const victim of ['supervisor', 'keeper', 'server'] as const) {
	abuse(`${victim} killed: the device is gone`, async (t, place) => {
		const {supervisor} = await cases.assertMounted(t, place, {options: writable});
		const server = cases.server();
		const keeper = Number(/^PPid:\s+(\d+)/m.exec(readProc(server, 'status') ?? '')?.[1]);
		process.kill({supervisor, server, keeper}[victim], 'SIGKILL');
		await assertDetached(t, place);
		t.not(await until(cases.isNothingLeft, goneWithinMs), null, cases.describeLeft());
	});
}

abuse('the caller can not reach the device itself', async (t, place) => {
	await cases.assertMounted(t, place, {options: writable});
	const {device} = assertLoop(t, place);
	t.not((await place.run('/bin/dd', `if=${device}`, 'of=/dev/null', 'count=1')).code, 0);
	t.not((await place.run('/sbin/losetup', '-d', device)).code, 0);
	t.is(loopsBelow(place.folder).length, 1);
	// Nor does root's mount(8) get it while the server has it.
	const mounted = spawnSync('mount', ['-t', 'ext4', device, place.mountpoint]);
	t.not(mounted.status, 0);
});

/* ---- under strace ---- */

function helperArguments(place: Playground, options: readonly string[]): string[] {
	const all = [...options, '--foreground'];
	return [cases.installation.helper, ...cases.argumentsOf(place, {options: all})];
}

function tampered(place: Playground, injections: readonly string[], options = writable): Tampered {
	return new Tampered(place, ['ioctl'], injections, helperArguments(place, options));
}

/** The order of the helper's ioctls: a free number, configured, looked at; then again. */
const refusals: [string, string, RegExp][] = [
	[
		'no device is free',
		'ioctl:error=ENOSPC:when=1',
		/^failed loop 0 .*: no free loop device: No space left on device\n$/,
	],
	[
		'each number is another’s by the time that it is taken',
		'ioctl:error=EBUSY:when=2+2',
		/^failed loop 0 .*: each of 32 loop devices was taken by others\n$/,
	],
	[
		'the kernel will not attach it',
		'ioctl:error=EFBIG:when=2',
		/^failed loop 0 .*: \/dev\/loop\d+: File too large\n$/,
	],
	[
		'what was attached can not be looked at',
		'ioctl:error=ENXIO:when=3',
		/^failed loop 0 .*: \/dev\/loop\d+: No such device or address\n$/,
	],
	[
		'what was attached is another file',
		'ioctl:retval=0:when=3',
		/^failed loop 0 .*: \/dev\/loop\d+ is not what was asked for\n$/,
	],
];

for (const [what, injection, report] of refusals) {
	abuse(`refused, and nothing stays attached, where ${what}`, async (t, place) => {
		const run = tampered(place, [injection]);
		t.regex(await run.report(), report);
		await run.ended();
		t.deepEqual(cases.mounts(), []);
		await assertDetached(t, place);
	});
}

abuse('a number that is another’s once is tried no more; the next one does', async (t, place) => {
	const run = tampered(place, ['ioctl:error=EBUSY:when=2']);
	const report = await run.report();
	cases.remember(place, report);
	t.regex(report, /^ready installed /);
	assertLoop(t, place);
});

abuse('where the file bears no direct I/O it is done without', async (t, place) => {
	const run = tampered(place, ['ioctl:error=EINVAL:when=2']);
	const report = await run.report();
	cases.remember(place, report);
	t.regex(report, /^ready installed /);
	const loop = assertLoop(t, place);
	t.false(loop.isDirect);
	t.regex(toldTo(cases.server()), /\nloop\tattached\t\S+\tbuffered\n$/);
});

abuse(
	'what is attached is what was opened, whatever lies at its path by then',
	async (t, place) => {
		const descriptor = openSync(place.image, 'r');
		const run = tampered(place, ['ioctl:signal=STOP:when=1']);
		const helper = await run.stopped();
		t.not(helper, null);
		renameSync(place.image, `${place.image}.old`);
		renameSync(foreignImage(0o600)(place), place.image);
		process.kill(helper ?? 0, 'SIGCONT');
		const report = await run.report();
		cases.remember(place, report);
		t.regex(report, /^ready installed /);
		const loop = assertLoop(t, place);
		t.is(loop.backingFile, `${place.image}.old`);
		t.is(inodeBehind(loop.device), String(fstatSync(descriptor).ino));
	},
);

for (const signal of ['KILL', 'TERM'] as const) {
	for (const [at, what] of [
		['ioctl:when=1', 'it asks for a free device'],
		['ioctl:when=2', 'it attaches it'],
		['ioctl:when=3', 'it looks at what it has attached'],
		['fsopen:when=1', 'it mounts'],
		['move_mount:when=1', 'it puts the mount in its place'],
	] as const) {
		abuse(`SIG${signal} as ${what}: the device is gone`, async (t, place) => {
			const [call = '', when = ''] = at.split(':');
			const run = new Tampered(
				place,
				['ioctl', 'fsopen', 'move_mount'],
				[`${call}:signal=${signal}:${when}`],
				helperArguments(place, writable),
			);
			const report = await run.report();
			// Told to end, it may have become ready already.
			if (signal === 'KILL') t.is(report, '');
			cases.remember(place, report);
			await run.ended();
			const calls = run.lines().filter(line => line.startsWith(`${call}(`));
			t.true(calls.length >= Number(when.replace('when=', '')), 'it came so far');
			await assertDetached(t, place);
			t.not(await until(cases.isNothingLeft, goneWithinMs), null, cases.describeLeft());
			t.true(existsSync(place.image));
		});
	}
}

abuse('stopped once it is attached, and killed so: the device is gone', async (t, place) => {
	const run = tampered(place, ['ioctl:signal=STOP:when=2']);
	const helper = await run.stopped();
	t.is(loopsBelow(place.folder).length, 1);
	process.kill(helper ?? 0, 'SIGKILL');
	await run.ended();
	await assertDetached(t, place);
});

cases.abuse('loop: root’s own helper attaches one without being installed', async (t, _place) => {
	const place = new Playground(root);
	try {
		const {report} = await place.mount('serve', '--way', 'direct', '--loop', '--sandbox', 'normal');
		t.regex(report, /^ready direct /);
		const {supervisor, server} = await place.family(report);
		const [loop] = loopsBelow(place.folder);
		t.is(loop?.device, readlinkSync(`/proc/${server}/fd/4`));
		t.true(loop?.isAutoclear);
		place.kill(supervisor, 'SIGTERM');
		await assertDetached(t, place);
	} finally {
		await place.close();
	}
});

cases.abuse('loop: a helper without privileges says who has them', async (t, place) => {
	const args = [
		...['mount', '--image', place.image, '--mountpoint', place.mountpoint],
		...['--fsname', cases.word, '--report-fd', '3', '--loop', '--read-only'],
	];
	const ended = await place.run(place.helper, ...args, '--', place.standIn, 'serve');
	t.is(ended.report, 'failed loop 0 a loop device takes root, or the installed helper\n');
	t.is(ended.code, 1);
});
