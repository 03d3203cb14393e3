import type {Volume} from '../volume.ts';

/**
 * A stretch of a file as it lies on the device. All numbers count file system blocks: `logical`
 * from the start of the file, `physical` from the start of the file system.
 */
export type Run =
	| {readonly kind: 'hole'; readonly logical: number; readonly length: number}
	| SpaceRun;

/** A run that has space. */
export type SpaceRun = {
	/** `unwritten`: space is there, but it reads as zeros. */
	readonly kind: 'mapped' | 'unwritten';
	readonly logical: number;
	readonly length: number;
	readonly physical: number;
};

/** A run that may be written to. */
export type WritableRun = SpaceRun & {
	/**
	 * What lies on the device there is not the file's: whoever writes less than all of a block
	 * writes zeros to the rest of it.
	 */
	readonly isNew: boolean;
};

/** Logical blocks are 32 bits wide on disk: a file has at most so many. */
export const logicalBlocksMax = 2 ** 32;

/** Changed blocks from which on work that can be done in parts leaves the rest to another handle. */
export const touchedBlocksMax = 64;

/** Of metadata: each of its blocks is to be revoked. */
const metadataFreedAtOnce = 4096;

/** Each group has a bitmap, and groups may be small. */
const groupsFreedAtOnce = 32;

/** Blocks, one behind the other, that may be freed without changing many blocks of metadata. */
export function freedAtOnceMax(volume: Volume, kind: 'data' | 'metadata'): number {
	const inGroups = groupsFreedAtOnce * volume.geometry.blocksPerGroup;
	return kind === 'data' ? inGroups : Math.min(metadataFreedAtOnce, inGroups);
}
