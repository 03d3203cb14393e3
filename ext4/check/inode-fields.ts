/** What an inode's fields and flags say, each for itself and with the superblock's features. */
import {inodeFlags} from '../layout/inode.ts';
import type {FindingCode} from './codes.ts';
import {isExtentHeader} from './extents.ts';
import {fileType, type InodeContext} from './inode-context.ts';

/**
 * A free inode whose deletion time is small was on the list of orphans, which has lost it. Where
 * the clock stood that low when the file system was made or used, nothing can be told.
 */
export function checkDeletionTime(context: InodeContext): void {
	const {geometry, superblock} = context.state;
	const {mkfsTime, mountTime, writeTime} = superblock;
	const isOld = (seconds: number) => seconds < geometry.inodeCount;
	if (isOld(writeTime) || isOld(mountTime) || (mkfsTime !== 0 && isOld(mkfsTime))) return;
	const {deletionTime} = context.inode;
	if (isOld(deletionTime)) context.tell('CHECK_INODE_LOST_ORPHAN', {found: deletionTime});
}

export function checkCasefold(context: InodeContext): void {
	const {inode, state} = context;
	if (!inode.has(inodeFlags.casefold)) return;
	if (inode.type !== fileType.directory) context.tell('CHECK_CASEFOLD_WITHOUT_DIRECTORY');
	else if (!state.features.has('casefold')) context.tell('CHECK_CASEFOLD_WITHOUT_FEATURE');
}

export function checkHashIndex(context: InodeContext): void {
	const {inode, state} = context;
	if (!inode.has(inodeFlags.hashIndexed)) return;
	if (inode.type !== fileType.directory) context.tell('CHECK_INDEX_WITHOUT_DIRECTORY');
	else if (!state.features.has('dir_index')) context.tell('CHECK_INDEX_WITHOUT_FEATURE');
}

/** Fields that must be zero; they were something else once. Whether one is not. */
export function hasBadFields(context: InodeContext): boolean {
	const {inode} = context;
	const {fragmentAddress} = inode;
	let isBad = false;
	const tellNotZero = (code: FindingCode, found: number) => {
		context.tell(code, {found});
		isBad = true;
	};
	if (fragmentAddress !== 0) tellNotZero('CHECK_INODE_FRAGMENT', fragmentAddress);
	if (!context.hasLargeDir && inode.type === fileType.directory && inode.sizeHigh !== 0) {
		tellNotZero('CHECK_DIRECTORY_SIZE_HIGH', inode.sizeHigh);
	}
	// The Hurd keeps other things in these.
	if (context.isHurd) return isBad;
	if (!context.has64bit && inode.xattrBlockHigh !== 0) {
		tellNotZero('CHECK_INODE_XATTR_BLOCK_HIGH', inode.xattrBlockHigh);
	}
	if (!context.hasHugeFile && inode.blocksHigh !== 0) {
		tellNotZero('CHECK_INODE_BLOCKS_HIGH', inode.blocksHigh);
	}
	return isBad;
}

/** Whether flags say how the contents are kept in one way only; false where nothing can be read. */
export function checkFormFlags(context: InodeContext): boolean {
	const {inode} = context;
	const {flags} = inode;
	const isInline = (flags & inodeFlags.inlineData) !== 0;
	const isTree = (flags & inodeFlags.extents) !== 0;
	if (isInline && isTree) {
		context.tell('CHECK_INODE_TWO_FORMS');
		return true;
	}
	if (isInline && !context.hasInline) {
		context.tell('CHECK_INLINE_WITHOUT_FEATURE');
		return false;
	}
	if (isTree && !context.hasExtents) context.tell('CHECK_EXTENTS_WITHOUT_FEATURE');
	if (!isTree && !isInline && isPlain(inode.type)) checkBlockMapFlags(context);
	return true;
}

function isPlain(type: number): boolean {
	return type === fileType.file || type === fileType.directory;
}

/** An inode that by its flags has a map of blocks. */
function checkBlockMapFlags(context: InodeContext): void {
	const {inode, state} = context;
	if (context.hasExtents && inode.linkCount > 0) {
		if (isExtentHeader(inode.view, inode.at + 0x28, 60)) context.tell('CHECK_EXTENTS_UNMARKED');
	}
	if (context.hasBigalloc && inode.number >= state.geometry.firstInode) {
		context.tell('CHECK_BLOCK_MAP_WITH_BIGALLOC');
	}
}

/** Devices, pipes and sockets have no blocks, but a device's number in i_block. */
export function checkSpecial(context: InodeContext, code: FindingCode): void {
	const {inode} = context;
	let isBad = inode.has(inodeFlags.hashIndexed) || inode.has(inodeFlags.extents);
	if (inode.has(inodeFlags.immutable)) {
		for (let index = 4; index < 15; index++) if (inode.block(index) !== 0) isBad = true;
	}
	if (isBad) {
		context.tell(code);
		context.markBad();
		return;
	}
	if (inode.has(inodeFlags.inlineData)) context.tell('CHECK_SPECIAL_INLINE');
	if (inode.has(inodeFlags.immutable) || inode.has(inodeFlags.appendOnly)) {
		context.tell('CHECK_SPECIAL_IMMUTABLE');
	}
	if (inode.sizeBytes !== 0) {
		context.tell('CHECK_SPECIAL_SIZE', {found: inode.sizeBytes, expected: 0});
	}
}
