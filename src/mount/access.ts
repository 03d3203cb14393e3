/** Whether an image can be mounted for writing: what a mount is to be where nobody named ro or rw. */
import {accessSync, constants, existsSync, readFileSync, statSync} from 'node:fs';
import {isExpectedError} from '../../ext4/errors.ts';
import {readSuperblock} from '../../ext4/superblock.ts';
import {ImageError, openImage} from '../../images/index.ts';
import {CliError} from '../cli-error.ts';
import {deviceNumber, whyKernelHasIt} from './image-in-use.ts';
import type {MountOptions} from './options.ts';

/** access(2) looks at modes alone, and not at a device's own switch. */
function isReadOnlyDevice(image: string): boolean {
	const facts = statSync(image, {bigint: true});
	if (!facts.isBlockDevice()) return false;
	const path = `/sys/dev/block/${deviceNumber(facts.rdev)}/ro`;
	// Without sysfs it is left to the helper, which opens the device, to say so.
	return existsSync(path) && readFileSync(path, 'latin1').startsWith('1');
}

function whyForbidden(image: string): string | null {
	try {
		accessSync(image, constants.W_OK);
		return isReadOnlyDevice(image) ? 'the device is read-only' : null;
	} catch (error) {
		if (!(error instanceof Error && 'code' in error)) throw error;
		if (error.code === 'EROFS') return 'it lies on a file system that is mounted read-only';
		return error.code === 'EACCES' ? 'you may not write to it' : null;
	}
}

function whyUnsupported(image: string, options: MountOptions): string | null {
	try {
		using opened = openImage(image, {
			offsetBytes: options.offset ?? undefined,
			partition: options.partition ?? undefined,
		});
		const superblock = readSuperblock(opened.device);
		try {
			superblock.features.assertWritable();
			return null;
		} catch (error) {
			if (!isExpectedError(error)) throw error;
			return error.message;
		}
	} catch (error) {
		// No image, or none of ours: the server says so, in the same words for every mount.
		if (error instanceof ImageError || isExpectedError(error)) return null;
		throw error;
	}
}

export type Access = {
	readonly isReadOnly: boolean;
	/** Why it is read-only although nobody asked for that, or null. */
	readonly reason: string | null;
};

/**
 * Settles whether a mount writes. Throws `CliError` where writing was asked for by name and can't
 * be, and where it would harm what the kernel has mounted.
 */
export function decideAccess(image: string, options: MountOptions): Access {
	if (options.access === 'ro') return {isReadOnly: true, reason: null};
	const reason = whyForbidden(image) ?? whyUnsupported(image, options);
	if (reason !== null && options.access === 'rw') {
		throw new CliError(`${image}: can't be mounted for writing: ${reason}`);
	}
	if (reason !== null) return {isReadOnly: true, reason};
	const kernel = whyKernelHasIt(image);
	if (kernel !== null) throw new CliError(`${image}: can't be mounted for writing: ${kernel}`);
	return {isReadOnly: false, reason: null};
}
