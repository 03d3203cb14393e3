/** Reading extended attributes. Kernel documentation, "Extended Attributes". */
import {CorruptError} from '../errors.ts';
import type {Inode} from '../layout/inode.ts';
import {xattrIndex} from '../layout/xattr.ts';
import type {Volume} from '../volume.ts';
import {formatWireAcl, parseDiskAcl} from './acl.ts';
import {
	blockArea,
	entryAt,
	entryName,
	inodeArea,
	isLastEntry,
	nextEntry,
	type XattrArea,
} from './entries.ts';
import {fullNameOf, type StoredName, storedNameOf} from './names.ts';
import {readValue} from './value.ts';

export type ListedXattr = {
	/** The full name, one character a byte (latin1). */
	readonly name: string;
	/** Of the value as stored; ACLs are longer as `getXattr` gives them. */
	readonly sizeBytes: number;
	readonly storedIn: 'inode' | 'block';
	/** The inode that holds the value; 0 when the value lies beside the name. */
	readonly valueInode: number;
};

const noAreas: readonly XattrArea[] = [];

/** The places where an inode's attributes lie, in the order in which the kernel looks. */
function areasOf(volume: Volume, inode: Inode): readonly XattrArea[] {
	const inInode = inodeArea(volume, inode);
	const inBlock = blockArea(volume, inode);
	if (inInode === undefined) return inBlock === undefined ? noAreas : [inBlock];
	return inBlock === undefined ? [inInode] : [inInode, inBlock];
}

/**
 * The attributes of an inode, in the kernel's order: those in the inode, then those in its block.
 * All namespaces are listed; whether the caller may see `trusted.` is for whoever asks to decide.
 *
 * Throws `CorruptError` (EXT4_BAD_XATTR, EXT4_BAD_XATTR_CHECKSUM), `DeviceError`.
 */
export function listXattrs(volume: Volume, inode: Inode): ListedXattr[] {
	const listed: ListedXattr[] = [];
	for (const area of areasOf(volume, inode)) {
		for (let at = area.entriesAt; !isLastEntry(area, at); at = nextEntry(area, at)) {
			const entry = entryAt(area, at);
			const name = fullNameOf(entry.e_name_index, entryName(area, at));
			if (name === undefined) continue;
			listed.push({
				name,
				sizeBytes: entry.e_value_size,
				storedIn: area.storedIn,
				valueInode: entry.e_value_inum,
			});
		}
	}
	return listed;
}

/**
 * The value of an attribute by its full name (latin1), or undefined when there is none of that
 * name. ACLs come in the form that getxattr gives, `parseWireAcl` reads it.
 *
 * Throws `CorruptError` (EXT4_BAD_XATTR, EXT4_BAD_XATTR_CHECKSUM, EXT4_BAD_ACL), `DeviceError`.
 */
export function getXattr(volume: Volume, inode: Inode, fullName: string): Uint8Array | undefined {
	const wanted = storedNameOf(fullName);
	if (wanted === undefined) return undefined;
	const value = getStoredXattr(volume, inode, wanted);
	return value !== undefined && isAcl(wanted.index) ? wireAclOf(value, inode) : value;
}

/** The same by the name as it is stored, and the value as it is stored: ACLs in ext4's own form. */
export function getStoredXattr(
	volume: Volume,
	inode: Inode,
	{index, name}: StoredName,
): Uint8Array | undefined {
	for (const area of areasOf(volume, inode)) {
		const at = findEntry(area, index, name);
		if (at !== undefined) return readValue(volume, inode, area, at);
	}
	return undefined;
}

function findEntry(area: XattrArea, index: number, name: Uint8Array): number | undefined {
	for (let at = area.entriesAt; !isLastEntry(area, at); at = nextEntry(area, at)) {
		const entry = entryAt(area, at);
		if (entry.e_name_index !== index || entry.e_name_len !== name.length) continue;
		const found = entryName(area, at);
		if (name.every((byte, position) => byte === found[position])) return at;
	}
	return undefined;
}

function isAcl(index: number): boolean {
	return index === xattrIndex.posixAclAccess || index === xattrIndex.posixAclDefault;
}

/** An ACL without entries is none. */
function wireAclOf(value: Uint8Array, inode: Inode): Uint8Array | undefined {
	const entries = parseDiskAcl(value, {inode: inode.number});
	return entries.length === 0 ? undefined : formatWireAcl(entries);
}

const inlineDataName = Uint8Array.from('data', character => character.charCodeAt(0));

/**
 * The part of a file's data that lies among the attributes in its inode (system.data), or undefined
 * where there is none. Throws `CorruptError`.
 */
export function inlineDataValue(volume: Volume, inode: Inode): Uint8Array | undefined {
	const area = inodeArea(volume, inode);
	if (area === undefined) return undefined;
	const at = findEntry(area, xattrIndex.system, inlineDataName);
	if (at === undefined) return undefined;
	if (entryAt(area, at).e_value_inum !== 0) {
		throw new CorruptError('EXT4_BAD_INLINE_DATA', 'inline data that lies in another inode', {
			inode: inode.number,
		});
	}
	return readValue(volume, inode, area, at);
}
