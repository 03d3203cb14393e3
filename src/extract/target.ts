/**
 * The directory that is written to. Every name is made in a directory that is held open, and no
 * symbolic link is ever followed: wherever names in the image point, nothing outside is touched.
 */
import * as fs from 'node:fs';
import {CorruptError} from '../../ext4/index.ts';
import {CliError} from '../cli-error.ts';
import {joinPath} from '../paths.ts';
import * as syscalls from '../syscalls.ts';

const {O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY} = fs.constants;
const {closeOnExec} = syscalls;
const openDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | closeOnExec;
const createFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | closeOnExec;

/**
 * A directory of the target. Its descriptor is closed when all in it is done; whoever wants it
 * after that walks down to it again.
 */
export class TargetDirectory {
	readonly parent: TargetDirectory | undefined;
	/** Empty for the target itself. */
	readonly name: Uint8Array;
	/** Of the image, for messages. */
	readonly path: Uint8Array;
	readonly depth: number;
	#descriptor: number | undefined;

	constructor(
		parent: TargetDirectory | undefined,
		name: Uint8Array,
		path: Uint8Array,
		descriptor: number,
	) {
		this.parent = parent;
		this.name = name;
		this.path = path;
		this.depth = parent === undefined ? 0 : parent.depth + 1;
		this.#descriptor = descriptor;
	}

	/** Of a directory that is open. */
	get descriptor(): number {
		if (this.#descriptor === undefined) throw new TypeError('the directory is closed');
		return this.#descriptor;
	}

	close(): void {
		if (this.#descriptor === undefined) return;
		fs.closeSync(this.#descriptor);
		this.#descriptor = undefined;
	}

	/** Runs `action` with the directory open. It is reached from the nearest one that still is. */
	whileOpen<T>(action: (descriptor: number) => T): T {
		if (this.#descriptor !== undefined) return action(this.#descriptor);
		if (this.parent === undefined) throw new TypeError('the target is closed');
		return this.parent.whileOpen(above => {
			const descriptor = syscalls.openAt(above, this.name, openDirectoryFlags);
			try {
				return action(descriptor);
			} finally {
				fs.closeSync(descriptor);
			}
		});
	}
}

/**
 * Creates and opens the directory at `path`, which takes what `imagePath` holds. Unless `force` says
 * so, it must be new or empty. `isNew` tells that it was made here. Throws `CliError`.
 */
export function openTarget(
	pathBytes: Uint8Array,
	force: boolean,
	imagePath: Uint8Array,
): {directory: TargetDirectory; isNew: boolean} {
	const bytes = Buffer.from(pathBytes);
	const path = bytes.toString();
	let isNew = false;
	try {
		fs.mkdirSync(bytes, {mode: 0o700});
		isNew = true;
	} catch (error) {
		const code = codeOf(error);
		if (code === 'ENOENT') throw new CliError(`${path}: the directory above it does not exist`);
		if (code !== 'EEXIST') throw new CliError(`${path}: can't make this directory (${code})`);
	}
	let descriptor: number;
	try {
		// The path is the caller's own choice: here alone, links are followed.
		descriptor = fs.openSync(bytes, O_RDONLY | O_DIRECTORY);
	} catch (error) {
		throw new CliError(`${path}: can't open this directory (${codeOf(error)})`);
	}
	const isEmpty = isNew || fs.readdirSync(bytes).length === 0;
	if (!isEmpty && !force) {
		fs.closeSync(descriptor);
		throw new CliError(`${path} is not empty; --force extracts into it and replaces files there`);
	}
	const directory = new TargetDirectory(undefined, new Uint8Array(), imagePath, descriptor);
	return {directory, isNew};
}

function codeOf(error: unknown): string {
	if (error instanceof Error && 'code' in error) return String(error.code);
	throw error;
}

/** Refuses what no directory entry may be called; the parser of directories does so too. */
export function assertName(name: Uint8Array): void {
	const isDots = name.every(byte => byte === 0x2e) && name.length <= 2;
	if (name.length > 255 || isDots || name.includes(0) || name.includes(0x2f)) {
		throw new CorruptError('EXT4_BAD_DIRECTORY_ENTRY', 'a name that no file can have');
	}
}

/** What is in the way of `name` is removed if `force` says so, unless it is a directory. */
function makeWay(error: unknown, directory: number, name: Uint8Array, force: boolean): void {
	if (!(error instanceof syscalls.SystemError) || error.code !== 'EEXIST' || !force) throw error;
	syscalls.unlinkAt(directory, name);
}

/** Runs `make`, and once more after what was in its way is removed. */
export function makeName<T>(
	directory: TargetDirectory,
	name: Uint8Array,
	force: boolean,
	make: (directory: number) => T,
): T {
	assertName(name);
	try {
		return make(directory.descriptor);
	} catch (error) {
		makeWay(error, directory.descriptor, name, force);
		return make(directory.descriptor);
	}
}

/** Creates a file, readable by nobody else until it is whole; returns its descriptor. */
export function createFile(directory: TargetDirectory, name: Uint8Array, force: boolean): number {
	return makeName(directory, name, force, at => syscalls.openAt(at, name, createFlags, 0o600));
}

/** Makes and opens a directory; one that is there already is entered, with `force`. */
export function enterDirectory(
	parent: TargetDirectory,
	name: Uint8Array,
	force: boolean,
): TargetDirectory {
	assertName(name);
	const at = parent.descriptor;
	try {
		syscalls.makeDirectoryAt(at, name, 0o700);
	} catch (error) {
		if (!(error instanceof syscalls.SystemError) || error.code !== 'EEXIST' || !force) throw error;
		const existing = openExisting(at, name);
		if (existing !== undefined) {
			try {
				syscalls.changeMode(existing, 0o700);
			} catch (error) {
				fs.closeSync(existing);
				throw error;
			}
			return new TargetDirectory(parent, name, joinPath(parent.path, name), existing);
		}
		syscalls.unlinkAt(at, name);
		syscalls.makeDirectoryAt(at, name, 0o700);
	}
	const descriptor = syscalls.openAt(at, name, openDirectoryFlags);
	return new TargetDirectory(parent, name, joinPath(parent.path, name), descriptor);
}

/** The directory of that name; undefined where it is something else, a link to a directory too. */
function openExisting(at: number, name: Uint8Array): number | undefined {
	try {
		return syscalls.openAt(at, name, openDirectoryFlags);
	} catch (error) {
		const isOther =
			error instanceof syscalls.SystemError && (error.code === 'ENOTDIR' || error.code === 'ELOOP');
		if (isOther) return undefined;
		throw error;
	}
}
