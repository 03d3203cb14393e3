/**
 * The hashes of attributes: e_hash over a name and its value, h_hash over the entries of a block.
 * Kernel documentation, "Extended Attributes", and the kernel's xattr.c for how bits are shifted.
 */
import type {StoredXattr} from './entry-list.ts';

const nameShift = 5;
const valueShift = 16;
const blockShift = 16;

function rotate(hash: number, bits: number): number {
	return (hash << bits) | (hash >>> (32 - bits));
}

function hashName(name: Uint8Array, isSigned: boolean): number {
	let hash = 0;
	for (const byte of name) {
		hash = rotate(hash, nameShift) ^ (isSigned && byte >= 0x80 ? byte - 0x100 : byte);
	}
	return hash;
}

/** The hash of an attribute whose value lies in a block beside it; in inodes it is 0. */
export function hashEntry(name: Uint8Array, value: Uint8Array): number {
	let hash = hashName(name, false);
	// Values are padded to words with zeros.
	for (let at = 0; at < value.length; at += 4) {
		const word =
			(value[at] ?? 0) |
			((value[at + 1] ?? 0) << 8) |
			((value[at + 2] ?? 0) << 16) |
			((value[at + 3] ?? 0) << 24);
		hash = rotate(hash, valueShift) ^ word;
	}
	return hash >>> 0;
}

/**
 * The hash of an attribute whose value lies in an inode of its own; `valueHash` is the checksum of
 * the value. Old kernels took the characters of a name as signed, on machines where they are.
 */
export function hashHeldEntry(name: Uint8Array, valueHash: number, isSigned = false): number {
	return (rotate(hashName(name, isSigned), valueShift) ^ valueHash) >>> 0;
}

/** The hash of a whole block; 0, which says that it is not to be shared, where an entry has none. */
export function hashBlock(xattrs: readonly StoredXattr[]): number {
	let hash = 0;
	for (const xattr of xattrs) {
		if (xattr.hash === 0) return 0;
		hash = rotate(hash, blockShift) ^ xattr.hash;
	}
	return hash >>> 0;
}
