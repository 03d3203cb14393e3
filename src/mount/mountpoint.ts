import {accessSync, constants, type Stats, statSync} from 'node:fs';
import {isAbsolute} from 'node:path';
import {CliError} from '../cli-error.ts';
import {launchUnmount, type Programs, unmountHelper} from './launch.ts';
import {
	findSupervisors,
	isExt4box,
	type Mount,
	mountAt,
	probe,
	resolveMountpoint,
} from './mounts.ts';

/** Bounds the mounts of dead servers that may lie on top of one another. */
const staleMax = 16;

/**
 * Makes a directory ready to be mounted on, or says why it can't be: resolves it, takes away what
 * dead servers left there, and refuses one that is missing, no directory, not the caller's, or in
 * use. Ownership binds only where fusermount3 will ask for it.
 */
export async function prepareMountpoint(
	given: string,
	programs: Programs,
	mustBeOurs: boolean,
): Promise<string> {
	const path = resolveExisting(given);
	checkServerOutside(path, programs);
	for (let cleared = 0; cleared < staleMax; cleared++) {
		const mount = mountAt(path);
		if (mount === null || !isExt4box(mount)) {
			break;
		}
		await clearStale(mount, unmountHelper(programs));
	}
	const facts = statDirectory(path);
	if (mustBeOurs && process.getuid?.() !== 0) {
		checkOurs(path, facts);
	}
	return path;
}

/** Removes the mount when nobody serves it, else throws: a living mount is not mounted over. */
export async function clearStale(mount: Mount, helper: string): Promise<void> {
	const [supervisor] = findSupervisors(mount);
	if (supervisor !== undefined || (await probe(mount)) !== 'dead') {
		const server = supervisor === undefined ? '' : `, served by process ${supervisor.pid}`;
		throw new CliError(
			`${mount.path} is in use: ${mount.source} is mounted there${server} ("ext4box umount ${mount.path}" ends it)`,
		);
	}
	const failure = await launchUnmount(mount, helper, true);
	if (failure !== null) {
		throw new CliError(
			`${mount.path}: a mount without its server can't be removed: ${failure.text}`,
		);
	}
}

function resolveExisting(given: string): string {
	try {
		return resolveMountpoint(given);
	} catch (error) {
		throw new CliError(describe(given, error));
	}
}

/** What any program needs to start: covered by a mount, it would make that mount's server hang. */
const systemFolder =
	/^\/(usr|bin|sbin|etc|dev|proc|sys)$|^(\/usr)?\/lib[^/]*(\/[^/]*-linux-[^/]*)?$/;

function checkServerOutside(path: string, programs: Programs): void {
	const isSystem = systemFolder.test(path);
	const files = [programs.helper, ...programs.server].filter(isAbsolute);
	const isAbove = path === '/' || files.some(file => file.startsWith(`${path}/`));
	if (isSystem || isAbove) {
		throw new CliError(
			`mountpoint ${path} holds what the server itself needs to start: choose another directory`,
		);
	}
}

function statDirectory(path: string): Stats {
	let facts: Stats;
	try {
		facts = statSync(path);
	} catch (error) {
		throw new CliError(describe(path, error));
	}
	if (!facts.isDirectory()) {
		throw new CliError(`mountpoint ${path} is not a directory`);
	}
	return facts;
}

function describe(path: string, error: unknown): string {
	if (error instanceof CliError) {
		return error.message;
	}
	const code = (error as NodeJS.ErrnoException).code;
	switch (code) {
		case 'ENOENT':
			return `mountpoint ${path} does not exist: make it with mkdir`;
		case 'ENOTDIR':
			return `mountpoint ${path}: a part of the path is not a directory`;
		case 'EACCES':
			return `mountpoint ${path}: you may not go there`;
		default:
			return `mountpoint ${path}: ${code ?? String(error)}`;
	}
}

function checkOurs(path: string, facts: Stats): void {
	const isOwner = facts.uid === process.getuid?.();
	const isSticky = (facts.mode & 0o1000) !== 0;
	try {
		accessSync(path, constants.W_OK);
	} catch {
		throw new CliError(
			`mountpoint ${path} is not yours: you may not write to it (make a directory of your own)`,
		);
	}
	if (isSticky && !isOwner) {
		throw new CliError(`mountpoint ${path} is not yours: it belongs to uid ${facts.uid}`);
	}
}
