/** Findings of pass 0, the volume: superblock, group descriptors, journal, and what can't be read. */
import type {FindingTable} from '../definition.ts';

export const volumeFindings = {
	CHECK_BLOCK_UNREADABLE: {
		severity: 'error',
		sentence: 'block {block} can not be read: {found}',
		explanation:
			'The device did not give the bytes: it fails there, or it is shorter than the file system. What the block holds was not checked.',
		e2fsck: ['p1.read-error'],
	},
} as const satisfies FindingTable;
