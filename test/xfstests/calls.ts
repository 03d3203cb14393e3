/**
 * System calls that tests make and Node has no function for. Names may be bytes; numbers are bytes
 * and offsets unless said otherwise. Each function throws `SystemError`, whose `code` is the
 * errno's name. `fs.constants` has most flags of open(2); those that it lacks are here.
 */
import {constants, openSync} from 'node:fs';
import koffi from 'koffi';
import {SystemError} from '../../src/syscalls.ts';

export type Name = string | Uint8Array;

/** Flags of open(2). */
export const open = {
	// __O_TMPFILE is one number everywhere, O_DIRECTORY beside it is not.
	tmpfile: 0o20_000_000 | constants.O_DIRECTORY,
	path: 0o10_000_000,
	direct: constants.O_DIRECT,
} as const;
/** Modes of fallocate(2); without any, the file grows. */
export const allocate = {
	keepSize: 0x01,
	punchHole: 0x02,
	collapseRange: 0x08,
	zeroRange: 0x10,
	insertRange: 0x20,
	unshareRange: 0x40,
} as const;
/** Flags of renameat2(2). */
export const renaming = {noReplace: 1, exchange: 2, whiteout: 4} as const;
/** The `whence` of lseek(2). */
export const seeking = {set: 0, current: 1, end: 2, data: 3, hole: 4} as const;
/** Flags of setxattr(2). */
export const xattr = {create: 1, replace: 2} as const;
/** Of FS_IOC_GETFLAGS. */
export const inodeFlags = {
	sync: 0x8,
	immutable: 0x10,
	append: 0x20,
	noDump: 0x40,
	noAtime: 0x80,
	dirSync: 0x1_0000,
	extents: 0x8_0000,
	projectInherit: 0x2000_0000,
} as const;

const libc = koffi.load(null);
const cwd = -100; // AT_FDCWD
const noFollow = 0x100; // AT_SYMLINK_NOFOLLOW
const follow = 0x400; // AT_SYMLINK_FOLLOW

// Bound when first called: an old libc lacks some of them.
function bind(definition: string): (...values: unknown[]) => number | bigint {
	let bound: ((...values: unknown[]) => number | bigint) | undefined;
	return (...values) => {
		bound ??= libc.func(definition) as (...values: unknown[]) => number | bigint;
		return bound(...values);
	};
}

const c = {
	fallocate: bind('int fallocate(int descriptor, int mode, int64_t offset, int64_t length)'),
	lseek: bind('int64_t lseek(int descriptor, int64_t offset, int whence)'),
	copy_file_range: bind(
		'intptr_t copy_file_range(int from, int64_t *at, int to, int64_t *toAt, size_t length, uint32_t flags)',
	),
	renameat2: bind(
		'int renameat2(int from, const uint8_t *name, int to, const uint8_t *toName, uint32_t flags)',
	),
	linkat: bind(
		'int linkat(int from, const uint8_t *name, int to, const uint8_t *toName, int flags)',
	),
	mknod: bind('int mknod(const uint8_t *name, uint32_t mode, uint64_t device)'),
	utimensat: bind(
		'int utimensat(int directory, const uint8_t *name, const void *times, int flags)',
	),
	lsetxattr: bind(
		'int lsetxattr(const uint8_t *path, const uint8_t *name, const void *value, size_t size, int flags)',
	),
	lgetxattr: bind(
		'intptr_t lgetxattr(const uint8_t *path, const uint8_t *name, void *value, size_t size)',
	),
	llistxattr: bind('intptr_t llistxattr(const uint8_t *path, void *list, size_t size)'),
	lremovexattr: bind('int lremovexattr(const uint8_t *path, const uint8_t *name)'),
	ioctl: bind('int ioctl(int descriptor, unsigned long request, void *argument)'),
	mmap: bind(
		'intptr_t mmap(void *at, size_t length, int protection, int flags, int descriptor, int64_t offset)',
	),
	getdents64: bind('intptr_t getdents64(int descriptor, void *into, size_t length)'),
	munmap: bind('int munmap(intptr_t at, size_t length)'),
	msync: bind('int msync(intptr_t at, size_t length, int flags)'),
	pread: bind('intptr_t pread(int descriptor, void *into, size_t length, int64_t offset)'),
	pwrite: bind('intptr_t pwrite(int descriptor, const void *from, size_t length, int64_t offset)'),
	pwritev2: bind(
		'intptr_t pwritev2(int descriptor, const void *pieces, int count, int64_t offset, int flags)',
	),
	syncfs: bind('int syncfs(int descriptor)'),
	sync_file_range: bind(
		'int sync_file_range(int descriptor, int64_t offset, int64_t length, uint32_t flags)',
	),
	posix_fadvise: bind(
		'int posix_fadvise(int descriptor, int64_t offset, int64_t length, int advice)',
	),
	flock: bind('int flock(int descriptor, int operation)'),
	fcntl: bind('int fcntl(int descriptor, int command, void *argument)'),
	access: bind('int faccessat(int directory, const uint8_t *path, int mode, int flags)'),
	prctl: bind('int prctl(int option, unsigned long a, unsigned long b, unsigned long c)'),
	syscall: bind(
		'intptr_t syscall(intptr_t number, intptr_t a, intptr_t b, intptr_t c, intptr_t d, intptr_t e, intptr_t f)',
	),
};

