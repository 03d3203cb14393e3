/** Checksums of the journal. Kernel documentation, "Journal (jbd2)" and "Checksums". */
import {crc32cOf, crc32cOfZeros} from '../checksum.ts';
import {commit_header, commitChecksumAt, journalTailSize} from '../layout/journal.ts';

const crc32Table = new Uint32Array(256);
for (let index = 0; index < 256; index++) {
	let value = index << 24;
	for (let bit = 0; bit < 8; bit++) value = (value << 1) ^ (value < 0 ? 0x04c11db7 : 0);
	crc32Table[index] = value;
}

/**
 * CRC-32 with the highest bit first, as the transaction checksum uses it; `seed` in, the sum out,
 * neither inverted. Unsigned.
 */
export function crc32HighFirstOf(seed: number, bytes: Uint8Array): number {
	let sum = seed;
	for (const byte of bytes) sum = (sum << 8) ^ (crc32Table[((sum >>> 24) ^ byte) & 0xff] ?? 0);
	return sum >>> 0;
}

/** Adds zero bytes to a sum, any number of them. */
function crc32cOfManyZeros(seed: number, count: number): number {
	let sum = seed;
	for (let left = count; left > 0; left -= 64) sum = crc32cOfZeros(sum, Math.min(left, 64));
	return sum;
}

/** The sum of a descriptor or revoke block, whose last four bytes hold it. */
export function tailedBlockChecksum(seed: number, block: Uint8Array): number {
	const sum = crc32cOf(seed, block.subarray(0, block.length - journalTailSize));
	return crc32cOfZeros(sum, journalTailSize);
}

/** The sum of a commit block. */
export function commitBlockChecksum(seed: number, block: Uint8Array): number {
	const before = crc32cOf(seed, block.subarray(0, commitChecksumAt));
	return crc32cOf(crc32cOfZeros(before, 4), block.subarray(commitChecksumAt + 4));
}

/**
 * The sum that a commit block would have if nothing but zeros followed its header. A device writes
 * sectors, not blocks: the header may have arrived where the zeros after it have not.
 */
export function commitHeaderChecksum(seed: number, block: Uint8Array): number {
	const header = commitBlockChecksum(seed, block.subarray(0, commit_header.sizeBytes));
	return crc32cOfManyZeros(header, block.length - commit_header.sizeBytes);
}

const sequenceBytes = new DataView(new ArrayBuffer(4));

/** The sum of one logged block, as it lies in the log; csum_v2 keeps the lower 16 bits of it. */
export function loggedBlockChecksum(seed: number, sequence: number, block: Uint8Array): number {
	sequenceBytes.setUint32(0, sequence, false);
	return crc32cOf(crc32cOf(seed, new Uint8Array(sequenceBytes.buffer)), block);
}
