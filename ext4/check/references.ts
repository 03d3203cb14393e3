/**
 * Pass 4: whether each inode is named as often as it says. Directories count their own `.` and the
 * `..` of those in them; an inode that holds the value of attributes counts these.
 */
import {ext4_inode, inodeFlags, reservedInode} from '../layout/inode.ts';
import {factFlags} from './inode-facts.ts';
import {checkOrphanFile} from './orphan-file.ts';
import {Paths} from './paths.ts';
import type {CheckState} from './state.ts';

const typeDirectory = 2;
/** The kernel's EXT4_LINK_MAX: a directory with more says that it has 1. */
const directoryLinksMax = 65_000;
const slotsBetweenYields = 200_000;

export function* checkReferences(state: CheckState): Generator<void> {
	if (state.givenUp.some(({pass}) => pass === 'directories')) {
		state.giveUp('how often an inode is named is known only when all directories were looked at');
		return;
	}
	const {groupCount, inodesPerGroup} = state.geometry;
	const {inodes} = state;
	const paths = new Paths(state);
	let sinceYield = 0;
	for (let group = 0; group < groupCount; group++) {
		const {first, count} = inodes.slotsOfGroup(group);
		for (let within = 0; within < count; within++) {
			if ((inodes.types[first + within] ?? 0) === 0) continue;
			checkInode(state, paths, group * inodesPerGroup + within + 1, first + within);
		}
		sinceYield += count;
		if (sinceYield < slotsBetweenYields) continue;
		sinceYield = 0;
		state.setProgress(group, groupCount);
		yield;
	}
	checkOrphanFile(state);
	state.setProgress(groupCount, groupCount);
	yield;
}

function checkInode(state: CheckState, paths: Paths, inode: number, slot: number): void {
	const {inodes} = state;
	const flags = inodes.flags[slot] ?? 0;
	const isReserved = inode < state.geometry.firstInode || (flags & factFlags.reserved) !== 0;
	if (isReserved && inode !== reservedInode.root) return;
	const named = inodes.references[slot] ?? 0;
	const said = inodes.linkCounts[slot] ?? 0;
	// What was removed while it was open waits to be freed.
	if (named === 0 && (flags & factFlags.orphan) !== 0) return;
	if (named === 0 && (flags & factFlags.valueHolder) !== 0) {
		checkValueHolder(state, inode, said);
		return;
	}
	if (named === 0) {
		state.report('CHECK_INODE_UNATTACHED', {inode}, {found: said});
		return;
	}
	const isDirectory = inodes.types[slot] === typeDirectory;
	const isBeyond = isDirectory && named > directoryLinksMax;
	if (isBeyond && !state.features.has('dir_nlink')) {
		state.report('CHECK_DIRECTORY_LINKS_FEATURE', {inode}, {found: named});
	}
	const expected = isBeyond ? 1 : named;
	if (said === expected) return;
	// It had more once than can be counted, and the kernel never counts downwards from there.
	if (isDirectory && said === 1 && (flags & factFlags.hashIndexed) !== 0) return;
	const path = isDirectory ? paths.of(inode) : undefined;
	state.report('CHECK_LINK_COUNT', {inode, path}, {found: said, expected});
}

/** No entry names it; attributes should. */
function checkValueHolder(state: CheckState, inode: number, said: number): void {
	const expected = state.valueReferences.get(inode) ?? 0;
	if (expected === 0) {
		state.report('CHECK_VALUE_UNREFERENCED', {inode});
		return;
	}
	const view = state.readInode(inode);
	if (view === undefined) return;
	const raw = ext4_inode.at(view, 0);
	if ((raw.i_flags & inodeFlags.eaInode) === 0) return; // It changed while it was checked.
	// Lustre's own, older form counts nothing, and has the same time twice.
	if (raw.i_ctime !== raw.i_atime) {
		const found = (raw.i_ctime >>> 0) * 2 ** 32 + raw.l_i_version;
		if (found !== expected) state.report('CHECK_VALUE_REFERENCES', {inode}, {found, expected});
	}
	if (said !== 1) state.report('CHECK_LINK_COUNT', {inode}, {found: said, expected: 1});
}
