/** New inodes without the rules for owners and permissions: for tests of what names them. */
import {allocateInode} from '../../ext4/allocator/inodes.ts';
import {makeDirectory} from '../../ext4/directory/write.ts';
import type {Handle} from '../../ext4/journal/handle.ts';
import {type Inode, inodeFlags, type MutableInode} from '../../ext4/layout/inode.ts';

const modes = {fifo: 0o010644, directory: 0o040755} as const;

/** An inode with one link, or a directory with two, that no directory names yet. */
export function addInode(handle: Handle, parent: Inode, type: 'fifo' | 'directory'): MutableInode {
	const {volume, now} = handle;
	const mode = modes[type];
	const number = allocateInode(handle, parent, mode);
	const blockBytes = new Uint8Array(60);
	const inode = handle.addInode({
		number,
		type,
		mode,
		uid: 0,
		gid: 0,
		projectId: 0,
		sizeBytes: 0,
		linkCount: type === 'directory' ? 2 : 1,
		sectors: 0,
		flags: type === 'directory' ? parent.flags & inodeFlags.casefold : 0,
		generation: 0,
		accessTime: now,
		changeTime: now,
		modificationTime: now,
		creationTime: undefined,
		device: undefined,
		deletionTime: 0,
		xattrBlock: 0,
		extraSizeBytes: volume.geometry.inodeSize > 128 ? 32 : 0,
		blockBytes,
		blockView: new DataView(blockBytes.buffer),
		checksumSeed: volume.inodeChecksumSeed(number, 0),
	});
	if (type === 'directory') {
		makeDirectory(handle, inode, parent.number);
		handle.edit(parent).linkCount++;
	}
	return inode;
}
