/** The helper on kernels that lack a call, or give no rights in namespaces: what deny-call.c makes of this one. */
import {spawnSync} from 'node:child_process';
import {readdirSync, readlinkSync} from 'node:fs';
import test, {type ExecutionContext} from 'ava';
import {Installation} from '../support/installed.ts';
import {
	buildTools,
	builtTool,
	ordinaryUser,
	Playground,
	readProc,
	root,
	type User,
	whyNoFusermount3,
	whyNoRoot,
} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';

const why = whyNoRoot();
/** Who mounts by the installed helper, and in no other test. */
const stranger = {uid: 4343, gid: 4343};
let installation: Installation;

test.before(() => {
	if (why !== null) return;
	buildTools('test-tools');
	installation = new Installation();
});

test.after.always(() => {
	if (why === null) installation?.remove();
});

/** Mounts as the user, where a call is denied. Root alone can deny it, so it is root that starts. */
function mountDenied(
	t: ExecutionContext,
	place: Playground,
	call: string,
	helper: readonly string[],
): {err: string; report: string} {
	const {status, err, report} = runDenied(place, call, helper);
	t.is(status, 0, err + report);
	return {err, report};
}

function runDenied(place: Playground, call: string, helper: readonly string[]) {
	const {uid, gid} = place.user;
	const user = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
	const {status, output} = spawnSync(builtTool('deny-call'), [call, ...user, ...helper], {
		cwd: place.folder,
		stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
		encoding: 'utf8',
		timeout: 60_000,
	});
	const [, , err = '', report = ''] = output as string[];
	return {status, err, report};
}

function checkout(place: Playground, mode: string): string[] {
	return [place.helper, ...place.mountArguments(mode)];
}

function installed(place: Playground, mode: string): string[] {
	return [
		...[installation.helper, 'mount', '--image', place.image, '--mountpoint', place.mountpoint],
		...['--fsname', 'disk', '--read-only', '--report-fd', '3'],
		...['--sandbox', 'normal', '--', `{"mode":"${mode}"}`],
	];
}

function descriptorsOf(pid: number): number[] {
	return readdirSync(`/proc/${pid}/fd`).map(Number);
}

async function closesAll(
	t: ExecutionContext,
	user: User,
	helper: (place: Playground, mode: string) => string[],
): Promise<void> {
	const place = new Playground(user);
	try {
		const {report} = mountDenied(t, place, 'close_range', helper(place, 'serve'));
		const {supervisor} = await place.family(report);
		const children = readProc(supervisor, `task/${supervisor}/children`) ?? '';
		const family = [supervisor, ...children.trim().split(' ').map(Number)];
		t.true(family.length >= 3, children);
		for (const pid of family) {
			const comm = readProc(pid, 'comm')?.trim();
			t.true(Math.max(...descriptorsOf(pid)) < 100, `${comm}: ${descriptorsOf(pid)}`);
		}
	} finally {
		await place.close();
	}
}

serialTestUnless(why, 'before Linux 5.9 a high descriptor reaches nobody, as root', t =>
	closesAll(t, root, checkout),
);

serialTestUnless(
	why ?? whyNoFusermount3(),
	'before Linux 5.9 a high descriptor reaches nobody, as an ordinary user',
	t => closesAll(t, ordinaryUser, checkout),
);

serialTestUnless(
	why,
	'before Linux 5.9 a high descriptor reaches nobody by the installed helper',
	t => closesAll(t, stranger, installed),
);

serialTestUnless(
	why,
	'where nobody may mount in a user namespace the installed helper starts a server in part of a sandbox',
	async t => {
		const place = new Playground(stranger);
		try {
			const {report} = mountDenied(t, place, 'private-mount', installed(place, 'inspect'));
			const {supervisor} = await place.family(report);
			const [server] = installation.servers();
			const environment = readProc(server ?? 0, 'environ') ?? '';
			t.regex(environment, /^namespaces\tno\tmount namespaces: there are no rights in one: /m);
			t.regex(environment, /^root\tno\t/m);
			const [theirs, ours] = [server ?? 0, supervisor].map(pid =>
				readlinkSync(`/proc/${pid}/ns/mnt`),
			);
			t.is(theirs, ours, 'in no namespace that keeps the mounts of the machine');
		} finally {
			await place.close();
		}
	},
);

serialTestUnless(
	why,
	'a server that can not have an id of its own: the supervisor says so, nothing is written as root',
	async t => {
		const place = new Playground(stranger);
		try {
			const ended = runDenied(place, 'user-namespace', installed(place, 'serve'));
			t.deepEqual(ended, {
				status: 1,
				err: '',
				report: 'failed internal 28 cannot start the server under an id of its own\n',
			});
			t.is(place.mounted(), null);
			t.deepEqual(installation.servers(), []);
		} finally {
			await place.close();
		}
	},
);
