/** What a test left behind is ended: its own mounts, servers and loop devices, nobody else's. */
import {writeFileSync} from 'node:fs';
import {basename} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import type {Mount} from '../../../src/mount/mounts.ts';
import {runCommand} from './commands.ts';
import {isMounted, mountsBelow} from './mount-table.ts';
import {killAll, processesNaming} from './processes.ts';
import type {System} from './systems.ts';

async function waitFor(isDone: () => boolean, seconds: number): Promise<boolean> {
	const end = performance.now() + seconds * 1000;
	while (!isDone()) {
		if (performance.now() > end) return false;
		await sleep(10);
	}
	return true;
}

/** Has every request to the server that waits fail: those who wait for it can end then. */
function abortConnection(mount: Mount): void {
	const minor = mount.device.split(':')[1];
	if (!mount.type.startsWith('fuse')) return;
	try {
		writeFileSync(`/sys/fs/fuse/connections/${minor}/abort`, '1');
	} catch (error) {
		// It is gone with its connection.
		if ((error as {code?: unknown}).code !== 'ENOENT') throw error;
	}
}

/** In order where that works, and else by force. */
function unmount(system: System, mount: Mount): void {
	const image = mount.source;
	try {
		system.unmount(image, mount.path);
		return;
	} catch {
		// Told by the caller: that it was mounted at all, or is in use, is the test's fault.
	}
	if (!isMounted(mount.path)) return;
	abortConnection(mount);
	const [tool, ...words] = process.geteuid?.() === 0 ? ['umount'] : ['fusermount3', '-u'];
	runCommand(tool ?? '', [...words, '-l', mount.path]);
}

function loopsOf(folder: string): string[] {
	const {out} = runCommand('losetup', ['-n', '-l', '-O', 'NAME,BACK-FILE']);
	return out
		.split('\n')
		.filter(line => line.includes(`${folder}/`))
		.flatMap(line => line.split(' ')[0] ?? []);
}

/**
 * Ends what is left of a test that has ended. Returns what was left that a sound one, on a sound file
 * system, would not have left. Throws where something can't be got rid of.
 */
export async function clearUp(system: System, folder: string): Promise<string[]> {
	const problems: string[] = [];
	for (const mount of mountsBelow(folder)) {
		unmount(system, mount);
	}
	for (const mount of mountsBelow(folder)) throw new Error(`${mount.path} can't be unmounted`);
	const servers = () => processesNaming(basename(folder));
	if (!(await waitFor(() => servers().length === 0, 60))) {
		problems.push(`processes were left: ${servers().join(', ')}`);
		killAll(servers());
		if (!(await waitFor(() => servers().length === 0, 10))) throw new Error(problems[0]);
	}
	if (process.geteuid?.() === 0) {
		await waitFor(() => loopsOf(folder).length === 0, 10);
		for (const loop of loopsOf(folder)) {
			problems.push(`${loop} was left`);
			runCommand('losetup', ['-d', loop]);
		}
	}
	return problems;
}
