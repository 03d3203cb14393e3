/** Extent trees. Kernel documentation, "Extent Tree". */
import {structure} from './structure.ts';

export const ext4_extent_header = structure('ext4_extent_header', 12, {
	eh_magic: {at: 0x0, kind: 'u16'},
	eh_entries: {at: 0x2, kind: 'u16'},
	eh_max: {at: 0x4, kind: 'u16'},
	eh_depth: {at: 0x6, kind: 'u16', about: '0 in a leaf'},
	eh_generation: {at: 0x8, kind: 'u32'},
});

/** An entry of an inner node. */
export const ext4_extent_idx = structure('ext4_extent_idx', 12, {
	ei_block: {at: 0x0, kind: 'u32', unit: 'logical block'},
	ei_leaf_lo: {at: 0x4, kind: 'u32', unit: 'block'},
	ei_leaf_hi: {at: 0x8, kind: 'u16'},
	ei_unused: {at: 0xa, kind: 'u16'},
});

/** An entry of a leaf. */
export const ext4_extent = structure('ext4_extent', 12, {
	ee_block: {at: 0x0, kind: 'u32', unit: 'logical block'},
	ee_len: {at: 0x4, kind: 'u16', unit: 'blocks'},
	ee_start_hi: {at: 0x6, kind: 'u16'},
	ee_start_lo: {at: 0x8, kind: 'u32', unit: 'block'},
});

export const extentMagic = 0xf30a;
export const extentHeaderSize = 12;
export const extentEntrySize = 12;
/** No tree of 2^32 blocks needs more levels below its root. */
export const extentDepthMax = 5;
/** A greater ee_len marks an extent that is allocated but reads as zeros. */
export const initializedLengthMax = 0x8000;
