/** The orphan file. Kernel documentation, "Orphan file". */
import {structure} from './structure.ts';

/**
 * Ends every block of the orphan file. What precedes it are numbers of inodes, 32 bits each, 0 for
 * a slot that is free.
 */
export const ext4_orphan_block_tail = structure('ext4_orphan_block_tail', 8, {
	ob_magic: {at: 0x0, kind: 'u32'},
	ob_checksum: {at: 0x4, kind: 'u32'},
});

export const orphanBlockMagic = 0x0b10_ca04;

/** No kernel takes an orphan file that is longer; in bytes. */
export const orphanFileSizeMax = 8 * 2 ** 20;
