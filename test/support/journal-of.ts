/** The journal of an image as `replayJournal` wants it, without opening the volume as a whole. */
import type {BlockDevice} from '../../ext4/device.ts';
import type {JournalFile} from '../../ext4/journal/log.ts';
import {mapAt} from '../../ext4/mapping/index.ts';
import {Volume} from '../../ext4/volume.ts';

export function journalOf(device: BlockDevice): JournalFile {
	const volume = Volume.open(device);
	const {blockSize, blockCount} = volume.geometry;
	const inode = volume.readReservedInode(volume.superblock.journalInode);
	return {
		device,
		blockSize,
		blockCount,
		lengthBlocks: Math.floor(inode.sizeBytes / blockSize),
		journalBlocks: logical => {
			const run = mapAt(volume, inode, logical);
			return run.kind === 'mapped' ? run.physical + logical - run.logical : undefined;
		},
	};
}
