/** Bytes made zeros in place, where a range begins or ends inside a block. */
import type {Inode} from '../ext4/index.ts';
import type {Mapper} from './mapper.ts';

const zeros = new Uint8Array(64 * 1024);

/** So many zeros; at most a block. Not to be written to. */
export function zerosOf(length: number): Uint8Array {
	return zeros.subarray(0, length);
}

/**
 * Makes bytes `[from, to)` of the file zeros where they lie in written space; all within one block.
 * Elsewhere they are zeros already. Changes no metadata.
 */
export function zeroInBlock(mapper: Mapper, inode: Inode, from: number, to: number): void {
	if (from >= to || mapper.isMovedByKernel(inode.number)) return;
	const mapping = mapper.begin(inode, from, 'report');
	if (mapping.kind !== 'mapped') return;
	mapper.assertData(inode, mapping);
	const {device, transactions} = mapper.volume;
	device.write(mapping.address + from - mapping.offset, zerosOf(to - from));
	transactions?.noteData();
}

/**
 * The file is about to have bytes at `newEnd` or before it that it has not now: what lies behind
 * its end in its last block must not show among them.
 */
export function zeroBehindEnd(mapper: Mapper, inode: Inode, newEnd: number): void {
	const {blockSize} = mapper.volume.geometry;
	const end = inode.sizeBytes;
	const blockEnd = Math.ceil(end / blockSize) * blockSize;
	zeroInBlock(mapper, inode, end, Math.min(blockEnd, newEnd));
}
