/** Extended attributes for a tiny image, written byte by byte. */
import {crc32cOf} from '../../ext4/checksum.ts';
import {ext4_xattr_entry, ext4_xattr_header, xattrMagic} from '../../ext4/layout/xattr.ts';
import {poke, viewOf} from './poke.ts';
import {bytesOf} from './tiny-directory.ts';
import type {TinyImage} from './tiny-image.ts';

export type TinyXattr = {
	readonly index: number;
	readonly name: string | Uint8Array;
	readonly value: string | Uint8Array;
	/** Written over what the entry would hold. */
	readonly fields?: Parameters<typeof poke<typeof ext4_xattr_entry.fields>>[3];
};

/** Writes entries from `at` on and values from the end backwards; `from` is what offsets count from. */
function writeXattrs(
	area: Uint8Array,
	at: number,
	from: number,
	xattrs: readonly TinyXattr[],
): void {
	let entryAt = at;
	let end = area.length;
	for (const xattr of xattrs) {
		const name = bytesOf(xattr.name);
		const value = bytesOf(xattr.value);
		const isHere = xattr.fields?.e_value_inum === undefined;
		if (isHere) {
			end -= Math.ceil(value.length / 4) * 4;
			area.set(value, end);
		}
		poke(ext4_xattr_entry, area, entryAt, {
			e_name_len: name.length,
			e_name_index: xattr.index,
			e_value_offs: value.length === 0 || !isHere ? 0 : end - from,
			e_value_size: value.length,
			...xattr.fields,
		});
		area.set(name, entryAt + ext4_xattr_entry.sizeBytes);
		entryAt += Math.ceil((ext4_xattr_entry.sizeBytes + name.length) / 4) * 4;
	}
}

/** The part of an inode behind its 160 bytes of fields. */
function inodeTail(image: TinyImage, number: number): Uint8Array {
	const at = image.inodeAt(number);
	return image.bytes.subarray(at + 160, at + image.inodeSize);
}

/** Puts attributes into an inode. */
export function addXattrs(image: TinyImage, number: number, xattrs: readonly TinyXattr[]): void {
	const area = inodeTail(image, number);
	area.fill(0);
	viewOf(area).setUint32(0, xattrMagic, true);
	writeXattrs(area, 4, 4, xattrs);
}

/** Puts attributes into a block; the inode must be told of it by i_file_acl_lo. */
export function writeXattrBlock(
	image: TinyImage,
	block: number,
	xattrs: readonly TinyXattr[],
): Uint8Array {
	const area = image.block(block);
	area.fill(0);
	poke(ext4_xattr_header, area, 0, {h_magic: xattrMagic, h_refcount: 1, h_blocks: 1});
	writeXattrs(area, ext4_xattr_header.sizeBytes, 0, xattrs);
	return area;
}

export function sealXattrBlock(image: TinyImage, block: number): void {
	const area = image.block(block);
	const number = new Uint8Array(8);
	viewOf(number).setUint32(0, block, true);
	viewOf(area).setUint32(0x10, 0, true);
	const sum = crc32cOf(crc32cOf(image.checksumSeed, number), area);
	viewOf(area).setUint32(0x10, sum, true);
}
