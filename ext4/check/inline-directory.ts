/**
 * What an inode holds of its own data: i_block, and behind it the value of the attribute
 * system.data. Kernel documentation, "Inline Data". Attributes that are damaged are pass 1's to
 * tell; here they are only not believed.
 */
import {inlineBytesInBlock} from '../inline-data.ts';
import {ext4_inode, inodeBaseSize} from '../layout/inode.ts';
import {
	ext4_xattr_entry,
	ext4_xattr_ibody_header,
	xattrAlignment,
	xattrIndex,
	xattrMagic,
} from '../layout/xattr.ts';

const nameAt = ext4_xattr_entry.sizeBytes;
/** `data` in ASCII, as a little-endian word. */
const dataName = 0x6174_6164;

/** All inline data of an inode, given as its bytes; undefined where it has no system.data. */
export function inlineDataOf(inode: DataView): Uint8Array | undefined {
	const bytes = new Uint8Array(inode.buffer, inode.byteOffset, inode.byteLength);
	const value = dataValueOf(inode, bytes);
	if (value === undefined) return undefined;
	const blockAt = ext4_inode.fields.i_block.at;
	const data = new Uint8Array(inlineBytesInBlock + value.length);
	data.set(bytes.subarray(blockAt, blockAt + inlineBytesInBlock));
	data.set(value, inlineBytesInBlock);
	return data;
}

function dataValueOf(inode: DataView, bytes: Uint8Array): Uint8Array | undefined {
	const extraAt = ext4_inode.fields.i_extra_isize.at;
	if (inode.byteLength < extraAt + 2) return undefined;
	const headerAt = inodeBaseSize + inode.getUint16(extraAt, true);
	const firstAt = headerAt + ext4_xattr_ibody_header.sizeBytes;
	if (firstAt > inode.byteLength || inode.getUint32(headerAt, true) !== xattrMagic)
		return undefined;
	let at = firstAt;
	while (at + nameAt <= inode.byteLength && inode.getUint32(at, true) !== 0) {
		const entry = ext4_xattr_entry.at(inode, at);
		const isData =
			entry.e_name_index === xattrIndex.system &&
			entry.e_name_len === 4 &&
			at + nameAt + 4 <= inode.byteLength &&
			inode.getUint32(at + nameAt, true) === dataName;
		if (isData) {
			const from = firstAt + entry.e_value_offs;
			const to = from + entry.e_value_size;
			return to <= inode.byteLength ? bytes.subarray(from, to) : undefined;
		}
		at += nameAt + Math.ceil(entry.e_name_len / xattrAlignment) * xattrAlignment;
	}
	return undefined;
}
