/** Free blocks that the medium is told of, by a device that ruins what it is told of. */

import {isSet} from '../../../ext4/allocator/bitmap.ts';
import {clusterCountOf, readBlockBits} from '../../../ext4/allocator/bitmaps.ts';
import {allocateBlocks, freeBlocks} from '../../../ext4/allocator/blocks.ts';
import {trimFree} from '../../../ext4/allocator/trim.ts';
import {CorruptError, FileError} from '../../../ext4/errors.ts';
import {firstBlockOfGroup} from '../../../ext4/groups.ts';
import {closeVolume, openForWriting, remountReadOnly} from '../../../ext4/open-for-writing.ts';
import {Volume} from '../../../ext4/volume.ts';
import {hasDebugfs} from '../../support/e2fsprogs.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {testUnless} from '../../support/skip.ts';
import {
	checkByE2fsck,
	makeStampedImage,
	readStamp,
	stamp,
	testOptions,
} from '../../support/stamped-image.ts';

const why = hasDebugfs ? undefined : 'e2fsprogs is not installed';
const all = {start: 0, length: Number.MAX_SAFE_INTEGER, minLength: 0};
const ruin = 0xdd;

class DiscardingDevice extends MemoryDevice {
	readonly discarded: (readonly [position: number, lengthBytes: number])[] = [];

	discard(position: number, lengthBytes: number): void {
		this.discarded.push([position, lengthBytes]);
		this.bytes.fill(ruin, position, position + lengthBytes);
	}
}

/** Physical blocks that no bitmap has in use. */
function freeBlocksOf(volume: Volume): number[] {
	const {geometry, superblock} = volume;
	const ratio = 2 ** geometry.clusterBits;
	const free: number[] = [];
	for (let group = 0; group < geometry.groupCount; group++) {
		const bits = readBlockBits(volume, group);
		const first = firstBlockOfGroup(superblock, group);
		for (let cluster = 0; cluster < clusterCountOf(volume, group); cluster++) {
			if (isSet(bits, cluster)) continue;
			for (let block = 0; block < ratio; block++) free.push(first + cluster * ratio + block);
		}
	}
	return free.filter(block => block < geometry.blockCount);
}

const forms: readonly (readonly string[])[] = [
	['-t', 'ext2', '-b', '1024', '-g', '2048'],
	['-t', 'ext3', '-b', '1024', '-g', '1024'],
	['-t', 'ext4', '-b', '4096'],
	['-t', 'ext4', '-b', '1024', '-g', '1024', '-O', '^flex_bg'],
	['-t', 'ext4', '-b', '1024', '-O', 'bigalloc', '-C', '16384'],
];

for (const make of forms) {
	testUnless(why, `all that is free is given up, and nothing else: ${make.join(' ')}`, t => {
		// Not a whole number of clusters.
		const device = new DiscardingDevice(makeStampedImage(make, '8189K'));
		const volume = openForWriting(device, testOptions());
		stamp(volume, 1);
		const {blockSize} = volume.geometry;
		const free = freeBlocksOf(volume);
		t.is(trimFree(volume, all), free.length * blockSize);
		for (const block of free) t.is(device.bytes[block * blockSize], ruin, `${block}`);
		const sum = device.discarded.reduce((total, [, length]) => total + length, 0);
		t.is(sum, free.length * blockSize);
		stamp(volume, 2);
		closeVolume(volume);
		checkByE2fsck(device.bytes);
		const again = Volume.open(new MemoryDevice(device.bytes, true));
		t.is(readStamp(again), 2);
	});
}

function ext4(): {device: DiscardingDevice; volume: Volume} {
	const device = new DiscardingDevice(makeStampedImage(['-t', 'ext4', '-b', '1024', '-g', '2048']));
	return {device, volume: openForWriting(device, testOptions())};
}

testUnless(why, 'what was freed is committed before it is given up', t => {
	const {device, volume} = ext4();
	const inode = volume.readInode(13);
	const run = volume.transact(handle => {
		const file = handle.edit(inode);
		return allocateBlocks(handle, file, {goal: 5000, length: 20});
	});
	volume.transactions?.commit();
	volume.transact(handle => {
		freeBlocks(handle, handle.edit(volume.readInode(13)), run.start, run.length, 'data');
	});
	t.true(volume.transactions?.isOpen);
	trimFree(volume, all);
	t.false(volume.transactions?.isOpen);
	t.is(device.bytes[run.start * 1024], ruin);
});

