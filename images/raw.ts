/** A file or a block device, byte for byte. */
import * as fs from 'node:fs';
import type {BlockDevice} from '../ext4/device.ts';
import {DeviceError, FileError} from '../ext4/errors.ts';
import {ImageError} from './errors.ts';

// Linux moves at most 0x7ffff000 bytes a call and takes at most 1,024 buffers (IOV_MAX).
const transferBytesMax = 0x4000_0000;
const buffersMax = 1024;

export type DescriptorOptions = {
	/** The descriptor is open for writing too, and writes are wanted. */
	readonly isWritable?: boolean;
	/** The size, where the caller knows it; else it is found out. */
	readonly sizeBytes?: number;
	/** Closing the device closes the descriptor; so by default. */
	readonly closesDescriptor?: boolean;
	/** How the medium is told that a range holds nothing; else it never is. */
	readonly discard?: Discard;
};

export type Discard = {
	/** Of which it gives up whole ones alone, in bytes. */
	readonly unitBytes: number;
	/** For a range of whole units. Throws `FileError` EOPNOTSUPP; any other error is the medium's. */
	readonly range: (position: number, lengthBytes: number) => void;
};

/** An open descriptor as a device. Reads and writes are pread and pwrite: the offset stays put. */
export class RawDevice implements BlockDevice, Disposable {
	readonly descriptor: number;
	readonly sizeBytes: number;
	readonly isReadOnly: boolean;
	readonly #closesDescriptor: boolean;
	readonly #discard: Discard | undefined;
	#isClosed = false;

	/** Throws `ImageError` where the descriptor is no file and no block device, and `DeviceError`. */
	constructor(descriptor: number, options: DescriptorOptions = {}) {
		this.descriptor = descriptor;
		this.sizeBytes = options.sizeBytes ?? findSize(descriptor);
		this.isReadOnly = options.isWritable !== true;
		this.#closesDescriptor = options.closesDescriptor ?? true;
		this.#discard = options.discard;
	}

	read(position: number, into: Uint8Array): void {
		this.#check(position, into.length);
		let done = 0;
		while (done < into.length) {
			const wanted = Math.min(into.length - done, transferBytesMax);
			const count = this.#try(position, into.length, () =>
				fs.readSync(this.descriptor, into, done, wanted, position + done),
			);
			if (count === 0) throw endedEarly(position + done, into.length - done);
			done += count;
		}
	}

	readScattered(position: number, into: readonly Uint8Array[]): void {
		let length = 0;
		for (const buffer of into) length += buffer.length;
		this.#check(position, length);
		let rest = into.filter(buffer => buffer.length > 0);
		let done = 0;
		while (rest.length > 0) {
			const batch = rest.length <= buffersMax ? rest : rest.slice(0, buffersMax);
			const count = this.#try(position, length, () =>
				fs.readvSync(this.descriptor, batch, position + done),
			);
			if (count === 0) throw endedEarly(position + done, length - done);
			done += count;
			rest = withoutFirst(rest, count);
		}
	}

	write(position: number, from: Uint8Array): void {
		if (this.isReadOnly) {
			throw new DeviceError('the image is open for reading only', position, from.length);
		}
		this.#check(position, from.length);
		let done = 0;
		while (done < from.length) {
			const wanted = Math.min(from.length - done, transferBytesMax);
			const count = this.#try(position, from.length, () =>
				fs.writeSync(this.descriptor, from, done, wanted, position + done),
			);
			if (count === 0) throw endedEarly(position + done, from.length - done);
			done += count;
		}
	}

	writeScattered(position: number, from: readonly Uint8Array[]): void {
		let left = 0;
		for (const buffer of from) left += buffer.length;
		if (this.isReadOnly) {
			throw new DeviceError('the image is open for reading only', position, left);
		}
		this.#check(position, left);
		let at = position;
		let rest = from.slice();
		while (left > 0) {
			const batch = rest.slice(0, buffersMax);
			const count = this.#try(at, left, () => fs.writevSync(this.descriptor, batch, at));
			if (count === 0) throw endedEarly(at, left);
			rest = withoutFirst(rest, count);
			at += count;
			left -= count;
		}
	}

	/** The data and what is needed to find it; a file's times may come later. */
	flush(): void {
		this.#try(0, 0, () => fs.fdatasyncSync(this.descriptor));
	}

	discard(position: number, lengthBytes: number): void {
		this.#check(position, lengthBytes);
		const way = this.#discard;
		if (way === undefined || this.isReadOnly) {
			throw new FileError('EOPNOTSUPP', 'the image is never told of free blocks');
		}
		const start = Math.ceil(position / way.unitBytes) * way.unitBytes;
		const end = Math.floor((position + lengthBytes) / way.unitBytes) * way.unitBytes;
		if (start < end) this.#try(start, end - start, () => way.range(start, end - start));
	}

	close(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		if (this.#closesDescriptor) fs.closeSync(this.descriptor);
	}

	[Symbol.dispose](): void {
		this.close();
	}

	#check(position: number, length: number): void {
		if (this.#isClosed) throw new DeviceError('the image is closed', position, length);
		if (position >= 0 && position + length <= this.sizeBytes) return;
		throw new DeviceError(
			`bytes ${position} to ${position + length} of an image of ${this.sizeBytes} bytes`,
			position,
			length,
		);
	}

	#try<T>(position: number, length: number, action: () => T): T {
		try {
			return action();
		} catch (cause) {
			if (cause instanceof FileError) throw cause;
			throw new DeviceError(messageOf(cause), position, length, cause);
		}
	}
}

