/** Letting go of a block of attributes that several inodes may share. */
import {CorruptError} from '../../errors.ts';
import {ext4_xattr_header, xattrChecksumAt, xattrMagic} from '../../layout/xattr.ts';
import type {Volume} from '../../volume.ts';
import {xattrBlockChecksum} from '../../xattr/entries.ts';
import type {EditedBlocks} from './edited-blocks.ts';

const {h_magic, h_refcount} = ext4_xattr_header.fields;

/** One inode less has this block; says whether it was the last. */
export function releaseXattrBlock(volume: Volume, blocks: EditedBlocks, number: number): boolean {
	const {view, bytes} = blocks.open(number);
	if (view.getUint32(h_magic.at, true) !== xattrMagic) {
		throw new CorruptError('EXT4_BAD_XATTR', 'a block of attributes without its magic', {
			block: number,
		});
	}
	const count = view.getUint32(h_refcount.at, true);
	if (count <= 1) return true;
	view.setUint32(h_refcount.at, count - 1, true);
	if (volume.features.has('metadata_csum')) {
		view.setUint32(xattrChecksumAt, xattrBlockChecksum(volume, number, bytes), true);
	}
	return false;
}
