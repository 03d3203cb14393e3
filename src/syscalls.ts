/**
 * The only file that calls native functions: what Node has no call for. Importing it loads koffi,
 * some 12 ms, so whoever needs it imports it when the need is there.
 *
 * Names are bytes, without the NUL that C wants; they may hold anything but NUL. `directory` is an
 * open directory's descriptor, and `name` is looked up in it and nowhere else, so that nothing
 * that is renamed or replaced above it can lead astray. Each function throws `SystemError`.
 */
import {closeSync, constants} from 'node:fs';
import {getSystemErrorName} from 'node:util';
import koffi from 'koffi';
import {errnoName} from './errno.ts';

/** A system call failed; `code` is the errno's name. */
export class SystemError extends Error {
	override readonly name = 'SystemError';
	readonly code: string;
	readonly errno: number;
	readonly syscall: string;

	constructor(errno: number, syscall: string) {
		const known = getSystemErrorName(-errno);
		const code = known.startsWith('E') ? known : errnoName(errno);
		super(`${syscall}: ${code}`);
		this.code = code;
		this.errno = errno;
		this.syscall = syscall;
	}
}

const libc = koffi.load(null);

// Bound when first called: an old libc lacks some of them.
function bind(definition: string): (...values: unknown[]) => number {
	let bound: ((...values: unknown[]) => number) | undefined;
	return (...values) => {
		bound ??= libc.func(definition) as (...values: unknown[]) => number;
		return bound(...values);
	};
}

const c = {
	openat: bind('int openat(int directory, const uint8_t *name, int flags, uint32_t mode)'),
	mkdirat: bind('int mkdirat(int directory, const uint8_t *name, uint32_t mode)'),
	symlinkat: bind('int symlinkat(const uint8_t *target, int directory, const uint8_t *name)'),
	linkat: bind(
		'int linkat(int from, const uint8_t *name, int to, const uint8_t *newName, int flags)',
	),
	unlinkat: bind('int unlinkat(int directory, const uint8_t *name, int flags)'),
	mkfifoat: bind('int mkfifoat(int directory, const uint8_t *name, uint32_t mode)'),
	mknodat: bind('int mknodat(int directory, const uint8_t *name, uint32_t mode, uint64_t device)'),
	fchownat: bind(
		'int fchownat(int directory, const uint8_t *name, uint32_t uid, uint32_t gid, int flags)',
	),
	fchmodat: bind('int fchmodat(int directory, const uint8_t *name, uint32_t mode, int flags)'),
	fchmod: bind('int fchmod(int descriptor, uint32_t mode)'),
	fchown: bind('int fchown(int descriptor, uint32_t uid, uint32_t gid)'),
	utimensat: bind(
		'int utimensat(int directory, const uint8_t *name, const void *times, int flags)',
	),
	futimens: bind('int futimens(int descriptor, const void *times)'),
	lsetxattr: bind(
		'int lsetxattr(const uint8_t *path, const uint8_t *name, const void *value, size_t size, int flags)',
	),
	fsetxattr: bind(
		'int fsetxattr(int descriptor, const uint8_t *name, const void *value, size_t size, int flags)',
	),
	ioctl: bind('int ioctl(int descriptor, unsigned long request, void *argument)'),
	read: bind('intptr_t read(int descriptor, void *into, size_t length)'),
	write: bind('intptr_t write(int descriptor, const void *from, size_t length)'),
	poll: bind('int poll(void *entries, unsigned long count, int timeout)'),
	fcntl: bind('int fcntl(int descriptor, int command, long argument)'),
	syncfs: bind('int syncfs(int descriptor)'),
	fallocate: bind('int fallocate(int descriptor, int mode, int64_t offset, int64_t length)'),
	mount: bind(
		'int mount(const char *source, const uint8_t *target, const char *type, unsigned long flags, const void *data)',
	),
	syscall: bind(
		'intptr_t syscall(intptr_t number, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f)',
	),
	clock_gettime: bind('int clock_gettime(int clock, void *time)'),
	getpagesize: bind('int getpagesize(void)'),
};

const noFollow = 0x100; // AT_SYMLINK_NOFOLLOW

function withNul(bytes: Uint8Array): Uint8Array {
	if (bytes.includes(0)) throw new SystemError(22, 'a name with a NUL');
	const copy = new Uint8Array(bytes.length + 1);
	copy.set(bytes);
	return copy;
}

const emptyBytes = new Uint8Array(1);
/** koffi takes no pointer to an empty buffer. */
const pointable = (bytes: Uint8Array) => (bytes.length === 0 ? emptyBytes : bytes);

const call = (name: keyof typeof c, ...values: unknown[]): number => {
	const result = c[name](...values);
	if (result < 0) throw new SystemError(koffi.errno(), name);
	return result;
};