function messageOf(cause: unknown): string {
	return cause instanceof Error ? cause.message : String(cause);
}

function endedEarly(position: number, length: number): DeviceError {
	// The size was known when it was opened: someone has cut the file since.
	return new DeviceError(`the image has ended at byte ${position}`, position, length);
}

/** The buffers that remain to be filled after `count` bytes have come. */
function withoutFirst(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
	let left = count;
	let index = 0;
	for (const buffer of buffers) {
		if (left < buffer.length) break;
		left -= buffer.length;
		index++;
	}
	const rest = buffers.slice(index);
	const first = rest[0];
	if (left > 0 && first !== undefined) rest[0] = first.subarray(left);
	return rest;
}

/** The size of what `descriptor` leads to. */
function findSize(descriptor: number): number {
	const found = fs.fstatSync(descriptor);
	if (found.isFile()) return found.size;
	if (found.isBlockDevice()) return findDeviceSize(descriptor);
	if (found.isDirectory()) {
		throw new ImageError('IMAGE_IS_DIRECTORY', 'this is a directory, not a disk image');
	}
	throw new ImageError(
		'IMAGE_NOT_A_FILE',
		`this is ${kindOf(found)}; a disk image is a file or a block device`,
	);
}

function kindOf(found: fs.Stats): string {
	if (found.isFIFO()) return 'a pipe';
	if (found.isSocket()) return 'a socket';
	if (found.isCharacterDevice()) return 'a character device';
	return 'no file';
}

/**
 * fstat gives 0 for a block device, and Node has neither lseek nor ioctl: so the last byte that can
 * be read is searched for, by doubling and halving, in some sixty reads of one byte.
 */
function findDeviceSize(descriptor: number): number {
	const byte = new Uint8Array(1);
	const exists = (position: number) => {
		try {
			return fs.readSync(descriptor, byte, 0, 1, position) === 1;
		} catch (cause) {
			throw new DeviceError(messageOf(cause), position, 1, cause);
		}
	};
	if (!exists(0)) return 0;
	let inside = 0;
	let outside = 512;
	while (outside < Number.MAX_SAFE_INTEGER && exists(outside)) {
		inside = outside;
		outside = Math.min(outside * 2, Number.MAX_SAFE_INTEGER);
	}
	while (outside - inside > 1) {
		const middle = inside + Math.floor((outside - inside) / 2);
		if (exists(middle)) inside = middle;
		else outside = middle;
	}
	return outside;
}

const openProblems: {readonly [errno: string]: readonly [ImageError['code'], string]} = {
	ENOENT: ['IMAGE_NOT_FOUND', 'there is no such file'],
	ENOTDIR: ['IMAGE_NOT_FOUND', 'there is no such file: a part of the path is not a directory'],
	ENAMETOOLONG: ['IMAGE_NOT_FOUND', 'there is no such file: the name is too long'],
	EACCES: ['IMAGE_FORBIDDEN', 'you may not open this file'],
	EPERM: ['IMAGE_FORBIDDEN', 'you may not open this file'],
	EROFS: ['IMAGE_FORBIDDEN', 'it lies on a file system that is mounted read-only'],
	EISDIR: ['IMAGE_IS_DIRECTORY', 'this is a directory, not a disk image'],
	ELOOP: ['IMAGE_NOT_OPENED', 'too many symbolic links on the way to this file'],
	ENODEV: ['IMAGE_NOT_A_FILE', 'a disk image is a file on a disk, or a block device'],
	ENXIO: ['IMAGE_NOT_A_FILE', 'this is a socket or a device without a driver'],
};

/** Why a file can't be opened as an image, by the name of an errno; `otherwise` where that says no more. */
export function openFailure(errno: string, otherwise: string, cause?: unknown): ImageError {
	const [code, problem] = openProblems[errno] ?? ['IMAGE_NOT_OPENED', otherwise];
	return new ImageError(code, problem, cause);
}

/** The errno name of a failed system call, or ''. */
function errnoOf(cause: unknown): string {
	return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}

/**
 * Opens a file or block device; a path given as bytes need not be UTF-8. Throws `ImageError` when it can't be opened or is neither, and
 * `DeviceError` when its size can't be read.
 */
export function openRaw(
	path: string | Uint8Array,
	options: {isWritable?: boolean} = {},
): RawDevice {
	const isWritable = options.isWritable ?? false;
	// O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
	const flags =
		(isWritable ? fs.constants.O_RDWR : fs.constants.O_RDONLY) | fs.constants.O_NONBLOCK;
	let descriptor: number;
	try {
		descriptor = fs.openSync(typeof path === 'string' ? path : Buffer.from(path), flags);
	} catch (cause) {
		throw openFailure(errnoOf(cause), messageOf(cause), cause);
	}
	try {
		return new RawDevice(descriptor, {isWritable});
	} catch (error) {
		fs.closeSync(descriptor);
		throw error;
	}
}
