/** The privileged helper does what /etc/ext4box.conf permits, and nothing where that can’t be trusted. */
import {execFileSync} from 'node:child_process';
import {once} from 'node:events';
import {
	chmodSync,
	chownSync,
	mkdirSync,
	readFileSync,
	renameSync,
	symlinkSync,
	unlinkSync,
} from 'node:fs';
import {join} from 'node:path';
import type {Readable} from 'node:stream';
import {Abuse, folder, goneWithinMs, stranger} from '../support/abuse.ts';
import {permissive} from '../support/installed.ts';
import {ending, readProc, until} from '../support/mounting.ts';

/** By its name, too, may the policy permit: that of uucp on every Debian. */
const named = {uid: 10, gid: 10};
const cases = new Abuse('abuse-policy', null, named);
const {abuse} = cases;

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
		cases.installation.permit(policy);
		const isSandbox = options?.[0] === '--sandbox';
		const asked = options === undefined ? {} : isSandbox ? {sandbox: options} : {options};
		await cases.assertRefused(t, place, asked, report);
	});
}

const unsafe: [string, () => void, RegExp][] = [
	['the policy is missing', () => unlinkSync(cases.installation.policyPath), /No such file/],
	[
		'the policy is somebody’s',
		() => chownSync(cases.installation.policyPath, stranger.uid, 0),
		/belongs to uid 4242/,
	],
	[
		'its group may write',
		() => chmodSync(cases.installation.policyPath, 0o664),
		/may be written to/,
	],
	['all may write', () => chmodSync(cases.installation.policyPath, 0o646), /may be written to/],
	[
		'its directory is open',
		() => chmodSync(join(cases.installation.policyPath, '..'), 0o777),
		/may be written to/,
	],
	[
		'its directory is sticky and open',
		() => chmodSync(join(cases.installation.policyPath, '..'), 0o1777),
		/may be written to/,
	],
	[
		'a link leads to it',
		() => {
			renameSync(cases.installation.policyPath, `${cases.installation.policyPath}.real`);
			symlinkSync(`${cases.installation.policyPath}.real`, cases.installation.policyPath);
		},
		/not a regular file/,
	],
	[
		'it is a directory',
		() => {
			unlinkSync(cases.installation.policyPath);
			mkdirSync(cases.installation.policyPath);
		},
		/not a regular file/,
	],
	[
		'Node is somebody’s',
		() => chownSync(cases.installation.node, stranger.uid, 0),
		/belongs to uid/,
	],
	['Node may be written to', () => chmodSync(cases.installation.node, 0o775), /may be written to/],
	[
		'the program is somebody’s',
		() => chownSync(cases.installation.program, stranger.uid, 0),
		/belongs/,
	],
	[
		'the program’s directory is open',
		() => chmodSync(join(cases.installation.program, '..'), 0o777),
		/may be written to/,
	],
	[
		'the whole is somebody’s',
		() => chownSync(cases.installation.prefix, stranger.uid, 0),
		/belongs/,
	],
];

for (const [what, spoil, report] of unsafe) {
	abuse(`not safe: ${what}`, async (t, place) => {
		spoil();
		await cases.assertRefused(t, place, {}, report);
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
		cases.installation.permit(`# who\n\n${line}\n  mounts_per_user\t2\nnoexec no\n`);
		const {id, device} = await cases.assertMounted(t, place);
		t.is((await cases.unmount(place, id, device)).code, 0);
		await until(cases.isNothingLeft, goneWithinMs);
	}
});

abuse('policy: noexec holds where nobody asked for it', async (t, place) => {
	cases.installation.permit('users all\nmounts_per_user 1\nnoexec yes\n');
	const {made: found} = await cases.assertMounted(t, place);
	t.true(found?.options.includes('noexec'));
});

abuse('policy: the server is told the sandbox that is required', async (t, place) => {
	cases.installation.permit(`${permissive}require_sandbox normal\n`);
	const {code} = await cases.assertMounted(t, place);
	t.is(code, 0);
	const environment = readProc(cases.installation.servers()[0] ?? 0, 'environ') ?? '';
	t.true(environment.includes('EXT4BOX_SANDBOX=wanted\tnormal\nrequired\tnormal\n'), environment);
});

abuse('policy: allow_other, where permitted, comes with default_permissions', async (t, place) => {
	cases.installation.permit('users all\nmounts_per_user 1\nallow_other yes\nnoexec no\n');
	await cases.assertMounted(t, place, {options: ['--read-only', '--allow-other']});
	t.regex(
		readFileSync('/proc/self/mountinfo', 'utf8'),
		new RegExp(`${cases.word} ro,.*default_permissions,allow_other`),
	);
});

abuse('policy: of eight mounts at the same time, two are made', async (t, place) => {
	cases.installation.permit('users all\nmounts_per_user 2\nnoexec no\n');
	const started = Array.from({length: 8}, (_, index) => {
		const mountpoint = folder(`m${index}`, 0o755, place.user)(place);
		return ending(place.start(cases.installation.helper, cases.argumentsOf(place, {mountpoint})));
	});
	const ended = await Promise.all(started);
	for (const {report} of ended) {
		cases.remember(place, report);
	}
	t.is(cases.mounts().length, 2);
	t.is(ended.filter(({report}) => report.startsWith('ready')).length, 2);
	t.is(ended.filter(({report}) => /^failed policy .*permits 2/.test(report)).length, 6);
});

abuse('policy: a mount that was detached counts as long as its server runs', async (t, place) => {
	cases.installation.permit('users all\nmounts_per_user 1\nnoexec no\n');
	const {id, device} = await cases.assertMounted(t, place);
	const holder = await place.holdOpen();
	t.is((await cases.unmount(place, id, device, '--lazy')).code, 0);
	t.deepEqual(cases.mounts(), []);
	t.regex((await cases.mount(place)).report, /^failed policy 0 servers .*permits 1/);
	const end = once(holder, 'exit');
	holder.kill('SIGKILL');
	await end;
	// The helper waits for a server that still ends, but on a busy machine that may take longer.
	const deadline = Date.now() + 20_000;
	let {report} = await cases.mount(place);
	while (/^failed policy /.test(report) && Date.now() < deadline)
		({report} = await cases.mount(place));
	t.regex(report, /^ready installed /);
});

abuse('policy: a path that was made longer than can be read still counts', async (t, place) => {
	cases.installation.permit('users all\nmounts_per_user 1\nnoexec no\n');
	const mountpoint = join(folder('a', 0o755, place.user)(place), 'mnt');
	mkdirSync(mountpoint);
	chownSync(mountpoint, place.user.uid, place.user.gid);
	const {supervisor} = await cases.assertMounted(t, place, {mountpoint});
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
	t.regex(
		(await cases.mount(place)).report,
		/^failed policy 0 you have 1 mount of type fuse.ext4box or .*, and .*permits 1 /,
	);
	const end = once(mover, 'exit');
	mover.stdin?.end('\n');
	await end;
	place.kill(supervisor, 'SIGTERM');
	t.not(await until(cases.isNothingLeft, 3000), null, cases.describeLeft());
	// Too deep for the playground's own way of clearing up.
	execFileSync('rm', ['-rf', join(place.folder, '0'.repeat(200))]);
});
