/**
 * Numbers of system calls: x86-64 (the kernel's arch/x86/entry/syscalls/syscall_64.tbl) and arm64
 * (include/uapi/asm-generic/unistd.h). Undefined where the machine has no such call.
 */
const numbers = {
	read: [0, 63],
	write: [1, 64],
	open: [2, undefined],
	close: [3, 57],
	fstat: [5, 80],
	poll: [7, undefined],
	lseek: [8, 62],
	mmap: [9, 222],
	mprotect: [10, 226],
	munmap: [11, 215],
	brk: [12, 214],
	rt_sigaction: [13, 134],
	rt_sigprocmask: [14, 135],
	rt_sigreturn: [15, 139],
	ioctl: [16, 29],
	pread64: [17, 67],
	pwrite64: [18, 68],
	readv: [19, 65],
	writev: [20, 66],
	sched_yield: [24, 124],
	mremap: [25, 216],
	madvise: [28, 233],
	dup: [32, 23],
	nanosleep: [35, 101],
	getpid: [39, 172],
	socket: [41, 198],
	connect: [42, 203],
	socketpair: [53, 199],
	clone: [56, 220],
	fork: [57, undefined],
	vfork: [58, undefined],
	execve: [59, 221],
	exit: [60, 93],
	kill: [62, 129],
	uname: [63, 160],
	fcntl: [72, 25],
	fsync: [74, 82],
	fdatasync: [75, 83],
	ftruncate: [77, 46],
	gettimeofday: [96, 169],
	getrusage: [98, 165],
	ptrace: [101, 117],
	setuid: [105, 146],
	sigaltstack: [131, 132],
	sched_getparam: [143, 121],
	sched_getscheduler: [145, 120],
	prctl: [157, 167],
	mount: [165, 40],
	gettid: [186, 178],
	futex: [202, 98],
	sched_getaffinity: [204, 123],
	restart_syscall: [219, 128],
	clock_gettime: [228, 113],
	clock_getres: [229, 114],
	clock_nanosleep: [230, 115],
	exit_group: [231, 94],
	epoll_wait: [232, undefined],
	epoll_ctl: [233, 21],
	tgkill: [234, 131],
	keyctl: [250, 219],
	openat: [257, 56],
	newfstatat: [262, 79],
	ppoll: [271, 73],
	unshare: [272, 97],
	sync_file_range: [277, 84],
	epoll_pwait: [281, 22],
	fallocate: [285, 47],
	preadv: [295, 69],
	pwritev: [296, 70],
	perf_event_open: [298, 241],
	prlimit64: [302, 261],
	setns: [308, 268],
	getcpu: [309, 168],
	process_vm_readv: [310, 270],
	seccomp: [317, 277],
	getrandom: [318, 278],
	memfd_create: [319, 279],
	bpf: [321, 280],
	execveat: [322, 281],
	userfaultfd: [323, 282],
	membarrier: [324, 283],
	pkey_mprotect: [329, 288],
	statx: [332, 291],
	io_uring_setup: [425, 425],
	pidfd_open: [434, 434],
	clone3: [435, 435],
	openat2: [437, 437],
	pidfd_getfd: [438, 438],
	epoll_pwait2: [441, 441],
} as const satisfies {readonly [name: string]: readonly [number | undefined, number | undefined]};

export type SystemCallName = keyof typeof numbers;
export type Machine = 'x64' | 'arm64';

export const systemCallNames = Object.keys(numbers) as SystemCallName[];

/** Undefined where the machine has no such call. */
export function systemCallNumber(name: SystemCallName, machine: Machine): number | undefined {
	return numbers[name][machine === 'x64' ? 0 : 1];
}

/** Throws where no filter could be written for the machine. */
export function thisMachine(): Machine {
	if (process.arch === 'x64' || process.arch === 'arm64') return process.arch;
	throw new Error(`no system call filter for ${process.arch}`);
}
