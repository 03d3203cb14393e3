/** The file systems that run the same tests: how each mounts, unmounts and can be made to crash. */
import {closeSync, constants, existsSync, openSync, readFileSync, statSync} from 'node:fs';
import {basename, resolve} from 'node:path';
import {gunzipSync} from 'node:zlib';
import {ioctl} from '../calls.ts';
import {CommandError, mustRun, runCommand, waitUntil} from './commands.ts';
import {isMounted} from './mount-table.ts';
import type {Need} from './needs.ts';
import {argumentsOf, killAll, processesNaming} from './processes.ts';

export const systemNames = ['ext4box', 'kernel', 'fuse2fs'] as const;
export type SystemName = (typeof systemNames)[number];

export type System = {
	readonly name: SystemName;
	/** The types by which the mount table knows it. */
	readonly mountTypes: RegExp;
	/** Whether a test that fails on it fails the run. */
	readonly mustPass: boolean;
	/** Needs that it is known not to meet, and why. */
	readonly lacks: {readonly [need in Need]?: string};
	/** Why it can't be used here at all; undefined where it can. */
	whyMissing(): string | undefined;
	mount(image: string, directory: string, options: string): void;
	/** Returns once the image may be used by others. Throws `CommandError` where it is in use. */
	unmount(image: string, directory: string): void;
	/** Has it lose all that it has not written yet, and be unmounted. */
	crash(image: string, directory: string): void;
};

const isRoot = process.geteuid?.() === 0;
const program = resolve(import.meta.dirname, '../../../bin/ext4box');

function joined(...options: string[]): string {
	return options.filter(option => option !== '').join(',');
}

function isInstalled(name: string): boolean {
	return runCommand('sh', ['-c', 'command -v "$0"', name]).status === 0;
}

function whyNoFuse(): string | undefined {
	return statSync('/dev/fuse', {throwIfNoEntry: false}) === undefined
		? '/dev/fuse is missing'
		: undefined;
}

/** The process that holds the file system, not those that watch it. */
function serverOf(image: string): number {
	const [server, ...others] = processesNaming(basename(image)).filter(pid => {
		const words = argumentsOf(pid);
		if (words[0]?.endsWith('mount-helper') === true) return false;
		return words[0] === 'fuse2fs' || words.some(word => word.endsWith('/server-main.js'));
	});
	if (server === undefined || others.length > 0) {
		throw new Error(`${image}: ${server === undefined ? 'no server' : 'several servers'} found`);
	}
	return server;
}

/** Until no process names the image any more: then what it was to write is written. */
function awaitServers(image: string): void {
	const isGone = () => processesNaming(basename(image)).length === 0;
	if (!waitUntil(isGone, 60)) throw new Error(`${image}: its server does not end`);
}

const ext4box: System = {
	name: 'ext4box',
	mountTypes: /^fuse\.ext4box$/,
	mustPass: true,
	lacks: {
		'seek-hole':
			'with its write-back cache the kernel may hold data where the server knows of none',
		'collapse-range': 'FUSE passes no FALLOC_FL_COLLAPSE_RANGE to a server',
		'insert-range': 'FUSE passes no FALLOC_FL_INSERT_RANGE to a server',
	},
	whyMissing: () =>
		whyNoFuse() ?? (isRoot || isInstalled('fusermount3') ? undefined : 'no fusermount3'),
	mount(image, directory, options) {
		const access = isRoot ? 'allow_other' : 'default_permissions,acl';
		mustRun(program, 'mount', image, directory, '-o', joined('rw', access, options));
	},
	unmount(_image, directory) {
		// It waits for the server, be the machine as busy as it may: the test's own limit is the limit.
		const {status, err} = runCommand(program, ['umount', directory], {timeoutSeconds: 600});
		if (status !== 0) throw new CommandError(`ext4box umount: status ${status}: ${err}`);
	},
	crash(image, directory) {
		killAll([serverOf(image)]);
		if (!waitUntil(() => !isMounted(directory), 30)) {
			throw new Error(`${directory} is still mounted although its server was killed`);
		}
		awaitServers(image);
	},
};

const shutdownRequest = 0x8004_587d; // EXT4_IOC_SHUTDOWN
const withoutLogFlush = 2;

/** Whether the kernel was built with an option; true where it does not tell. */
function kernelHas(option: string): boolean {
	const told = '/proc/config.gz';
	if (!existsSync(told)) return true;
	const lines = gunzipSync(readFileSync(told)).toString().split('\n');
	return lines.includes(`${option}=y`) || lines.includes(`${option}=m`);
}

const kernel: System = {
	name: 'kernel',
	mountTypes: /^ext[234]$/,
	mustPass: true,
	lacks: kernelHas('CONFIG_QFMT_V2')
		? {}
		: {project: 'this kernel was built without CONFIG_QFMT_V2'},
	whyMissing: () => (isRoot ? undefined : 'only root mounts loop devices'),
	mount(image, directory, options) {
		// Nor does any of the others have set-id programs and devices work.
		mustRun('mount', '-o', joined('loop,nosuid,nodev', options), image, directory);
	},
	unmount(image, directory) {
		mustRun('umount', directory);
		const isFree = () => runCommand('losetup', ['-n', '-O', 'NAME', '-j', image]).out === '';
		if (!waitUntil(isFree, 30)) throw new Error(`${image} still has a loop device`);
	},
	crash(image, directory) {
		const root = openSync(directory, constants.O_RDONLY);
		try {
			const how = Buffer.alloc(4);
			how.writeUInt32LE(withoutLogFlush);
			ioctl(root, shutdownRequest, how);
		} finally {
			closeSync(root);
		}
		kernel.unmount(image, directory);
	},
};

const fuse2fs: System = {
	name: 'fuse2fs',
	mountTypes: /^fuse\.|^fuse$/,
	mustPass: false,
	lacks: {},
	whyMissing: () =>
		whyNoFuse() ?? (isInstalled('fuse2fs') ? undefined : 'fuse2fs is not installed'),
	mount(image, directory, options) {
		const access = isRoot ? 'allow_other,default_permissions' : 'fakeroot';
		const known = options.split(',').filter(option => ['ro', 'noatime'].includes(option));
		mustRun('fuse2fs', image, directory, '-o', joined(access, ...known));
		// It answers mount before it is ready.
		waitUntil(() => isMounted(directory), 20);
	},
	unmount(image, directory) {
		const [tool, ...words] = isRoot ? ['umount'] : ['fusermount', '-u'];
		mustRun(tool ?? '', ...words, directory);
		awaitServers(image);
	},
	crash(image, directory) {
		killAll([serverOf(image)]);
		awaitServers(image);
		const {status, err} = isRoot
			? runCommand('umount', [directory])
			: runCommand('fusermount', ['-u', '-z', directory]);
		if (status !== 0) throw new CommandError(`${directory} can't be unmounted: ${err}`);
	},
};

const systems: {readonly [name in SystemName]: System} = {ext4box, kernel, fuse2fs};

export function systemNamed(name: SystemName): System {
	return systems[name];
}
