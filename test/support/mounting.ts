/**
 * For tests that mount: a place to do it in, as an ordinary user even when the tests run as root,
 * and the certainty that nothing stays behind. What is started and mounted through a `Playground`
 * is ended and unmounted with it.
 */
import {type ChildProcess, execFileSync, spawn, spawnSync} from 'node:child_process';
import {
	accessSync,
	chownSync,
	constants,
	copyFileSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	realpathSync,
	rmSync,
	statSync,
	truncateSync,
	writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {type Mount, parseMountinfo} from '../../src/mount/mounts.ts';

const packageRoot = join(import.meta.dirname, '../..');
const helperFolder = join(packageRoot, 'mount-helper');
const isRoot = process.getuid?.() === 0;
const nobody = 65_534;

/** Why nothing can be mounted with mount(2), or null. */
export function whyNoRoot(): string | null {
	return isRoot ? whyNoFuse() : 'not root';
}

export const root: User = {uid: 0, gid: 0};

export type User = {readonly uid: number; readonly gid: number};

/** Who mounts: nobody when the tests run as root, else whoever runs them. */
export const ordinaryUser: User = isRoot
	? {uid: nobody, gid: nobody}
	: {uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0};

/** Why an ordinary user can't mount here, or null. */
export function whyNoFuse(): string | null {
	if (!existsSync('/dev/fuse')) {
		return '/dev/fuse is missing';
	}
	if (isRoot && (statSync('/dev/fuse').mode & 0o006) !== 0o006) {
		return '/dev/fuse is not open to ordinary users (chmod 0666 /dev/fuse)';
	}
	try {
		accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
	} catch {
		return '/dev/fuse may not be opened';
	}
	return spawnSync('cc', ['--version']).status === 0 ? null : 'no C compiler';
}

export function whyNoFusermount3(): string | null {
	return whyNoFuse() ?? (existsSync('/usr/bin/fusermount3') ? null : 'no /usr/bin/fusermount3');
}

export function whyNoNamespaces(): string | null {
	const reason = whyNoFuse();
	if (reason !== null) {
		return reason;
	}
	const options = isRoot ? ordinaryUser : {};
	const tried = spawnSync('unshare', ['--user', '--mount', 'true'], {...options, cwd: '/'});
	return tried.status === 0 ? null : 'user namespaces are restricted';
}

/** Builds the helper and the tools that the tests need; quick when they are there. */
export function buildTools(...targets: string[]): void {
	execFileSync('make', ['-s', '-C', helperFolder, ...targets], {stdio: 'pipe'});
}

export function builtTool(name: string): string {
	return join(helperFolder, 'build', name);
}

export type Ended = {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
	readonly out: string;
	readonly err: string;
	/** What was written on descriptor 3. */
	readonly report: string;
};

type Family = {readonly supervisor: number; readonly sentinel: number; readonly server: number};

export class Playground {
	readonly folder: string;
	readonly image: string;
	readonly mountpoint: string;
	readonly helper: string;
	readonly standIn: string;
	readonly user: User;
	readonly #children = new Set<ChildProcess>();
	/** Start times by process id: a number alone may be another's by the time we clean up. */
	readonly #processes = new Map<number, string>();

	constructor(user: User = ordinaryUser, helper = 'mount-helper') {
		this.user = user;
		this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'ext4box-test-')));
		this.image = join(this.folder, 'disk.img');
		this.mountpoint = join(this.folder, 'mnt');
		this.helper = join(this.folder, 'mount-helper');
		this.standIn = join(this.folder, 'stand-in-server');
		// Copies: an ordinary user may not be able to go where the checkout lies.
		copyFileSync(builtTool(helper), this.helper);
		copyFileSync(builtTool('stand-in-server'), this.standIn);
		writeFileSync(this.image, '');
		truncateSync(this.image, 1 << 20);
		mkdirSync(this.mountpoint);
		if (isRoot) {
			for (const path of [this.folder, this.image, this.mountpoint]) {
				chownSync(path, user.uid, user.gid);
			}
		}
	}

	/** Starts a program as the user; it is killed at the end, should it still be there. */
	start(program: string, args: readonly string[], stdio: 'pipe' | 'ignore' = 'pipe'): ChildProcess {
		const child = spawn(program, args, {
			...(isRoot ? this.user : {}),
			cwd: this.folder,
			env: {PATH: '/usr/bin:/bin:/usr/sbin:/sbin', TMPDIR: this.folder, LC_ALL: 'C'},
			stdio: [stdio, stdio, stdio, stdio],
		});
		this.#children.add(child);
		return child;
	}

	async run(program: string, ...args: string[]): Promise<Ended> {
		return await ending(this.start(program, args));
	}

	/** `mount-helper mount` on the playground's mountpoint with the stand-in in some mode. */
	async mount(mode = 'serve', ...extra: string[]): Promise<Ended> {
		const ended = await this.run(this.helper, ...this.mountArguments(mode, ...extra));
		this.#remember(ended.report);
		return ended;
	}

	mountArguments(mode: string, ...extra: string[]): string[] {
		return [
			...['mount', '--image', this.image, '--mountpoint', this.mountpoint],
			...['--fsname', 'disk', '--read-only', '--report-fd', '3', ...extra],
			...['--', this.standIn, mode],
		];
	}

	/** A process of the user's with a file open and its working directory on the mount. */
	async holdOpen(): Promise<ChildProcess> {
		const script = 'exec 9<"$0/hello" && cd "$0" && echo held && exec sleep 60';
		const child = this.start('/bin/sh', ['-c', script, this.mountpoint]);
		for await (const _ of child.stdout ?? []) {
			break;
		}
		return child;
	}

	/** The uppermost mount on the mountpoint. */
	mounted(): Mount | null {
		const mounts = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
		return mounts.findLast(mount => mount.path === this.mountpoint) ?? null;
	}

	/** The processes behind a mount that was reported ready; they take a moment to name themselves. */
	async family(report: string): Promise<Family> {
		const supervisor = Number(report.trim().split(' ')[4]);
		this.#remember(report);
		const named = (name: string): number =>
			childrenOf(supervisor).find(
				pid => startTimeOf(pid) !== null && readProc(pid, 'comm')?.startsWith(name),
			) ?? 0;
		const find = (): Family => ({
			supervisor,
			sentinel: named('ext4box-sentry'),
			server: named('stand-in-server'),
		});
		await until(() => Object.values(find()).every(pid => pid > 1), 1000);
		const family = find();
		for (const pid of Object.values(family)) {
			this.rememberProcess(pid);
		}
		return family;
	}

	/** Only what was remembered is killed: 0 would be our own process group, -1 everybody. */
	kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
		if (!this.#processes.has(pid)) {
			throw new Error(`process ${pid} is not this playground's`);
		}
		if (!this.isAlive(pid)) {
			return;
		}
		try {
			process.kill(pid, signal);
		} catch (error) {
			// ESRCH: it has ended since the line above.
			if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
				throw error;
			}
		}
	}

	/** Ends all processes of a mount such that none of them can clear up behind another. */
	async killAll({sentinel, supervisor, server}: Family): Promise<void> {
		// A sentinel that dies is replaced, one that is stopped is not.
		this.kill(sentinel, 'SIGSTOP');
		for (const pid of [supervisor, server, sentinel]) {
			this.kill(pid);
		}
		await until(() => ![supervisor, server, sentinel].some(pid => this.isAlive(pid)), 5000);
	}

	rememberProcess(pid: number): void {
		const startTime = startTimeOf(pid);
		if (pid > 1 && startTime !== null) {
			this.#processes.set(pid, startTime);
		}
	}

	#remember(report: string): void {
		const pid = Number(report.trim().split(' ')[4]);
		if (report.startsWith('ready')) {
			this.rememberProcess(pid);
			for (const child of childrenOf(pid)) {
				this.rememberProcess(child);
			}
		}
	}

	/** Whether a remembered process is still there (and not a zombie). */
	isAlive(pid: number): boolean {
		const startTime = startTimeOf(pid);
		return startTime !== null && startTime === this.#processes.get(pid);
	}

	async close(): Promise<void> {
		for (const child of this.#children) {
			if (child.exitCode === null && child.signalCode === null) {
				child.kill('SIGKILL');
			}
		}
		// In order first: a supervisor that is told to end unmounts.
		for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
			const left = [...this.#processes.keys()].filter(pid => this.isAlive(pid));
			for (const pid of left) {
				this.kill(pid, signal);
			}
			await until(() => !left.some(pid => this.isAlive(pid)), 500);
		}
		await until(() => this.mounted() === null, 300);
		for (let tries = 0; this.mounted() !== null && tries < 20; tries++) {
			await this.run('/usr/bin/fusermount3', '-u', '-z', this.mountpoint);
			if (isRoot && this.mounted() !== null) {
				spawnSync('umount', ['-l', this.mountpoint]);
			}
		}
		if (this.mounted() === null) {
			rmSync(this.folder, {recursive: true, force: true});
		}
	}
}

