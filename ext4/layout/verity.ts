/** fs-verity as ext4 stores it. Kernel documentation, "Verity files" and fs-verity's own page. */
import {structure} from './structure.ts';

export const fsverity_descriptor = structure('fsverity_descriptor', 256, {
	version: {at: 0x0, kind: 'u8'},
	hash_algorithm: {at: 0x1, kind: 'u8'},
	log_blocksize: {at: 0x2, kind: 'u8', about: 'Merkle tree blocks are 2^this bytes'},
	salt_size: {at: 0x3, kind: 'u8', unit: 'bytes'},
	sig_size: {at: 0x4, kind: 'u32', unit: 'bytes'},
	data_size: {at: 0x8, kind: 'u64', unit: 'bytes'},
	root_hash: {at: 0x10, kind: 'bytes', length: 64},
	salt: {at: 0x50, kind: 'bytes', length: 32},
	reserved: {at: 0x70, kind: 'bytes', length: 144},
});

/** Verity's own data begins at the first such boundary after the end of the file. */
export const verityAlignment = 65536;
