/** The checksum of an inode; kernel documentation, "Checksums". */
import {inodeBaseSize} from '../layout/inode.ts';
import {crc32cOfWord, crc32cOfWords} from './checksum.ts';
import {hex} from './finding.ts';
import type {InodeContext} from './inode-context.ts';

/** `words`: the bytes of `inode.view`, which are changed for a moment: its own sum counts as zeros. */
export function checkInodeChecksum(context: InodeContext, words: Int32Array): void {
	const {inode, state} = context;
	const {view, at, size} = inode;
	const hasHigh = size > inodeBaseSize && view.getUint16(at + 0x80, true) >= 4;
	const low = view.getUint16(at + 0x7c, true);
	const high = hasHigh ? view.getUint16(at + 0x82, true) : 0;
	// A table that was never written is zeros.
	if (low === 0 && high === 0 && inode.mode === 0 && isZero(view, at, size)) return;
	view.setUint16(at + 0x7c, 0, true);
	if (hasHigh) view.setUint16(at + 0x82, 0, true);
	const {checksumSeed} = state.superblock;
	const seed = crc32cOfWord(crc32cOfWord(checksumSeed, inode.number), inode.generation);
	const sum = crc32cOfWords(seed, words, at, size);
	view.setUint16(at + 0x7c, low, true);
	if (hasHigh) view.setUint16(at + 0x82, high, true);
	const found = high * 0x1_0000 + low;
	const expected = hasHigh ? sum : sum & 0xffff;
	if (found !== expected)
		context.tell('CHECK_INODE_CHECKSUM', {found: hex(found), expected: hex(expected)});
}

function isZero(view: DataView, at: number, length: number): boolean {
	for (let offset = 0; offset < length; offset += 4) {
		if (view.getUint32(at + offset, true) !== 0) return false;
	}
	return true;
}