/** Waits for a child's end and for the end of what it says; a daemon it leaves holds no pipe. */
export async function ending(child: ChildProcess): Promise<Ended> {
	const texts = [1, 2, 3].map(fd => collect(child, fd));
	child.stdin?.end();
	const {promise, resolve, reject} = Promise.withResolvers<Pick<Ended, 'code' | 'signal'>>();
	child.once('error', reject);
	child.once('exit', (code, signal) => resolve({code, signal}));
	const end = await promise;
	const [out = '', err = '', report = ''] = await Promise.all(texts);
	return {...end, out, err, report};
}

async function collect(child: ChildProcess, fd: number): Promise<string> {
	const stream = child.stdio[fd];
	let text = '';
	if (stream !== null && stream !== undefined && 'setEncoding' in stream) {
		stream.setEncoding('utf8');
		for await (const piece of stream) {
			text += piece;
		}
	}
	return text;
}

/** Waits for a condition, at most so long; returns how long it took, or null. */
export async function until(condition: () => boolean, timeoutMs: number): Promise<number | null> {
	const start = performance.now();
	while (!condition()) {
		if (performance.now() - start > timeoutMs) {
			return null;
		}
		await sleep(2);
	}
	return performance.now() - start;
}

export function readProc(pid: number, file: string): string | null {
	try {
		return readFileSync(`/proc/${pid}/${file}`, 'utf8');
	} catch {
		return null;
	}
}

function childrenOf(pid: number): number[] {
	const text = readProc(pid, `task/${pid}/children`) ?? '';
	return text.split(' ').filter(Boolean).map(Number);
}

function startTimeOf(pid: number): string | null {
	const stat = readProc(pid, 'stat');
	const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
	return fields === undefined || fields[0] === 'Z' ? null : (fields[19] ?? null);
}
