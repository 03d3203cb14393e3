import {setTimeout as sleep} from 'node:timers/promises';
import {getSystemErrorMap} from 'node:util';
import {assertUtf8} from '../argument-bytes.ts';
import {CliError} from '../cli-error.ts';
import {parseCommand} from '../command-line.ts';
import {errno} from '../errno.ts';
import {log, setLogLevel} from '../log.ts';
import {askStatus} from '../mount/ask-status.ts';
import type {HelperFailure} from '../mount/failures.ts';
import {findPrograms, launchUnmount, type Programs, unmountHelper} from '../mount/launch.ts';
import {
	dismiss,
	findOtherNamespaces,
	findSupervisors,
	findUsers,
	isAsking,
	isExt4box,
	type Mount,
	mountAt,
	notMounted,
	probe,
	resolveMountpoint,
	type Supervisor,
	waitForEnd,
} from '../mount/mounts.ts';

export const usage = `Usage: ext4box umount [--lazy] [--verbose] DIR

Unmounts what "ext4box mount" mounted on DIR, and waits until all is on the disk and the server has
let go of the image. (umount(8) and fusermount3 -u unmount as well, but return earlier; umount(8) waits,
too, where "make -C mount-helper install" was run.) A mount whose server was killed is taken away, too.

  -l, -z, --lazy      unmount although files are in use: the mount goes from the tree of names at
                      once, the server ends with the last file; does not wait for that
  -v, --verbose       say what was waited for
  -h, --help          show this text

Examples
  ext4box umount mnt
  ext4box umount --lazy mnt

Exit status: 0 unmounted, 1 failed (in use, not yours, nothing mounted) or unmounted with a loss, 2 wrong
usage.
`;

/** `ext4box umount`: see usage. Tests give another helper. */
export async function run(args: string[], programs?: Programs): Promise<number> {
	assertUtf8(args);
	const options = {
		lazy: {type: 'boolean', short: 'l', default: false},
		// As fusermount3 spells it.
		'lazy-fuse': {type: 'boolean', short: 'z', default: false},
		verbose: {type: 'boolean', short: 'v', default: false},
	} as const;
	const {values, positionals} = parseCommand('umount', args, options, ['DIR']);
	const [directory = ''] = positionals; // parseCommand has seen that it is there.
	const isLazy = values.lazy === true || values['lazy-fuse'] === true;
	if (values.verbose) {
		setLogLevel('info');
	}
	await unmount(directory, isLazy, unmountHelper(programs ?? findPrograms()));
	return 0;
}

async function unmount(directory: string, isLazy: boolean, helper: string): Promise<void> {
	const mount = findMount(directory);
	// Before the unmount: afterwards the device number may be another mount's.
	const supervisors = findSupervisors(mount);
	// Whoever holds a file open on a mount without a server holds a dead one: no reason to refuse.
	const isDead = supervisors.length === 0 && (await probe(mount)) === 'dead';
	// Where nobody is waited for, nobody tells how the server has ended.
	const isWaited = !isLazy && supervisors.length > 0;
	const lossBefore = isDead || isWaited ? null : await findLoss(mount);
	const failure = await tryUnmount(mount, supervisors, helper, isLazy || isDead);
	if (failure !== null) {
		throw new CliError(describeBusy(mount, failure));
	}
	const loss = isWaited ? await wait(supervisors, mount) : lossBefore;
	if (loss !== null) throw new CliError(`${mount.path} is unmounted, but ${loss}`);
}

function findMount(directory: string): Mount {
	let path: string;
	try {
		path = resolveMountpoint(directory);
	} catch (error) {
		const code = (error as NodeJS.ErrnoException).code;
		throw new CliError(`${directory}: ${code === 'ENOENT' ? 'does not exist' : (code ?? error)}`);
	}
	const mount = mountAt(path);
	if (mount === null) {
		throw notMounted(path);
	}
	if (!isExt4box(mount)) {
		throw new CliError(`the mount on ${path} is not ext4box's: its type is ${mount.type}`);
	}
	const uid = process.getuid?.();
	if (uid !== 0 && mount.uid !== null && mount.uid !== uid) {
		throw new CliError(`the mount on ${path} is not yours: uid ${mount.uid} mounted it`);
	}
	return mount;
}

