/** Data in an inode that claims to be longer than any inode is. */
import test from 'ava';
import {CorruptError} from '../../ext4/errors.ts';
import {Mapper} from '../../iomap/mapper.ts';
import {truncate} from '../../iomap/truncate.ts';
import {writeFile} from '../../iomap/write.ts';
import {firstFile, openWithFiles} from '../support/file-volume.ts';
import {openMade} from '../support/made-volume.ts';

const options = ['-t', 'ext4', '-b', '1024', '-I', '256'];
const features = {
	name: 'data in inodes without checksums',
	options: [...options, '-O', '^has_journal,inline_data,^metadata_csum'],
};

/** Of i_size_high in an inode. */
const sizeHighAt = 0x6c;

function openDamaged(): Mapper {
	const {volume, device} = openWithFiles(features);
	writeFile(new Mapper(volume), firstFile, 0, new Uint8Array(70).fill(1));
	volume.transactions?.sync();
	const {block, at} = volume.locateInode(firstFile);
	const view = new DataView(device.bytes.buffer);
	view.setUint32(block.number * 1024 + at + sizeHighAt, 2 ** 12, true);
	return new Mapper(openMade(device.bytes).volume);
}

const changes: readonly (readonly [string, (mapper: Mapper) => void])[] = [
	['writing to it', mapper => void writeFile(mapper, firstFile, 0, new Uint8Array(10))],
	['cutting it off', mapper => truncate(mapper, firstFile, 2 ** 41)],
	['emptying it', mapper => truncate(mapper, firstFile, 0)],
];

for (const [what, change] of changes) {
	test(`${what} takes no more memory than an inode has`, t => {
		const mapper = openDamaged();
		t.throws(() => change(mapper), {instanceOf: CorruptError, code: 'EXT4_BAD_INLINE_DATA'});
	});
}
