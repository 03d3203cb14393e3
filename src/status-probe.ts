/**
 * Asks one mount for its status: `NODE status-probe.js DIR` prints the JSON, or fails with the name
 * of an errno on stderr. A process of its own, for a server that hangs takes whoever asks with it.
 */
import {closeSync, constants, openSync, writeSync} from 'node:fs';
import {probeStarted, statusBytesMax, statusIoctl} from './status.ts';
import {ioctl} from './syscalls.ts';

function ask(directory: string): Uint8Array {
	const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
	try {
		const buffer = new Uint8Array(statusBytesMax);
		const length = ioctl(descriptor, statusIoctl, buffer);
		return buffer.subarray(0, length);
	} finally {
		closeSync(descriptor);
	}
}

function codeOf(error: unknown): string {
	return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

try {
	writeSync(1, probeStarted);
	writeSync(1, ask(process.argv[2] ?? ''));
} catch (error) {
	writeSync(2, codeOf(error));
	process.exitCode = 1;
}
