/**
 * mount(8) and umount(8) as they are once ext4box is installed, without a change to the machine: a real
 * `make install` in a place of its own, and mount namespaces in which /sbin has its helpers, /etc/fstab
 * is the test's, and /run/mount is empty.
 */
import {execFileSync, type SpawnSyncReturns, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import {join} from 'node:path';
import {whyNoRoot} from './mounting.ts';
import {missing} from './skip.ts';

const root = join(import.meta.dirname, '../..');

/** Set up before the script of a test; $0 is the installation's prefix, $1 the text of /etc/fstab. */
const setUp = `
mount -t overlay -o "lowerdir=$0/sbin:$(readlink -f /sbin)" none "$(readlink -f /sbin)"
mkdir -p /run/mount
mount -t tmpfs none /run/mount
printf '%s\\n' "$1" > "$0/fstab"
mount --bind "$0/fstab" /etc/fstab
shift
`;

/** Why there can be no such namespace, or null. */
export function whyNoMount8(): string | null {
	const reason = whyNoRoot();
	if (reason !== null) return reason;
	if (!fs.existsSync(join(root, 'dist/src/server-main.js'))) return 'not built';
	for (const program of ['unshare', 'findmnt', 'setpriv', 'losetup', 'e2fsck', 'mke2fs']) {
		const lacking = missing(program);
		if (lacking !== undefined) return lacking;
	}
	const isOverlay = fs.readFileSync('/proc/filesystems', 'utf8').includes('\toverlay\n');
	return isOverlay ? null : 'no overlay file system';
}

export class Mount8 implements Disposable {
	readonly prefix: string;

	/** Installs; takes some seconds. */
	constructor() {
		this.prefix = fs.mkdtempSync('/usr/local/ext4box-test-');
		fs.chmodSync(this.prefix, 0o755);
		execFileSync(
			'make',
			[
				...['-s', '-C', join(root, 'mount-helper'), 'install', `PREFIX=${this.prefix}`],
				...[`SYSCONFDIR=${this.prefix}/etc`, `RUNDIR=${this.prefix}`],
				`SBINDIR=${this.prefix}/sbin`,
			],
			{stdio: 'pipe'},
		);
	}

	/** Runs a shell script as root, until its first failure. Its arguments are $1 and following. */
	run(fstab: string, script: string, ...args: string[]): SpawnSyncReturns<string> {
		const whole = `set -e\n${setUp}\n${script}`;
		const shell = ['sh', '-c', whole, this.prefix, fstab, ...args];
		return spawnSync('unshare', ['--mount', '--propagation', 'private', ...shell], {
			encoding: 'utf8',
			timeout: 120_000,
			env: {PATH: '/usr/bin:/bin:/usr/sbin:/sbin', LC_ALL: 'C'},
		});
	}

	[Symbol.dispose](): void {
		fs.rmSync(this.prefix, {recursive: true, force: true});
	}
}
