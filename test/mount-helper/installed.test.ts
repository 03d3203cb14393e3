/** What `make install` puts in place, and that an ordinary user's mount goes by way of it. */
import {execFileSync, spawnSync} from 'node:child_process';
import {
	chmodSync,
	existsSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import test, {type ExecutionContext} from 'ava';
import {nodeFlags} from '../../src/mount/launch.ts';
import type {Status} from '../../src/status.ts';
import {processesOf} from '../support/installed.ts';
import {loopsBelow, whyNoLoop} from '../support/loops.ts';
import {buildTools, Playground, until, whyNoRoot} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';

const root = join(import.meta.dirname, '../..');
const isBuilt = existsSync(join(root, 'dist/src/server-main.js'));

test.before(() => {
	if (whyNoRoot() === null) buildTools('test-tools');
});

test('the flags that are fixed in the installed helper are those of the launcher', t => {
	const source = readFileSync(join(root, 'mount-helper/installed.c'), 'utf8');
	const list = /fixed\[\] = \{(.*?)\};/s.exec(source)?.[1] ?? '';
	t.deepEqual(
		[...list.matchAll(/"(--[^"]+)"/g)].map(([, flag]) => flag),
		[...nodeFlags],
	);
});

/** With a loop device in the image's place: refused, permitted, killed; and the image is whole. */
async function liveOnLoop(t: ExecutionContext, place: Playground, prefix: string): Promise<void> {
	const command = join(prefix, 'bin/ext4box');
	const {image, mountpoint} = place;
	const refused = await place.run(command, 'mount', '-o', 'loop', image, mountpoint);
	t.is(refused.code, 1);
	t.regex(refused.err, /takes root, or the installed helper \(.* does not permit loop devices\)/);
	const policy = join(prefix, 'etc/ext4box.conf');
	writeFileSync(policy, readFileSync(policy, 'utf8').replace(/^loop no$/m, 'loop yes'));
	const mounted = await place.run(command, 'mount', '-v', '-o', 'loop', image, mountpoint);
	t.is(mounted.code, 0, mounted.err);
	const [loop] = loopsBelow(place.folder);
	t.regex(mounted.err, new RegExp(`^ext4box: loop device: ${loop?.device}`, 'm'));
	const {out} = await place.run(command, 'status', mountpoint, '--json');
	const {status} = JSON.parse(out) as {status: Status};
	t.deepEqual(status.loop, {device: loop?.device, isDirect: loop?.isDirect});
	const script = 'echo kept >"$0/file" && sync "$0/file"';
	t.is((await place.run('/bin/sh', '-c', script, mountpoint)).code, 0);
	for (const server of processesOf(join(prefix, 'lib/ext4box/node')))
		process.kill(server, 'SIGKILL');
	const isGone = () => place.mounted() === null && loopsBelow(place.folder).length === 0;
	t.not(await until(isGone, 20_000), null);
	t.is((await place.run(command, 'mount', image, mountpoint)).code, 0);
	t.is((await place.run('/bin/cat', join(mountpoint, 'file'))).out, 'kept\n');
	t.is((await place.run(command, 'umount', mountpoint)).code, 0);
	const checked = spawnSync('e2fsck', ['-fn', image], {encoding: 'utf8'});
	t.is(checked.status, 0, checked.stdout);
}

serialTestUnless(
	whyNoRoot() ?? whyNoLoop() ?? (isBuilt ? null : 'not built'),
	'installed, an ordinary user mounts, sees why, and unmounts; uninstalled, only the policy stays',
	async t => {
		const prefix = mkdtempSync('/usr/local/ext4box-test-');
		chmodSync(prefix, 0o755);
		const make = (target: string) =>
			execFileSync(
				'make',
				[
					...['-s', '-C', join(root, 'mount-helper'), target, `PREFIX=${prefix}`],
					...[`SYSCONFDIR=${prefix}/etc`, `RUNDIR=${prefix}`, `SBINDIR=${prefix}/sbin`],
				],
				{stdio: 'pipe'},
			);
		const place = new Playground();
		try {
			make('install');
			const {mode, uid} = statSync(join(prefix, 'libexec/ext4box/mount-helper'));
			t.is(mode & 0o7777, 0o4755);
			t.is(uid, 0);
			const rule = readFileSync(join(prefix, 'lib/udev/rules.d/59-ext4box.rules'), 'utf8');
			const asked = /PROGRAM=="(\S+) \$devnode"/.exec(rule)?.[1];
			t.is(asked, join(prefix, 'libexec/ext4box/is-own-loop'));
			t.is(spawnSync(asked ?? '', ['/dev/null'], {stdio: 'ignore'}).status, 1);
			const writable = spawnSync('find', [prefix, '-perm', '/022', '!', '-type', 'l']);
			t.is(String(writable.stdout), '');
			const made = spawnSync('mke2fs', ['-q', '-t', 'ext4', place.image, '8M'], {encoding: 'utf8'});
			t.is(made.status, 0, made.stderr);
			const command = join(prefix, 'bin/ext4box');
			const mounted = await place.run(command, 'mount', '-v', place.image, place.mountpoint);
			t.is(mounted.code, 0, mounted.err);
			t.regex(mounted.err, /by the installed helper/);
			t.regex(mounted.err, /^ext4box: data: through this server: /m);
			t.true((await place.run('/bin/ls', place.mountpoint)).out.includes('lost+found'));
			const ended = await place.run(command, 'umount', place.mountpoint);
			t.is(ended.code, 0, ended.err);
			t.is(place.mounted(), null);
			await liveOnLoop(t, place, prefix);
			make('uninstall');
			t.deepEqual(readdirSync(prefix, {recursive: true}).sort(), ['etc', 'etc/ext4box.conf']);
		} finally {
			await place.close();
			rmSync(prefix, {recursive: true, force: true});
		}
	},
);