function withNul(name: Name): Uint8Array {
	const bytes = Buffer.from(name as string); // Bytes are copied, too.
	return Buffer.concat([bytes, Buffer.of(0)]);
}

function call(name: keyof typeof c, ...values: unknown[]): number {
	const result = Number(c[name](...values));
	if (result < 0) throw new SystemError(koffi.errno(), name);
	return result;
}

export function fallocate(descriptor: number, mode: number, offset: number, length: number): void {
	call('fallocate', descriptor, mode, BigInt(offset), BigInt(length));
}

/** The new offset. */
export function lseek(descriptor: number, offset: number | bigint, whence: number): number {
	return call('lseek', descriptor, BigInt(offset), whence);
}

/** How many bytes were copied. */
export function copyFileRange(
	from: number,
	offset: number,
	to: number,
	toOffset: number,
	length: number,
): number {
	const at = new BigInt64Array([BigInt(offset)]);
	const toAt = new BigInt64Array([BigInt(toOffset)]);
	return call('copy_file_range', from, at, to, toAt, length, 0);
}

/** renameat2(2); `flags` are of `renaming`. */
export function rename(from: Name, to: Name, flags: number): void {
	call('renameat2', cwd, withNul(from), cwd, withNul(to), flags);
}

/** Gives an open file a name, be it one of O_TMPFILE that never had any. */
export function linkDescriptor(descriptor: number, to: Name): void {
	call('linkat', cwd, withNul(`/proc/self/fd/${descriptor}`), cwd, withNul(to), follow);
}

/** linkat(2) that does not follow a symbolic link, as link(2) does not. */
export function link(from: Name, to: Name): void {
	call('linkat', cwd, withNul(from), cwd, withNul(to), 0);
}

/** `mode` holds the type, too. */
export function mknod(name: Name, mode: number, major = 0, minor = 0): void {
	const low = (major & 0xfff) * 2 ** 8 + (minor & 0xff) + (minor >>> 8) * 2 ** 20;
	call('mknod', withNul(name), mode, BigInt(Math.floor(major / 2 ** 12)) * 2n ** 44n + BigInt(low));
}

export type Time = {readonly seconds: number; readonly nanoseconds: number} | 'now' | 'omit';

/** utimensat(2) on the name itself, were it a symbolic link. */
export function setTimes(name: Name, access: Time, modification: Time): void {
	call('utimensat', cwd, withNul(name), timespecs(access, modification), noFollow);
}

function timespecs(...times: Time[]): BigInt64Array {
	return BigInt64Array.from(
		times.flatMap(time => {
			if (time === 'now') return [0n, 0x3fff_ffffn];
			if (time === 'omit') return [0n, 0x3fff_fffen];
			return [BigInt(time.seconds), BigInt(time.nanoseconds)];
		}),
	);
}

/** On the name itself, were it a symbolic link, as are the three below. `flags` are of `xattr`. */
export function setXattr(path: Name, name: Name, value: Name, flags = 0): void {
	const bytes = Buffer.from(value as string);
	// koffi takes no pointer to an empty buffer.
	const from = bytes.length === 0 ? Buffer.alloc(1) : bytes;
	call('lsetxattr', withNul(path), withNul(name), from, bytes.length, flags);
}

