/** Which processes are whose, from /proc. */
import {readdirSync, readFileSync} from 'node:fs';

function readOf(pid: number, file: string): string {
	try {
		return readFileSync(`/proc/${pid}/${file}`, 'latin1');
	} catch (error) {
		// It has ended since it was listed, or is another user's who hides it.
		const {code} = error as {code?: unknown};
		if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(String(code))) return '';
		throw error;
	}
}

function allProcesses(): number[] {
	return readdirSync('/proc')
		.filter(name => /^\d+$/.test(name))
		.map(Number)
		.filter(pid => pid !== process.pid);
}

/** Processes whose arguments have `text` in them; zombies have none. */
export function processesNaming(text: string): number[] {
	return allProcesses().filter(pid => readOf(pid, 'cmdline').includes(text));
}

export function argumentsOf(pid: number): string[] {
	return readOf(pid, 'cmdline').split('\0');
}

/** What is left alive of the session that `leader` began; the leader itself may have ended. */
export function sessionOf(leader: number): number[] {
	return allProcesses().filter(pid => {
		const stat = readOf(pid, 'stat');
		// Behind the name, which may hold anything: state, parent, group, session.
		const [state, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
		return Number(session) === leader && state !== 'Z';
	});
}

/** Kills what is still there; one that has just ended is no error. */
export function killAll(pids: readonly number[]): void {
	for (const pid of pids) {
		try {
			process.kill(pid, 'SIGKILL');
		} catch (error) {
			if ((error as {code?: unknown}).code !== 'ESRCH') throw error;
		}
	}
}
