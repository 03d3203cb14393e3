/**
 * Servers that are killed, or shut down, while they write: what is in the image then, and what the next mount
 * makes of it.
 */
import {execFileSync, spawn} from 'node:child_process';
import * as fs from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {shutDownIoctl} from '../../src/ioctl.ts';
import {mountAt} from '../../src/mount/mounts.ts';
import {ioctl} from '../../src/syscalls.ts';
import {until} from '../support/mounting.ts';
import {codeOf, writes} from '../support/writing-tests.ts';

writes('what fsync promised survives the server’s sudden death', async (t, place) => {
	place.mount();
	place.sh('umask 0; mkdir d; chmod 777 d');
	const descriptor = fs.openSync(place.at('d', 'promised'), 'w');
	fs.writeSync(descriptor, 'kept');
	fs.fsyncSync(descriptor);
	fs.writeSync(descriptor, ' or not');
	const {server} = place.processes();
	process.kill(server, 'SIGKILL');
	t.not(await until(() => mountAt(place.mountpoint) === null, 3000), null, 'the mount stays');
	codeOf(() => fs.closeSync(descriptor));
	t.is(place.recoverAndCheck(), '');
	place.mount('ro');
	t.regex(fs.readFileSync(place.at('d', 'promised'), 'utf8'), /^kept/);
	place.umount();
});

writes('a change is on the medium after the time that commit= says', async (t, place) => {
	place.mount('rw,commit=1');
	place.sh('echo old > file; sync file; mkdir directory');
	await sleep(1600);
	const {server} = place.processes();
	process.kill(server, 'SIGKILL');
	await until(() => mountAt(place.mountpoint) === null, 3000);
	t.is(place.recoverAndCheck(), '');
	place.mount('ro');
	t.deepEqual(fs.readdirSync(place.mountpoint).sort(), ['directory', 'file', 'lost+found']);
	place.umount();
});

writes('killed at any moment under load, the image recovers clean', async (t, place) => {
	for (let round = 0; round < 4; round++) {
		place.mount('rw,commit=1');
		const load = spawn(
			'sh',
			[
				'-c',
				`i=0; while mkdir -p d$i; do for n in 1 2 3 4 5; do head -c 20000 /dev/zero > d$i/f$n; done
				 mv d$i/f1 d$i/g; ln d$i/g d$i/h; rm d$i/f2; [ $i -gt 3 ] && rm -rf d$((i-3)); i=$((i+1)); done`,
			],
			{cwd: place.mountpoint, stdio: 'ignore'},
		);
		const ended = new Promise(resolve => load.once('exit', resolve));
		await sleep(300 + round * 450);
		const {server} = place.processes();
		process.kill(server, 'SIGKILL');
		await until(() => mountAt(place.mountpoint) === null, 3000);
		load.kill('SIGKILL');
		await ended;
		t.is(place.recoverAndCheck(), '', `round ${round}`);
		fs.rmSync(place.mountpoint, {recursive: true, force: true});
		fs.mkdirSync(place.mountpoint);
	}
});

writes('a journal that was left is brought home by the next writing mount', async (t, place) => {
	place.mount();
	place.sh('mkdir d; echo text > d/file; sync d/file; sync d; rm -f nothing');
	const held = fs.openSync(place.at('d/file'), 'r');
	place.sh('rm d/file; mkdir e; sync e');
	const {server} = place.processes();
	process.kill(server, 'SIGKILL');
	await until(() => mountAt(place.mountpoint) === null, 3000);
	fs.closeSync(held);
	place.mount();
	t.deepEqual(fs.readdirSync(place.at('d')), []);
	t.deepEqual(fs.readdirSync(place.at('e')), []);
	place.umount();
	t.is(place.check(), '');
});

writes(
	'shut down by ioctl, it gives EIO, and a recovery finds what was done before',
	(t, place) => {
		place.mount();
		place.sh('echo kept > synced; sync synced; mkdir d; echo late > late');
		const root = fs.openSync(place.mountpoint, 'r');
		ioctl(root, shutDownIoctl, new Uint8Array(4));
		ioctl(root, shutDownIoctl, new Uint8Array(4));
		fs.closeSync(root);
		const codes = [
			() => fs.mkdirSync(place.at('new')),
			() => fs.unlinkSync(place.at('synced')),
			() => fs.chmodSync(place.at('synced'), 0o600),
			() => fs.readFileSync(place.at('unread'), 'utf8'),
		].map(codeOf);
		t.deepEqual(codes, ['EIO', 'EIO', 'EIO', 'ENOENT']);
		t.true(fs.readdirSync(place.mountpoint).includes('d'));
		place.umount();
		t.regex(
			execFileSync('dumpe2fs', ['-h', place.image], {stdio: 'pipe'}).toString(),
			/needs_recovery/,
		);
		place.mount();
		t.is(fs.readFileSync(place.at('synced'), 'utf8'), 'kept\n');
		t.true(fs.existsSync(place.at('d')));
		place.umount();
		t.is(place.check(), '');
	},
);
