/** Files made and removed in one operation each, for tests of what lies below the namespace. */
import {freeInodeNumber} from '../../ext4/allocator/inodes.ts';
import {addEntry, makeDirectory, removeEntry} from '../../ext4/directory/write.ts';
import type {Handle} from '../../ext4/journal/handle.ts';
import type {Inode, MutableInode} from '../../ext4/layout/inode.ts';
import {mapForWriting, removeBlocks} from '../../ext4/mapping/index.ts';
import {newInode} from '../../ext4/namespace/new-inode.ts';
import {chargeInode} from '../../ext4/quota/charge.ts';

export type Owners = {readonly uid: number; readonly gid: number};

const root = {uid: 0, gid: 0};

function newFileOf(owners: Owners, mode: number) {
	return {mode, umask: 0, ...owners};
}

/** An empty file in the directory of that number. */
export function makeFile(
	handle: Handle,
	parentNumber: number,
	name: string,
	owners: Owners = root,
): MutableInode {
	const parent = handle.edit(handle.volume.readInode(parentNumber));
	const inode = newInode(handle, parent, 'file', newFileOf(owners, 0o644), 1);
	addEntry(handle, parent, Buffer.from(name), {inode: inode.number, type: 'file'});
	return inode;
}

export function makeFolder(
	handle: Handle,
	parentNumber: number,
	name: string,
	owners: Owners = root,
): MutableInode {
	const parent = handle.edit(handle.volume.readInode(parentNumber));
	const inode = newInode(handle, parent, 'directory', newFileOf(owners, 0o755), 2);
	makeDirectory(handle, inode, parent.number);
	addEntry(handle, parent, Buffer.from(name), {inode: inode.number, type: 'directory'});
	parent.linkCount++;
	return inode;
}

/** Gives logical blocks `[from, to)` of a file space, in as few runs as there are. */
export function giveSpace(handle: Handle, inode: MutableInode, from: number, to: number): number {
	let runCount = 0;
	for (let logical = from; logical < to; runCount++) {
		const run = mapForWriting(handle, inode, logical, to - logical, 'written');
		logical = run.logical + run.length;
	}
	const {blockSize} = handle.volume.geometry;
	inode.sizeBytes = Math.max(inode.sizeBytes, to * blockSize);
	return runCount;
}

/** Removes a file or an empty folder, and all that it has. */
export function remove(handle: Handle, parentNumber: number, name: string, inode: Inode): void {
	const {volume} = handle;
	const parent = handle.edit(volume.readInode(parentNumber));
	const edited = handle.edit(inode);
	removeEntry(handle, parent, Buffer.from(name));
	if (inode.type === 'directory') parent.linkCount--;
	if (!removeBlocks(handle, edited, 0, 2 ** 32)) throw new Error('too large for one handle');
	edited.sizeBytes = 0;
	chargeInode(handle, edited, -1);
	freeInodeNumber(handle, edited);
	edited.linkCount = 0;
	edited.deletionTime = handle.now.seconds;
}
