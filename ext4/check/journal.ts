/** The journal's inode and superblock; its blocks are claimed with those of all inodes. */

import {CorruptError, UnsupportedError} from '../errors.ts';
import {readJournalSuperblock} from '../journal/superblock.ts';
import {inodeFlags} from '../layout/inode.ts';
import {journal_superblock, journalBlockType} from '../layout/journal.ts';
import {ext4_super_block} from '../layout/superblock.ts';
import {InodeBytes} from './inode-bytes.ts';
import {runsOf} from './runs.ts';
import type {CheckState} from './state.ts';

/** The kernel and e2fsck want at least so many blocks. */
const journalBlocksMin = 1024;

export function checkJournal(state: CheckState): void {
	const {superblock, features} = state;
	const raw = ext4_super_block.at(superblock.view, 0);
	const number = superblock.journalInode;
	if (!features.has('has_journal')) {
		if (features.has('needs_recovery')) state.report('CHECK_RECOVERY_WITHOUT_JOURNAL', {});
		if (number !== 0 || raw.s_journal_dev !== 0) {
			state.report('CHECK_JOURNAL_WITHOUT_FEATURE', {inode: number}, {found: number});
		}
		// e2fsck wants to use what is named so, and gives up where it is none.
		if (number === 0) return;
	}
	const view = state.readInode(number);
	if (view === undefined) {
		state.report('CHECK_JOURNAL_INODE', {inode: number}, {found: 'it can not be read'});
		return;
	}
	const inode = new InodeBytes(view, view.byteLength);
	inode.number = number;
	const {blockSize} = state.geometry;
	const lengthBlocks = Math.floor(inode.sizeBytes / blockSize);
	const problem = inodeProblemOf(inode, lengthBlocks);
	if (problem !== undefined) {
		state.report('CHECK_JOURNAL_INODE', {inode: number}, {found: problem});
		return;
	}
	const {wholeBlocks, blocks} = runsOf(state, inode, 1);
	const [first] = blocks;
	if (first === undefined || wholeBlocks === 0) {
		state.report('CHECK_JOURNAL_INODE', {inode: number}, {found: 'it has no first block'});
		return;
	}
	if (wholeBlocks * blockSize < inode.sizeBytes) {
		const found = `it has a size of ${inode.sizeBytes} bytes, and ${wholeBlocks} blocks without a hole`;
		state.report('CHECK_JOURNAL_INODE', {inode: number}, {found});
	}
	const bytes = new Uint8Array(blockSize);
	if (state.readBlocks(first, bytes)) checkJournalSuperblock(state, first, bytes, lengthBlocks);
}

function inodeProblemOf(inode: InodeBytes, lengthBlocks: number): string | undefined {
	if (inode.linkCount === 0) return 'it is not in use';
	if (inode.type !== 0x8000) return 'it is no regular file';
	if (inode.has(inodeFlags.encrypted)) return 'it is encrypted';
	if (lengthBlocks < journalBlocksMin) return `it has ${lengthBlocks} blocks`;
	return undefined;
}

function checkJournalSuperblock(
	state: CheckState,
	block: number,
	bytes: Uint8Array,
	lengthBlocks: number,
): void {
	const place = {block, inode: state.superblock.journalInode};
	const raw = journal_superblock.at(new DataView(bytes.buffer), 0);
	if (raw.h_blocktype === journalBlockType.superblockV1) {
		// A journal of version 1 ends before its features; users follow after them.
		const rest = bytes.subarray(journal_superblock.fields.s_feature_compat.at, 1024);
		if (rest.some(byte => byte !== 0)) state.report('CHECK_JOURNAL_VERSION', place);
	}
	if (raw.h_blocktype === journalBlockType.superblockV2 && raw.s_nr_users > 1) {
		state.report('CHECK_JOURNAL_USERS', place, {found: raw.s_nr_users});
	}
	try {
		const journal = readJournalSuperblock(bytes, state.geometry.blockSize, lengthBlocks);
		if (journal.startBlock !== 0 && !state.features.has('needs_recovery')) {
			state.report('CHECK_JOURNAL_NOT_EMPTY', place, {found: journal.startBlock});
		}
		if (journal.errorNumber !== 0) {
			state.report('CHECK_JOURNAL_ERROR', place, {found: journal.errorNumber});
		}
	} catch (error) {
		if (error instanceof CorruptError || error instanceof UnsupportedError) {
			state.report('CHECK_JOURNAL_SUPERBLOCK', place, {found: error.message});
		} else throw error;
	}
}
