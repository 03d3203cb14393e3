/**
 * A stretch of a file as it lies on the device. All numbers count file system blocks: `logical`
 * from the start of the file, `physical` from the start of the file system.
 */
export type Run =
	| {readonly kind: 'hole'; readonly logical: number; readonly length: number}
	| {
			/** `unwritten`: space is there, but it reads as zeros. */
			readonly kind: 'mapped' | 'unwritten';
			readonly logical: number;
			readonly length: number;
			readonly physical: number;
	  };

/** Logical blocks are 32 bits wide on disk: a file has at most so many. */
export const logicalBlocksMax = 2 ** 32;
