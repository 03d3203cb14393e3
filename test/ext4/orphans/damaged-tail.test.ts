/** An orphan whose last block is, in a damaged image, the file system's own. */
import test from 'ava';
import {cleanOrphans} from '../../../ext4/orphans/clean.ts';
import {addOrphan} from '../../../ext4/orphans/orphans.ts';
import {Volume} from '../../../ext4/volume.ts';
import {Mapper} from '../../../iomap/mapper.ts';
import {writeFile} from '../../../iomap/write.ts';
import {firstFile, mappingFeatures, openWithFiles} from '../../support/file-volume.ts';
import {makeWritable} from '../../support/home-log.ts';

/** Where the first extent of a file says the lower half of its physical block. */
const firstBlockAt = 12 + 8;

test('nothing is written over it', t => {
	const features = mappingFeatures[0];
	if (features === undefined) return t.fail();
	const {volume, device} = openWithFiles(features);
	writeFile(new Mapper(volume), firstFile, 0, new Uint8Array(100).fill(1));
	const {inodeTable} = volume.group(0);
	volume.transact(handle => {
		const inode = handle.edit(volume.readInode(firstFile));
		inode.blockView.setUint32(firstBlockAt, inodeTable, true);
		addOrphan(handle, inode);
	});
	volume.transactions?.sync();
	const tableOf = () => device.bytes.slice(inodeTable * 1024, (inodeTable + 1) * 1024);
	const before = tableOf();
	const again = Volume.open(device);
	makeWritable(again);
	t.is(cleanOrphans(again).problem?.code, 'EXT4_BLOCK_IN_USE');
	t.deepEqual(tableOf(), before);
});
