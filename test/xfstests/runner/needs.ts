/** What a test may ask for, and how it is seen whether a mounted file system has it. */
import {closeSync, constants, ftruncateSync, mkdirSync, openSync, rmSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import * as calls from '../calls.ts';
import {runCommand} from './commands.ts';

export const features = [
	'xattr',
	'acl',
	'allocate',
	'punch-hole',
	'zero-range',
	'collapse-range',
	'insert-range',
	'seek-hole',
	'direct',
	'nameless',
	'no-replace',
	'exchange',
	'whiteout',
	'inode-flags',
	'project',
	'shared-mapping',
] as const;
export type Feature = (typeof features)[number];
/** `root` is to run as root; `program X` is to have X in PATH; the rest are features of the file system. */
export type Need = 'root' | `program ${string}` | Feature;

/** A feature that fails without an errno. */
class Lacking extends Error {
	override readonly name = 'Lacking';
}

/** Eight blocks of data in a new file. */
function withFile(folder: string, use: (descriptor: number) => void): void {
	const file = openSync(join(folder, 'file'), 'w+');
	try {
		writeSync(file, Buffer.alloc(32_768, 1));
		use(file);
	} finally {
		closeSync(file);
	}
}

function allocates(mode: number): (folder: string) => void {
	return folder => withFile(folder, file => calls.fallocate(file, mode, 4096, 4096));
}

function renames(flags: number): (folder: string) => void {
	return folder => {
		withFile(folder, () => undefined);
		const to = join(folder, 'to');
		if (flags === calls.renaming.exchange) mkdirSync(to);
		calls.rename(join(folder, 'file'), to, flags);
	};
}

/** Each throws where the feature is missing. */
const probes: {readonly [feature in Feature]: (folder: string) => void} = {
	xattr: folder => calls.setXattr(folder, 'user.probe', 'x'),
	acl: folder => {
		const {status, err} = runCommand('setfacl', ['-m', 'u:1:r', folder]);
		if (status !== 0) throw new Lacking(err.trim());
	},
	allocate: allocates(0),
	'punch-hole': allocates(calls.allocate.punchHole | calls.allocate.keepSize),
	'zero-range': allocates(calls.allocate.zeroRange),
	'collapse-range': allocates(calls.allocate.collapseRange),
	'insert-range': allocates(calls.allocate.insertRange),
	'seek-hole': folder =>
		withFile(folder, file => {
			ftruncateSync(file, 1 << 20);
			const hole = calls.lseek(file, 0, calls.seeking.hole);
			if (hole !== 32_768) throw new Lacking(`SEEK_HOLE finds ${hole}`);
		}),
	direct: folder => {
		withFile(folder, () => undefined);
		const file = openSync(join(folder, 'file'), constants.O_RDWR | calls.open.direct);
		closeSync(file);
	},
	nameless: folder => closeSync(calls.openNameless(folder)),
	'no-replace': renames(calls.renaming.noReplace),
	exchange: renames(calls.renaming.exchange),
	whiteout: renames(calls.renaming.whiteout),
	'inode-flags': folder =>
		withFile(folder, file => calls.setFlags(file, calls.getFlags(file) | calls.inodeFlags.noDump)),
	project: folder => withFile(folder, file => calls.setProject(file, 0, 7)),
	'shared-mapping': folder =>
		withFile(folder, file => {
			using mapping = calls.mmap(file, 0, 4096);
			mapping.bytes[0] = 2;
		}),
};

/** Why a need that is no feature is not met; undefined where it is, or is a feature. */
export function whyNotHere(need: Need): string | undefined {
	if (need === 'root') return process.geteuid?.() === 0 ? undefined : 'needs root';
	if (!need.startsWith('program ')) return undefined;
	const name = need.slice('program '.length);
	const {status} = runCommand('sh', ['-c', 'command -v "$0"', name]);
	return status === 0 ? undefined : `${name} is not installed`;
}

export function isFeature(need: Need): need is Feature {
	return (features as readonly string[]).includes(need);
}

/** Why the file system mounted on `directory` lacks a feature; undefined where it has it. */
export function whyLacking(feature: Feature, directory: string): string | undefined {
	const folder = join(directory, `probe-${feature}`);
	mkdirSync(folder);
	try {
		probes[feature](folder);
		return undefined;
	} catch (error) {
		return error instanceof Lacking ? error.message : calls.errorCode(error);
	} finally {
		rmSync(folder, {recursive: true});
	}
}
