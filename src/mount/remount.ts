/**
 * `-o remount,ro` and back: tells the server of a mount, and where we may, the kernel, so that the
 * mount table says so too.
 */
import {closeSync, constants, openSync} from 'node:fs';
import {CliError} from '../cli-error.ts';
import {remountIoctl, remountRequest} from '../status.ts';
import {
	findWriters,
	isExt4box,
	type Mount,
	mountAt,
	notMounted,
	resolveMountpoint,
} from './mounts.ts';

// mount(2); the same on every machine.
const flags = {
	remount: 0x20,
	readOnly: 0x1,
	noSuid: 0x2,
	noDev: 0x4,
	noExec: 0x8,
	noAtime: 0x400,
};

/** Those of the mount that a remount would take away unless it names them. */
function keptFlags(mount: Mount): number {
	const has = (option: string, flag: number) => (mount.options.includes(option) ? flag : 0);
	return (
		has('nosuid', flags.noSuid) |
		has('nodev', flags.noDev) |
		has('noexec', flags.noExec) |
		has('noatime', flags.noAtime)
	);
}

function findMount(directory: string): Mount {
	let path: string;
	try {
		path = resolveMountpoint(directory);
	} catch (error) {
		if (!(error instanceof Error && 'code' in error)) throw error;
		throw new CliError(`${directory}: ${error.code === 'ENOENT' ? 'does not exist' : error.code}`);
	}
	const mount = mountAt(path);
	if (mount === null) throw notMounted(path);
	if (!isExt4box(mount)) {
		throw new CliError(`the mount on ${path} is not ext4box's: its type is ${mount.type}`);
	}
	return mount;
}

/** Of a mount that lets others in, or of its server. */
const sentences: {readonly [code: string]: string} = {
	EBUSY: 'files are open there that have no name any more, or for writing',
	EINVAL: 'it has errors, and files without a name that a crash has left: let e2fsck look at it',
	EROFS: 'the image was opened for reading only: unmount it, and mount it anew',
	EPERM: 'only who mounted it may, and root',
	EACCES: 'only who mounted it may, and root',
	ENOTCONN: 'its server is dead',
};

function sentenceOf(error: unknown, mount: Mount): string {
	if (!(error instanceof Error && 'code' in error)) throw error;
	if (error.code === 'EACCES' && !mount.allowsOther) {
		return `the kernel lets only its mounter in (uid ${mount.uid}): do it as that user`;
	}
	return sentences[String(error.code)] ?? error.message;
}

/**
 * Makes the mount on `directory` read-only, or writable again: all of it, or nothing. Throws `CliError`,
 * also where an ordinary user's server writes again but the mount table, which is root's, has it read-only.
 */
export async function remount(directory: string, isReadOnly: boolean): Promise<void> {
	const mount = findMount(directory);
	const wanted = isReadOnly ? 'read-only' : 'writable';
	if (isReadOnly) assertNoWriters(mount);
	const syscalls = await import('../syscalls.ts');
	try {
		// First of all: whom the kernel keeps out, root as well, can't ask the server.
		const root = openSync(mount.path, constants.O_RDONLY | constants.O_DIRECTORY);
		try {
			if (isReadOnly) makeReadOnly(mount, root, syscalls);
			else makeWritable(mount, root, syscalls);
		} finally {
			closeSync(root);
		}
	} catch (error) {
		if (error instanceof CliError) throw error;
		throw new CliError(`${mount.path} can't be made ${wanted}: ${sentenceOf(error, mount)}`);
	}
}

type Syscalls = typeof import('../syscalls.ts');

/** An ordinary user may not change the mount table: there the server alone refuses what would be written. */
const mayTellKernel = (): boolean => process.geteuid?.() === 0;

function makeReadOnly(mount: Mount, root: number, syscalls: Syscalls): void {
	const flag = flags.remount | keptFlags(mount);
	// What the kernel keeps of files that were written comes to the server before.
	syscalls.syncFileSystem(root);
	// The kernel before the server, which could else be handed what it refuses by then.
	if (mayTellKernel()) syscalls.changeMount(mount.path, flag | flags.readOnly);
	try {
		syscalls.ioctl(root, remountIoctl, remountRequest(true));
	} catch (error) {
		if (mayTellKernel() && !mount.isReadOnly) syscalls.changeMount(mount.path, flag);
		throw error;
	}
}

function makeWritable(mount: Mount, root: number, syscalls: Syscalls): void {
	syscalls.ioctl(root, remountIoctl, remountRequest(false));
	if (mayTellKernel()) {
		syscalls.changeMount(mount.path, flags.remount | keptFlags(mount));
	} else if (mount.isReadOnly) {
		throw new CliError(
			`${mount.path}: its server writes again, but the mount table has it read-only, and only root can undo that: "mount -i -o remount,rw ${mount.path}"`,
		);
	}
}

function assertNoWriters(mount: Mount): void {
	const writers = findWriters(mount.path)
		.slice(0, 8)
		.map(user => `${user.name} (${user.pid})`);
	if (writers.length === 0) return;
	throw new CliError(
		`${mount.path} can't be made read-only: files are open for writing by ${writers.join(', ')}`,
	);
}
