/** Mounts whose image, or the disk that it lies on, has no room left. */
import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import path from 'node:path';
import {mountAt} from '../../src/mount/mounts.ts';
import {codeOf, writes} from '../support/writing-tests.ts';

writes(
	'a full disk says so, and loses nothing',
	(t, place) => {
		place.mount('rw,sync');
		place.sh('mkdir d; echo precious > d/precious');
		t.throws(() => place.sh('cat /dev/zero > fill'), {message: /No space left/});
		t.throws(() => place.sh('i=0; while :; do i=$((i+1)); mkdir d/$i; done'), {
			message: /No space/,
		});
		t.is(fs.readFileSync(place.at('d/precious'), 'utf8'), 'precious\n');
		place.sh('rm fill; echo more > more');
		t.is(fs.readFileSync(place.at('more'), 'utf8'), 'more\n');
		place.umount();
		t.is(place.check(), '');
	},
	{sizeBytes: 8 << 20},
);

writes(
	'an error of write-back reaches close and fsync',
	(t, place) => {
		place.mount();
		const descriptor = fs.openSync(place.at('file'), 'w');
		fs.writeSync(descriptor, Buffer.alloc(6 << 20, 1));
		fs.writeSync(descriptor, Buffer.alloc(6 << 20, 2));
		t.is(
			codeOf(() => fs.fsyncSync(descriptor)),
			'ENOSPC',
		);
		fs.closeSync(descriptor);
		place.umount();
		t.is(place.check(), '');
	},
	{sizeBytes: 8 << 20},
);

writes('a full disk ends who writes to it', (t, place) => {
	place.mount();
	const said = place.sh(
		'timeout 60 dd if=/dev/zero of=full bs=1M count=100000 2>&1 || echo $?; rm full',
	);
	t.regex(said, /No space left on device[\s\S]*\n1\n$/);
	place.sh('echo text > after; test "$(cat after)" = text');
	place.umount();
	t.is(place.check(), '');
});

writes('umount tells of what was lost because the disk below was full', (t, place) => {
	const host = path.join(place.folder, 'host');
	fs.mkdirSync(host);
	execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', host]);
	try {
		const image = path.join(host, 'disk.img');
		execFileSync('cp', ['--sparse=always', place.image, image]);
		t.is(place.cli('mount', image, place.mountpoint, '-o', 'rw').status, 0);
		t.throws(() => place.sh('head -c 8000000 /dev/urandom > big; sync big'));
		// The journal was never written to: it has no room on the disk either.
		t.throws(() => place.sh('mkdir $(seq 300); sync 1'));
		const {status, stderr} = place.cli('umount', place.mountpoint);
		t.is(mountAt(place.mountpoint), null);
		t.is(status, 1, stderr);
		t.regex(
			stderr,
			/not all that was written is in the image: writing was given up \(no space left on device\)/,
		);
		// The same, where nobody has waited for what was written before.
		t.is(place.cli('mount', image, place.mountpoint, '-o', 'rw,commit=600').status, 0);
		place.sh('mkdir $(seq 400 900)');
		t.regex(place.cli('umount', place.mountpoint).stderr, /given up \(no space left on device\)/);
	} finally {
		execFileSync('umount', ['-l', host]);
	}
});
