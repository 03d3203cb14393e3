/** Where the privileged helper mounts: on its caller’s own directories, whatever is done to the path meanwhile. */
import {execFileSync, spawnSync} from 'node:child_process';
import {chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {
	Abuse,
	folder,
	foreignImage,
	goneWithinMs,
	hidden,
	linkTo,
	type Prepared,
	stranger,
} from '../support/abuse.ts';
import {ending, Playground, root, until} from '../support/mounting.ts';

const cases = new Abuse('abuse-mountpoints');
const {abuse} = cases;

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
	['a directory that is read-only to its owner', folder('d', 0o555, cases.user), /not write/],
	['a file', place => place.image, /^failed mountpoint 20 /],
	['nothing', place => join(place.folder, 'absent'), /^failed mountpoint 2 /],
	['a link to /etc', linkTo(() => '/etc')],
	['a link to somebody’s directory', linkTo(folder('d', 0o755, stranger)), /not write/],
	['a directory behind one that is closed', place => join(hidden(place), '..')],
	['a descriptor of a file', () => '/proc/self/fd/0'],
	['the working directory of process 1', () => '/proc/1/cwd'],
	['the directory of the policy', () => join(cases.installation.prefix, 'etc')],
	['the directory of the program', () => join(cases.installation.prefix, 'lib/ext4box')],
];

for (const [what, prepare, report] of places) {
	abuse(`not a mountpoint for this caller: ${what}`, async (t, place) => {
		const mountpoint = prepare(place);
		try {
			await cases.assertRefused(t, place, {mountpoint}, report ?? refusedPlace);
		} finally {
			if (mountpoint.endsWith('ext4box-test-own')) {
				rmSync(mountpoint, {recursive: true});
			}
		}
	});
}

for (const parent of ['/root', '/run', '/var/lib']) {
	abuse(
		`root’s own directory below ${parent} is a mountpoint for root, and for no other`,
		async (t, place) => {
			const mountpoint = ownBelow(parent)(place);
			const rootPlace = new Playground(root);
			try {
				await cases.assertRefused(t, place, {mountpoint}, refusedPlace);
				await cases.assertMounted(t, rootPlace, {mountpoint});
			} finally {
				await rootPlace.close();
				await until(() => cases.mounts().length === 0, goneWithinMs);
				rmSync(mountpoint, {recursive: true});
			}
		},
	);
}

for (const mountpoint of ['/', '/root', '/run', '/run/user', '/etc', '/usr/lib', '/var/lib']) {
	abuse(`not a mountpoint for root: ${mountpoint}`, async (t, place) => {
		const rootPlace = new Playground(root);
		try {
			await cases.assertRefused(t, rootPlace, {mountpoint}, /system's; choose another/);
		} finally {
			await rootPlace.close();
		}
		t.is(place.mounted(), null);
	});
}

abuse(
	'not a mountpoint: the root of a FUSE file system, whose server need not answer',
	async (t, place) => {
		await cases.assertMounted(t, place);
		const ended = await cases.mount(place, {image: foreignImage(0o644)(place)});
		t.regex(ended.report, /^failed mountpoint 1 /);
		t.is(cases.mounts().length, 1);
	},
);

abuse('not a mountpoint: a directory that was removed', async (t, place) => {
	const script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"';
	const args = cases.argumentsOf(place, {mountpoint: '.'});
	const ended = await place.run('/bin/sh', '-c', script, 'sh', cases.installation.helper, ...args);
	t.regex(ended.report, /^failed (mountpoint|mount) /);
	t.deepEqual(cases.mounts(), []);
});

abuse('not a mountpoint: a path beyond PATH_MAX', async (t, place) => {
	const script =
		'n=$(printf "%0200d" 0); for i in $(seq 25); do mkdir $n && cd -P $n || exit 9; done; exec "$@"';
	const args = cases.argumentsOf(place, {mountpoint: '.'});
	const ended = await place.run(
		'/bin/bash',
		'-c',
		script,
		'sh',
		cases.installation.helper,
		...args,
	);
	t.regex(ended.report, /^failed mountpoint /);
	t.deepEqual(cases.mounts(), []);
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
		const ended = await cases.mount(place, {mountpoint: path});
		t.regex(ended.report, /^failed (mountpoint|mount) /);
	}
	t.deepEqual(cases.mounts(), []);
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
			const ended = await cases.mount(place, {mountpoint: swap});
			for (const one of cases.mounts()) {
				mounted++;
				t.true([swap, join(place.folder, 'kept')].includes(one.path), one.path);
				await cases.unmount(place, String(one.id), one.device, '--lazy');
			}
			t.regex(ended.report, /^(ready installed|failed mountpoint|failed mount|failed signal) ?/);
			await until(cases.isNothingLeft, goneWithinMs);
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
			const {id, device} = await cases.assertMounted(t, place, {
				mountpoint: join(place.folder, 'own/mnt'),
			});
			const swapper = place.start('/usr/bin/perl', ['-e', script, place.folder]);
			for (let tries = 0; tries < 200 && cases.mounts().length > 0; tries++) {
				await cases.unmount(place, id, device);
			}
			swapper.kill('SIGKILL');
			await ending(swapper);
			if (existsSync(join(place.folder, 'kept'))) {
				rmSync(join(place.folder, 'own'), {force: true});
				renameSync(join(place.folder, 'kept'), join(place.folder, 'own'));
			}
			t.true(readFileSync('/proc/self/mountinfo', 'utf8').includes(`${theirs}/mnt `));
			t.not(await until(cases.isNothingLeft, goneWithinMs), null, cases.describeLeft());
		}
	} finally {
		spawnSync('umount', [join(theirs, 'mnt')]);
		await other.close();
	}
});
