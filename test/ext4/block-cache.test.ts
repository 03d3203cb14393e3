import test from 'ava';
import fc from 'fast-check';
import {BlockCache} from '../../ext4/block-cache.ts';
import {CorruptError, DeviceError} from '../../ext4/errors.ts';
import {MemoryDevice} from '../support/memory-device.ts';

/** A device whose blocks are filled with the lower byte of their number. */
function numbered(blockCount: number, blockSize = 1024): MemoryDevice {
	const bytes = new Uint8Array(blockCount * blockSize);
	for (let block = 0; block < blockCount; block++) {
		bytes.fill(block, block * blockSize, (block + 1) * blockSize);
	}
	return new MemoryDevice(bytes, true);
}

test('a block is read once and then served from memory', t => {
	const device = numbered(8);
	const cache = new BlockCache(device, 1024, 8, 65536);
	const block = cache.read(5);
	t.is(block.number, 5);
	t.true(block.bytes.every(byte => byte === 5));
	t.is(cache.read(5), block);
	t.is(device.reads, 1);
	t.deepEqual(cache.counts, {hits: 1, misses: 1});
});

for (const number of [8, 9, -1, 2 ** 40]) {
	test(`block ${number} does not lie in a file system of 8 blocks`, t => {
		const cache = new BlockCache(numbered(16), 1024, 8, 65536);
		const error = t.throws(() => cache.read(number), {instanceOf: CorruptError});
		t.is(error.code, 'EXT4_BAD_BLOCK_NUMBER');
		t.throws(() => cache.readAhead(number, 0, 8), {instanceOf: CorruptError});
	});
}

test('a failed read leaves nothing in the cache', t => {
	const device = numbered(4);
	const cache = new BlockCache(device, 1024, 8, 65536);
	t.throws(() => cache.read(6), {instanceOf: DeviceError});
	t.throws(() => cache.read(6), {instanceOf: DeviceError}, 'and the second one fails too');
	t.throws(() => cache.prefetch(2, 4), {instanceOf: DeviceError});
	t.is(cache.read(3).bytes[0], 3);
});

test('reading ahead takes the neighbours of the same 32 KiB in one read, inside the table', t => {
	const device = numbered(100);
	const cache = new BlockCache(device, 1024, 100, 200 * 1024);
	t.is(cache.readAhead(40, 36, 50).number, 40);
	t.is(device.reads, 1);
	for (let block = 36; block < 64; block++) t.is(cache.read(block).bytes[0], block);
	t.is(device.reads, 1, 'the window is 32 to 63, the table begins at 36');
	cache.read(35);
	cache.read(64);
	t.is(device.reads, 3);
});

test('reading ahead stops at the end of the file system', t => {
	const cache = new BlockCache(numbered(10), 1024, 10, 65536);
	t.is(cache.readAhead(9, 0, 1000).bytes[0], 9);
});

test('a prefetch reads only what is missing, and leaves out what lies outside', t => {
	const device = numbered(12);
	const cache = new BlockCache(device, 1024, 12, 65536);
	cache.read(4);
	cache.prefetch(-3, 100);
	t.is(device.reads, 3, 'one block, then the run before it and the run after it');
	for (let block = 0; block < 12; block++) t.is(cache.read(block).bytes[0], block);
	t.is(device.reads, 3);
});

test('a prefetch of more than the cache holds ends, and what is read then is right', t => {
	const cache = new BlockCache(numbered(200), 1024, 200, 16 * 1024);
	cache.prefetch(0, 200);
	for (let block = 0; block < 200; block++) t.is(cache.read(block).bytes[0], block);
});

test('an evicted block stays as it was for whoever holds it', t => {
	const cache = new BlockCache(numbered(100), 1024, 100, 16 * 1024);
	const held = cache.read(1);
	for (let block = 2; block < 100; block++) cache.read(block);
	t.true(held.bytes.every(byte => byte === 1));
	t.not(cache.read(1), held);
});

test('a block that is used again and again outlives those used once', t => {
	const device = numbered(1000);
	const cache = new BlockCache(device, 1024, 1000, 32 * 1024);
	for (let block = 1; block < 1000; block++) {
		cache.read(block);
		cache.read(0);
	}
	t.true(device.reads < 1100, `${device.reads} reads of 999 blocks and the same one 999 times`);
});

test('whatever is asked for in whatever order, the right block comes', t => {
	const device = numbered(64, 512);
	fc.assert(
		fc.property(
			fc.array(fc.record({block: fc.nat(63), from: fc.nat(63), count: fc.nat(64), how: fc.nat(2)})),
			steps => {
				const cache = new BlockCache(device, 512, 64, 0);
				for (const {block, from, count, how} of steps) {
					if (how === 0) cache.prefetch(from, count);
					const read = how === 1 ? cache.readAhead(block, from, count) : cache.read(block);
					t.is(read.bytes[0], block);
				}
			},
		),
	);
});
