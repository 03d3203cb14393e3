/**
 * Opens a file system as well as it can be opened: without its journal where that is damaged, by a
 * backup where the superblock is, and where the end of the image is missing, what there is of it.
 */

import {crc32cOf} from '../../ext4/checksum.ts';
import type {BlockDevice} from '../../ext4/device.ts';
import {CorruptError, DeviceError, superblockPosition, Volume} from '../../ext4/index.ts';
import {ext4_super_block, superblockMagic} from '../../ext4/layout/superblock.ts';
import {nodeHashes} from '../../images/hashes.ts';
import type {Problems} from './problems.ts';

/** Reads as `inner`, but for the superblock and the size. Only for reading. */
class PatchedDevice implements BlockDevice {
	readonly sizeBytes: number;
	readonly isReadOnly = true;
	readonly #inner: BlockDevice;
	readonly #superblock: Uint8Array;

	constructor(inner: BlockDevice, sizeBytes: number, superblock: Uint8Array) {
		this.#inner = inner;
		this.sizeBytes = sizeBytes;
		this.#superblock = superblock;
	}

	read(position: number, into: Uint8Array): void {
		this.#inner.read(position, into);
		const from = Math.max(position, superblockPosition);
		const to = Math.min(position + into.length, superblockPosition + this.#superblock.length);
		if (from >= to) return;
		const part = this.#superblock.subarray(from - superblockPosition, to - superblockPosition);
		into.set(part, from - position);
	}

	readScattered(position: number, into: readonly Uint8Array[]): void {
		let at = position;
		for (const buffer of into) {
			this.read(at, buffer);
			at += buffer.length;
		}
	}

	write(position: number, from: Uint8Array): never {
		throw new DeviceError('the image is open for reading only', position, from.length);
	}

	writeScattered(position: number): never {
		throw new DeviceError('the image is open for reading only', position, 0);
	}

	flush(): void {}

	close(): void {
		this.#inner.close();
	}
}

function superblockAt(device: BlockDevice, position: number): Uint8Array | undefined {
	if (position + ext4_super_block.sizeBytes > device.sizeBytes) return undefined;
	const bytes = new Uint8Array(ext4_super_block.sizeBytes);
	device.read(position, bytes);
	return bytes;
}

function fieldsOf(bytes: Uint8Array) {
	return ext4_super_block.at(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

/** Where the copy of group 1 begins: as the first superblock has it, and at the usual places. */
function* backupPositions(first: Uint8Array): Generator<{position: number; blockSize: number}> {
	const raw = fieldsOf(first);
	if (raw.s_log_block_size <= 6) {
		const blockSize = 1024 * 2 ** raw.s_log_block_size;
		const block = raw.s_first_data_block + raw.s_blocks_per_group;
		yield {position: block * blockSize, blockSize};
	}
	for (const blockSize of [4096, 1024, 2048, 8192, 16384, 32768, 65536]) {
		const block = blockSize * 8 + (blockSize === 1024 ? 1 : 0);
		yield {position: block * blockSize, blockSize};
	}
}

function findBackup(device: BlockDevice, first: Uint8Array): Uint8Array | undefined {
	for (const {position, blockSize} of backupPositions(first)) {
		const bytes = superblockAt(device, position);
		if (bytes === undefined) continue;
		const raw = fieldsOf(bytes);
		const isCopy = raw.s_magic === superblockMagic && raw.s_block_group_nr === 1;
		if (isCopy && 1024 * 2 ** raw.s_log_block_size === blockSize) return bytes;
	}
	return undefined;
}

/** The same with the checksum that its fields make. */
function resealed(superblock: Uint8Array): Uint8Array {
	const bytes = superblock.slice();
	const raw = ext4_super_block.edit(new DataView(bytes.buffer), 0);
	raw.s_checksum = crc32cOf(0xffffffff, bytes.subarray(0, 0x3fc));
	return bytes;
}

/** How large the superblock says that the file system is, in bytes. */
function claimedBytes(superblock: Uint8Array): number {
	const raw = fieldsOf(superblock);
	const blocks = raw.s_blocks_count_lo + raw.s_blocks_count_hi * 2 ** 32;
	return blocks * 1024 * 2 ** Math.min(raw.s_log_block_size, 6);
}

type Attempt = {readonly why: string; open(): Volume};

/** The ways to open, each more forgiving than the one before it. */
function* attempts(device: BlockDevice): Generator<Attempt> {
	const hashes = nodeHashes;
	yield {why: '', open: () => Volume.open(device, {hashes})};
	const lies = (on: BlockDevice) => () => Volume.openAsItLies(on, {hashes, journal: 'ignore'});
	yield {why: 'what follows is read without the journal', open: lies(device)};
	const first = superblockAt(device, superblockPosition);
	if (first === undefined) return;
	const patched = (superblock: Uint8Array) => {
		const size = claimedBytes(superblock);
		const sizeBytes = Number.isSafeInteger(size) ? Math.max(size, device.sizeBytes) : 0;
		return lies(new PatchedDevice(device, sizeBytes, superblock));
	};
	const backup = findBackup(device, first);
	if (backup !== undefined) {
		yield {why: 'what follows is read by a backup of the superblock', open: patched(backup)};
	}
	yield {why: 'what follows is read as far as it can be', open: patched(resealed(first))};
}

/** Undefined where nothing helps; `problems` tells why. Throws `DeviceError` for a failing medium. */
export function openAsWellAsPossible(device: BlockDevice, problems: Problems): Volume | undefined {
	let reason: {message: string; code: string} | undefined;
	for (const {why, open} of attempts(device)) {
		const failures = {last: undefined as CorruptError | undefined};
		const volume = tryOpen(open, failures, problems);
		if (volume !== undefined) {
			if (reason !== undefined) problems.add(`${reason.message}; ${why}`, reason.code);
			return volume;
		}
		reason ??= failures.last;
	}
	if (reason !== undefined) problems.add(reason.message, reason.code);
	return undefined;
}

function tryOpen(
	open: () => Volume,
	failures: {last: CorruptError | undefined},
	problems: Problems,
): Volume | undefined {
	try {
		return open();
	} catch (error) {
		// Of a feature that is not known no other way to open makes a known one.
		if (error instanceof CorruptError) failures.last = error;
		else problems.note(error);
		return undefined;
	}
}