/** Returns the new descriptor. `flags` are those of `fs.constants`. */
export function openAt(directory: number, name: Uint8Array, flags: number, mode = 0): number {
	return call('openat', directory, withNul(name), flags, mode);
}

export function makeDirectoryAt(directory: number, name: Uint8Array, mode: number): void {
	call('mkdirat', directory, withNul(name), mode);
}

export function symlinkAt(target: Uint8Array, directory: number, name: Uint8Array): void {
	call('symlinkat', withNul(target), directory, withNul(name));
}

/** Does not follow `name` where it is a symbolic link. */
export function linkAt(
	from: number,
	name: Uint8Array,
	directory: number,
	newName: Uint8Array,
): void {
	call('linkat', from, withNul(name), directory, withNul(newName), 0);
}

/** Removes a name that is no directory. */
export function unlinkAt(directory: number, name: Uint8Array): void {
	call('unlinkat', directory, withNul(name), 0);
}

/** `mode` holds the type too: a FIFO, a socket, a character or block device. */
export function makeNodeAt(
	directory: number,
	name: Uint8Array,
	mode: number,
	device: {readonly major: number; readonly minor: number} = {major: 0, minor: 0},
): void {
	if ((mode & 0o170000) === 0o010000) {
		call('mkfifoat', directory, withNul(name), mode & 0o7777);
		return;
	}
	const {major, minor} = device;
	// As glibc's makedev: the low halves in the low word, the upper ones above.
	const low = (major & 0xfff) * 2 ** 8 + (minor & 0xff) + (minor >>> 8) * 2 ** 20;
	const encoded = Math.floor(major / 2 ** 12) * 2 ** 44 + low;
	call('mknodat', directory, withNul(name), mode, encoded);
}

/** Of the name itself, were it a symbolic link. */
export function changeOwnerAt(directory: number, name: Uint8Array, uid: number, gid: number): void {
	call('fchownat', directory, withNul(name), uid, gid, noFollow);
}

export function changeMode(descriptor: number, mode: number): void {
	call('fchmod', descriptor, mode);
}

export function changeOwner(descriptor: number, uid: number, gid: number): void {
	call('fchown', descriptor, uid, gid);
}

// The same on x86-64 and arm64; Node does not name them.
const pathOnly = 0o10000000; // O_PATH
export const closeOnExec = 0o2000000; // O_CLOEXEC
const currentDirectory = -100; // AT_FDCWD

/**
 * Of the name itself: a symbolic link, even one that has just been put there, is not followed. By
 * way of /proc, because fchmodat can't be told so before Linux 6.6.
 */
export function changeModeAt(directory: number, name: Uint8Array, mode: number): void {
	const descriptor = openAt(directory, name, pathOnly | constants.O_NOFOLLOW | closeOnExec);
	try {
		const path = Buffer.from(`/proc/self/fd/${descriptor}`);
		call('fchmodat', currentDirectory, withNul(path), mode, 0);
	} finally {
		closeSync(descriptor);
	}
}

export type Time = {readonly seconds: number; readonly nanoseconds: number};

function timespecs(access: Time, modification: Time): Uint8Array {
	const bytes = new Uint8Array(32);
	const view = new DataView(bytes.buffer);
	for (const [at, time] of [
		[0, access],
		[16, modification],
	] as const) {
		view.setBigInt64(at, BigInt(time.seconds), true);
		// A damaged inode may say more nanoseconds than make a second.
		view.setBigInt64(at + 8, BigInt(Math.min(time.nanoseconds, 999_999_999)), true);
	}
	return bytes;
}

/** Of the name itself, were it a symbolic link. */
export function setTimesAt(
	directory: number,
	name: Uint8Array,
	access: Time,
	modification: Time,
): void {
	call('utimensat', directory, withNul(name), timespecs(access, modification), noFollow);
}

export function setTimes(descriptor: number, access: Time, modification: Time): void {
	call('futimens', descriptor, timespecs(access, modification));
}

/** `name` with its prefix: `user.comment`. */
export function setXattr(descriptor: number, name: Uint8Array, value: Uint8Array): void {
	call('fsetxattr', descriptor, withNul(name), pointable(value), value.length, 0);
}

/** Of a name that can't be opened: a symbolic link, a device. Goes through /proc. */
export function setXattrAt(
	directory: number,
	name: Uint8Array,
	attribute: Uint8Array,
	value: Uint8Array,
): void {
	const path = Buffer.concat([Buffer.from(`/proc/self/fd/${directory}/`), name]);
	call('lsetxattr', withNul(path), withNul(attribute), pointable(value), value.length, 0);
}

/** `argument` is read and written by the call; returns what ioctl does. */
export function ioctl(descriptor: number, request: number, argument: Uint8Array): number {
	return call('ioctl', descriptor, request, argument);
}

