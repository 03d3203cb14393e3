/** What /proc says of the keeper, and that it does its one duty as confined as it is. */
import test from 'ava';
import {Installation} from '../support/installed.ts';
import {Playground, readProc, until, whyNoRoot} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';

const why = whyNoRoot();
/** Who mounts in no other test. */
const stranger = {uid: 4344, gid: 4344};
let installation: Installation;

test.before(() => {
	if (why === null) installation = new Installation();
});

test.after.always(() => {
	if (why === null) installation?.remove();
});

type Family = {readonly supervisor: number; readonly keeper: number; readonly server: number};

async function mount(place: Playground): Promise<Family> {
	const {report, err} = await place.run(
		installation.helper,
		...['mount', '--image', place.image, '--mountpoint', place.mountpoint],
		...['--fsname', 'keeper', '--read-only', '--report-fd', '3', '--sandbox', 'normal'],
		...['--', '{"mode":"serve"}'],
	);
	const supervisor = Number(/^ready installed \d+ \d+:\d+ (\d+)\n$/.exec(report)?.[1]);
	if (Number.isNaN(supervisor)) throw new Error(err + report);
	const [server = 0] = installation.servers();
	const keeper = Number(fieldOf(server, 'PPid'));
	for (const pid of [supervisor, server, keeper]) place.rememberProcess(pid);
	return {supervisor, keeper, server};
}

function fieldOf(pid: number, name: string): string {
	const text = readProc(pid, 'status') ?? '';
	return new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(text)?.[1] ?? '';
}

serialTestUnless(why, 'the keeper has no capability, can get none, and has a filter', async t => {
	const place = new Playground(stranger);
	try {
		const {keeper} = await mount(place);
		t.is(readProc(keeper, 'comm'), 'ext4box-keeper\n');
		for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
			t.is(fieldOf(keeper, set), '0000000000000000', set);
		}
		t.is(fieldOf(keeper, 'NoNewPrivs'), '1');
		// It is told of before it has closed itself in.
		const isFiltered = () => fieldOf(keeper, 'Seccomp') === '2';
		t.not(await until(isFiltered, 10_000), null);
		t.is(fieldOf(keeper, 'Seccomp_filters'), '1');
	} finally {
		await place.close();
	}
});

for (const {victim, signal} of [
	{victim: 'server', signal: 'SIGKILL'},
	{victim: 'supervisor', signal: 'SIGTERM'},
	{victim: 'supervisor', signal: 'SIGKILL'},
	{victim: 'keeper', signal: 'SIGKILL'},
] as const) {
	serialTestUnless(
		why,
		`with a filtered keeper, all ends with the ${victim}: ${signal}`,
		async t => {
			const place = new Playground(stranger);
			try {
				const family = await mount(place);
				t.not(await until(() => fieldOf(family.keeper, 'Seccomp') === '2', 10_000), null);
				place.kill(family[victim], signal);
				const {supervisor, keeper, server} = family;
				const all = [supervisor, keeper, server];
				t.not(await until(() => !all.some(pid => place.isAlive(pid)), 20_000), null, 'left');
				t.not(await until(() => place.mounted() === null, 20_000), null, 'still mounted');
			} finally {
				await place.close();
			}
		},
	);
}
