/**
 * Whether somebody changes an image while it is looked at: what is half way through a change looks
 * like damage.
 */
import {readFileSync, statSync} from 'node:fs';
import {resolve} from 'node:path';
import {type Machine, thisMachine, whyKernelHasIt} from '../mount/image-in-use.ts';
import {isExt4box} from '../mount/mounts.ts';

/**
 * Whether /proc/locks has `device:inode` locked for writing by flock(2), as a server of ext4box
 * locks what it writes to; proc_locks(5).
 */
export function isLockedForWriting(
	locks: string,
	major: number,
	minor: number,
	inode: bigint,
): boolean {
	const hex = (value: number) => value.toString(16).padStart(2, '0');
	const file = `${hex(major)}:${hex(minor)}:${inode}`;
	return locks
		.split('\n')
		.some(line => /^\d+: (?:-> )?FLOCK +ADVISORY +WRITE /.test(line) && line.includes(` ${file} `));
}

function hasWriter(image: string): boolean {
	const {dev, ino} = statSync(image, {bigint: true});
	const major = Number(((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn));
	const minor = Number((dev & 0xffn) | ((dev >> 12n) & ~0xffn));
	return isLockedForWriting(readFileSync('/proc/locks', 'utf8'), major, minor, ino);
}

/** Why an image in use is refused, as `whyInUse` has it, by a command that has --live. */
export function refusalText(image: string, reason: string, verb: 'check' | 'report'): string {
	const what = verb === 'check' ? 'check it' : 'make a report of it';
	return `${image}: ${reason}: what is half way through a change looks like damage. Unmount it first, or ${what} as it is with --live`;
}

/** Who may be changing `image`, in a sentence; null where nobody is known to. */
export function whyInUse(image: string, machine: Machine = thisMachine()): string | null {
	const kernel = whyKernelHasIt(image, machine);
	if (kernel !== null) return kernel;
	const path = resolve(image);
	const mount = machine.mounts.find(
		each => isExt4box(each) && each.source === path && !each.options.includes('ro'),
	);
	if (mount !== undefined) return `ext4box has it mounted on ${mount.path}`;
	try {
		return hasWriter(image) ? 'another process has it locked for writing' : null;
	} catch (error) {
		// No such image, which whoever opens it will say; or no /proc to ask.
		if (error instanceof Error && 'code' in error) return null;
		throw error;
	}
}