/**
 * read(2) and write(2), for where a failure is an everyday thing and an exception would cost more
 * than the call. They return how many bytes were moved, or an errno as a negative number.
 */
export function readOrErrno(descriptor: number, into: Uint8Array): number {
	const length = c.read(descriptor, into, into.length);
	return length < 0 ? -koffi.errno() : length;
}

/** Writes the first `length` bytes of `from`. */
export function writeOrErrno(descriptor: number, from: Uint8Array, length: number): number {
	const written = c.write(descriptor, from, length);
	return written < 0 ? -koffi.errno() : written;
}

const pollEntryBytes = 8; // struct pollfd: the descriptor, events, what happened.
const pollEntries = new Uint8Array(2 * pollEntryBytes);
const pollView = new DataView(pollEntries.buffer);
const pollReadable = 0x1; // POLLIN
const pollTimeoutMax = 2 ** 31 - 1;

/**
 * Waits until `descriptor` or `other` can be read or has failed, or a signal came; at most
 * `timeoutMilliseconds`, undefined for any time. `other` may be left out. Returns whether something happened to it.
 */
export function waitReadable(
	descriptor: number,
	other: number | undefined,
	timeoutMilliseconds: number | undefined,
): boolean {
	pollView.setInt32(0, descriptor, true);
	pollView.setInt16(4, pollReadable, true);
	// A negative descriptor is passed over.
	pollView.setInt32(pollEntryBytes, other ?? -1, true);
	pollView.setInt16(pollEntryBytes + 4, pollReadable, true);
	const timeout =
		timeoutMilliseconds === undefined
			? -1
			: Math.min(Math.max(0, Math.ceil(timeoutMilliseconds)), pollTimeoutMax);
	if (c.poll(pollEntries, 2, timeout) < 0) {
		const error = koffi.errno();
		if (error !== interrupted) throw new SystemError(error, 'poll');
		return false;
	}
	return pollView.getInt16(pollEntryBytes + 6, true) !== 0;
}
const interrupted = 4; // EINTR

// The same on x86-64 and arm64.
const setFlags = 4; // F_SETFL
const nonBlocking = 0o4000; // O_NONBLOCK

/** Reading from a descriptor that has no other flags of its own now fails instead of waiting. */
export function makeNonBlocking(descriptor: number): void {
	call('fcntl', descriptor, setFlags, nonBlocking);
}

/**
 * Transfers go past the page cache from now on; it must have been opened with no other flags that
 * can be changed.
 */
export function makeDirect(descriptor: number): void {
	call('fcntl', descriptor, setFlags, constants.O_DIRECT);
}

const punchHole = 0x3; // FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE

/** Gives a file's space in that range back; it reads as zeros from then on. */
export function punchHoleIn(descriptor: number, position: number, lengthBytes: number): void {
	call('fallocate', descriptor, punchHole, position, lengthBytes);
}

/** Has the kernel write out what it keeps of the file system that `descriptor` lies in. */
export function syncFileSystem(descriptor: number): void {
	call('syncfs', descriptor);
}

/** The kernel's page, in bytes: 4,096 on x86-64; 16,384 and 65,536 as well on arm64. */
export function pageSize(): number {
	return call('getpagesize');
}

const timespec = new Uint8Array(16);
const timespecView = new DataView(timespec.buffer);
const coarseRealTime = 5; // CLOCK_REALTIME_COARSE

/**
 * The time, by the clock that the kernel stamps files with: so what it stamps itself, of files that
 * it has cached, and what is stamped here are in order.
 */
export function coarseTime(): Time {
	call('clock_gettime', coarseRealTime, timespec);
	const high = timespecView.getInt32(4, true);
	const low = timespecView.getUint32(0, true);
	return {seconds: high * 2 ** 32 + low, nanoseconds: timespecView.getUint32(8, true)};
}

/** mount(2) for a mount that exists: `flags` are all that it is to have. */
export function changeMount(path: string, flags: number): void {
	call('mount', null, withNul(Buffer.from(path)), null, flags, null);
}

/** Where the bytes are, for structures that point at others. They must be kept while it is used. */
export function addressOf(bytes: Uint8Array): bigint {
	return koffi.address(bytes);
}

const noValues = [0, 0, 0, 0, 0, 0];

/**
 * Any system call, by its number: for the sandbox, which takes the rest of them away. Returns what
 * it does, or the errno as a negative number.
 */
export function systemCall(number: number, ...values: (number | Uint8Array)[]): number {
	const words = values.map(value => (typeof value === 'number' ? value : addressOf(value)));
	const result = c.syscall(number, ...words, ...noValues.slice(words.length));
	return result < 0 ? -koffi.errno() : result;
}
