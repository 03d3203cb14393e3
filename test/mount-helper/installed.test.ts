/** What `make install` puts in place, and that an ordinary user's mount goes by way of it. */
import {execFileSync, spawnSync} from 'node:child_process';
import {chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import test from 'ava';
import {nodeFlags} from '../../src/mount/launch.ts';
import {Playground, whyNoRoot} from '../support/mounting.ts';
import {serialTestUnless} from '../support/skip.ts';

const root = join(import.meta.dirname, '../..');
const isBuilt = existsSync(join(root, 'dist/src/server-main.js'));

test('the flags that are fixed in the installed helper are those of the launcher', t => {
	const source = readFileSync(join(root, 'mount-helper/installed.c'), 'utf8');
	const list = /fixed\[\] = \{(.*?)\};/s.exec(source)?.[1] ?? '';
	t.deepEqual(
		[...list.matchAll(/"(--[^"]+)"/g)].map(([, flag]) => flag),
		[...nodeFlags],
	);
});

serialTestUnless(
	whyNoRoot() ?? (isBuilt ? null : 'not built'),
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
			const made = spawnSync('mke2fs', ['-q', '-t', 'ext4', place.image, '1M'], {encoding: 'utf8'});
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
			make('uninstall');
			const left = spawnSync('find', [prefix, '-type', 'f'], {encoding: 'utf8'}).stdout;
			t.deepEqual(left.trim().split('\n').sort(), [
				join(prefix, 'etc/ext4box.conf'),
				join(prefix, 'ext4box.lock'),
			]);
		} finally {
			await place.close();
			rmSync(prefix, {recursive: true, force: true});
		}
	},
);
