/** How mounts that write come to their end in order, or to be read-only. */
import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import path from 'node:path';
import {askStatus} from '../../src/mount/ask-status.ts';
import {mountAt} from '../../src/mount/mounts.ts';
import {until} from '../support/mounting.ts';
import type {WritableImage} from '../support/writable-mount.ts';
import {codeOf, makeTree, writes} from '../support/writing-tests.ts';

writes('SIGTERM: what is held open is written out, and all is brought home', async (t, place) => {
	place.mount();
	place.sh('umask 0; : > held');
	const descriptor = fs.openSync(place.at('held'), 'r+');
	fs.writeSync(descriptor, 'not synced');
	const {supervisor, server} = place.processes();
	process.kill(server, 'SIGTERM'); // As at the end of a session: to every process of it.
	process.kill(supervisor, 'SIGTERM');
	t.not(await until(() => !fs.existsSync(`/proc/${supervisor}`), 8000), null);
	t.is(mountAt(place.mountpoint), null);
	codeOf(() => fs.closeSync(descriptor));
	t.is(place.check(), '');
	place.mount('ro');
	t.is(fs.readFileSync(place.at('held'), 'utf8'), 'not synced');
	place.umount();
});

writes('a lazy unmount ends when the last file is closed', async (t, place) => {
	place.mount();
	place.sh('umask 0; : > held');
	const {supervisor} = place.processes();
	const descriptor = fs.openSync(place.at('held'), 'r+');
	place.umount('--lazy');
	fs.writeSync(descriptor, 'still written');
	fs.fsyncSync(descriptor);
	fs.closeSync(descriptor);
	t.not(await until(() => !fs.existsSync(`/proc/${supervisor}`), 5000), null);
	t.is(place.check(), '');
	place.mount('ro');
	t.is(fs.readFileSync(place.at('held'), 'utf8'), 'still written');
	place.umount();
});

/** Holds a directory `bad` with a block that is none; damage ends all writing. */
const damaged = {format: ['-t', 'ext4', '-O', 'metadata_csum', '-e', 'remount-ro']};

function damage(place: WritableImage): void {
	for (const command of ['mkdir bad', 'zap_block -f /bad -p 0x5a 0']) {
		execFileSync('debugfs', ['-w', '-R', command, place.image], {stdio: 'ignore'});
	}
}

writes(
	'where damage ended all writing, and all that was written is there, umount tells of no loss',
	(t, place) => {
		damage(place);
		for (const args of [[], ['--lazy']]) {
			place.mount();
			place.sh('echo text >"file $#"; sync -f .; if ls bad; then exit 1; fi');
			t.throws(() => place.sh('touch new'), {message: /Read-only file system/});
			const {status, stderr} = place.cli('umount', place.mountpoint, ...args);
			t.is(stderr, '');
			t.is(status, 0);
			execFileSync('debugfs', ['-w', '-R', 'ssv state 1', place.image], {stdio: 'ignore'});
		}
	},
	damaged,
);

writes(
	'where damage keeps what the page cache holds from the image, umount tells of the loss',
	(t, place) => {
		damage(place);
		place.mount();
		// What is closed is written out at once.
		const descriptor = fs.openSync(place.at('file'), 'w');
		fs.writeSync(descriptor, 'text');
		t.throws(() => fs.readdirSync(place.at('bad')));
		codeOf(() => fs.closeSync(descriptor));
		const {status, stderr} = place.cli('umount', place.mountpoint);
		t.regex(stderr, /is unmounted, but not all that was written is in the image/);
		t.is(status, 1);
	},
	damaged,
);

writes('umount(8) waits for the last commit, by way of its helper', (t, place) => {
	const helper = '/sbin/umount.fuse.ext4box';
	t.false(fs.existsSync(helper), 'another one is installed');
	const root = path.join(import.meta.dirname, '../..');
	execFileSync('make', ['-s', '-C', path.join(root, 'mount-helper'), 'install-helpers']);
	try {
		place.mount();
		place.sh(makeTree);
		const {server} = place.processes();
		execFileSync('umount', [place.mountpoint]);
		t.false(fs.existsSync(`/proc/${server}`));
		t.is(place.check(), '');
	} finally {
		execFileSync('make', ['-s', '-C', path.join(root, 'mount-helper'), 'uninstall-helpers']);
	}
});

writes('remount,ro names who writes, and not itself', (t, place) => {
	place.mount();
	const cli = path.join(import.meta.dirname, '../../src/cli.ts');
	const remount = `'${process.execPath}' '${cli}' mount -o remount,ro '${place.mountpoint}' 2>&1`;
	const said = place.sh(`exec 3>file; echo $$; ${remount} || echo $?`);
	const [shell, message, status] = said.split('\n');
	t.is(status, '1');
	t.regex(message ?? '', new RegExp(`files are open for writing by sh \\(${shell}\\)$`));
	place.umount();
});

writes('remount,ro and back do what they say', async (t, place) => {
	place.mount();
	place.sh('umask 0; echo 1 > file; mkdir d; chmod 777 . d');
	const descriptor = fs.openSync(place.at('file'), 'r+');
	const refused = place.cli('mount', '-o', 'remount,ro', place.mountpoint);
	t.is(refused.status, 1);
	t.regex(refused.stderr, /open|busy/i);
	fs.closeSync(descriptor);
	t.is(place.cli('mount', '-o', 'remount,ro', place.mountpoint).stderr, '');
	t.is(place.check(), '');
	t.is(
		codeOf(() => fs.writeFileSync(place.at('d/new'), '')),
		'EROFS',
	);
	t.is(
		codeOf(() => fs.unlinkSync(place.at('file'))),
		'EROFS',
	);
	t.is(fs.readFileSync(place.at('file'), 'utf8'), '1\n');
	const answer = await askStatus(place.mountpoint);
	if (answer.kind === 'answered') t.true(answer.status.readOnly);
	t.is(place.cli('mount', '-o', 'remount,rw', place.mountpoint).stderr, '');
	place.sh('echo 2 > file; echo 3 > d/new');
	place.umount();
	t.is(place.check(), '');
});