export function getXattr(path: Name, name: Name): Buffer {
	const into = Buffer.alloc(0x1_0000);
	const length = call('lgetxattr', withNul(path), withNul(name), into, into.length);
	return into.subarray(0, length);
}

/** The length of a value, asked for without room for it. */
export function sizeOfXattr(path: Name, name: Name): number {
	return call('lgetxattr', withNul(path), withNul(name), null, 0);
}

/** The names, sorted. */
export function listXattrs(path: Name): string[] {
	const into = Buffer.alloc(0x1_0000);
	const length = call('llistxattr', withNul(path), into, into.length);
	const names = into.subarray(0, length).toString('latin1').split('\0').slice(0, -1);
	return names.sort();
}

export function removeXattr(path: Name, name: Name): void {
	call('lremovexattr', withNul(path), withNul(name));
}

/** `argument` is read and written, or a number as it is. */
export function ioctl(descriptor: number, request: number, argument: Uint8Array): number {
	return call('ioctl', descriptor, request, argument);
}

export function getFlags(descriptor: number): number {
	const word = Buffer.alloc(8);
	ioctl(descriptor, 0x8008_6601, word);
	return word.readUInt32LE();
}

export function setFlags(descriptor: number, flags: number): void {
	const word = Buffer.alloc(8);
	word.writeUInt32LE(flags);
	ioctl(descriptor, 0x4008_6602, word);
}

/** FS_IOC_FSGETXATTR: its flags (0x200: projects are inherited), and the project. */
export function getProject(descriptor: number): {flags: number; project: number} {
	const bytes = Buffer.alloc(28);
	ioctl(descriptor, 0x801c_581f, bytes);
	return {flags: bytes.readUInt32LE(0), project: bytes.readUInt32LE(12)};
}

export function setProject(descriptor: number, flags: number, project: number): void {
	const bytes = Buffer.alloc(28);
	ioctl(descriptor, 0x801c_581f, bytes);
	bytes.writeUInt32LE(flags, 0);
	bytes.writeUInt32LE(project, 12);
	ioctl(descriptor, 0x401c_5820, bytes);
}

/** Memory that is a file's; gone from use once disposed of. */
export class Mapping implements Disposable {
	readonly bytes: Uint8Array;
	readonly #at: bigint;
	readonly #length: number;

	constructor(at: bigint, length: number) {
		this.bytes = new Uint8Array(koffi.view(at, length));
		this.#at = at;
		this.#length = length;
	}

