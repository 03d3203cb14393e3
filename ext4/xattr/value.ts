/**
 * The value of one attribute: beside its entry, or in an inode of its own (ea_inode). Kernel
 * documentation, "Large Extended Attribute Values".
 */
import {crc32cOf} from '../checksum.ts';
import {CorruptError} from '../errors.ts';
import {type Inode, inodeFlags} from '../layout/inode.ts';
import {mapAt} from '../mapping/index.ts';
import type {Volume} from '../volume.ts';
import {entryAt, entryName, inodeArea, type XattrArea} from './entries.ts';
import {hashHeldEntry} from './hash.ts';

/** A copy of the value that the checked entry at `at` of `area` names. */
export function readValue(volume: Volume, owner: Inode, area: XattrArea, at: number): Uint8Array {
	const entry = entryAt(area, at);
	const size = entry.e_value_size;
	if (entry.e_value_inum === 0) {
		const start = area.valuesFrom + entry.e_value_offs;
		// An empty value may have any offset.
		return size === 0 ? new Uint8Array(0) : area.bytes.slice(start, start + size);
	}
	const holder = openHolder(volume, owner, entry.e_value_inum, size);
	const value = readHeldValue(volume, holder);
	if (!isLustreHolder(holder, owner)) {
		assertHashes(volume, holder, entryName(area, at), entry.e_hash, value);
	}
	return value;
}

function fail(holder: number, problem: string): never {
	throw new CorruptError('EXT4_BAD_XATTR', problem, {inode: holder});
}

/** The inode that holds a value of `size` bytes, checked for being one. Throws `CorruptError`. */
export function openHolder(volume: Volume, owner: Inode, number: number, size: number): Inode {
	if (number === owner.number) fail(number, 'an inode that holds its own attribute');
	const holder = volume.readValueInode(number);
	if (holder.type !== 'file' || (holder.flags & inodeFlags.eaInode) === 0) {
		fail(number, 'an attribute whose value lies in an inode that is not for values');
	}
	if (holder.xattrBlock !== 0 || inodeArea(volume, holder) !== undefined) {
		fail(number, 'an inode for the value of an attribute that has attributes itself');
	}
	if (holder.sizeBytes !== size) {
		fail(number, `an attribute's value of ${size} bytes in an inode of ${holder.sizeBytes}`);
	}
	return holder;
}

/**
 * The bytes of an inode for values, which have no holes; as many as its size says, which is checked
 * before. Throws `CorruptError`, `DeviceError`.
 */
export function readHeldValue(volume: Volume, holder: Inode): Uint8Array {
	const {blockSize} = volume.geometry;
	const value = new Uint8Array(holder.sizeBytes);
	const blockCount = Math.ceil(holder.sizeBytes / blockSize);
	for (let logical = 0; logical < blockCount; ) {
		const run = mapAt(volume, holder, logical);
		if (run.kind !== 'mapped') fail(holder.number, `a value without its block ${logical}`);
		const end = Math.min(run.logical + run.length, blockCount);
		for (; logical < end; logical++) {
			const physical = run.physical + (logical - run.logical);
			const {bytes} = volume.cache.readAhead(physical, run.physical, run.length);
			const start = logical * blockSize;
			value.set(bytes.subarray(0, Math.min(blockSize, value.length - start)), start);
		}
	}
	return value;
}

/**
 * Lustre's old form: no hash, but the number and generation of the one inode that the value
 * belongs to.
 */
export function isLustreHolder(holder: Inode, owner: Inode): boolean {
	return (
		holder.modificationTime.seconds >>> 0 === owner.number && holder.generation === owner.generation
	);
}

function assertHashes(
	volume: Volume,
	holder: Inode,
	name: Uint8Array,
	entryHash: number,
	value: Uint8Array,
): void {
	const hash = crc32cOf(volume.superblock.checksumSeed, value);
	// The hash of the value is kept in place of the access time.
	const kept = holder.accessTime.seconds >>> 0;
	if (hash !== kept) {
		fail(
			holder.number,
			`an attribute's value with the hash 0x${kept.toString(16)}; its contents make 0x${hash.toString(16)}`,
		);
	}
	if (entryHash !== hashHeldEntry(name, hash) && entryHash !== hashHeldEntry(name, hash, true)) {
		fail(
			holder.number,
			`an attribute whose hash 0x${entryHash.toString(16)} does not fit its value`,
		);
	}
}
