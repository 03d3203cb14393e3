/** The file systems that do the same work: how each is mounted, as its user would, and unmounted. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import {CommandError, isInstalled, readCommand, runToCleanUp, timeCommand} from './command.ts';
import {findMinor, serversOf} from './server.ts';

export const systemNames = ['kernel', 'fuse2fs', 'ext4box', 'unsandboxed'] as const;
/** Those that are measured unless others are asked for. */
export const usualSystems: readonly SystemName[] = ['kernel', 'fuse2fs', 'ext4box'];
export type SystemName = (typeof systemNames)[number];

export type System = {
	readonly name: SystemName;
	/** The command as given, with IMAGE and DIR, for the report. */
	readonly command: readonly string[];
	/** The same for writing. */
	readonly writingCommand: readonly string[];
	/** Whether a process serves it, by FUSE. */
	readonly isServed: boolean;
	/** The command that unmounts, without the directory. */
	readonly unmount: readonly string[];
	readonly version: () => Promise<string>;
};

const ext4box = path.resolve(import.meta.dirname, '../../bin/ext4box');

const systems: readonly System[] = [
	{
		name: 'kernel',
		command: ['mount', '-o', 'loop,ro', 'IMAGE', 'DIR'],
		writingCommand: ['mount', '-o', 'loop', 'IMAGE', 'DIR'],
		isServed: false,
		unmount: ['umount'],
		version: async () => `Linux ${(await readCommand({program: 'uname', args: ['-r']})).trim()}`,
	},
	{
		name: 'fuse2fs',
		command: ['fuse2fs', 'IMAGE', 'DIR', '-o', 'ro'],
		writingCommand: ['fuse2fs', 'IMAGE', 'DIR'],
		isServed: true,
		unmount: ['umount'],
		version: versionOfFuse2fs,
	},
	{
		name: 'ext4box',
		command: [ext4box, 'mount', 'IMAGE', 'DIR', '-o', 'ro'],
		writingCommand: [ext4box, 'mount', 'IMAGE', 'DIR', '-o', 'rw'],
		isServed: true,
		unmount: [ext4box, 'umount'],
		version: versionOfExt4box,
	},
	{
		name: 'unsandboxed',
		command: [ext4box, 'mount', '--sandbox=off', 'IMAGE', 'DIR', '-o', 'ro'],
		writingCommand: [ext4box, 'mount', '--sandbox=off', 'IMAGE', 'DIR', '-o', 'rw'],
		isServed: true,
		unmount: [ext4box, 'umount'],
		version: versionOfExt4box,
	},
];

export function systemOf(name: SystemName): System {
	const system = systems.find(one => one.name === name);
	if (system === undefined) throw new RangeError(`no system is called ${name}`);
	return system;
}

/** Why the system can't be measured here; undefined where it can. */
export function whyMissing(system: System): string | undefined {
	const program = system.command[0] ?? '';
	return isInstalled(program) ? undefined : `${program} is not installed`;
}

/**
 * A mounted image. Unmounts when disposed of, whatever state it is in, and ends a server that stays
 * behind.
 */
export class Mount implements Disposable {
	readonly directory: string;
	readonly system: System;
	/** How often it was mounted. */
	mountCount = 0;
	readonly #image: string;
	readonly #command: readonly string[];

	constructor(system: System, image: string, runDirectory: string, isWritable = false) {
		this.system = system;
		this.#image = image;
		this.#command = isWritable ? system.writingCommand : system.command;
		this.directory = path.join(runDirectory, system.name);
		fs.mkdirSync(this.directory, {recursive: true});
	}

	/** Mounts; the seconds until the root directory has been read. Throws `CommandError`. */
	async mount(): Promise<number> {
		const [program = '', ...args] = this.#command.map(word => {
			if (word === 'IMAGE') return this.#image;
			return word === 'DIR' ? this.directory : word;
		});
		this.mountCount++;
		const seconds = await timeCommand({program, args});
		const start = performance.now();
		await fs.promises.readdir(this.directory).catch(cause => {
			throw new CommandError(`${this.directory} does not answer: ${cause}`);
		});
		return seconds + (performance.now() - start) / 1000;
	}

	/** The number of the FUSE connection; undefined for a file system of the kernel's. */
	get connection(): number | undefined {
		return this.system.isServed ? findMinor(this.directory) : undefined;
	}

	/** The processes that serve the mount. */
	servers(): number[] {
		const connection = this.connection;
		return connection === undefined ? [] : serversOf(connection);
	}

	/** Unmounts and waits until the server has ended. Throws where it can't be unmounted. */
	unmount(): void {
		if (findMinor(this.directory) === undefined) return;
		const servers = this.servers();
		const [program = '', ...args] = this.system.unmount;
		// A program that has just ended may still hold a file for a moment.
		const isGone = waitUntil(() => runToCleanUp(program, [...args, this.directory]), 10);
		if (!isGone && !runToCleanUp('umount', ['-l', this.directory])) {
			throw new Error(`${this.directory} can't be unmounted`);
		}
		for (const server of servers) {
			if (!waitUntil(() => !fs.existsSync(`/proc/${server}`), 50)) process.kill(server, 'SIGKILL');
		}
	}

	[Symbol.dispose](): void {
		this.unmount();
	}
}

/** Tries up to `attempts` times, a tenth of a second apart. Blocks: for cleaning up. */
function waitUntil(isDone: () => boolean, attempts: number): boolean {
	for (let attempt = 0; attempt < attempts; attempt++) {
		if (isDone()) return true;
		Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
	}
	return false;
}

async function versionOfExt4box(): Promise<string> {
	return (await readCommand({program: ext4box, args: ['--version']})).trim();
}

async function versionOfFuse2fs(): Promise<string> {
	// It prints its version to stderr, and then the usage.
	const script = 'fuse2fs -V 2>&1 | head -n 1';
	return (await readCommand({program: 'sh', args: ['-c', script]})).trim();
}
