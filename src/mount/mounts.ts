import {existsSync, readdirSync, readFileSync, readlinkSync, realpathSync} from 'node:fs';
import {stat} from 'node:fs/promises';
import {basename, dirname, isAbsolute, join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {CliError} from '../cli-error.ts';

/** One line of /proc/self/mountinfo; proc_pid_mountinfo(5). */
export type Mount = {
	readonly id: number;
	readonly device: string;
	readonly path: string;
	readonly type: string;
	readonly source: string;
	readonly options: readonly string[];
	/** Who mounted, where the type says so (FUSE's `user_id`). */
	readonly uid: number | null;
	/** The mount itself, or all of its file system's, in the kernel's eyes; its server may see it otherwise. */
	readonly isReadOnly: boolean;
	/** Without FUSE's `allow_other` the kernel lets in nobody but `uid`: not even root. */
	readonly allowsOther: boolean;
};

/** The process that unmounts when told to or when its server ends. */
export type Supervisor = {readonly pid: number; readonly startTime: string};

/** What a mount of ours may be called, after `fuse.`, as the helper has it: mountinfo_subtype. */
export const subtypes = ['ext4box', 'ext4', 'ext3', 'ext2'] as const;
export type Subtype = (typeof subtypes)[number];

/** Reads a whole mount table; lines that are not understood are left out. */
export function parseMountinfo(text: string): Mount[] {
	return text.split('\n').flatMap(line => {
		const mount = parseLine(line);
		return mount === null ? [] : [mount];
	});
}

function parseLine(line: string): Mount | null {
	// ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [TAG...] - TYPE SOURCE SUPER-OPTIONS
	const words = line.split(' ');
	const dash = words.indexOf('-', 6);
	const [id, , device, , path, options] = words;
	const [type, source, superOptions] = words.slice(dash + 1);
	if (id === undefined || device === undefined || path === undefined || options === undefined) {
		return null;
	}
	if (dash < 0 || type === undefined || source === undefined) {
		return null;
	}
	const uid = /(?:^|,)user_id=(\d+)(?:,|$)/.exec(superOptions ?? '')?.[1];
	const flags = options.split(',');
	const superFlags = superOptions?.split(',') ?? [];
	return {
		id: Number(id),
		device,
		path: decodeEscapes(path),
		type: decodeEscapes(type),
		source: decodeEscapes(source),
		options: flags,
		uid: uid === undefined ? null : Number(uid),
		isReadOnly: flags.includes('ro') || superFlags.includes('ro'),
		allowsOther: superFlags.includes('allow_other'),
	};
}

/**
 * The kernel writes a space, tab, line feed, backslash or '#' as a backslash and three octal digits.
 * It does so byte by byte, and all of these are ASCII: decoding characters gives the same.
 */
export function decodeEscapes(text: string): string {
	return text.replace(/\\([0-3][0-7]{2})/g, (_all, digits: string) =>
		String.fromCharCode(Number.parseInt(digits, 8)),
	);
}

/**
 * Whether the mount is ext4box's. fuse2fs calls its own `fuse.ext4`, too: under such a name it is ours
 * if a supervisor of ours stands by it, and a dead one is nobody's.
 */
export function isExt4box(mount: Mount): boolean {
	if (mount.type === 'fuse.ext4box') return true;
	const isOther = subtypes.some(subtype => mount.type === `fuse.${subtype}`);
	return isOther && findSupervisors(mount).length > 0;
}

export function readMounts(): Mount[] {
	return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
}

/** The uppermost mount at this path: the table is in the order of mounting. */
export function mountAt(path: string, mounts: readonly Mount[] = readMounts()): Mount | null {
	return mounts.findLast(mount => mount.path === path) ?? null;
}

/**
 * The absolute path of a directory, free of symbolic links, without asking what is mounted there:
 * a dead server answers ENOTCONN, a hung one nothing at all. So the parent is resolved, and the last
 * name is only looked at when nothing is mounted on it.
 */
export function resolveMountpoint(given: string, mounts: readonly Mount[] = readMounts()): string {
	let path = given;
	for (let links = 0; links < 40; links++) {
		const name = basename(path);
		if (name === '' || name === '.' || name === '..') {
			return realpathSync(path === '' ? '.' : path);
		}
		const parent = realpathSync(dirname(path));
		const whole = join(parent, name);
		const target = mountAt(whole, mounts) === null ? linkTarget(whole) : null;
		if (target === null) {
			return whole;
		}
		path = isAbsolute(target) ? target : join(parent, target);
	}
	throw new CliError(`${given}: too many symbolic links`);
}

/** Of a `path` that `mountAt` knows no mount of. */
export function notMounted(path: string): CliError {
	return new CliError(
		existsSync(path) ? `nothing is mounted on ${path}` : `${path}: does not exist`,
	);
}

function linkTarget(path: string): string | null {
	try {
		return readlinkSync(path);
	} catch {
		return null; // No link, or not there at all: the caller finds out which.
	}
}

/**
 * Finds who serves a mount: a process of the mounter's that bears the mount's device number as its
 * name, `ext4box:MINOR`. (mount-helper/README.md says why the process table and no pid file.)
 * Newest first. There may be another: one whose mount had this number before and is gone, and who
 * has not come to drop the name yet.
 */
export function findSupervisors(mount: Mount): Supervisor[] {
	const name = `ext4box:${mount.device.split(':')[1]}`;
	const found = readdirSync('/proc')
		.filter(entry => /^\d+$/.test(entry) && readProc(entry, 'comm')?.trimEnd() === name)
		.filter(entry => uidOf(entry) === mount.uid && !isOtherProgram(entry))
		.flatMap(entry => {
			const startTime = startTimeOf(Number(entry));
			return startTime === null ? [] : [{pid: Number(entry), startTime}];
		});
	return found.sort((one, other) => Number(other.startTime) - Number(one.startTime));
}

/**
 * By the names of links anybody can have a set-uid program run as what he likes, some of them with root's id
 * alone. Root may see what they are; others not what the installed helper is.
 */
function isOtherProgram(pid: string): boolean {
	try {
		return !basename(readlinkSync(`/proc/${pid}/exe`)).startsWith('mount-helper');
	} catch {
		return false; // It can't be told, or the process has ended.
	}
}

function uidOf(pid: string): number | null {
	const uid = /^Uid:\s+(\d+)/m.exec(readProc(pid, 'status') ?? '')?.[1];
	return uid === undefined ? null : Number(uid);
}

function readProc(pid: string, file: string): string | null {
	try {
		return readFileSync(`/proc/${pid}/${file}`, 'utf8');
	} catch {
		return null; // It has ended meanwhile.
	}
}

/** The start time tells a process from a later one of the same number; null: none, or a zombie. */
function look(pid: number): {readonly name: string; readonly startTime: string} | null {
	const text = readProc(String(pid), 'stat');
	if (text === null) {
		return null;
	}
	// The name, in parentheses, may hold anything: the fields are counted from its end.
	const end = text.lastIndexOf(')');
	const fields = text.slice(end + 2).split(' ');
	const startTime = fields[19];
	if (fields[0] === 'Z' || fields[0] === 'X' || startTime === undefined) return null;
	return {name: text.slice(text.indexOf('(') + 1, end), startTime};
}

function startTimeOf(pid: number): string | null {
	return look(pid)?.startTime ?? null;
}

/** Whether a child of the supervisor asks the mount for an answer just now, and so keeps it busy. */
export function isAsking({pid}: Supervisor): boolean {
	return readdirSync('/proc')
		.filter(entry => /^\d+$/.test(entry) && readProc(entry, 'comm')?.trimEnd() === 'ext4box-asks')
		.some(entry => new RegExp(`^PPid:\\s+${pid}$`, 'm').test(readProc(entry, 'status') ?? ''));
}

/** The process of that number, while it is there. */
export function supervisorOf(pid: number): Supervisor | null {
	const startTime = startTimeOf(pid);
	return startTime === null ? null : {pid, startTime};
}

const pollMs = 10;

/**
 * Waits until the server has ended, as its supervisor tells, which outlives it. Returns the server's exit
 * status (128 and more: by a signal), which the supervisor bears in its name where it is not 0 and others
 * have unmounted; null: it had not ended by `limit`.
 */
export async function waitForEnd(
	{pid, startTime}: Supervisor,
	limit?: AbortSignal,
): Promise<number | null> {
	for (;;) {
		const found = look(pid);
		if (found?.startTime !== startTime) return 0;
		const verdict = /^ext4box-end:(\d+)$/.exec(found.name)?.[1];
		if (verdict !== undefined) return Number(verdict);
		if (limit?.aborted === true) return null;
		await sleep(pollMs);
	}
}

/**
 * Lets a supervisor of our own go, which stays for a while for its name to be read. (Another user's goes by
 * itself: root would signal whatever that user puts behind its number in this moment.)
 */
export function dismiss({pid, startTime}: Supervisor): void {
	if (startTimeOf(pid) !== startTime) return;
	try {
		process.kill(pid, 'SIGTERM');
	} catch (error) {
		if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
	}
}

export type Health = 'answers' | 'dead' | 'silent';

/** Asks a mount's server for the root's attributes; `dead` is ENOTCONN: nobody serves any more. */
export async function probe(mount: Mount, timeoutMs = 2000): Promise<Health> {
	const answered = stat(mount.path).then(
		() => 'answers' as const,
		(error: NodeJS.ErrnoException) =>
			error.code === 'ENOTCONN' || error.code === 'ECONNABORTED' ? 'dead' : 'answers',
	);
	const timer = new AbortController();
	const silent = sleep(timeoutMs, 'silent' as const, {signal: timer.signal}).catch(
		() => 'silent' as const,
	);
	const health = await Promise.race([answered, silent]);
	timer.abort();
	return health;
}

/** What keeps a mount busy, as far as the caller may see: own processes, with a file or directory. */
export function findUsers(path: string): {pid: number; name: string}[] {
	return readdirSync('/proc')
		.filter(entry => /^\d+$/.test(entry) && Number(entry) !== process.pid && isUser(entry, path))
		.map(entry => ({pid: Number(entry), name: readProc(entry, 'comm')?.trimEnd() ?? '?'}));
}

function isUser(pid: string, path: string): boolean {
	const links = [`/proc/${pid}/cwd`, `/proc/${pid}/root`, `/proc/${pid}/exe`];
	try {
		links.push(...readdirSync(`/proc/${pid}/fd`).map(fd => `/proc/${pid}/fd/${fd}`));
	} catch {
		return false; // Somebody else's.
	}
	return links.some(link => {
		const target = linkTarget(link);
		return target !== null && (target === path || target.startsWith(`${path}/`));
	});
}

/**
 * One process of each other mount namespace that still sees the mounted device (`MAJOR:MINOR`), as far
 * as the caller may see: the server serves until the last of them has let go.
 */
export function findOtherNamespaces(device: string): {pid: number; name: string}[] {
	const seen = new Set([linkTarget('/proc/self/ns/mnt')]);
	return readdirSync('/proc').flatMap(pid => {
		const namespace = /^\d+$/.test(pid) ? linkTarget(`/proc/${pid}/ns/mnt`) : null;
		if (namespace === null || seen.has(namespace)) return [];
		seen.add(namespace);
		const table = parseMountinfo(readProc(pid, 'mountinfo') ?? '');
		if (!table.some(mount => mount.device === device && isExt4box(mount))) return [];
		return [{pid: Number(pid), name: readProc(pid, 'comm')?.trimEnd() ?? '?'}];
	});
}

/**
 * Who has a file open for writing below `path`, as far as the caller may see. Not this process: a
 * descriptor that it was started with it does not write to.
 */
export function findWriters(path: string): {pid: number; name: string}[] {
	return readdirSync('/proc')
		.filter(entry => /^\d+$/.test(entry) && Number(entry) !== process.pid && isWriter(entry, path))
		.map(entry => ({pid: Number(entry), name: readProc(entry, 'comm')?.trimEnd() ?? '?'}));
}

const accessBits = 0o3; // O_ACCMODE

function isWriter(pid: string, path: string): boolean {
	let descriptors: string[];
	try {
		descriptors = readdirSync(`/proc/${pid}/fd`);
	} catch {
		return false; // Somebody else's, or gone.
	}
	return descriptors.some(fd => {
		const target = linkTarget(`/proc/${pid}/fd/${fd}`);
		if (target?.startsWith(`${path}/`) !== true) return false;
		const flags = /^flags:\s+([0-7]+)$/m.exec(readProc(pid, `fdinfo/${fd}`) ?? '')?.[1];
		return flags !== undefined && (Number.parseInt(flags, 8) & accessBits) !== 0;
	});
}
