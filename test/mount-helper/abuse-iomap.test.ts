/**
 * The grant of FUSE iomap: given only before the mount, only as the policy and the kernel's own switch
 * have it, and the server is told the truth. No released kernel has it, so strace answers in its place.
 */
import {existsSync, mkdirSync, readlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {Abuse, type Asked, type Body, fileOfAnother, goneWithinMs} from '../support/abuse.ts';
import {permissive} from '../support/installed.ts';
import {loopsBelow, whyNoLoop} from '../support/loops.ts';
import {ordinaryUser, Playground, readProc, until, whyNoFusermount3} from '../support/mounting.ts';
import {Tampered, whyNoTampering} from '../support/tampered.ts';

const parameters = '/sys/module/fuse/parameters';
const kernelSwitch = join(parameters, 'enable_iomap');
const why =
	whyNoLoop() ??
	whyNoTampering() ??
	(existsSync(kernelSwitch) ? 'this kernel has FUSE iomap itself' : null);
const cases = new Abuse('abuse-iomap', why);

/** The first of the helper's ioctls is that by which it marks /dev/fuse. */
const granting = 'ioctl:retval=0:when=1';
/** It asks what the kernel would grant. */
const supporting = 'ioctl:retval=0:poke_exit=@arg3=0300000000000000:when=1';
const traced = ['ioctl', 'fsopen', 'fsmount', 'execve'];
/** FUSE_DEV_IOC_ADD_IOMAP: _IO(229, 101). */
const mark = /^ioctl\(\d+, _IOC\(_IOC_NONE, 0xe5, 0x65, 0\)/;

function toldTo(server: number): string {
	const variables = (readProc(server, 'environ') ?? '').split('\0');
	return variables.find(one => one.startsWith('EXT4BOX_GRANT=')) ?? '';
}

async function start(
	t: ExecutionContext,
	place: Playground,
	injections: readonly string[],
	options: readonly string[] = ['--iomap', '--read-only'],
	wrapper: readonly string[] = [],
	asked: Asked = {},
): Promise<Tampered> {
	const all = [...options, '--foreground'];
	const helper = [cases.installation.helper, ...cases.argumentsOf(place, {...asked, options: all})];
	const run = new Tampered(place, traced, injections, helper, wrapper);
	const report = await run.report();
	cases.remember(place, report);
	t.regex(report, /^ready installed /);
	return run;
}

cases.abuse(
	'iomap: a kernel that has none says so, and the mount is an ordinary one',
	async (t, place) => {
		await cases.assertMounted(t, place, {options: ['--iomap', '--read-only']});
		t.is(toldTo(cases.server()), 'EXT4BOX_GRANT=iomap\tkernel\t\nloop\tnone\t\n');
		t.is(readlinkSync(`/proc/${cases.server()}/fd/4`), place.image);
		t.is((await place.run('/bin/cat', `${place.mountpoint}/hello`)).out, 'hello\n');
	},
);

cases.abuse('iomap: who does not ask for it does not get it', async (t, place) => {
	const run = await start(t, place, [], ['--read-only']);
	t.is(toldTo(cases.server()), 'EXT4BOX_GRANT=iomap\tunasked\t\nloop\tnone\t\n');
	t.deepEqual(
		run.lines().filter(line => line.startsWith('ioctl')),
		[],
	);
});

cases.abuse('iomap: the policy forbids it, and the kernel is not even asked', async (t, place) => {
	cases.installation.permit(`${permissive}iomap no\nloop yes\n`);
	const run = await start(t, place, []);
	t.is(toldTo(cases.server()), 'EXT4BOX_GRANT=iomap\tpolicy\t\nloop\tnone\t\n');
	t.deepEqual(
		run.lines().filter(line => line.startsWith('ioctl')),
		[],
	);
});

cases.abuse(
	'iomap: granted before the mount, with a loop device for the file',
	async (t, place) => {
		cases.installation.permit(`${permissive}loop yes\n`);
		const run = await start(t, place, [granting]);
		const [loop] = loopsBelow(place.folder);
		t.regex(
			toldTo(cases.server()),
			/^EXT4BOX_GRANT=iomap\tgranted\t\nloop\tattached\t\/dev\/loop\d+\t/,
		);
		t.is(loop?.device, readlinkSync(`/proc/${cases.server()}/fd/4`));
		const lines = run.lines();
		const marked = lines.findIndex(line => mark.test(line));
		t.true(
			marked >= 0 && marked < lines.findIndex(line => line.startsWith('fsopen(')),
			lines.join('\n'),
		);
		t.is(lines.filter(line => mark.test(line)).length, 1);
		t.is((await place.run('/bin/cat', `${place.mountpoint}/hello`)).out, 'hello\n');
		for (const server of cases.installation.servers()) process.kill(server, 'SIGKILL');
		t.not(await until(() => loopsBelow(place.folder).length === 0, goneWithinMs), null);
	},
);

cases.abuse(
	'iomap: not granted where no loop device is permitted: the file, and why',
	async (t, place) => {
		const run = await start(t, place, [supporting]);
		t.is(toldTo(cases.server()), 'EXT4BOX_GRANT=iomap\twithheld\t\nloop\tpolicy\t\n');
		t.false(
			run.lines().some(line => mark.test(line)),
			'the right to it was given',
		);
		t.is(readlinkSync(`/proc/${cases.server()}/fd/4`), place.image);
		t.deepEqual(loopsBelow(place.folder), []);
	},
);

cases.abuse('iomap: granted, and no loop device to be had: the file, and why', async (t, place) => {
	const {image, mountpoint} = await fileOfAnother(t, cases, place, 'loop yes');
	const [first = 0] = cases.installation.servers();
	await start(t, place, [granting], undefined, [], {image, mountpoint});
	const server = cases.installation.servers().find(pid => pid !== first) ?? 0;
	t.is(
		toldTo(server),
		'EXT4BOX_GRANT=iomap\tgranted\t\nloop\tfailed\tits file system is not one to put a loop device on\n',
	);
	t.is(readlinkSync(`/proc/${server}/fd/4`), image);
});

for (const [error, told] of [
	['EPERM', 'iomap\tpermission\t'],
	['ENOMEM', 'iomap\tfailed\tCannot allocate memory'],
	['ENOTTY', 'iomap\tkernel\t'],
] as const) {
	cases.abuse(`iomap: the kernel answers ${error}`, async (t, place) => {
		cases.installation.permit(`${permissive}loop yes\n`);
		await start(t, place, [`ioctl:error=${error}:when=1`]);
		t.is(toldTo(cases.server()), `EXT4BOX_GRANT=${told}\nloop\tnone\t\n`);
		t.deepEqual(loopsBelow(place.folder), []);
	});
}

for (const [state, told] of [
	['N', 'switch'],
	['0', 'switch'],
	['Y', 'permission'],
] as const) {
	cases.abuse(`iomap: refused, and the kernel’s switch is ${state}`, async (t, place) => {
		const folder = join(place.folder, 'parameters');
		mkdirSync(folder);
		writeFileSync(join(folder, 'enable_iomap'), `${state}\n`);
		// In a mount namespace of its own, where the kernel's parameters are these.
		const script = `mount --bind "$0" ${parameters} && exec "$@"`;
		const wrapper = ['unshare', '-m', '/bin/sh', '-c', script, folder];
		await start(t, place, ['ioctl:error=EPERM:when=1'], undefined, wrapper);
		t.is(toldTo(cases.server()), `EXT4BOX_GRANT=iomap\t${told}\t\nloop\tnone\t\n`);
	});
}

cases.abuse('iomap: the right to grant it is gone before the mount is made', async (t, place) => {
	const all = ['--iomap', '--read-only', '--foreground'];
	const run = new Tampered(
		place,
		['fsopen'],
		['fsopen:signal=STOP:when=1'],
		[cases.installation.helper, ...cases.argumentsOf(place, {options: all})],
	);
	const helper = (await run.stopped()) ?? 0;
	const rawIo = 1n << 17n; // CAP_SYS_RAWIO
	for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapBnd']) {
		const text = new RegExp(`^${set}:\\s+([0-9a-f]+)$`, 'm').exec(readProc(helper, 'status') ?? '');
		t.is(BigInt(`0x${text?.[1]}`) & rawIo, 0n, set);
	}
	process.kill(helper, 'SIGCONT');
	const report = await run.report();
	cases.remember(place, report);
	t.regex(report, /^ready installed /);
});

/** By fusermount3, which mounts with rights of its own: the helper, without any, asks what came of it. */
for (const [what, injection, told] of [
	['has come by it', supporting, 'granted\t'],
	['has not', 'ioctl:retval=0:poke_exit=@arg3=0000000000000000:when=1', 'permission\t'],
	['can not have it from this kernel', 'ioctl:error=ENOTTY:when=1', 'kernel\t'],
	['is told something else', 'ioctl:error=EIO:when=1', 'failed\tInput/output error'],
] as const) {
	const title = `iomap: a mount by fusermount3 ${what}`;
	const body: Body = async t => {
		// fusermount3 serves nobody who has no name.
		const place = new Playground(ordinaryUser);
		try {
			const helper = [place.helper, ...place.mountArguments('serve', '--iomap', '--foreground')];
			const run = new Tampered(place, traced, [injection], helper);
			const report = await run.report();
			t.regex(report, /^ready fusermount3 /);
			const {server} = await place.family(report);
			t.is(toldTo(server), `EXT4BOX_GRANT=iomap\t${told}\nloop\tpermission\t\n`);
		} finally {
			await place.close();
		}
	};
	cases.abuse(title, body, whyNoFusermount3());
}
