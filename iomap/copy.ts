/** copy_file_range(2): bytes from one file to another, or to elsewhere in the same. */
import {FileError} from '../ext4/index.ts';
import {readRange} from './actor.ts';
import type {Mapper} from './mapper.ts';
import {assertContentsMayChange} from './size.ts';
import type {ChangeOptions} from './steps.ts';
import {writeFile} from './write.ts';

/** Bytes copied at once. */
const chunkBytes = 1024 * 1024;

/** Bytes copied by one call at most, so that others get their turn; the caller asks again. */
const callBytes = 16 * 1024 * 1024;

export type CopyPlace = {
	/** The inode's number. */
	readonly number: number;
	/** In bytes. */
	readonly position: number;
};

/**
 * Copies up to `length` bytes and returns how many: fewer at the end of the source, when space runs
 * out after some, and when there are many. Times, and flags that bind, are the caller's matter.
 *
 * Throws `FileError` EINVAL where the two overlap in one file, and as `readRange` and `writeFile`.
 */
export function copyRange(
	mapper: Mapper,
	from: CopyPlace,
	to: CopyPlace,
	length: number,
	options: ChangeOptions = {},
): number {
	const {volume} = mapper;
	const source = volume.readReservedInode(from.number);
	assertContentsMayChange(volume.readReservedInode(to.number));
	if (source.type !== 'file') throw new FileError('EINVAL', `a ${source.type} can't be copied`);
	const wanted = Math.min(length, callBytes, Math.max(0, source.sizeBytes - from.position));
	const distance = Math.abs(from.position - to.position);
	if (from.number === to.number && distance < wanted) {
		throw new FileError('EINVAL', 'the source and the target overlap');
	}
	const buffer = new Uint8Array(Math.min(wanted, chunkBytes));
	let done = 0;
	while (done < wanted) {
		const chunk = buffer.subarray(0, wanted - done);
		// The inode is read anew: what the last round wrote may have changed it.
		const inode = volume.readReservedInode(from.number);
		const count = readRange(mapper, inode, from.position + done, chunk);
		const bytes = chunk.subarray(0, count);
		const written = writeFile(mapper, to.number, to.position + done, bytes, options);
		done += written;
		if (written < chunk.length) break;
	}
	return done;
}
