/**
 * A server tries to get out before it serves. Each attempt is made such that it would succeed, or
 * fail otherwise, were it not refused: EPERM from the filter comes before any look at arguments. So
 * an attempt that fails with another errno is a hole as well: something else has stopped it.
 */
import {type SystemCallName, systemCallNumber, thisMachine} from './system-calls.ts';

/** The result, or an errno as a negative number. */
export type SystemCall = (number: number, ...values: (number | Uint8Array)[]) => number;

type Attempt = {
	readonly what: string;
	readonly call: SystemCallName;
	readonly values: readonly (number | Uint8Array)[];
};

const refused = -1; // -EPERM
const currentDirectory = -100; // AT_FDCWD
const root = Uint8Array.of(0x2f, 0);
const unixSocket = 1; // AF_UNIX
const internetSocket = 2; // AF_INET
const stream = 1; // SOCK_STREAM
const childEnded = 17; // SIGCHLD
const abortSignal = 6; // SIGABRT
const readWriteExecute = 7;
const privateAnonymous = 0x22; // MAP_PRIVATE | MAP_ANONYMOUS
const sharedAnonymous = 0x21; // MAP_SHARED | MAP_ANONYMOUS
const setFlags = 4; // F_SETFL
const signalDriven = 0x2000; // O_ASYNC
const page = 4096;
/** No process has it; whoever may send finds that out. */
const nobody = 0x3fff_fffe;

function attempts(pid: number, isStrict: boolean): Attempt[] {
	const made: Attempt[] = [
		{what: 'open a file', call: 'open', values: [root, 0]},
		{what: 'open a file', call: 'openat', values: [currentDirectory, root, 0]},
		{what: 'open a file', call: 'openat2', values: [currentDirectory, root, 0, 0]},
		{what: 'look at a file', call: 'newfstatat', values: [currentDirectory, root, 0, 0]},
		{what: 'look at a file', call: 'statx', values: [currentDirectory, root, 0, 0, 0]},
		{what: 'make a file', call: 'memfd_create', values: [root, 0]},
		{what: 'change the size of the image', call: 'ftruncate', values: [-1, 0]},
		{what: 'copy a descriptor', call: 'dup', values: [0]},
		{what: 'control a device', call: 'ioctl', values: [0, 0x5401, 0]},
		{what: 'make a socket', call: 'socket', values: [unixSocket, stream, 0]},
		{what: 'make a socket', call: 'socket', values: [internetSocket, stream, 0]},
		{what: 'make a socket', call: 'socketpair', values: [unixSocket, stream, 0, 0]},
		{what: 'connect', call: 'connect', values: [-1, 0, 0]},
		{what: 'fork', call: 'fork', values: []},
		{what: 'fork', call: 'clone', values: [childEnded, 0, 0, 0, 0]},
		{what: 'fork', call: 'clone3', values: [0, 0]},
		{what: 'execute', call: 'execve', values: [root, 0, 0]},
		{what: 'execute', call: 'execveat', values: [currentDirectory, root, 0, 0, 0]},
		{what: 'signal another', call: 'kill', values: [nobody, 0]},
		{what: 'signal another', call: 'tgkill', values: [nobody, nobody, abortSignal]},
		{what: 'signal itself', call: 'tgkill', values: [pid, nobody, childEnded]},
		{what: 'trace another', call: 'ptrace', values: [16, nobody, 0, 0]},
		{what: 'read the memory of another', call: 'process_vm_readv', values: [nobody, 0, 0, 0, 0, 0]},
		{what: 'take a descriptor', call: 'pidfd_open', values: [nobody, 0]},
		{what: 'take a descriptor', call: 'pidfd_getfd', values: [-1, 0, 0]},
		{what: 'change its id', call: 'setuid', values: [0]},
		{what: 'make a namespace', call: 'unshare', values: [0]},
		{what: 'enter a namespace', call: 'setns', values: [-1, 0]},
		{what: 'mount', call: 'mount', values: [0, 0, 0, 0, 0]},
		{what: 'go round the filter', call: 'io_uring_setup', values: [0, 0]},
		{what: 'load a program into the kernel', call: 'bpf', values: [-1, 0, 0]},
		{what: 'reach the kernel', call: 'userfaultfd', values: [-1]},
		{what: 'reach the kernel', call: 'perf_event_open', values: [0, 0, 0, 0, 0]},
		{what: 'reach the kernel', call: 'keyctl', values: [-1, 0, 0, 0, 0]},
		{what: 'raise its limits', call: 'prlimit64', values: [0, 7, 0, 0]},
		{what: 'control itself', call: 'prctl', values: [-1, 0, 0, 0, 0]},
		{
			what: 'make memory executable',
			call: 'mmap',
			values: [0, page, readWriteExecute, privateAnonymous, -1, 0],
		},
		{what: 'map a file', call: 'mmap', values: [0, page, 1, 2, 4, 0]},
		{
			what: 'have memory beyond its limit',
			call: 'mmap',
			values: [0, page, 3, sharedAnonymous, -1, 0],
		},
		{what: 'have others signalled', call: 'fcntl', values: [0, setFlags, signalDriven]},
	];
	if (isStrict) {
		const executable: Attempt = {
			what: 'make memory executable',
			call: 'mprotect',
			values: [0, page, readWriteExecute],
		};
		made.push(executable, {...executable, call: 'pkey_mprotect'});
	}
	return made;
}

/** What succeeded, or was stopped by something else than the filter; empty: it holds. */
export function tryToEscape(systemCall: SystemCall, pid: number, isStrict: boolean): string[] {
	const machine = thisMachine();
	const holes: string[] = [];
	for (const {what, call, values} of attempts(pid, isStrict)) {
		const number = systemCallNumber(call, machine);
		if (number === undefined) continue;
		const result = systemCall(number, ...values);
		if (result === 0 && what === 'fork') {
			// We are the child that must not be.
			systemCall(systemCallNumber('exit_group', machine) ?? 0, 1);
		}
		if (result !== refused) holes.push(`${what} (${call}: ${result})`);
	}
	return holes;
}
