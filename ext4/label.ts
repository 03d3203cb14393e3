/** The label of the file system, in the superblock and its copies. */
import type {FlagsCaller} from './attributes-flags.ts';
import {crc32cOf} from './checksum.ts';
import {FileError} from './errors.ts';
import {firstBlockOfGroup, hasSuperblockCopy} from './groups.ts';
import type {Handle} from './journal/handle.ts';
import {ext4_super_block, superblockMagic, superblockPosition} from './layout/superblock.ts';

/** More than 2^19 groups have, unless each has a copy, as in the oldest file systems. */
const copiesMax = 64;

/** The same in the copies, as the kernel does; one that is damaged is left to e2fsck. */
function labelCopies(handle: Handle, label: Uint8Array): void {
	const {cache, superblock, features, geometry} = handle.volume;
	const hasChecksum = features.has('metadata_csum');
	let copies = 0;
	for (let group = 1; group < geometry.groupCount && copies < copiesMax; group++) {
		if (!hasSuperblockCopy(superblock, group)) continue;
		copies++;
		const block = cache.read(firstBlockOfGroup(superblock, group));
		const raw = ext4_super_block.edit(block.view, 0);
		const covered = block.bytes.subarray(0, ext4_super_block.fields.s_checksum.at);
		if (raw.s_magic !== superblockMagic) continue;
		if (hasChecksum && raw.s_checksum !== crc32cOf(0xffff_ffff, covered)) continue;
		handle.touchFixed(block);
		raw.s_volume_name = label;
		if (hasChecksum) raw.s_checksum = crc32cOf(0xffff_ffff, covered);
	}
}

/**
 * Sets the label of the file system: the bytes up to the first NUL. Throws `FileError` EINVAL for
 * more than 16 of them, EPERM for who is not privileged; `CorruptError`, `DeviceError`.
 */
export function setLabel(handle: Handle, bytes: Uint8Array, caller: FlagsCaller): void {
	if (!caller.isPrivileged) throw new FileError('EPERM', 'the label is for the privileged');
	const {s_volume_name} = ext4_super_block.fields;
	const end = bytes.indexOf(0);
	const label = bytes.slice(0, end === -1 ? bytes.length : end);
	if (label.length > s_volume_name.length) {
		throw new FileError('EINVAL', `a label has ${s_volume_name.length} bytes at most`);
	}
	const {cache, geometry} = handle.volume;
	handle.touchFixed(cache.read(Math.floor(superblockPosition / geometry.blockSize)));
	const superblock = handle.editSuperblock();
	const raw = ext4_super_block.edit(superblock.view, 0);
	const before = raw.s_volume_name.slice();
	// The rollback of the handle restores what was decoded, not the bytes.
	handle.onRollback(() => {
		raw.s_volume_name = before;
	});
	raw.s_volume_name = label;
	superblock.label = label;
	labelCopies(handle, label);
}
