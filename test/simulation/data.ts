/** Where a file has data, and whether that is what the model has. */
import type {Inode} from '../../ext4/index.ts';
import {type Mapper, readRange, seek} from '../../iomap/index.ts';
import type {SparseBytes} from './sparse-bytes.ts';

const pieceBytes = 64 * 1024;

/** Stretches outside of which the file is zeros, none longer than 64 KiB. */
export function* dataOf(
	mapper: Mapper,
	inode: Inode,
): Generator<{readonly from: number; readonly to: number}> {
	for (let at = 0; ; ) {
		const from = seek(mapper, inode, at, 'data');
		if (from === undefined) return;
		const end = seek(mapper, inode, from, 'hole') ?? inode.sizeBytes;
		for (let position = from; position < end; position += pieceBytes) {
			yield {from: position, to: Math.min(end, position + pieceBytes)};
		}
		at = end;
	}
}

function areSame(one: Uint8Array, other: Uint8Array): boolean {
	return Buffer.compare(one, other) === 0;
}

/** The position near which the file differs from what it should be; undefined where it does not. */
export function differsAt(mapper: Mapper, inode: Inode, wanted: SparseBytes): number | undefined {
	const isWrong = (position: number, length: number) => {
		const expected = wanted.read(position, length);
		const bytes = new Uint8Array(expected.length);
		const count = readRange(mapper, inode, position, bytes);
		return count !== bytes.length || !areSame(bytes, expected);
	};
	for (const position of wanted.chunkPositions()) if (isWrong(position, 4096)) return position;
	for (const {from, to} of dataOf(mapper, inode)) if (isWrong(from, to - from)) return from;
	return undefined;
}
