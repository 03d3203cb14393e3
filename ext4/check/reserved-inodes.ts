/** Inodes that the file system keeps for itself: each has a form of its own. */
import {inodeFlags, reservedInode} from '../layout/inode.ts';
import {fileType, type InodeContext, octal} from './inode-context.ts';

/** False where its mapping is nothing to look at, or was looked at with the volume. */
export function checkReservedInode(context: InodeContext): boolean {
	const {inode} = context;
	const {number, mode, type} = inode;
	if (number === reservedInode.badBlocks) {
		if (
			mode !== 0 ||
			inode.uid !== 0 ||
			inode.gid !== 0 ||
			inode.linkCount !== 0 ||
			inode.has(inodeFlags.inlineData) ||
			inode.xattrBlockLow !== 0
		) {
			context.tell('CHECK_BAD_BLOCKS_INODE');
		}
	} else if (context.isOwnFile()) {
		if (type !== fileType.file) context.tell('CHECK_OWN_FILE_MODE', {found: octal(mode)});
		if (inode.deletionTime !== 0 || inode.linkCount === 0) {
			context.tell('CHECK_OWN_FILE_FREE', {found: inode.linkCount});
		}
	} else if (
		number === reservedInode.userQuota ||
		number === reservedInode.groupQuota ||
		number === reservedInode.journal
	) {
		if (inode.linkCount !== 0 || inode.blocksLow !== 0 || inode.block(0) !== 0) {
			context.tell('CHECK_RESERVED_INODE_NOT_CLEAR');
			return false;
		}
	} else if (number === reservedInode.bootLoader) {
		if (type === fileType.directory) {
			context.tell('CHECK_RESERVED_INODE_MODE', {found: octal(mode)});
		}
	} else if (number === reservedInode.resize) {
		if (mode !== 0 && type !== fileType.file) {
			context.tell('CHECK_RESERVED_INODE_MODE', {found: octal(mode)});
		}
		checkResizeForm(context);
		checkResizeAttributes(context);
		return false; // Its blocks were looked at with the volume.
	} else if (mode !== 0) context.tell('CHECK_RESERVED_INODE_MODE', {found: octal(mode)});
	return true;
}

/** Nobody gives it attributes; e2fsck would read those of any block that there is. */
function checkResizeAttributes(context: InodeContext): void {
	const block = context.xattrBlock();
	if (context.hasXattrs && context.state.isBlock(block)) {
		context.tell('CHECK_INODE_XATTR_BLOCK', {found: block});
	}
}

/** It has a map of blocks; with flags that say otherwise nobody finds them. */
function checkResizeForm(context: InodeContext): void {
	const {inode, state} = context;
	if (!state.features.has('resize_inode')) return;
	if (inode.has(inodeFlags.inlineData) && context.hasInline) {
		if (inode.blocksLow === 0) return;
		context.tell('CHECK_INODE_BLOCK_COUNT', {found: inode.blocksLow, expected: 0});
	} else if (inode.has(inodeFlags.extents)) {
		context.tell('CHECK_EXTENT_HEADER_MISSING');
	}
}
