/** What the processes behind a FUSE mount have used. */
import * as fs from 'node:fs';

export type Usage = {
	/** User and system time, in seconds. */
	readonly cpuSeconds: number;
	/** The most that was resident at any time. */
	readonly peakBytes: number;
};

/** Linux reports process times in this unit to user space, whatever its own clock does. */
const ticksPerSecond = 100;

/**
 * The device number's minor half of what is mounted on a directory, which is also the number of its
 * FUSE connection; undefined where nothing is. Read from the mount table: asks no server, so it
 * can't hang.
 */
export function findMinor(directory: string): number | undefined {
	const escaped = directory.replaceAll(/[\s\\]/g, char => {
		return `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`;
	});
	for (const line of fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n').reverse()) {
		const fields = line.split(' ');
		if (fields[4] === escaped) return Number(fields[2]?.split(':')[1]);
	}
	return undefined;
}

/**
 * The processes that hold a FUSE connection. Needs a kernel that tells the connection in
 * /proc/PID/fdinfo (since 6.16); empty on an older one.
 */
export function serversOf(connection: number): number[] {
	const line = `fuse_connection:\t${connection}\n`;
	const servers: number[] = [];
	for (const name of fs.readdirSync('/proc')) {
		if (/^\d+$/.test(name) && holds(name, line)) servers.push(Number(name));
	}
	return servers;
}

/** The sum over `processes`; undefined where there is none, or one has ended. */
export function usageOf(processes: readonly number[]): Usage | undefined {
	if (processes.length === 0) return undefined;
	let cpuSeconds = 0;
	let peakBytes = 0;
	for (const process of processes) {
		const stat = readProc(`/proc/${process}/stat`);
		const status = readProc(`/proc/${process}/status`);
		if (stat === undefined || status === undefined) return undefined;
		// The name, in parentheses, may contain anything; utime and stime are fields 14 and 15.
		const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
		cpuSeconds += (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
		peakBytes += Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1]) * 1024;
	}
	return {cpuSeconds, peakBytes};
}

function holds(process: string, line: string): boolean {
	const directory = `/proc/${process}/fdinfo`;
	try {
		return fs
			.readdirSync(directory)
			.some(descriptor => readProc(`${directory}/${descriptor}`)?.includes(line));
	} catch (error) {
		// Root may not look into every process; none of those was started here.
		if (hasEnded(error) || isErrno(error, 'EACCES')) return false;
		throw error;
	}
}

/** A file below /proc; undefined where the process or descriptor has gone since. */
function readProc(file: string): string | undefined {
	try {
		return fs.readFileSync(file, 'utf8');
	} catch (error) {
		if (hasEnded(error)) return undefined;
		throw error;
	}
}

function hasEnded(error: unknown): boolean {
	return isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH');
}

function isErrno(error: unknown, code: string): boolean {
	return error instanceof Error && 'code' in error && error.code === code;
}
