import test from 'ava';
import {inodeFlags, readSymlink} from '../../ext4/index.ts';
import {EntryWriter} from '../../src/entry-writer.ts';
import {payloadAt, Reply} from '../../src/fuse/message.ts';
import {ownersOf} from '../../src/owners.ts';
import {readEntries} from '../support/fake-kernel.ts';
import {addDirectory, dots, writeEntries} from '../support/tiny-directory.ts';
import {TinyImage} from '../support/tiny-image.ts';

test('an encrypted link that is broken hides nothing of its directory', t => {
	const image = new TinyImage({features: ['filetype', 'extent', 'encrypt']});
	const block = image.firstFreeBlock;
	addDirectory(image, 12, [block]);
	image.setInode(13, {i_mode: 0o120777, i_links_count: 1, i_flags: inodeFlags.encrypted});
	image.setInode(14, {i_mode: 0o100644, i_links_count: 1});
	writeEntries(image.block(block), [
		...dots,
		{inode: 13, name: 'broken', type: 7},
		{inode: 14, name: 'whole', type: 1},
	]);
	const volume = image.open();
	t.throws(() => readSymlink(volume, volume.readInode(13)), {code: 'EXT4_BAD_SYMLINK'});
	const remembered: number[] = [];
	const shown = {
		owners: ownersOf({kind: 'image'}),
		blockSize: 1024,
		sizeOf: (inode: Parameters<typeof readSymlink>[1]) =>
			inode.type === 'symlink' ? readSymlink(volume, inode).length : inode.sizeBytes,
		flagsOf: () => 0,
	};
	const writer = new EntryWriter(volume, shown, number => remembered.push(number));
	const reply = new Reply(4096);
	reply.room = 4096;
	const length = writer.write(reply, volume.readInode(12), 0, true);
	const entries = readEntries(reply.bytes.slice(payloadAt, payloadAt + length), true);
	t.deepEqual(
		entries.map(({name}) => name),
		['.', '..', 'broken', 'whole'],
	);
	t.deepEqual(remembered, [14]);
});
