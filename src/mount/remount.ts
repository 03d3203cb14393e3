/**
 * `-o remount,ro` and back: tells the server of a mount, and where we may, the kernel, so that the
 * mount table says so too.
 */
import {closeSync, constants, openSync} from 'node:fs';
import {CliError} from '../cli-error.ts';
import {remountIoctl, remountRequest} from '../status.ts';
import {findWriters, isExt4box, type Mount, mountAt, resolveMountpoint} from './mounts.ts';

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
	if (mount === null) throw new CliError(`nothing is mounted on ${path}`);
	if (!isExt4box(mount)) {
		throw new CliError(`the mount on ${path} is not ext4box's: its type is ${mount.type}`);
	}
	return mount;
}

const sentences: {readonly [code: string]: string} = {
	EBUSY: 'files are open there that have no name any more, or for writing',
	EROFS: 'the image was opened for reading only: unmount it, and mount it anew',
	EPERM: 'only who mounted it may, and root',
	EACCES: 'only who mounted it may, and root',
	ENOTCONN: 'its server is dead',
};

function sentenceOf(error: unknown): string {
	if (!(error instanceof Error && 'code' in error)) throw error;
	return sentences[String(error.code)] ?? error.message;
}

/** Makes the mount on `directory` read-only, or writable again. Throws `CliError`. */
export async function remount(directory: string, isReadOnly: boolean): Promise<void> {
	const mount = findMount(directory);
	const syscalls = await import('../syscalls.ts');
	const tellKernel = (): void => {
		// An ordinary user may not: the server alone refuses what would be written then.
		if (process.geteuid?.() !== 0) return;
		const access = isReadOnly ? flags.readOnly : 0;
		syscalls.changeMount(mount.path, flags.remount | access | keptFlags(mount));
	};
	const tellServer = (): void => {
		const root = openSync(mount.path, constants.O_RDONLY | constants.O_DIRECTORY);
		try {
			// What the kernel keeps of files that were written comes to the server before.
			if (isReadOnly) syscalls.syncFileSystem(root);
			syscalls.ioctl(root, remountIoctl, remountRequest(isReadOnly));
		} finally {
			closeSync(root);
		}
	};
	if (isReadOnly) assertNoWriters(mount);
	try {
		if (isReadOnly) tellKernel();
		tellServer();
		if (!isReadOnly) tellKernel();
	} catch (error) {
		const wanted = isReadOnly ? 'read-only' : 'writable';
		throw new CliError(`${mount.path} can't be made ${wanted}: ${sentenceOf(error)}`);
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
