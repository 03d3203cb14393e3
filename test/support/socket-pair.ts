/** Two sockets that are connected and keep the bounds of messages, for a process at either end. */
import koffi from 'koffi';
import {readOrErrno, waitReadable, writeOrErrno} from '../../src/syscalls.ts';

const unixSocket = 1;
const sequencedPackets = 5;
/** The other process must not hold our end open. */
const closedOnExec = 0o2000000;
const shutForWriting = 1;
/** Who says nothing for so long hangs. */
const patienceMilliseconds = 120_000;

const libc = koffi.load(null);
const socketpair = libc.func('int socketpair(int domain, int type, int protocol, void *pair)');
const shutdown = libc.func('int shutdown(int socket, int how)');

export function makePair(): readonly [ours: number, theirs: number] {
	const pair = new Int32Array(2);
	if (socketpair(unixSocket, sequencedPackets | closedOnExec, 0, pair) < 0) {
		throw new Error('there is no pair of sockets');
	}
	return [pair[0] ?? -1, pair[1] ?? -1];
}

/** The other end reads what is under way, and then that nothing follows. */
export function finishSending(descriptor: number): void {
	if (shutdown(descriptor, shutForWriting) < 0) throw new Error('the socket can not be shut');
}

/** Waits for a message; undefined where the other end is closed. `into` has room for the longest. */
export function receive(descriptor: number, into: Uint8Array): Uint8Array | undefined {
	const until = performance.now() + patienceMilliseconds;
	// A signal ends a wait, too: such as that of an earlier process's end.
	while (!waitReadable(-1, descriptor, until - performance.now())) {
		if (performance.now() >= until) throw new Error('the other end hangs');
	}
	const length = readOrErrno(descriptor, into);
	return length <= 0 ? undefined : into.slice(0, length);
}

export function send(descriptor: number, bytes: Uint8Array): void {
	const length = writeOrErrno(descriptor, bytes, bytes.length);
	if (length !== bytes.length) throw new Error(`the other end takes nothing: ${length}`);
}
