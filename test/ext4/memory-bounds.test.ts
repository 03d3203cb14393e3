/** Tables that are bounded by a number: filled beyond it, they have let go of the oldest (docs/decisions/memory.md). */
import test from 'ava';
import {allocatorOf} from '../../ext4/allocator/state.ts';
import {survey} from '../../ext4/allocator/zones.ts';
import {BudgetError, UnsupportedError} from '../../ext4/errors.ts';
import type {Handle} from '../../ext4/journal/handle.ts';
import {sharedBlocks} from '../../ext4/xattr/shared-blocks.ts';
import {HomeLog, makeWritable} from '../support/home-log.ts';
import {TinyImage} from '../support/tiny-image.ts';

/** A volume that takes changes, with room for them. */
function writableVolume(blockCount: number) {
	const volume = new TinyImage({blockCount}).open();
	allocatorOf(volume);
	makeWritable(volume, new HomeLog(volume, 2 ** 20));
	return volume;
}

test('of decoded inodes two generations of 4096 are kept', t => {
	const inodeCount = 3 * 4096;
	const image = new TinyImage({blockSize: 4096, blockCount: 1024, inodeCount});
	for (let number = 11; number <= inodeCount; number++) {
		image.setInode(number, {i_mode: 0o100644});
	}
	const volume = image.open();
	const first = volume.readInode(11);
	for (let number = 12; number <= 4096; number++) volume.readInode(number);
	t.is(volume.readInode(11), first, 'what is asked for again soon is there');
	for (let number = 12; number <= inodeCount; number++) volume.readInode(number);
	t.not(volume.readInode(11), first);
});

test('windows ahead of growing files are kept for 512 of them', t => {
	const count = 600;
	const state = allocatorOf(writableVolume(2048));
	for (let inode = 0; inode < count; inode++) {
		state.setWindow(inode, {group: 0, start: inode * 2, end: inode * 2 + 1}, inode * 2);
	}
	const words = new Uint32Array(2048 / 32);
	state.occupyWindows(0, words, -1);
	const isKept = (inode: number) => (((words[inode >>> 4] ?? 0) >>> ((inode * 2) % 32)) & 1) === 1;
	const kept = Array.from({length: count}, (_, inode) => inode).filter(isKept);
	t.deepEqual([kept.length, kept.at(0), kept.at(-1)], [512, count - 512, count - 1]);
	state.dropWindows();
	t.false(state.hasWindows);
});

test('of blocks of attributes that could be shared 4096 are remembered', t => {
	const volume = writableVolume(256);
	const shared = sharedBlocks(volume);
	volume.transact(handle => {
		for (let hash = 1; hash <= 5000; hash++) shared.add(handle, hash, hash);
	});
	const kept = Array.from({length: 5000}, (_, index) => index + 1).filter(
		hash => shared.find(hash) !== undefined,
	);
	t.deepEqual([kept.length, kept.at(0), kept.at(-1)], [4096, 5000 - 4096 + 1, 5000]);
});

test('of one operation 1024 blocks are kept twice, and no more', t => {
	const volume = writableVolume(2048);
	const touch = (count: number) => (handle: Handle) => {
		for (let number = 500; number < 500 + count; number++) {
			handle.touch(volume.cache.read(number));
		}
	};
	t.notThrows(() => volume.transact(touch(1024)));
	t.throws(() => volume.transact(touch(1025)), {instanceOf: BudgetError});
});

test('more groups than their zones may take memory for are not written to', t => {
	const volume = writableVolume(256);
	const geometry = {...volume.geometry, groupCount: 2 ** 19 + 1};
	const larger = Object.create(volume, {geometry: {value: geometry}}) as typeof volume;
	t.throws(() => survey(larger), {instanceOf: UnsupportedError, message: /524289 block groups/});
});
