/**
 * The entries of a directory that lie in its inode, where they are changed. Kernel documentation,
 * "Inline Directories".
 */
import {CorruptError} from '../../errors.ts';
import {ext4_inode, inodeBaseSize} from '../../layout/inode.ts';
import {
	ext4_xattr_entry,
	ext4_xattr_ibody_header,
	xattrAlignment,
	xattrIndex,
	xattrMagic,
} from '../../layout/xattr.ts';
import type {EditedInode} from './edited-inode.ts';

/** A stretch of entries: offsets into the inode's bytes. */
export type InlineStretch = {readonly start: number; readonly end: number};

const {i_block, i_extra_isize} = ext4_inode.fields;
const parentSize = 4;
/** The name of system.data without what its index stands for. */
const dataName = [0x64, 0x61, 0x74, 0x61];

function aligned(length: number): number {
	return Math.ceil(length / xattrAlignment) * xattrAlignment;
}

function badAttributes(inode: EditedInode): CorruptError {
	return new CorruptError('EXT4_BAD_XATTR', 'attributes that do not fit into their inode', {
		inode: inode.number,
	});
}

type DataEntry = {
	/** The entry of system.data, its length with the name, and where the list ends. */
	readonly at: number;
	readonly length: number;
	readonly listEnd: number;
	readonly value: InlineStretch;
};

/** Finds system.data among the attributes in the inode. */
function findData(inode: EditedInode): DataEntry | undefined {
	const {view, bytes} = inode;
	const extraSize = view.getUint16(i_extra_isize.at, true);
	const headerAt = inodeBaseSize + extraSize;
	const firstAt = headerAt + ext4_xattr_ibody_header.sizeBytes;
	if (firstAt + xattrAlignment > bytes.length) return undefined;
	if (ext4_xattr_ibody_header.at(view, headerAt).h_magic !== xattrMagic) return undefined;
	let found: Omit<DataEntry, 'listEnd'> | undefined;
	let at = firstAt;
	while (view.getUint32(at, true) !== 0) {
		if (at + ext4_xattr_entry.sizeBytes > bytes.length) throw badAttributes(inode);
		const raw = ext4_xattr_entry.at(view, at);
		const nameAt = at + ext4_xattr_entry.sizeBytes;
		const length = aligned(ext4_xattr_entry.sizeBytes + raw.e_name_len);
		if (at + length + xattrAlignment > bytes.length) throw badAttributes(inode);
		const isData =
			raw.e_name_index === xattrIndex.system &&
			raw.e_name_len === dataName.length &&
			dataName.every((byte, index) => bytes[nameAt + index] === byte);
		if (isData) {
			const start = firstAt + raw.e_value_offs;
			const value = {start, end: start + raw.e_value_size};
			if (raw.e_value_inum !== 0 || value.end > bytes.length) throw badAttributes(inode);
			found = {at, length, value};
		}
		at += length;
	}
	return found && {...found, listEnd: at};
}

/** Where the entries lie; a stretch that has no room for an entry is left out. */
export function inlineStretches(inode: EditedInode): InlineStretch[] {
	const inBlock = {start: i_block.at + parentSize, end: i_block.at + i_block.length};
	const data = findData(inode)?.value;
	return data !== undefined && data.end > data.start ? [inBlock, data] : [inBlock];
}

export function inlineParent(inode: EditedInode): number {
	return inode.view.getUint32(i_block.at, true);
}

export function setInlineParent(inode: EditedInode, parent: number): void {
	inode.view.setUint32(i_block.at, parent, true);
}

/** Takes system.data away, for a directory whose entries move into blocks. */
export function removeInlineData(inode: EditedInode): void {
	inode.bytes.fill(0, i_block.at, i_block.at + i_block.length);
	const data = findData(inode);
	if (data === undefined) return;
	const {at, length, listEnd, value} = data;
	inode.bytes.fill(0, value.start, value.end);
	inode.bytes.copyWithin(at, at + length, listEnd);
	inode.bytes.fill(0, listEnd - length, listEnd);
}
