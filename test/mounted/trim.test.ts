/** fstrim(8) on mounts: free space of the image goes back to the disk that it lies on. */
import {execFileSync, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {whyNoLoop} from '../support/loops.ts';
import {missing} from '../support/skip.ts';
import type {WritableImage} from '../support/writable-mount.ts';
import {writes} from '../support/writing-tests.ts';

const lacking = missing('fstrim');
const nobody = 65_534;

const environment = {PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C'};

/** fstrim on the mount by `uid`: what it says, or how it fails. */
function fstrim(place: WritableImage, uid: number, ...options: string[]): string {
	// The shell goes there: root may not where another has mounted for himself.
	const script = 'cd "$0" && exec fstrim "$@" .';
	const {stdout, stderr} = spawnSync('sh', ['-c', script, place.mountpoint, ...options], {
		...(process.geteuid?.() === 0 ? {uid, gid: uid} : {}),
		cwd: '/',
		encoding: 'utf8',
		env: environment,
	});
	return stdout + stderr;
}

const keptBytes = (file: string): number => fs.statSync(file).blocks * 512;
const mebibyte = 1 << 20;

for (const isOrdinary of [false, true]) {
	const uid = isOrdinary ? nobody : 0;
	const who = isOrdinary ? 'an ordinary user' : 'root';
	writes(
		`the image of a file becomes sparse again: ${who}`,
		(t, place) => {
			place.mount();
			place.sh(
				'yes kept | head -c 3000000 > kept; yes gone | head -c 30000000 > gone; sync gone kept',
			);
			const full = keptBytes(place.image);
			t.true(full > 30 * mebibyte);
			place.sh('rm gone');
			t.regex(fstrim(place, uid, '-v'), /trimmed/);
			const left = keptBytes(place.image);
			t.true(left < full - 28 * mebibyte, `${left} of ${full}`);
			t.regex(fstrim(place, uid, '-o', '1T'), /Invalid argument/);
			t.is(place.sh('yes kept | head -c 3000000 | cmp - kept'), '');
			place.umount();
			t.is(place.check(), '');
			place.mount();
			t.is(place.sh('yes kept | head -c 3000000 | cmp - kept'), '');
			place.umount();
		},
		{isOrdinary},
		lacking,
	);
}

writes(
	'who has not mounted may not, nor may anybody where it is read-only',
	(t, place) => {
		place.mount('rw,allow_other');
		fs.chmodSync(place.folder, 0o755);
		t.regex(fstrim(place, nobody), /not permitted/);
		t.is(fstrim(place, 0), '');
		t.is(place.cli('mount', '-o', 'remount,ro', place.mountpoint).stderr, '');
		t.regex(fstrim(place, 0), /Read-only/);
		place.umount();
		for (const options of ['ro', 'ro,norecovery']) {
			place.mount(options);
			t.regex(fstrim(place, 0), /Read-only/, options);
			place.umount();
		}
	},
	{},
	lacking,
);

writes(
	'a block device is told',
	(t, place) => {
		const device = execFileSync('losetup', ['-f', '--show', place.image], {
			encoding: 'utf8',
		}).trim();
		try {
			const mount = place.cli('mount', device, place.mountpoint, '-o', 'rw');
			t.is(mount.stderr, '');
			place.sh('yes gone | head -c 30000000 > gone; sync gone; rm gone');
			t.true(keptBytes(place.image) > 30 * mebibyte);
			t.regex(fstrim(place, 0, '-v'), /trimmed/);
			t.true(keptBytes(place.image) < 10 * mebibyte, `${keptBytes(place.image)}`);
			place.sh('echo after > after');
			place.umount();
		} finally {
			execFileSync('losetup', ['-d', device]);
		}
		t.is(place.check(), '');
	},
	{},
	lacking ?? whyNoLoop(),
);
