/**
 * The system calls of a server that serves, as a program for seccomp(2): everything else is
 * answered EPERM. Derived from what a server was seen to call (docs/decisions/sandbox.md), and from
 * what libc and V8 may call in its place on other versions.
 *
 * EPERM rather than the process's end: a call that some library tries and can do without stays
 * harmless, and the self-test can see what is refused.
 */
import {type Machine, type SystemCallName, systemCallNumber} from './system-calls.ts';

export type FilterOptions = {
	readonly machine: Machine;
	/** Which the process may abort: itself. */
	readonly pid: number;
	/** No memory becomes executable any more, as V8 without its compilers can bear. */
	readonly isStrict: boolean;
	/** Numbers of ioctls on /dev/fuse, and on the image; no others are ever called. */
	readonly fuseIoctls: readonly number[];
	readonly imageIoctls: readonly number[];
};

/** Whatever their arguments: they reach nothing but memory, time and descriptors that exist. */
const always: readonly SystemCallName[] = [
	// First what is called most.
	...(['read', 'write', 'poll', 'ppoll', 'futex', 'pread64', 'pwrite64'] as const),
	...(['readv', 'writev', 'preadv', 'pwritev', 'lseek', 'close', 'fstat'] as const),
	...(['fsync', 'fdatasync', 'sync_file_range', 'fallocate'] as const),
	...(['epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'epoll_ctl'] as const),
	...(['munmap', 'mremap', 'brk', 'madvise', 'membarrier'] as const),
	...(['rt_sigaction', 'rt_sigprocmask', 'rt_sigreturn', 'sigaltstack'] as const),
	...(['clock_gettime', 'clock_getres', 'clock_nanosleep', 'nanosleep', 'gettimeofday'] as const),
	...(['restart_syscall', 'sched_yield', 'sched_getaffinity', 'getcpu'] as const),
	// Of V8's locks, which complain where they are refused.
	...(['sched_getparam', 'sched_getscheduler'] as const),
	...(['getpid', 'gettid', 'getrusage', 'uname', 'getrandom', 'exit', 'exit_group'] as const),
];

// linux/audit.h, linux/seccomp.h, linux/bpf_common.h.
const auditArch = {x64: 0xc000003e, arm64: 0xc00000b7} as const;
const kill = 0x8000_0000; // SECCOMP_RET_KILL_PROCESS
const allow = 0x7fff_0000; // SECCOMP_RET_ALLOW
const refuse = 0x0005_0000 | 1; // SECCOMP_RET_ERRNO with EPERM
const x32Bit = 0x4000_0000; // The other set of calls of an x86-64 kernel.

const codes = {load: 0x20, jumpEqual: 0x15, jumpNotLess: 0x35, jumpIfBits: 0x45, answer: 0x06};
const at = {number: 0, machine: 4} as const;
/** The lower half of an argument: those that are looked at are int or hold their bits there. */
const argumentAt = (index: number) => 16 + index * 8;

const protExec = 4; // PROT_EXEC
const mapAnonymous = 0x20; // MAP_ANONYMOUS
/** MAP_SHARED and MAP_GROWSDOWN: RLIMIT_DATA counts neither. */
const mapUncounted = 0x101;
const emptyPath = 0x1000; // AT_EMPTY_PATH
const abortSignal = 6; // SIGABRT
const harmlessFcntl = [1, 3]; // F_GETFD, F_GETFL
const setFlags = 4; // F_SETFL
/** O_ASYNC: a terminal that has it signals those who use it. */
const signalDriven = 0x2000;
/** /dev/fuse. */
const fuseDescriptor = 3;
const imageDescriptor = 4;

/** struct sock_filter: the code, how far to jump if true and if false, a number. */
type Line = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

const load = (offset: number): Line => [codes.load, 0, 0, offset];
const answer = (action: number): Line => [codes.answer, 0, 0, action];
const answerIfEqual = (value: number, action: number): Line[] => [
	[codes.jumpEqual, 0, 1, value],
	answer(action),
];
/** Where any of the bits is set. */
const answerIfBits = (bits: number, action: number): Line[] => [
	[codes.jumpIfBits, 0, 1, bits],
	answer(action),
];
const answerUnlessEqual = (value: number, action: number): Line[] => [
	[codes.jumpEqual, 1, 0, value],
	answer(action),
];
const answerUnlessBits = (bits: number, action: number): Line[] => [
	[codes.jumpIfBits, 1, 0, bits],
	answer(action),
];

type Rule = {readonly name: SystemCallName; readonly lines: readonly Line[]};

/** What a rule has not refused at its end is allowed. */
const allowIfIoctl = (numbers: readonly number[]): Line[] => [
	load(argumentAt(1)),
	...numbers.flatMap(number => answerIfEqual(number, allow)),
	answer(refuse),
];

function rules({pid, isStrict, fuseIoctls, imageIoctls}: FilterOptions): Rule[] {
	const ofFuse = [...answerUnlessEqual(fuseDescriptor, refuse), ...allowIfIoctl(fuseIoctls)];
	const notExecutable = answerIfBits(protExec, refuse);
	const isStatOfDescriptor = answerUnlessEqual(emptyPath, refuse);
	return [
		{
			// Memory alone: a file that is mapped would be one more way to write to it.
			name: 'mmap',
			lines: [
				load(argumentAt(2)),
				...notExecutable,
				load(argumentAt(3)),
				...answerUnlessBits(mapAnonymous, refuse),
				...answerIfBits(mapUncounted, refuse),
			],
		},
		{name: 'mprotect', lines: isStrict ? [load(argumentAt(2)), ...notExecutable] : []},
		{name: 'pkey_mprotect', lines: isStrict ? [load(argumentAt(2)), ...notExecutable] : []},
		{name: 'newfstatat', lines: [load(argumentAt(3)), ...isStatOfDescriptor]},
		{
			name: 'fcntl',
			lines: [
				load(argumentAt(1)),
				...harmlessFcntl.flatMap(command => answerIfEqual(command, allow)),
				...answerUnlessEqual(setFlags, refuse),
				load(argumentAt(2)),
				...answerIfBits(signalDriven, refuse),
			],
		},
		{
			// Where the kernel moves data: what tells it of the image's device, and of this thread. Of a
			// device that is written to: what tells it of free blocks.
			name: 'ioctl',
			lines: [
				load(argumentAt(0)),
				[codes.jumpEqual, ofFuse.length, 0, imageDescriptor],
				...ofFuse,
				...allowIfIoctl(imageIoctls),
			],
		},
		{
			// abort(3).
			name: 'tgkill',
			lines: [
				load(argumentAt(0)),
				...answerUnlessEqual(pid, refuse),
				load(argumentAt(2)),
				...answerUnlessEqual(abortSignal, refuse),
			],
		},
	];
}

function ruleLines({name, lines}: Rule, machine: Machine): Line[] {
	const number = systemCallNumber(name, machine);
	if (number === undefined) return [];
	// The number is loaded no more after a rule, which therefore ends with an answer.
	return [[codes.jumpEqual, 0, lines.length + 1, number], ...lines, answer(allow)];
}

/** The filter's lines, 8 bytes each: struct sock_filter. */
export function servingFilter(options: FilterOptions): Uint8Array {
	const {machine} = options;
	const lines: Line[] = [
		load(at.machine),
		...answerUnlessEqual(auditArch[machine], kill),
		load(at.number),
		[codes.jumpNotLess, 0, 1, x32Bit],
		answer(refuse),
		...always.flatMap(name => {
			const number = systemCallNumber(name, machine);
			return number === undefined ? [] : answerIfEqual(number, allow);
		}),
		...rules(options).flatMap(rule => ruleLines(rule, machine)),
		answer(refuse),
	];
	const bytes = new Uint8Array(lines.length * 8);
	const view = new DataView(bytes.buffer);
	for (const [index, [code, ifTrue, ifFalse, value]] of lines.entries()) {
		view.setUint16(index * 8, code, true);
		view.setUint8(index * 8 + 2, ifTrue);
		view.setUint8(index * 8 + 3, ifFalse);
		view.setUint32(index * 8 + 4, value, true);
	}
	return bytes;
}
