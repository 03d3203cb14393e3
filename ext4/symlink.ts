/** Where a symbolic link points. Kernel documentation, "Symbolic Links". */
import {
	encodeNoKeyName,
	encryptedNameLengthMin,
	noKeyNameLengthMax,
} from './directory/encrypted-name.ts';
import {sha256Of} from './directory/no-key.ts';
import {CorruptError, FileError} from './errors.ts';
import {readInlineData} from './inline-data.ts';
import {type Inode, inodeFlags} from './layout/inode.ts';
import {mapAt} from './mapping/index.ts';
import type {Volume} from './volume.ts';

/** A path, with the NUL that ends it, is at most this long anywhere in Linux. */
export const pathLengthMax = 4096;

function fail(problem: string, inode: Inode): never {
	throw new CorruptError('EXT4_BAD_SYMLINK', problem, {inode: inode.number});
}

/**
 * The target of a symbolic link, any bytes but NUL; shorter than the inode's size where a NUL lies
 * in it. For an encrypted one it is what the kernel
 * shows to who lacks the key; its length, not the inode's size, is then what stat should say.
 *
 * Throws `FileError` EINVAL for what is no symbolic link; `CorruptError` (EXT4_BAD_SYMLINK, and
 * those of mapping and inline data), `DeviceError`.
 */
export function readSymlink(volume: Volume, inode: Inode): Uint8Array {
	if (inode.type !== 'symlink') {
		throw new FileError('EINVAL', `inode ${inode.number} is a ${inode.type}, no symbolic link`);
	}
	const room = roomOf(volume, inode);
	const isEncrypted = (inode.flags & inodeFlags.encrypted) !== 0 && volume.features.has('encrypt');
	if (isEncrypted) return noKeyTarget(volume, inode, room);
	const size = inode.sizeBytes;
	if (size === 0) fail('a symbolic link to nowhere', inode);
	// The NUL behind the target must fit as well, except among inline data, which has none.
	const isInline = (inode.flags & inodeFlags.inlineData) !== 0;
	if (size >= pathLengthMax || size > room.length - (isInline ? 0 : 1)) {
		fail(`a symbolic link to ${size} bytes`, inode);
	}
	const end = room.indexOf(0);
	if (end === -1 || end >= size) return room.slice(0, size);
	// As the kernel: what lies in a block or in inline data ends at a NUL, and e2fsck lets it be.
	if (end === 0 || (!isInline && isFastSymlink(volume, inode))) {
		fail('a symbolic link with a NUL in its target', inode);
	}
	return room.slice(0, end);
}

/** The bytes at whose start the target lies: as much as there is room for. */
function roomOf(volume: Volume, inode: Inode): Uint8Array {
	if ((inode.flags & inodeFlags.inlineData) !== 0) return readInlineData(volume, inode);
	if (isFastSymlink(volume, inode)) return inode.blockBytes;
	const run = mapAt(volume, inode, 0);
	if (run.kind !== 'mapped') fail('a symbolic link without the block for its target', inode);
	return volume.cache.read(run.physical).bytes;
}

/**
 * Whether the target lies in place of the block map. The size decides only with ea_inode, as in
 * the kernel: otherwise it is whether any block but that of the attributes is in use.
 */
export function isFastSymlink(volume: Volume, inode: Inode): boolean {
	if (volume.features.has('ea_inode')) {
		return inode.sizeBytes > 0 && inode.sizeBytes < inode.blockBytes.length;
	}
	const xattrSectors = inode.xattrBlock === 0 ? 0 : volume.geometry.clusterSize / 512;
	return inode.sectors === xattrSectors;
}

/** An encrypted target is stored as two bytes of length and so many of cipher text. */
function noKeyTarget(volume: Volume, inode: Inode, room: Uint8Array): Uint8Array {
	const length = (room[0] ?? 0) + (room[1] ?? 0) * 0x100;
	if (length < encryptedNameLengthMin || length + 2 > room.length) {
		fail(`an encrypted symbolic link to ${length} bytes`, inode);
	}
	const shown = new Uint8Array(noKeyNameLengthMax);
	const encrypted = room.subarray(2, 2 + length);
	const shownLength = encodeNoKeyName(encrypted, {major: 0, minor: 0}, sha256Of(volume), shown);
	return shown.slice(0, shownLength);
}
