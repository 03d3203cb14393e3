/**
 * node test/support/tidily.ts PROGRAM.ts [ARGUMENT…]
 *
 * Runs a program that may be ended at any moment, and clears up behind it: what it has mounted below
 * its temporary folder, the loop devices and the servers behind that, and the folder. The long runs
 * are synchronous for minutes, so that no handler of signals of their own would be called; and one that
 * is killed calls none anyway. So do the tests, of which one that takes too long is killed.
 *
 * The program finds the folder in TMPDIR, and in EXT4BOX_KEEP where to put what is to stay.
 * Exits as the program does, with 128 and the signal's number where one ended it.
 */
import {type ChildProcess, execFileSync, spawn, spawnSync} from 'node:child_process';
import {chmodSync, mkdtempSync, readdirSync, readFileSync, realpathSync} from 'node:fs';
import {constants, tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseMountinfo} from '../../src/mount/mounts.ts';

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`};

function readIfThere(path: string): string {
	try {
		return readFileSync(path, 'utf8');
	} catch (error) {
		// Processes and loop devices come and go while we look.
		if (['ENOENT', 'ESRCH', 'EACCES'].includes(String((error as {code?: unknown}).code))) return '';
		throw error;
	}
}

function mountsBelow(folder: string): string[] {
	const mounts = parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'));
	return mounts.map(mount => mount.path).filter(path => path.startsWith(`${folder}/`));
}

/** Processes with the folder's name among their arguments: servers of mounts. */
function processesOf(folder: string): number[] {
	return readdirSync('/proc')
		.filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
		.filter(pid => readIfThere(`/proc/${pid}/cmdline`).includes(`${folder}/`))
		.map(Number);
}

function loopsOf(folder: string): string[] {
	return readdirSync('/sys/block')
		.filter(name => name.startsWith('loop'))
		.filter(name => readIfThere(`/sys/block/${name}/loop/backing_file`).startsWith(`${folder}/`));
}

async function waitFor(isDone: () => boolean, milliseconds: number): Promise<boolean> {
	const end = performance.now() + milliseconds;
	while (!isDone()) {
		if (performance.now() > end) return false;
		await sleep(20);
	}
	return true;
}

function unmountBelow(folder: string): void {
	for (const path of mountsBelow(folder).reverse()) {
		if (spawnSync('umount', [path], {env}).status === 0) continue;
		if (spawnSync('fusermount3', ['-u', '-z', path], {env}).status === 0) continue;
		spawnSync('umount', ['-l', path], {env});
	}
}

/** Throws where something of the folder's can't be got rid of. */
async function clearUp(folder: string): Promise<void> {
	const isQuiet = () => processesOf(folder).length === 0;
	unmountBelow(folder);
	if (!(await waitFor(isQuiet, 10_000))) {
		for (const pid of processesOf(folder)) process.kill(pid, 'SIGKILL');
		await waitFor(isQuiet, 5000);
	}
	// One that was just about to be a mount.
	unmountBelow(folder);
	for (const loop of loopsOf(folder)) spawnSync('losetup', ['-d', `/dev/${loop}`], {env});
	const left = [...mountsBelow(folder), ...processesOf(folder), ...loopsOf(folder)];
	if (left.length > 0) throw new Error(`of ${folder} there is left: ${left.join(', ')}`);
	execFileSync('rm', ['-rf', '--one-file-system', folder]);
}

/** The exit status that stands for how the program ended. */
function endOf(child: ChildProcess): Promise<number> {
	return new Promise((resolve, reject) => {
		child.once('error', reject);
		child.once('exit', (status, signal) => {
			resolve(status ?? 128 + (signal === null ? 0 : constants.signals[signal]));
		});
	});
}

const keep = realpathSync(tmpdir());
const folder = mkdtempSync(join(keep, 'ext4box-run-'));
// Tests have places of other users below it.
chmodSync(folder, 0o711);
const child = spawn(process.execPath, process.argv.slice(2), {
	env: {...process.env, TMPDIR: folder, EXT4BOX_KEEP: keep},
	stdio: 'inherit',
	detached: true, // A group of its own: a signal ends whatever program it is just running, too.
});
let endedBy: (typeof signals)[number] | undefined;
for (const signal of signals) {
	process.on(signal, () => {
		endedBy ??= signal;
		if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
			process.kill(-child.pid, 'SIGKILL');
		}
	});
}
const status = await endOf(child);
await clearUp(folder);
process.exitCode = endedBy === undefined ? status : 128 + constants.signals[endedBy];
