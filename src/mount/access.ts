/** Whether an image can be mounted for writing: what a mount is to be where nobody named ro or rw. */
import {accessSync, constants, existsSync, readFileSync, statSync} from 'node:fs';
import {isExpectedError} from '../../ext4/errors.ts';
import {readSuperblock, type Superblock} from '../../ext4/superblock.ts';
import {ImageError, openImage} from '../../images/index.ts';
import {CliError} from '../cli-error.ts';
import {deviceNumber, whereKernelWrites, whyKernelHasIt} from './image-in-use.ts';
import type {MountOptions} from './options.ts';

/** access(2) looks at modes alone, and not at a device's own switch. */
function isReadOnlyDevice(image: string): boolean {
	const facts = statSync(image, {bigint: true});
	if (!facts.isBlockDevice()) return false;
	const path = `/sys/dev/block/${deviceNumber(facts.rdev)}/ro`;
	// Without sysfs it is left to the helper, which opens the device, to say so.
	return existsSync(path) && readFileSync(path, 'latin1').startsWith('1');
}

/** Why an image is not written to, with a code as in every message about an image. */
type Reason = {readonly text: string; readonly code: string};

function forbidden(text: string): Reason {
	return {text, code: 'IMAGE_FORBIDDEN'};
}

function whyForbidden(image: string): Reason | null {
	try {
		accessSync(image, constants.W_OK);
		return isReadOnlyDevice(image) ? forbidden('the device is read-only') : null;
	} catch (error) {
		if (!(error instanceof Error && 'code' in error)) throw error;
		if (error.code === 'EROFS') {
			return forbidden('it lies on a file system that is mounted read-only');
		}
		return error.code === 'EACCES' ? forbidden('you may not write to it') : null;
	}
}

/** null where there is no image, or none of ours: the server says so, in the same words for every mount. */
function superblockOf(image: string, options: MountOptions): Superblock | null {
	try {
		using opened = openImage(image, {
			offsetBytes: options.offset ?? undefined,
			partition: options.partition ?? undefined,
		});
		return readSuperblock(opened.device);
	} catch (error) {
		if (error instanceof ImageError || isExpectedError(error)) return null;
		throw error;
	}
}

function whyUnsupported(image: string, options: MountOptions): Reason | null {
	try {
		superblockOf(image, options)?.features.assertWritable();
		return null;
	} catch (error) {
		if (!isExpectedError(error)) throw error;
		return {text: error.message, code: error.code};
	}
}

/** Whether a crash has left anything to be brought home, or to be freed. */
function needsRecovery(image: string, options: MountOptions): boolean {
	const superblock = superblockOf(image, options);
	if (superblock === null) return false;
	const {features, lastOrphan} = superblock;
	return features.has('needs_recovery') || features.has('orphan_present') || lastOrphan !== 0;
}

function refusal(image: string, {text, code}: Reason): CliError {
	return new CliError(`${image}: can't be mounted for writing: ${text} [${code}]`);
}

export type Access = {
	readonly isReadOnly: boolean;
	/** Read-only for its users; but the image is opened for writing, to bring home what a crash has left. */
	readonly isRecovered: boolean;
	/** Why it is read-only although nobody asked for that, or null. */
	readonly reason: string | null;
	/** What to know of what is read, or null. */
	readonly warning: string | null;
};

/** Reads alone: the image may change all the same. */
function readOnly(image: string, reason: string | null): Access {
	const writer = whereKernelWrites(image);
	const warning =
		writer === null
			? null
			: `the kernel has ${image} mounted for writing on ${writer}: what is read here may be half way through a change, and is soon out of date`;
	return {isReadOnly: true, isRecovered: false, reason, warning};
}

/**
 * Settles whether a mount writes. Throws `CliError` where writing was asked for by name, or is needed
 * for `recover`, and can't be, and where it would harm what the kernel has mounted.
 */
export function decideAccess(image: string, options: MountOptions): Access {
	const {access, isRecovered} = options;
	if (access === 'ro' && !isRecovered) return readOnly(image, null);
	const reason = whyForbidden(image) ?? whyUnsupported(image, options);
	if (reason !== null && access === 'rw') throw refusal(image, reason);
	if (reason !== null && isRecovered && needsRecovery(image, options)) {
		throw new CliError(
			`${image}: a crash has left something to recover in it, but it can't be written to: ${reason.text}; without option recover it is shown as it would be then [${reason.code}]`,
		);
	}
	if (reason !== null) return readOnly(image, access === 'ro' ? null : reason.text);
	const kernel = whyKernelHasIt(image);
	if (kernel !== null) throw refusal(image, {text: kernel, code: 'IMAGE_IN_USE'});
	return {isReadOnly: access === 'ro', isRecovered: access === 'ro', reason: null, warning: null};
}
