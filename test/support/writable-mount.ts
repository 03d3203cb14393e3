/**
 * An image of its own, mounted by the real command as a user does it; and the oracles that judge
 * the image afterwards: e2fsck, and the kernel's own ext4 where we are root.
 */
import {execFileSync, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {findSupervisors, mountAt} from '../../src/mount/mounts.ts';
import {type Result, run} from './program.ts';

const isRoot = process.geteuid?.() === 0;
const nobody = 65_534;
const environment = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};

export type WritableOptions = {
	/** Arguments for mke2fs. */
	readonly format?: readonly string[];
	readonly sizeBytes?: number;
	/** As `nobody`, through fusermount3, where the tests run as root. */
	readonly isOrdinary?: boolean;
};

/** Every process that has `parent` for its parent. */
function childrenOf(parent: number): number[] {
	const text = fs.readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8');
	return text.split(' ').filter(Boolean).map(Number);
}

export class WritableImage implements AsyncDisposable {
	readonly folder: string;
	readonly image: string;
	readonly mountpoint: string;
	readonly #isOrdinary: boolean;

	constructor(options: WritableOptions = {}) {
		this.#isOrdinary = options.isOrdinary ?? false;
		this.folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-write-')));
		this.image = path.join(this.folder, 'disk.img');
		this.mountpoint = path.join(this.folder, 'mnt');
		fs.writeFileSync(this.image, '');
		fs.truncateSync(this.image, options.sizeBytes ?? 64 << 20);
		const format = options.format ?? ['-t', 'ext4'];
		execFileSync('mke2fs', ['-q', '-F', '-E', 'lazy_itable_init=0', ...format, this.image], {
			env: environment,
		});
		fs.mkdirSync(this.mountpoint);
		if (!this.#isOrdinary || !isRoot) return;
		for (const each of [this.folder, this.image, this.mountpoint])
			fs.chownSync(each, nobody, nobody);
	}

	at(...names: string[]): string {
		return path.join(this.mountpoint, ...names);
	}

	cli(...args: string[]): Result {
		return run(args, {isOrdinary: this.#isOrdinary, cwd: this.folder});
	}

	/** Throws with what the command said where it fails. */
	mount(options = 'rw'): void {
		const {status, stderr} = this.cli('mount', this.image, this.mountpoint, '-o', options);
		if (status !== 0) throw new Error(`mount: ${status}: ${stderr}`);
	}

	umount(...args: string[]): void {
		const {status, stderr} = this.cli('umount', this.mountpoint, ...args);
		if (status !== 0) throw new Error(`umount: ${status}: ${stderr}`);
	}

	/** Runs a shell script, as the user, in the mount's root. */
	sh(script: string): string {
		const who = this.#isOrdinary && isRoot ? {uid: nobody, gid: nobody} : {};
		// Root may not go where another mounts for himself: so the shell goes there itself.
		return execFileSync('sh', ['-ec', `cd "$0"\n${script}`, this.mountpoint], {
			...who,
			cwd: '/',
			encoding: 'utf8',
			env: {...environment, HOME: this.folder},
			stdio: ['ignore', 'pipe', 'pipe'],
			maxBuffer: 2 ** 28,
		});
	}

	/** The processes behind the mount. */
	processes(): {supervisor: number; server: number} {
		const mount = mountAt(this.mountpoint);
		const supervisor = mount === null ? undefined : findSupervisors(mount)[0]?.pid;
		if (supervisor === undefined) throw new Error('nobody serves the mount');
		const server = childrenOf(supervisor).find(pid => {
			const comm = fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
			return comm !== 'ext4box-sentry';
		});
		if (server === undefined) throw new Error('there is no server');
		return {supervisor, server};
	}

	/** What e2fsck finds, changing nothing; empty where that is nothing. */
	check(): string {
		const {status, stdout, stderr} = spawnSync('e2fsck', ['-fn', this.image], {
			env: environment,
			encoding: 'utf8',
		});
		return status === 0 ? '' : `${status}: ${stdout}${stderr}`;
	}

	/** Has e2fsck replay the journal, and returns what it finds afterwards. */
	recoverAndCheck(): string {
		spawnSync('e2fsck', ['-E', 'journal_only', '-p', this.image], {env: environment});
		// What orphans are left the journal's recovery does not free; mounting or -p does.
		const {status, stdout} = spawnSync('e2fsck', ['-p', this.image], {
			env: environment,
			encoding: 'utf8',
		});
		return status === 0 || status === 1 ? this.check() : `${status}: ${stdout}`;
	}

	/** Has the kernel's own ext4 mount the image, read-only, for as long as `look` runs. */
	withKernel<T>(look: (directory: string) => T): T {
		const directory = path.join(this.folder, 'kernel');
		fs.mkdirSync(directory, {recursive: true});
		execFileSync('mount', ['-o', 'loop,ro', this.image, directory]);
		try {
			return look(directory);
		} finally {
			execFileSync('umount', [directory]);
		}
	}

	async [Symbol.asyncDispose](): Promise<void> {
		for (let tries = 0; mountAt(this.mountpoint) !== null && tries < 20; tries++) {
			this.cli('umount', '--lazy', this.mountpoint);
			await new Promise(resolve => setTimeout(resolve, 50));
		}
		fs.rmSync(this.folder, {recursive: true, force: true});
	}
}

/** A listing that says all of a tree that two file systems can agree on; `run` runs a script in it. */
export function listTree(run: (script: string) => string): string {
	// A directory's size is its file system's own affair, but here it is the same one.
	const format = '%P %y %m %U:%G %n %s %T@ %l\\n';
	return run(
		`find . -name lost+found -prune -o -printf '${format}' | sort
		find . -name lost+found -prune -o -type f -print0 | sort -z | xargs -0 -r sha256sum`,
	);
}