/** A path alone is what the helper tells where the kernel says EBUSY. */
function isBusy({code, text}: HelperFailure, mount: Mount): boolean {
	return code === 'busy' && (/busy/i.test(text) || text === mount.path);
}

/** How long our own question, by which the watchdog finds a server that hangs, may keep a mount busy. */
const questionMs = 3000;
const pauseMs = 20;
/** It may have been answered between the refusal and our look. */
const triesMin = 3;

async function tryUnmount(
	mount: Mount,
	supervisors: readonly Supervisor[],
	helper: string,
	isLazy: boolean,
): Promise<HelperFailure | null> {
	const start = performance.now();
	for (let tries = 1; ; tries++) {
		const failure = await launchUnmount(mount, helper, isLazy);
		if (failure === null || !isBusy(failure, mount) || findUsers(mount.path).length > 0) {
			return failure;
		}
		const isQuestion = supervisors.some(isAsking) && performance.now() - start < questionMs;
		if (tries >= triesMin && !isQuestion) return failure;
		await sleep(pauseMs);
	}
}

function describeBusy(mount: Mount, failure: HelperFailure): string {
	if (!isBusy(failure, mount)) return failure.text;
	const users = findUsers(mount.path)
		.slice(0, 8)
		.map(user => `${user.name} (${user.pid})`);
	const who = users.length === 0 ? '' : ` by ${users.join(', ')}`;
	return `${mount.path} is in use${who}: end that, or unmount it with --lazy`;
}

/** What a server's exit status tells; null: that nothing is lost. */
function lossOf(status: number, mount: Mount): string | null {
	if (status === 0 || mount.options.includes('ro')) return null;
	if (status === 1 || status > 128) {
		const how = status === 1 ? 'failed at its end' : `was ended by signal ${status - 128}`;
		return `its server ${how}: what was written last may be missing in the image`;
	}
	if (status === errno.EUCLEAN) {
		return givenUp('the file system is damaged; "ext4box check" tells all that is wrong with it');
	}
	return givenUp(getSystemErrorMap().get(-status)?.[1] ?? `error ${status}`);
}

function givenUp(why: string): string {
	return `not all that was written is in the image: writing was given up (${why})`;
}

/** What a writable mount has lost by now; null: nothing, or it does not answer. */
async function findLoss(mount: Mount): Promise<string | null> {
	if (mount.options.includes('ro')) return null;
	const answer = await askStatus(mount.path);
	const writing = answer.kind === 'answered' ? answer.status.writing : null;
	return writing?.hasLoss === true ? givenUp(writing.failure ?? 'it is not known why') : null;
}

/** Nobody should sit before a command that says nothing for longer. */
const patienceMs = 3000;

/** Processes of other users are not waited for for longer: any may bear a supervisor's name. */
const strangersMs = 60_000;

/** Returns what is lost, or null. */
async function wait(supervisors: readonly Supervisor[], mount: Mount): Promise<string | null> {
	const start = performance.now();
	const impatience = setTimeout(() => log.warn(describeWaiting(mount)), patienceMs);
	const isOurs = mount.uid === null || mount.uid === process.getuid?.();
	const limit = isOurs ? undefined : AbortSignal.timeout(strangersMs);
	const statuses: number[] = [];
	for (const supervisor of supervisors) {
		const status = await waitForEnd(supervisor, limit);
		if (status === null) {
			throw new CliError(
				`${mount.path} is unmounted, but process ${supervisor.pid} of uid ${mount.uid} goes on serving its image after ${strangersMs / 1000} s`,
			);
		}
		statuses.push(status);
		if (status !== 0 && mount.uid === process.getuid?.()) dismiss(supervisor);
		const elapsedMs = Math.round(performance.now() - start);
		log.info(`the server ended ${elapsedMs} ms after the unmount (supervisor ${supervisor.pid})`);
	}
	clearTimeout(impatience);
	return lossOf(statuses.find(status => status !== 0) ?? 0, mount);
}

function describeWaiting({path, device}: Mount): string {
	const others = findOtherNamespaces(device).map(({pid, name}) => `${name} (${pid})`);
	const why =
		others.length === 0
			? 'the server still writes, or a mount namespace that you may not look into still has it'
			: `other mount namespaces still have it, such as that of ${others.slice(0, 8).join(', ')}: it is served until they end`;
	return `${path} is unmounted here, and its image still in use: ${why}`;
}
