/**
 * Where a range of a file lies, in the terms of the kernel's iomap: what `begin` answers, on a
 * kernel with FUSE iomap over the wire, and on any other to the server's own actor.
 */
import {assert} from '../ext4/errors.ts';

/** In bytes of the file. */
type Span = {readonly offset: number; readonly length: number};

export type Mapping = Span &
	(
		| {
				/** `hole`: reads as zeros. `inline`: the data lies in the metadata. */
				readonly kind: 'hole' | 'inline';
		  }
		| {
				/** `unwritten`: space is there, but it reads as zeros. */
				readonly kind: 'mapped' | 'unwritten';
				/** In bytes from the start of the device. */
				readonly address: number;
				/** Whoever writes there says so afterwards, were it in place and inside the file. */
				readonly isToBeTold?: true;
		  }
	);

/** A mapping with space, for writing. */
export type WritableMapping = Span & {
	readonly kind: 'mapped' | 'unwritten';
	/** In bytes from the start of the device. */
	readonly address: number;
	/** What lies there is not the file's: what is not written over is to be made zeros. */
	readonly isNew: boolean;
};

/**
 * The rules that a kernel applies to an answer, restated: the mapping is made of whole blocks,
 * covers `position`, and is not empty. Breaking one is a fault of this program.
 */
export function assertMapping(mapping: Mapping, position: number, blockSize: number): void {
	assert(mapping.length > 0, 'a mapping is not empty');
	assert(mapping.offset <= position, 'a mapping starts at or before the position asked for');
	assert(mapping.offset + mapping.length > position, 'a mapping covers the position asked for');
	if (mapping.kind === 'inline') {
		assert(mapping.offset === 0, 'inline data starts at the start of the file');
		return;
	}
	assert(mapping.offset % blockSize === 0, 'a mapping starts at a block');
	assert(mapping.length % blockSize === 0, 'a mapping is made of whole blocks');
	if (mapping.kind === 'mapped' || mapping.kind === 'unwritten') {
		assert(mapping.address % blockSize === 0, 'a mapping leads to whole blocks');
	}
}