	/** msync(2) with MS_SYNC. */
	sync(): void {
		call('msync', this.#at, this.#length, 4);
	}

	[Symbol.dispose](): void {
		call('munmap', this.#at, this.#length);
	}
}

/**
 * Maps a range of a file, readable, and writable where `isWritable`. A shared mapping unless
 * `isPrivate`. Reading beyond the file's last page ends the process with SIGBUS.
 */
export function mmap(
	descriptor: number,
	offset: number,
	length: number,
	{isWritable = true, isPrivate = false} = {},
): Mapping {
	const protection = isWritable ? 3 : 1;
	const at = c.mmap(null, length, protection, isPrivate ? 2 : 1, descriptor, BigInt(offset));
	if (BigInt(at) === -1n) throw new SystemError(koffi.errno(), 'mmap');
	return new Mapping(BigInt(at), length);
}

/** A buffer whose address is a multiple of 4,096, as O_DIRECT wants it. */
export function alignedBuffer(length: number): Buffer {
	// Resizable memory is mapped, not allocated.
	return Buffer.from(new ArrayBuffer(length, {maxByteLength: length}));
}

/** One pread(2): how many bytes came. */
export function pread(descriptor: number, into: Uint8Array, offset: number | bigint): number {
	return call('pread', descriptor, into, into.length, BigInt(offset));
}

/** One pwrite(2): how many bytes went. Offsets beyond what Node takes may be tried. */
export function pwrite(descriptor: number, from: Uint8Array, offset: number | bigint): number {
	return call('pwrite', descriptor, from, from.length, BigInt(offset));
}

/** pwritev2(2) of one piece; `flags` are the RWF_ ones. */
export function pwriteFlagged(
	descriptor: number,
	from: Uint8Array,
	offset: number,
	flags: number,
): number {
	const piece = new BigUint64Array([addressOf(from), BigInt(from.length)]);
	return call('pwritev2', descriptor, piece, 1, BigInt(offset), flags);
}

export function syncFileSystem(descriptor: number): void {
	call('syncfs', descriptor);
}

/** Starts and awaits the writing of a range; says nothing of metadata. */
export function syncFileRange(descriptor: number, offset: number, length: number): void {
	call('sync_file_range', descriptor, BigInt(offset), BigInt(length), 7);
}

/** POSIX_FADV_DONTNEED: drops clean pages of the file from the page cache. */
export function dropPages(descriptor: number): void {
	const error = Number(c.posix_fadvise(descriptor, 0n, 0n, 4));
	if (error !== 0) throw new SystemError(error, 'posix_fadvise');
}

/** flock(2), never waiting. */
export function flock(descriptor: number, kind: 'shared' | 'exclusive' | 'none'): void {
	call('flock', descriptor, {shared: 1, exclusive: 2, none: 8}[kind] | 4);
}

/** A lock of fcntl(2) on a range, never waiting; `length` 0 is to the end. */
export function lockRange(
	descriptor: number,
	kind: 'read' | 'write' | 'none',
	offset: number,
	length: number,
): void {
	const lock = Buffer.alloc(32);
	lock.writeInt16LE({read: 0, write: 1, none: 2}[kind], 0);
	lock.writeBigInt64LE(BigInt(offset), 8);
	lock.writeBigInt64LE(BigInt(length), 16);
	call('fcntl', descriptor, 6, lock);
}

/** Whether the effective user may: bits of access(2), 4 read, 2 write, 1 execute or search. */
export function mayAccess(path: Name, bits: number): boolean {
	return Number(c.access(cwd, withNul(path), bits, 0x200)) === 0; // AT_EACCESS
}

export type Entry = {
	readonly name: Buffer;
	readonly inode: number;
	/** What lseek(2) takes to go on behind this entry. */
	readonly offset: bigint;
	readonly type: number;
};

/** One getdents64(2) into so many bytes; empty at the end. */
export function readEntries(descriptor: number, bytes = 32_768): Entry[] {
	const into = Buffer.alloc(bytes);
	const length = call('getdents64', descriptor, into, bytes);
	const entries: Entry[] = [];
	for (let at = 0; at < length; at += into.readUInt16LE(at + 16)) {
		const end = into.indexOf(0, at + 19);
		entries.push({
			inode: Number(into.readBigUInt64LE(at)),
			offset: into.readBigInt64LE(at + 8),
			type: into.readUInt8(at + 18),
			name: into.subarray(at + 19, end),
		});
	}
	return entries;
}

/** Has the kernel kill this process when the one that started it ends. */
export function endWithParent(): void {
	call('prctl', 1, 9, 0, 0);
}

export function addressOf(bytes: Uint8Array): bigint {
	return BigInt(koffi.address(bytes));
}

/** A system call of x86-64 by its number; bytes are given by address. Throws `SystemError`. */
export function systemCall(number: number, ...values: (number | bigint | Uint8Array)[]): number {
	const words = values.map(value => (value instanceof Uint8Array ? addressOf(value) : value));
	const [a, b, d, e, f, g] = [...words, 0, 0, 0, 0, 0, 0];
	return call('syscall', number, a, b, d, e, f, g);
}

/** The errno's name of whatever a file-system call threw; throws what is no such error. */
export function errorCode(error: unknown): string {
	if (!(error instanceof Error)) throw error;
	const {code, errno} = error as {code?: unknown; errno?: unknown};
	// Node doesn't know all of them: of EUCLEAN it has the number alone.
	if (typeof errno === 'number') return new SystemError(Math.abs(errno), '').code;
	if (typeof code !== 'string' || !/^E[A-Z0-9]+$/.test(code)) throw error;
	return code;
}

/** O_TMPFILE: a file without a name in the directory. */
export function openNameless(directory: string, isLinkable = true, mode = 0o600): number {
	const exclusive = isLinkable ? 0 : 0o200;
	return openSync(directory, open.tmpfile | exclusive | 2, mode);
}
