/**
 * A privileged helper for tests, set-uid root in a place of its own that only root can change, with
 * the stand-in server in Node's place. All paths are fixed when it is compiled, as they are for the
 * one that is installed.
 */
import {execFileSync} from 'node:child_process';
import {
	chmodSync,
	chownSync,
	copyFileSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {type Mount, parseMountinfo} from '../../src/mount/mounts.ts';
import {buildTools, builtTool} from './mounting.ts';

const helperFolder = join(import.meta.dirname, '../../mount-helper');

export const permissive = 'users all\nallow_other no\nmounts_per_user 16\nnoexec no\n';

export class Installation {
	readonly prefix: string;
	readonly helper: string;
	readonly policyPath: string;
	readonly node: string;
	readonly program: string;

	/** @param extra More for the compiler, such as -DEXT4BOX_WITHOUT_FSOPEN. */
	constructor(extra = '', target: 'privileged' | 'privileged-sanitized' = 'privileged') {
		buildTools('test-tools');
		this.prefix = mkdtempSync('/usr/local/ext4box-test-');
		chmodSync(this.prefix, 0o755);
		this.helper = join(this.prefix, 'libexec/ext4box/mount-helper');
		this.policyPath = join(this.prefix, 'etc/ext4box.conf');
		this.node = join(this.prefix, 'lib/ext4box/node');
		this.program = join(this.prefix, 'lib/ext4box/dist/src/server-main.js');
		for (const path of [this.helper, this.policyPath, this.program, join(this.prefix, 'run/x')]) {
			mkdirSync(join(path, '..'), {recursive: true, mode: 0o755});
		}
		execFileSync(
			'make',
			[
				...['-s', '-C', helperFolder, target, `OUT=${this.helper}`, `PREFIX=${this.prefix}`],
				...[`SYSCONFDIR=${this.prefix}/etc`, `RUNDIR=${this.prefix}/run`, `EXTRA=${extra}`],
			],
			{stdio: 'pipe'},
		);
		chmodSync(this.helper, 0o4755);
		copyFileSync(builtTool('stand-in-server'), this.node);
		chmodSync(this.node, 0o755);
		writeFileSync(this.program, '');
		// What the sandbox shows to a server besides; without them it has no root to put it in.
		writeFileSync(join(this.prefix, 'lib/ext4box/package.json'), '{}');
		mkdirSync(join(this.prefix, 'lib/ext4box/node_modules'));
		this.permit(permissive);
	}

	/** Writes the policy, as root alone may. */
	permit(policy: string | Buffer): void {
		rmSync(this.policyPath, {force: true, recursive: true});
		writeFileSync(this.policyPath, policy, {mode: 0o644});
		chmodSync(this.policyPath, 0o644);
	}

	/** After a test has made something unsafe of it. */
	restore(): void {
		for (const path of [this.node, this.program, this.policyPath]) {
			for (let step = join(path, '..'); step !== '/usr/local'; step = join(step, '..')) {
				chownSync(step, 0, 0);
				chmodSync(step, 0o755);
			}
		}
		for (const path of [this.node, this.program]) {
			chownSync(path, 0, 0);
			chmodSync(path, 0o755);
		}
		this.permit(permissive);
	}

	/** Processes that run the installed Node: `/proc/PID/exe` tells, whatever they call themselves. */
	servers(): number[] {
		return processesOf(this.node);
	}

	/** Likewise helpers, supervisors, sentinels and keepers. */
	helpers(): number[] {
		return processesOf(this.helper);
	}

	remove(): void {
		rmSync(this.prefix, {recursive: true, force: true});
	}
}

/** All mounts of ext4box whose source begins with the word that the tests give as fsname. */
export function mountsNamed(word: string): Mount[] {
	return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8')).filter(
		mount => mount.type === 'fuse.ext4box' && mount.source.startsWith(word),
	);
}

/** Processes that run this program, whatever they call themselves. */
export function processesOf(program: string): number[] {
	return readdirSync('/proc')
		.filter(entry => /^\d+$/.test(entry))
		.map(Number)
		.filter(pid => linkTarget(`/proc/${pid}/exe`) === program);
}

function linkTarget(path: string): string | null {
	try {
		return readlinkSync(path);
	} catch {
		return null; // A kernel thread, or gone meanwhile.
	}
}