testUnless(why, 'a range is rounded and cut as by the kernel', t => {
	const {device, volume} = ext4();
	const {blockCount} = volume.geometry;
	const free = new Set(freeBlocksOf(volume));
	const between = (from: number, to: number): number =>
		[...free].filter(block => block >= from && block < to).length * 1024;
	const trim = (start: number, length: number): number =>
		trimFree(volume, {start, length, minLength: 0});
	t.is(trim(0, 1024 * 1024), between(0, 1024));
	t.is(trim(0, 1024), 0, 'block 0 lies before the first');
	t.is(trim(3_000_000, 1024 * 100), between(2929, 3029));
	t.is(trim(3_000_000, 1024 * 100 + 1023), between(2929, 3029));
	t.is(trim(2_000_000, Number.MAX_SAFE_INTEGER), between(1953, blockCount));
	device.discarded.length = 0;
	t.is(trim((blockCount - 1) * 1024, 5000), between(blockCount - 1, blockCount));
	t.deepEqual(device.discarded, [[(blockCount - 1) * 1024, 1024]]);
});

testUnless(why, 'runs that are shorter than asked for stay', t => {
	const {device, volume} = ext4();
	trimFree(volume, all);
	const lengths = device.discarded.map(([, length]) => length);
	const least = Math.min(...lengths) + 1024;
	t.true(least <= Math.max(...lengths));
	device.discarded.length = 0;
	const longer = lengths.filter(length => length >= least);
	const sum = longer.reduce((total, length) => total + length, 0);
	t.is(trimFree(volume, {...all, minLength: least}), sum);
	t.deepEqual(
		device.discarded.map(([, length]) => length),
		longer,
	);
	t.is(trimFree(volume, {...all, minLength: 2048 * 1024}), 0);
});

testUnless(why, 'what can not be trimmed is refused', t => {
	const {device, volume} = ext4();
	const end = volume.geometry.blockCount * 1024;
	for (const range of [
		{...all, start: end},
		{...all, start: Number.MAX_SAFE_INTEGER},
		{...all, length: 0},
		{...all, length: 1023},
		{...all, minLength: 2049 * 1024},
	]) {
		const error = t.throws(() => trimFree(volume, range), {instanceOf: FileError});
		t.is(error?.code, 'EINVAL', JSON.stringify(range));
	}
	t.deepEqual(device.discarded, []);
	remountReadOnly(volume);
	t.is(t.throws(() => trimFree(volume, all), {instanceOf: FileError})?.code, 'EROFS');
	const plain = openForWriting(new MemoryDevice(device.bytes), testOptions());
	t.is(t.throws(() => trimFree(plain, all), {instanceOf: FileError})?.code, 'EOPNOTSUPP');
});

testUnless(why, 'metadata that a bitmap has as free is not given up', t => {
	const make = ['-t', 'ext4', '-b', '1024', '-g', '2048', '-O', '^metadata_csum,^uninit_bg'];
	const device = new DiscardingDevice(makeStampedImage(make));
	const before = Volume.open(device).group(0);
	const bitmapAt = before.blockBitmap * 1024;
	// The bit of the inode table's first block changes places with that of a free one.
	const swap = (block: number, isUsed: boolean): void => {
		const at = bitmapAt + ((block - 1) >>> 3);
		const bit = 1 << ((block - 1) & 7);
		device.bytes[at] = isUsed ? (device.bytes[at] ?? 0) | bit : (device.bytes[at] ?? 0) & ~bit;
	};
	const free = freeBlocksOf(Volume.open(device)).find(block => block > 1);
	t.true(free !== undefined && free < 2049);
	swap(before.inodeTable, false);
	swap(free ?? 0, true);
	const table = device.bytes.slice(before.inodeTable * 1024, (before.inodeTable + 1) * 1024);
	t.throws(() => trimFree(openForWriting(device, testOptions()), all), {instanceOf: CorruptError});
	t.deepEqual(
		device.bytes.subarray(before.inodeTable * 1024, (before.inodeTable + 1) * 1024),
		table,
	);
});
