/** Journals that lead to the same few blocks over and over: small images, endless logs. */
import test from 'ava';
import {crc32cOf} from '../../../ext4/checksum.ts';
import {scanFastCommits} from '../../../ext4/journal/fast-commit/scan.ts';
import type {JournalFile} from '../../../ext4/journal/log.ts';
import {replayJournal} from '../../../ext4/journal/recovery.ts';
import {readJournalSuperblock} from '../../../ext4/journal/superblock.ts';
import {fastCommitTag} from '../../../ext4/layout/fast-commit.ts';
import {
	journal_revoke_header,
	journal_superblock,
	journalIncompatFeatures,
	journalMagic,
} from '../../../ext4/layout/journal.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {poke, viewOf} from '../../support/poke.ts';
import {TinyImage, writeLeaf} from '../../support/tiny-image.ts';

const blockSize = 1024;
const lengthBlocks = 10_000_000;

/** A journal whose every block but the first is `block`. */
function endless(block: Uint8Array, incompat: number, fastCommitBlocks = 0): JournalFile {
	const bytes = new Uint8Array(3 * blockSize);
	poke(journal_superblock, bytes, blockSize, {
		h_magic: journalMagic,
		h_blocktype: 4,
		s_blocksize: blockSize,
		s_maxlen: lengthBlocks,
		s_first: 1,
		s_sequence: 1,
		s_start: 1,
		s_feature_incompat: incompat,
		s_num_fc_blks: fastCommitBlocks,
	});
	bytes.set(block, 2 * blockSize);
	return {
		device: new MemoryDevice(bytes, true),
		blockSize,
		blockCount: 2 ** 32,
		lengthBlocks,
		journalBlocks: logical => (logical === 0 ? 1 : 2),
		holds: physical => physical === 1 || physical === 2,
	};
}

/** Processor time in seconds. */
function secondsOf(action: () => unknown): number {
	const started = process.cpuUsage();
	action();
	const {user, system} = process.cpuUsage(started);
	return (user + system) / 1e6;
}

test('a log of nothing but revoke blocks ends', t => {
	const block = new Uint8Array(blockSize);
	const fields = {h_magic: journalMagic, h_blocktype: 5, h_sequence: 1, r_count: 16};
	poke(journal_revoke_header, block, 0, fields);
	const file = endless(block, journalIncompatFeatures.revoke);
	const seconds = secondsOf(() => corruptBy('EXT4_BAD_JOURNAL', () => replayJournal(file)));
	t.true(seconds < 8, `${seconds} s`);
});

test('a log of nothing but descriptors ends', t => {
	const block = new Uint8Array(blockSize);
	poke(journal_revoke_header, block, 0, {h_magic: journalMagic, h_blocktype: 1, h_sequence: 1});
	viewOf(block).setUint16(12 + 6, 8); // One tag, the last.
	const file = endless(block, 0);
	const seconds = secondsOf(() => corruptBy('EXT4_BAD_JOURNAL', () => replayJournal(file)));
	t.true(seconds < 8, `${seconds} s`);
});

test('fast commits without end end', t => {
	const block = new Uint8Array(blockSize);
	const view = viewOf(block);
	view.setUint16(0, fastCommitTag.head, true);
	view.setUint16(2, 8, true);
	view.setUint32(8, 1, true); // The transaction.
	let at = 12;
	for (; at + 16 + 12 <= blockSize - 16; at += 16) {
		view.setUint16(at, fastCommitTag.deleteRange, true);
		view.setUint16(at + 2, 12, true);
	}
	view.setUint16(at, fastCommitTag.tail, true);
	view.setUint16(at + 2, blockSize - at - 4, true);
	view.setUint32(at + 4, 1, true);
	view.setUint32(at + 8, crc32cOf(0, block.subarray(0, at + 8)), true);
	const file = endless(block, journalIncompatFeatures.fast_commit, 9_000_000);
	const first = new Uint8Array(blockSize);
	file.device.read(blockSize, first);
	const journal = readJournalSuperblock(first, blockSize, lengthBlocks);
	const scan = () => scanFastCommits(file, journal, 1);
	const seconds = secondsOf(() => corruptBy('EXT4_BAD_JOURNAL', scan));
	t.true(seconds < 8, `${seconds} s`);
});

test('a journal has no more blocks than its file system', t => {
	const image = new TinyImage({
		features: ['has_journal', 'needs_recovery', 'extent'],
		superblock: {s_journal_inum: 8},
	});
	const size = 257 * blockSize;
	image.setInode(8, {i_mode: 0o100600, i_flags: 0x80000, i_size_lo: size});
	writeLeaf(image.blockField(8), [{logical: 0, length: 100, physical: 100}]);
	t.is(corruptBy('EXT4_BAD_JOURNAL', () => image.open()).place.inode, 8);
});
