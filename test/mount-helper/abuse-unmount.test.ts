/** The privileged helper unmounts what is its caller’s, and nothing else. */
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {Abuse, stranger} from '../support/abuse.ts';
import {Playground, readProc, until} from '../support/mounting.ts';

const cases = new Abuse('abuse-unmount');
const {abuse} = cases;

abuse('unmounting: not what another user has mounted', async (t, place) => {
	const other = new Playground(stranger);
	try {
		const {id, device} = await cases.assertMounted(t, other);
		for (const more of [[], ['--lazy']]) {
			const ended = await cases.unmount(place, id, device, ...more);
			t.is(ended.code, 1);
			t.regex(ended.report, /^failed policy 1 .*not yours/);
		}
		t.is(cases.mounts().length, 1);
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
		t.is((await cases.unmount(place, id, device, '--lazy')).code, 0);
	}
	const after = readFileSync('/proc/self/mountinfo', 'utf8');
	t.deepEqual(
		lines.filter(line => !after.includes(line)),
		[],
	);
});

abuse('unmounting: not by half of the numbers', async (t, place) => {
	const {id, device} = await cases.assertMounted(t, place);
	await cases.unmount(place, id, '0:1');
	await cases.unmount(place, '1', device);
	t.is(cases.mounts().length, 1);
});

abuse('unmounting: not from below another mount', async (t, place) => {
	const {id, device} = await cases.assertMounted(t, place);
	execFileSync('mount', ['-t', 'tmpfs', 'cover', place.mountpoint]);
	try {
		const ended = await cases.unmount(place, id, device, '--lazy');
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
			const {id, device} = await cases.assertMounted(t, place);
			t.regex((await cases.unmount(place, id, device)).report, /^failed busy /);
			t.is((await cases.unmount(place, id, device, '--lazy')).code, 0);
			t.true(readFileSync('/proc/self/mountinfo', 'utf8').includes('tmpfs below '));
			t.deepEqual(cases.mounts(), []);
		} finally {
			execFileSync('umount', [place.mountpoint]);
		}
	},
);

abuse('unmounting: one that is in use is busy, and goes lazily', async (t, place) => {
	const {id, device} = await cases.assertMounted(t, place);
	await place.holdOpen();
	t.regex((await cases.unmount(place, id, device)).report, /^failed busy 0 \//);
	t.is((await cases.unmount(place, id, device, '--lazy')).code, 0);
	t.deepEqual(cases.mounts(), []);
});

abuse(
	'unmounting: what was lost is told by a supervisor of the mounter’s, for a while',
	async (t, place) => {
		const server = ['{"mode":"lose"}'];
		const {id, device, supervisor} = await cases.assertMounted(t, place, {server, options: []});
		t.is((await cases.unmount(place, id, device)).code, 0);
		const name = () => readProc(supervisor, 'comm')?.trimEnd();
		t.not(await until(() => name() === 'ext4box-end:28', 20_000), null);
		t.regex(
			readProc(supervisor, 'status') ?? '',
			new RegExp(`^Uid:(\\t${place.user.uid}){4}$`, 'm'),
		);
		t.deepEqual(cases.installation.servers(), [], 'the image is free by then');
		// Only who may signal it anyway can have it go.
		const other = new Playground(stranger);
		try {
			t.not((await other.run('/bin/sh', '-c', `kill ${supervisor}`)).code, 0);
		} finally {
			await other.close();
		}
		t.is((await place.run('/bin/sh', '-c', `kill ${supervisor}`)).code, 0);
		t.not(await until(() => name() !== 'ext4box-end:28', 5000), null);
	},
);
