/** Directories that claim to be larger than anybody could fill. */
import test from 'ava';
import {lookup} from '../../../ext4/directory/lookup.ts';
import {forEachEntry} from '../../../ext4/directory/read.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {Volume} from '../../../ext4/volume.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {viewOf} from '../../support/poke.ts';
import {dots, type TinyEntry, writeEntries} from '../../support/tiny-directory.ts';
import {type TinyFeature, TinyImage} from '../../support/tiny-image.ts';

const directory = 12;
const blockSize = 1024;
const volumeBlocks = 2 ** 22;

/** A directory of 4 GiB whose map leads to the same block of entries over and over. */
function endless(
	held: readonly TinyEntry[],
	features: readonly TinyFeature[] = [],
	i_flags = 0,
): Volume {
	const image = new TinyImage({features: ['filetype', ...features]});
	const groups = Math.ceil((volumeBlocks - 1) / (blockSize * 8));
	const superblock = viewOf(image.bytes.subarray(1024));
	superblock.setUint32(0, groups * 32, true);
	superblock.setUint32(4, volumeBlocks, true);
	const i_size_lo = 2 ** 32 - blockSize;
	image.setInode(directory, {i_mode: 0o40755, i_links_count: 2, i_flags, i_size_lo});
	const [entries, single, double, triple] = [60, 61, 62, 63];
	const map = viewOf(image.blockField(directory));
	for (let slot = 0; slot < 12; slot++) map.setUint32(slot * 4, entries, true);
	[single, double, triple].forEach((block, level) => {
		map.setUint32((12 + level) * 4, block, true);
		const below = [entries, single, double][level] ?? 0;
		for (let at = 0; at < blockSize; at += 4) viewOf(image.block(block)).setUint32(at, below, true);
	});
	writeEntries(image.block(entries), held);
	const device = image.device();
	Object.defineProperty(device, 'sizeBytes', {value: volumeBlocks * blockSize});
	return Volume.open(device);
}

test('a search through a directory without end ends', t => {
	const volume = endless([...dots, {inode: directory + 1, name: 'here'}]);
	const inode = volume.readInode(directory);
	t.is(lookup(volume, inode, Buffer.from('here'))?.inode, directory + 1);
	const started = process.cpuUsage();
	const error = corruptBy('EXT4_BAD_DIRECTORY', () =>
		lookup(volume, inode, Buffer.from('nowhere')),
	);
	t.is(error.place.inode, directory);
	const {user, system} = process.cpuUsage(started);
	t.true(user + system < 5_000_000, `${(user + system) / 1e6} s`);
});

test('a search that folds every name it comes to ends', t => {
	const names = Array.from({length: 60}, (_, index) => `é${String.fromCharCode(0x3040 + index)}`);
	const held = names.map(name => ({inode: directory + 1, name}));
	const volume = endless(held, ['casefold'], inodeFlags.casefold);
	const inode = volume.readInode(directory);
	t.is(lookup(volume, inode, Buffer.from('É\u3040'))?.inode, directory + 1);
	const started = process.cpuUsage();
	corruptBy('EXT4_BAD_DIRECTORY', () => lookup(volume, inode, Buffer.from('ênowhere')));
	const {user, system} = process.cpuUsage(started);
	t.true(user + system < 10_000_000, `${(user + system) / 1e6} s`);
});

test('a listing of blocks without entries ends', t => {
	const volume = endless([{inode: 0, name: 'gone'}]);
	const inode = volume.readInode(directory);
	const error = corruptBy('EXT4_BAD_DIRECTORY', () => forEachEntry(volume, inode, 0, () => true));
	t.is(error.place.inode, directory);
});
