/**
 * The attributes of one place as a list that can be changed, and the way back: a place is always
 * written anew as a whole, its names from the start, its values packed from the end. What lay there
 * before in another order is no worse for it, and no byte of a removed value stays behind.
 */
import {CorruptError} from '../errors.ts';
import type {Inode} from '../layout/inode.ts';
import {ext4_xattr_entry, xattrAlignment} from '../layout/xattr.ts';
import {aligned, entryAt, entryName, isLastEntry, nextEntry, type XattrArea} from './entries.ts';

export type StoredXattr = {
	readonly index: number;
	/** Without the prefix that `index` stands for. */
	readonly name: Uint8Array;
	/** Empty where another inode holds the value. */
	readonly value: Uint8Array;
	/** The inode that holds the value (ea_inode); 0 where it lies here. */
	readonly holder: number;
	/** Of the value, wherever it lies. */
	readonly sizeBytes: number;
	/** e_hash. */
	readonly hash: number;
};

/** What is needed of a place for writing to it. */
export type XattrSpan = Pick<XattrArea, 'bytes' | 'view' | 'entriesAt' | 'valuesFrom' | 'end'>;

/** Bytes for entries, values and the end of the list. */
export function spanSizeBytes(span: XattrSpan): number {
	return span.end - span.entriesAt;
}

export function entrySizeBytes(nameLength: number): number {
	return aligned(ext4_xattr_entry.sizeBytes + nameLength);
}

/** Bytes that `xattrs` take in a place, the end of the list counted in. */
export function neededBytes(xattrs: readonly StoredXattr[]): number {
	return xattrs.reduce(
		(sum, {name, value}) => sum + entrySizeBytes(name.length) + aligned(value.length),
		xattrAlignment,
	);
}

/**
 * Copies of all that lies in a checked place. Throws `CorruptError` with EXT4_BAD_XATTR where values
 * overlap: written anew they would not fit.
 */
export function readEntries(area: XattrArea, inode: Inode): StoredXattr[] {
	const xattrs: StoredXattr[] = [];
	let needed = xattrAlignment;
	for (let at = area.entriesAt; !isLastEntry(area, at); at = nextEntry(area, at)) {
		const entry = entryAt(area, at);
		const sizeBytes = entry.e_value_size;
		const holder = entry.e_value_inum;
		const start = area.valuesFrom + entry.e_value_offs;
		const isHere = holder === 0 && sizeBytes > 0;
		const value = isHere ? area.bytes.slice(start, start + sizeBytes) : new Uint8Array(0);
		const name = entryName(area, at).slice();
		xattrs.push({index: entry.e_name_index, name, value, holder, sizeBytes, hash: entry.e_hash});
		needed += entrySizeBytes(name.length) + aligned(value.length);
		// Overlapping values could add up to many times the place's size.
		if (needed > spanSizeBytes(area)) {
			throw new CorruptError('EXT4_BAD_XATTR', 'values of extended attributes overlap', {
				inode: inode.number,
				block: area.block,
				offset: at,
			});
		}
	}
	return xattrs;
}

/** Fills a place with `xattrs`, which must fit; the caller has leave to change the block. */
export function writeEntries(span: XattrSpan, xattrs: readonly StoredXattr[]): void {
	const {bytes, view, entriesAt, valuesFrom, end} = span;
	bytes.fill(0, entriesAt, end);
	let at = entriesAt;
	let valueAt = end;
	for (const {index, name, value, holder, sizeBytes, hash} of xattrs) {
		valueAt -= aligned(value.length);
		bytes.set(value, valueAt);
		const entry = ext4_xattr_entry.edit(view, at);
		entry.e_name_len = name.length;
		entry.e_name_index = index;
		entry.e_value_offs = value.length === 0 ? 0 : valueAt - valuesFrom;
		entry.e_value_inum = holder;
		entry.e_value_size = sizeBytes;
		entry.e_hash = hash;
		bytes.set(name, at + ext4_xattr_entry.sizeBytes);
		at += entrySizeBytes(name.length);
	}
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
	return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** The position of an attribute in a list, or -1. */
export function indexOfXattr(
	xattrs: readonly StoredXattr[],
	index: number,
	name: Uint8Array,
): number {
	return xattrs.findIndex(each => each.index === index && sameBytes(each.name, name));
}
