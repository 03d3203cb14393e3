/** What an ordinary mount by the privileged helper consists of, and that its caller has no hold of the server. */
import {readdirSync, readlinkSync} from 'node:fs';
import {Abuse, descriptorsOf, goneWithinMs} from '../support/abuse.ts';
import {readProc, until} from '../support/mounting.ts';

const cases = new Abuse('abuse-processes');
const {abuse} = cases;

abuse('an ordinary mount works, and is nosuid, nodev and its caller’s', async (t, place) => {
	const {made} = await cases.assertMounted(t, place);
	t.is(made?.path, place.mountpoint);
	t.is(made?.uid, place.user.uid);
	t.deepEqual(
		['nosuid', 'nodev', 'ro'].filter(option => made?.options.includes(option)),
		['nosuid', 'nodev', 'ro'],
	);
	t.is((await place.run('/bin/cat', `${place.mountpoint}/hello`)).out, 'hello\n');
	const {id, device} = made ?? {id: 0, device: ''};
	t.is((await cases.unmount(place, String(id), device)).code, 0);
});

abuse('the server has an id that is nobody’s and the contract’s descriptors', async (t, place) => {
	const {made} = await cases.assertMounted(t, place);
	const [server = 0] = cases.installation.servers();
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
		const {supervisor} = await cases.assertMounted(t, place);
		const children = (readProc(supervisor, `task/${supervisor}/children`) ?? '').trim().split(' ');
		t.is(children.length, 2);
		const [server = 0] = cases.installation.servers();
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
		const {supervisor} = await cases.assertMounted(t, place);
		const [server = 0] = cases.installation.servers();
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
		t.true(cases.installation.servers().includes(server));
	},
);

for (const victims of [['supervisor'], ['server'], ['keeper'], ['keeper', 'supervisor']] as const) {
	abuse(`${victims.join(' and ')} killed: mount and server are gone`, async (t, place) => {
		const {supervisor} = await cases.assertMounted(t, place);
		const [server = 0] = cases.installation.servers();
		const keeper = Number(/^PPid:\s+(\d+)/m.exec(readProc(server, 'status') ?? '')?.[1]);
		const pids = {supervisor, server, keeper};
		for (const victim of victims) {
			process.kill(pids[victim], 'SIGKILL');
		}
		t.not(await until(cases.isNothingLeft, goneWithinMs), null, cases.describeLeft());
	});
}
