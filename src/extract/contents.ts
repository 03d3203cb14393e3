/** Copies the contents of a file, holes as holes. */
import * as fs from 'node:fs';
import {CorruptError, type Inode, type Volume} from '../../ext4/index.ts';
import {Mapper, readRange, seek} from '../../iomap/index.ts';
import {SystemError} from '../syscalls.ts';

const chunkBytes = 2 ** 20;

export class Contents {
	readonly #volume: Volume;
	readonly #mapper: Mapper;
	readonly #chunk = new Uint8Array(new ArrayBuffer(chunkBytes, {maxByteLength: chunkBytes}));
	#bytesMax: number;
	/** Read and written so far, of all files. */
	bytes = 0;

	constructor(volume: Volume) {
		this.#volume = volume;
		this.#mapper = new Mapper(volume);
		const {blockCount, blockSize} = volume.geometry;
		// Files that share blocks can hold more than their disk; no image but Android's may have them.
		this.#bytesMax = volume.features.has('shared_blocks') ? Infinity : blockCount * blockSize;
	}

	/** Makes room for a file that is copied once more because the target takes no link to it. */
	allowAgain(inode: Inode): void {
		const {blockCount, blockSize} = this.#volume.geometry;
		this.#bytesMax += Math.min(inode.sizeBytes, blockCount * blockSize);
	}

	/** Yields after every chunk, so that whoever copies can breathe. */
	*copy(inode: Inode, descriptor: number): Generator<void> {
		let end = 0;
		for (;;) {
			const start = seek(this.#mapper, inode, end, 'data');
			if (start === undefined) break;
			end = seek(this.#mapper, inode, start, 'hole') ?? inode.sizeBytes;
			for (let position = start; position < end; ) {
				position += this.#copyChunk(inode, descriptor, position, end);
				yield;
			}
		}
		if (end === inode.sizeBytes) return;
		// What follows the last data is a hole, or a file of nothing else.
		try {
			fs.ftruncateSync(descriptor, inode.sizeBytes);
		} catch (error) {
			throw asSystemError(error, 'ftruncate');
		}
	}

	#copyChunk(inode: Inode, descriptor: number, position: number, end: number): number {
		// Chunks end at whole multiples, so that all but the first are aligned as the blocks are.
		const wanted = Math.min(end - position, chunkBytes - (position % chunkBytes));
		const count = readRange(this.#mapper, inode, position, this.#chunk.subarray(0, wanted));
		this.bytes += count;
		if (this.bytes > this.#bytesMax) {
			throw new CorruptError(
				'EXT4_BAD_EXTENT',
				`the files hold more than the ${this.#volume.geometry.blockCount} blocks there are: some share theirs`,
				{inode: inode.number},
			);
		}
		for (let done = 0; done < count; ) {
			try {
				done += fs.writeSync(descriptor, this.#chunk, done, count - done, position + done);
			} catch (error) {
				throw asSystemError(error, 'write');
			}
		}
		return count;
	}
}

/** Node's own calls fail with errors of another class than ours; the codes are the same. */
function asSystemError(error: unknown, syscall: string): unknown {
	if (!(error instanceof Error && 'errno' in error && typeof error.errno === 'number'))
		return error;
	return new SystemError(-error.errno, syscall);
}
