/**
 * Whether the kernel has an image mounted, as a block device or behind a loop device. It would not
 * hear of what is written beside it, nor ext4box of what it writes: one of the two would be lost.
 * (That no two servers of ext4box have one image is the mount helper's matter, by a lock.)
 */
import {closeSync, constants, openSync, readdirSync, readFileSync, statSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {isExt4box, type Mount, readMounts} from './mounts.ts';

/** What is looked at; tests give their own. */
export type Machine = {
	readonly mounts: readonly Mount[];
	/** /sys/block. */
	readonly blockFolder: string;
	/** /dev. */
	readonly deviceFolder: string;
};

export function thisMachine(): Machine {
	return {mounts: readMounts(), blockFolder: '/sys/block', deviceFolder: '/dev'};
}

function errnoOf(error: unknown): string {
	if (error instanceof Error && 'code' in error) return String(error.code);
	throw error;
}

/** The file's text; undefined where there is no such file, or not for us. */
function textOf(path: string): string | undefined {
	try {
		return readFileSync(path, 'utf8').trimEnd();
	} catch (error) {
		errnoOf(error);
		return undefined;
	}
}

function namesIn(folder: string): string[] {
	try {
		return readdirSync(folder);
	} catch (error) {
		errnoOf(error);
		return [];
	}
}

/** Major and minor as mountinfo has them, from the kernel's 64-bit form. */
export function deviceNumber(rdev: bigint): string {
	const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
	const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
	return `${major}:${minor}`;
}

/** The numbers of a block device and of its partitions. */
function numbersOf(folder: string): string[] {
	const inside = namesIn(folder).map(name => textOf(join(folder, name, 'dev')));
	return [textOf(join(folder, 'dev')), ...inside].filter(number => number !== undefined);
}

function mountOf(numbers: readonly string[], mounts: readonly Mount[]): Mount | undefined {
	return mounts.find(mount => numbers.includes(mount.device));
}

/** Whether nobody has the device exclusively, as a mount has it; undefined: that can't be told. */
function isFree(device: string): boolean | undefined {
	try {
		closeSync(openSync(device, constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK));
		return true;
	} catch (error) {
		return errnoOf(error) === 'EBUSY' ? false : undefined;
	}
}

/** Why the loop device `name` stands against writing to `image` behind it; null if it does not. */
function whyLoopStands(name: string, image: string, machine: Machine): string | null {
	const device = join(machine.deviceFolder, name);
	const mount = mountOf(numbersOf(join(machine.blockFolder, name)), machine.mounts);
	if (mount !== undefined) return `the kernel has it mounted on ${mount.path} (through ${device})`;
	// Ext4box's own, perhaps: whether two may have the image then, a lock on the file says.
	if (isHeldByUs(image, machine.mounts)) return null;
	switch (isFree(device)) {
		case true:
			return null;
		case false:
			return `it is in use by the kernel, through ${device}`;
		case undefined:
			// Perhaps mounted where we can't see it.
			return `it is attached to ${device}; as root, "losetup -d ${device}" if nothing uses that`;
	}
}

/** Why `image` may not be written to because the kernel has it, or null. Throws nothing. */
export function whyKernelHasIt(image: string, machine: Machine = thisMachine()): string | null {
	let found: ReturnType<typeof facts>;
	try {
		found = facts(image);
	} catch (error) {
		errnoOf(error);
		return null; // Whoever opens it will say what is wrong.
	}
	if (found.isBlockDevice()) {
		const mount = mountOf([deviceNumber(found.rdev)], machine.mounts);
		return mount === undefined ? null : `the kernel has it mounted on ${mount.path}`;
	}
	for (const name of loopsOf(found, machine)) {
		const reason = whyLoopStands(name, image, machine);
		if (reason !== null) return reason;
	}
	return null;
}

/** The loop devices with that file behind them, by the names that /sys/block has for them. */
function loopsOf(file: ReturnType<typeof facts>, {blockFolder}: Machine): string[] {
	return namesIn(blockFolder).filter(name => {
		const backing = textOf(join(blockFolder, name, 'loop/backing_file'));
		return backing !== undefined && isSameFile(backing, file);
	});
}

/**
 * Where the kernel has `image` mounted for writing, as far as the mount table tells; null where it has
 * not. Whoever reads it then sees what is half way through a change. Throws nothing.
 */
export function whereKernelWrites(image: string, machine: Machine = thisMachine()): string | null {
	const writing = machine.mounts.filter(mount => !mount.isReadOnly);
	try {
		const found = facts(image);
		const numbers = found.isBlockDevice()
			? [deviceNumber(found.rdev)]
			: loopsOf(found, machine).flatMap(name => numbersOf(join(machine.blockFolder, name)));
		return mountOf(numbers, writing)?.path ?? null;
	} catch (error) {
		errnoOf(error);
		return null; // Whoever opens it will say what is wrong.
	}
}

/**
 * Whether ext4box has the image by a mount of root's, or of who asks. By fusermount3 anybody can make one
 * that bears any name, and so would turn off what protects another's image.
 */
function isHeldByUs(image: string, mounts: readonly Mount[]): boolean {
	const path = resolve(image);
	return mounts.some(
		mount =>
			isExt4box(mount) &&
			mount.source === path &&
			(mount.uid === 0 || mount.uid === process.geteuid?.()),
	);
}

function facts(path: string) {
	return statSync(path, {bigint: true});
}

function isSameFile(path: string, as: {readonly dev: bigint; readonly ino: bigint}): boolean {
	try {
		const {dev, ino} = facts(path);
		return dev === as.dev && ino === as.ino;
	} catch (error) {
		errnoOf(error);
		return false; // Deleted, or out of our sight.
	}
}

/** Who else has the image locked, as far as the mount table tells. */
export function describeHolder(image: string, mounts: readonly Mount[] = readMounts()): string {
	const path = resolve(image);
	const holder = mounts.find(mount => isExt4box(mount) && mount.source === path);
	return holder === undefined
		? 'another mount of ext4box has it'
		: `ext4box has it mounted on ${holder.path}`;
}
