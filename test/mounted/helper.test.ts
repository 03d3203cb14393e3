/** The mount helper with a stand-in server, as an ordinary user through fusermount3. */
import {readFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import test, {type ExecutionContext} from 'ava';
import {
	buildTools,
	ending,
	ordinaryUser,
	Playground,
	readProc,
	root,
	until,
	whyNoFuse,
	whyNoFusermount3,
	whyNoRoot,
} from '../support/mounting.ts';

/** "The mount is gone within a second." */
const goneWithinMs = 1000;

test.before(() => {
	if (whyNoFuse() === null) {
		buildTools('test-tools', 'sanitize');
	}
});

/** One mount a test, one test at a time; skipped, with the reason in its title, where it can't be. */
function mounts(
	title: string,
	body: (t: ExecutionContext, place: Playground) => Promise<void>,
	user = ordinaryUser,
	helper?: string,
): void {
	const reason = user.uid === 0 ? whyNoRoot() : whyNoFusermount3();
	if (reason !== null) {
		test.serial.skip(`${title} (${reason})`, () => {});
		return;
	}
	test.serial(title, async t => {
		const place = new Playground(user, helper);
		try {
			await body(t, place);
		} finally {
			await place.close();
		}
	});
}

async function mountReady(t: ExecutionContext, place: Playground, mode = 'serve') {
	const ended = await place.mount(mode);
	t.is(ended.err, '');
	t.is(ended.code, 0);
	const way = place.user.uid === 0 ? 'direct' : 'fusermount3';
	t.regex(ended.report, new RegExp(`^ready ${way} \\d+ \\d+:\\d+ \\d+\\n$`));
	return await place.family(ended.report);
}

async function assertAllGone(
	t: ExecutionContext,
	place: Playground,
	pids: readonly number[],
): Promise<void> {
	const elapsed = await until(() => place.mounted() === null, goneWithinMs);
	t.not(elapsed, null, `still mounted after ${goneWithinMs} ms`);
	t.not(
		await until(() => pids.every(pid => !place.isAlive(pid)), goneWithinMs),
		null,
		'a process is left',
	);
}

mounts(
	'mounts nosuid,nodev,ro under its type, serves, and ends with fusermount3 -u',
	async (t, place) => {
		const {supervisor, sentinel, server} = await mountReady(t, place);
		const mount = place.mounted();
		t.is(mount?.type, 'fuse.ext4box');
		t.is(mount?.source, 'disk');
		t.is(mount?.uid, place.user.uid);
		for (const option of ['nosuid', 'nodev', 'ro']) {
			t.true(mount?.options.includes(option), option);
		}
		t.is((await place.run('/bin/cat', `${place.mountpoint}/hello`)).out, 'hello\n');
		t.is((await place.run('/usr/bin/fusermount3', '-u', place.mountpoint)).code, 0);
		await assertAllGone(t, place, [supervisor, sentinel, server]);
	},
);

mounts('the supervisor is named after the device number', async (t, place) => {
	const {supervisor} = await mountReady(t, place);
	const minor = place.mounted()?.device.split(':')[1];
	t.is(readProc(supervisor, 'comm'), `ext4box:${minor}\n`);
});

mounts(
	'the server gets descriptors 0 to 4, its own session and no environment but what its sandbox is',
	async (t, place) => {
		const ended = await place.mount('inspect');
		t.is(ended.code, 0);
		const lines = ended.err.split('\n');
		t.deepEqual(
			lines.filter(line => line.startsWith('fd')).map(line => line.replace(/:\[\d+\]/, '')),
			[
				'fd 0 /dev/null flags 0',
				'fd 1 pipe flags 1',
				'fd 2 pipe flags 1',
				'fd 3 /dev/fuse flags 2',
				`fd 4 ${place.image} flags 0`,
			],
		);
		t.deepEqual(
			lines.filter(line => line.startsWith('env')),
			['env EXT4BOX_SANDBOX=wanted\toff', 'env EXT4BOX_GRANT=iomap\tunasked\t'],
		);
		t.true(lines.includes('session own'));
		t.true(lines.includes('image 1048576 bytes'));
	},
);

mounts('supervisor and sentinel hold neither the image nor /dev/fuse', async (t, place) => {
	const {supervisor, sentinel} = await mountReady(t, place);
	for (const pid of [supervisor, sentinel]) {
		const {out} = await place.run('/bin/ls', '-l', `/proc/${pid}/fd`);
		t.notRegex(out, /disk\.img|\/dev\/fuse/);
	}
});

mounts('an idle supervisor and sentinel use no processor time', async (t, place) => {
	const {supervisor, sentinel} = await mountReady(t, place);
	// The mount table changes under them, which must not set them spinning.
	await new Promise(done => setTimeout(done, 300));
	for (const pid of [supervisor, sentinel]) {
		const stat = readProc(pid, 'stat') ?? '';
		const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
		t.true(
			Number(fields[11]) + Number(fields[12]) <= 2,
			`${pid}: ${fields[11]}, ${fields[12]} ticks`,
		);
	}
});

mounts(
	'server killed while files are open: the mount is gone within a second',
	async (t, place) => {
		const {supervisor, sentinel, server} = await mountReady(t, place);
		await place.holdOpen();
		place.kill(server);
		await assertAllGone(t, place, [supervisor, sentinel, server]);
		await mountReady(t, place);
	},
);

mounts('supervisor killed while files are open: the same', async (t, place) => {
	const {supervisor, sentinel, server} = await mountReady(t, place);
	await place.holdOpen();
	place.kill(supervisor);
	await assertAllGone(t, place, [supervisor, sentinel, server]);
	await mountReady(t, place);
});

mounts('server and supervisor killed at once: the sentinel unmounts', async (t, place) => {
	const {supervisor, sentinel, server} = await mountReady(t, place);
	await place.holdOpen();
	place.kill(supervisor);
	place.kill(server);
	await assertAllGone(t, place, [supervisor, sentinel, server]);
});

mounts('a supervisor killed at any moment of the start leaves no mount', async (t, place) => {
	for (let delayMs = 0; delayMs < 30; delayMs += 1) {
		const child = place.start(place.helper, place.mountArguments('serve', '--foreground'));
		const end = performance.now() + delayMs;
		while (performance.now() < end);
		child.kill('SIGKILL');
		await ending(child);
		// fusermount3 may go on by itself for a moment.
		await sleep(100);
		const elapsed = await until(() => place.mounted() === null, goneWithinMs);
		t.not(elapsed, null, `killed after ${delayMs} ms: still mounted`);
	}
});

mounts('a killed sentinel is replaced', async (t, place) => {
	const before = await mountReady(t, place);
	place.kill(before.sentinel);
	await until(() => !place.isAlive(before.sentinel), goneWithinMs);
	const report = `ready fusermount3 0 0:0 ${before.supervisor}`;
	const after = await place.family(report);
	t.not(after.sentinel, 0);
	t.not(after.sentinel, before.sentinel);
	place.kill(before.supervisor);
	await assertAllGone(t, place, [before.supervisor, after.sentinel, before.server]);
});

mounts('all three killed: a dead mount stays, and is told from a living one', async (t, place) => {
	await place.killAll(await mountReady(t, place));
	t.is(place.mounted()?.type, 'fuse.ext4box');
	t.regex((await place.run('/bin/ls', place.mountpoint)).err, /not connected/);
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
	mounts(`${signal} to the supervisor unmounts`, async (t, place) => {
		const {supervisor, sentinel, server} = await mountReady(t, place);
		place.kill(supervisor, signal);
		await assertAllGone(t, place, [supervisor, sentinel, server]);
	});
}

mounts(
	'SIGTERM while files are open: unmounted at once, the server ended soon',
	async (t, place) => {
		const {supervisor, sentinel, server} = await mountReady(t, place);
		await place.holdOpen();
		place.kill(supervisor, 'SIGTERM');
		t.not(await until(() => place.mounted() === null, goneWithinMs), null);
		t.not(await until(() => !place.isAlive(supervisor), 5000), null);
		t.false(place.isAlive(server));
		t.false(place.isAlive(sentinel));
	},
);

mounts('a server that commits after the unmount is given the time', async (t, place) => {
	const {supervisor, server} = await mountReady(t, place, 'linger');
	const started = performance.now();
	t.is((await place.run('/usr/bin/fusermount3', '-u', place.mountpoint)).code, 0);
	t.log(`fusermount3 took ${Math.round(performance.now() - started)} ms`);
	t.not(await until(() => !place.isAlive(server), 5000), null);
	t.true(performance.now() - started > 950, 'it was not killed');
	t.not(await until(() => !place.isAlive(supervisor), 3000), null);
});

mounts(
	'a supervisor that still waits leaves the next mount on the same place alone',
	async (t, place) => {
		const first = await mountReady(t, place, 'linger');
		const before = place.mounted();
		await place.run('/usr/bin/fusermount3', '-u', place.mountpoint);
		const second = await mountReady(t, place);
		// As a rule: the kernel gives both out again, to whoever mounts next on this machine.
		const isSame = place.mounted()?.id === before?.id && place.mounted()?.device === before?.device;
		t.log(`the same id and device number as before: ${isSame}`);
		t.not(await until(() => !place.isAlive(first.supervisor), 3000), null);
		await until(() => !place.isAlive(first.sentinel), goneWithinMs);
		t.not(place.mounted(), null);
		t.true(place.isAlive(second.server));
	},
);

mounts(
	'a mount covered by another is not taken away from below it',
	async (t, place) => {
		const lower = await mountReady(t, place);
		const upper = await mountReady(t, place);
		const covering = place.mounted();
		place.kill(lower.supervisor);
		t.not(await until(() => !place.isAlive(lower.sentinel), 3000), null);
		t.is(place.mounted()?.id, covering?.id);
		t.true(place.isAlive(upper.server));
		place.kill(upper.supervisor, 'SIGTERM');
		t.not(await until(() => !place.isAlive(upper.supervisor), 3000), null);
		// What was below shows again, dead; it has no supervisor left to take it away.
		// Asked again: a table that others change while it is read may lack a line.
		t.not(await until(() => place.mounted() !== null, 1000), null);
	},
	root,
);

for (const [victims, title] of [
	[['server'], 'server killed'],
	[['supervisor'], 'supervisor killed'],
	[['supervisor', 'server'], 'server and supervisor killed'],
] as const) {
	mounts(
		`as root, by mount(2): ${title} while files are open: gone within a second`,
		async (t, place) => {
			const family = await mountReady(t, place);
			await place.holdOpen();
			for (const victim of victims) {
				place.kill(family[victim]);
			}
			await assertAllGone(t, place, Object.values(family));
			await mountReady(t, place);
		},
		root,
	);
}

mounts('a server that refuses: its words are passed on, nothing is left', async (t, place) => {
	const ended = await place.mount('fail');
	t.is(ended.code, 1);
	t.is(ended.err, 'stand-in: not an ext file system\n');
	t.is(ended.report, 'failed server 0 status 1\n');
	t.is(place.mounted(), null);
});

mounts('a server that crashes before it is ready', async (t, place) => {
	const ended = await place.mount('crash');
	t.is(ended.code, 1);
	t.is(ended.report, 'failed server 0 signal 11\n');
	t.is(place.mounted(), null);
});

mounts('who gives up while the server starts leaves no mount', async (t, place) => {
	const child = place.start(place.helper, place.mountArguments('mute'));
	t.not(await until(() => place.mounted() !== null, goneWithinMs), null);
	child.kill('SIGKILL');
	t.not(await until(() => place.mounted() === null, goneWithinMs), null);
});

mounts('commas and backslashes in the name reach the mount table as they are', async (t, place) => {
	const args = place
		.mountArguments('serve')
		.map(word => (word === 'disk' ? 'a,b\\c, allow_other' : word));
	const ended = await place.run(place.helper, ...args);
	await place.family(ended.report);
	t.is(place.mounted()?.source, 'a,b\\c, allow_other');
});

mounts('an image that may not be read, and one that is none, mount nothing', async (t, place) => {
	for (const [image, words] of [
		['/dev/null', /^failed image 19 .*neither a file nor a block device\n$/],
		[place.folder, /^failed image 21 cannot open/],
		[`${place.folder}/absent`, /^failed image 2 /],
		['/etc/shadow', process.getuid?.() === 0 || place.user.uid !== 0 ? /^failed image 13 / : /./],
	] as const) {
		const args = place.mountArguments('serve').map(word => (word === place.image ? image : word));
		const ended = await place.run(place.helper, ...args);
		t.is(ended.code, 1);
		t.regex(ended.report, words);
		t.is(place.mounted(), null);
	}
});

mounts('--foreground stays attached, and TERM ends it with status 0', async (t, place) => {
	const child = place.start(place.helper, place.mountArguments('serve', '--foreground'));
	const exit = new Promise<number | null>(done => child.once('exit', done));
	t.not(await until(() => place.mounted() !== null, goneWithinMs), null);
	t.is((await place.run('/bin/cat', `${place.mountpoint}/hello`)).out, 'hello\n');
	child.kill('SIGTERM');
	t.is(await exit, 0);
	t.is(place.mounted(), null);
});

mounts('TERM before a server that writes is ready: one line says so', async (t, place) => {
	const args = place
		.mountArguments('mute', '--foreground')
		.filter(argument => argument !== '--read-only');
	const child = place.start(place.helper, args);
	const ended = ending(child);
	t.not(await until(() => place.mounted() !== null, goneWithinMs), null);
	child.kill('SIGTERM');
	const {code, err, report} = await ended;
	t.deepEqual({code, err}, {code: 1, err: ''});
	t.regex(report, /^failed signal 0 [^\n]*\n$/);
	t.is(place.mounted(), null);
});

mounts(
	'a server that never stops talking commands no terminal, and keeps no signal away',
	async (t, place) => {
		const child = place.start(place.helper, place.mountArguments('babble', '--foreground'));
		const exit = new Promise<number | null>(done => child.once('exit', done));
		let said = '';
		child.stderr?.setEncoding('latin1').on('data', (text: string) => {
			said = said === '' ? text : said;
		});
		t.not(await until(() => place.mounted() !== null && said !== '', goneWithinMs), null);
		child.kill('SIGTERM');
		t.is(await exit, 0);
		t.true(said.startsWith('?]0;mine?\u00c2?babble\n'));
	},
);

mounts('the image is opened for reading only, and its bytes stay', async (t, place) => {
	await mountReady(t, place);
	await place.run('/bin/sh', '-c', `echo x > ${place.mountpoint}/hello`);
	t.true(readFileSync(place.image).every(byte => byte === 0));
});

mounts(
	'whole lives under the sanitizers: an unmount, a killed server, a refusal, a TERM',
	async (t, place) => {
		const first = await mountReady(t, place);
		await place.run('/usr/bin/fusermount3', '-u', place.mountpoint);
		await assertAllGone(t, place, Object.values(first));
		const second = await mountReady(t, place);
		place.kill(second.server);
		await assertAllGone(t, place, Object.values(second));
		t.is((await place.mount('fail')).err, 'stand-in: not an ext file system\n');
		const child = place.start(place.helper, place.mountArguments('serve', '--foreground'));
		const ended = ending(child);
		t.not(await until(() => place.mounted() !== null, goneWithinMs), null);
		await place.run('/bin/cat', `${place.mountpoint}/hello`);
		child.kill('SIGTERM');
		t.like(await ended, {code: 0, err: ''});
	},
	ordinaryUser,
	'mount-helper-sanitized',
);
