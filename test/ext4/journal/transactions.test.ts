import test from 'ava';
import {allocatorOf} from '../../../ext4/allocator/state.ts';
import {CorruptError, DeviceError, FileError} from '../../../ext4/errors.ts';
import {type Handle, RetryAfterCommit} from '../../../ext4/journal/handle.ts';
import {Volume} from '../../../ext4/volume.ts';
import {HomeLog, makeWritable} from '../../support/home-log.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {TinyImage} from '../../support/tiny-image.ts';

function open(image: TinyImage, options = {}): Volume {
	return Volume.open(new MemoryDevice(image.seal().bytes), options);
}

function tinyVolume(log?: (volume: Volume) => HomeLog) {
	const volume = open(new TinyImage({features: ['filetype', 'extent', 'metadata_csum']}));
	allocatorOf(volume); // As mounting does: it counts what is free.
	return {volume, log: makeWritable(volume, log?.(volume))};
}

/** The bytes of every block and the inode's fields: what an observer can see. */
function observe(volume: Volume) {
	const blocks = Array.from({length: 40}, (_, number) => volume.cache.read(number).bytes.slice());
	const root = volume.readInode(2);
	const {blockBytes, ...fields} = root;
	return {
		blocks,
		fields: {...fields, blockView: undefined},
		blockBytes: blockBytes.slice(),
		group: {...volume.group(0)},
		superblock: {...volume.superblock, view: undefined},
		transaction: volume.transactions?.isOpen,
	};
}

function changeEverything(handle: Handle): void {
	const {volume} = handle;
	const block = volume.cache.read(20);
	handle.touch(block, sealed => sealed.bytes.fill(9, 0, 4));
	block.bytes.fill(1);
	const made = handle.create(21);
	made.bytes.fill(2);
	handle.forget(22);
	const root = handle.edit(volume.readInode(2));
	root.mode = 0o40700;
	root.blockBytes.fill(3);
	handle.editGroup(0).freeClusterCount = 1;
	handle.editSuperblock().freeBlockCount = 1;
	handle.addFeature('large_file');
}

test('an operation that fails leaves nothing behind', t => {
	const {volume} = tinyVolume();
	const before = observe(volume);
	const failure = new FileError('ENOSPC', 'full');
	const thrown = t.throws(() =>
		volume.transact(handle => {
			changeEverything(handle);
			throw failure;
		}),
	);
	t.is(thrown as unknown, failure);
	t.deepEqual(observe(volume), before);
});

test('nor does it touch what an earlier operation of the transaction did', t => {
	const {volume} = tinyVolume();
	volume.transact(changeEverything);
	const before = observe(volume);
	t.throws(() =>
		volume.transact(handle => {
			const block = volume.cache.read(20);
			handle.touch(block);
			block.bytes.fill(7);
			handle.forget(20);
			handle.forget(21);
			handle.create(21).bytes.fill(5);
			const root = handle.edit(volume.readInode(2));
			root.uid = 77;
			throw new FileError('EPERM', 'no');
		}),
	);
	t.deepEqual(observe(volume), before);
	t.true(volume.cache.read(20).isRunning);
	t.true(volume.cache.read(21).isRunning);
});

test('undo runs backwards, between the blocks it belongs to', t => {
	const {volume} = tinyVolume();
	const seen: number[] = [];
	t.throws(() =>
		volume.transact(handle => {
			const block = volume.cache.read(20);
			handle.onRollback(() => seen.push(block.bytes[0] ?? -1));
			handle.touch(block);
			block.bytes[0] = 8;
			handle.onRollback(() => seen.push(block.bytes[0] ?? -1));
			throw new FileError('EPERM', 'no');
		}),
	);
	t.deepEqual(seen, [8, 0]);
});

test('after a rollback that does not come to its end nothing is written any more', t => {
	const {volume, log} = tinyVolume();
	volume.transact(changeEverything);
	const failure = new RangeError('Array buffer allocation failed');
	const thrown = t.throws(() =>
		volume.transact(handle => {
			handle.touch(volume.cache.read(20));
			handle.onRollback(() => {
				throw failure;
			});
			throw new FileError('EPERM', 'no');
		}),
	);
	t.is(thrown as unknown, failure);
	t.is(t.throws(() => volume.transactions?.sync()) as unknown, failure);
	t.is(log.committed.length, 0);
	t.throws(() => volume.transact(changeEverything), {code: 'EROFS'});
});

test('a commit seals blocks, writes groups and superblock, and tells who waits for it', t => {
	const {volume, log} = tinyVolume();
	let told = 0;
	volume.transact(handle => {
		changeEverything(handle);
		handle.afterCommit(() => told++);
	});
	t.is(told, 0);
	volume.transactions?.commit();
	t.is(told, 1);
	t.is(log.committed.length, 1);
	const [committed] = log.committed;
	t.deepEqual(committed?.revoked, [22]);
	const numbers = committed?.blocks.map(block => block.number) ?? [];
	t.deepEqual(
		numbers,
		numbers.toSorted((a, b) => a - b),
	);
	t.true(
		numbers.includes(1) && numbers.includes(2) && numbers.includes(20) && numbers.includes(21),
	);
	t.is(volume.cache.read(20).bytes[0], 9);
	t.is(volume.cache.read(20).seal, undefined);
	const again = Volume.open(volume.device);
	t.is(again.readInode(2).mode, 0o40700);
	t.is(again.group(0).freeClusterCount, 1);
	t.is(again.superblock.freeBlockCount, 1);
	t.true(again.features.has('large_file'));
});

test('an operation that changes nothing opens no transaction', t => {
	const {volume, log} = tinyVolume();
	volume.transact(() => undefined);
	t.false(volume.transactions?.isOpen);
	volume.transactions?.sync();
	t.is(log.committed.length, 0);
});

test('one that changes the superblock alone opens one', t => {
	const {volume} = tinyVolume();
	volume.transact(handle => {
		handle.editSuperblock().lastOrphan = 7;
	});
	t.true(volume.transactions?.isOpen);
	volume.transactions?.sync();
	t.is(Volume.open(volume.device).superblock.lastOrphan, 7);
});

test('blocks that are freed count for the size of an operation', t => {
	const {volume} = tinyVolume();
	volume.transact(handle => {
		for (let block = 0; block < 10_000; block++) handle.forget(block + 1000);
		t.is(handle.touchedBlocks, 80);
	});
});

test('what can only be had after a commit is tried again after one', t => {
	const {volume, log} = tinyVolume();
	volume.transact(handle => handle.edit(volume.readInode(2)));
	let tries = 0;
	const result = volume.transact(handle => {
		handle.edit(volume.readInode(2));
		if (++tries === 1) throw new RetryAfterCommit();
		return 'done';
	});
	t.is(result, 'done');
	t.is(tries, 2);
	t.is(log.committed.length, 1);
	const error = t.throws(
		() =>
			volume.transact(() => {
				throw new RetryAfterCommit();
			}),
		{instanceOf: FileError},
	);
	t.is(error.code, 'ENOSPC');
});

test('a transaction is committed before an operation that might not fit', t => {
	const {volume, log} = tinyVolume(made => new HomeLog(made, 20));
	volume.transact(handle => handle.touch(volume.cache.read(20)), {credits: 10});
	volume.transact(handle => handle.touch(volume.cache.read(21)), {credits: 10});
	t.is(log.committed.length, 0);
	volume.transact(handle => handle.touch(volume.cache.read(22)), {credits: 19});
	t.is(log.committed.length, 1);
});

test('changed blocks are not evicted, and clean ones still are', t => {
	const volume = open(new TinyImage({blockCount: 512}), {cacheBytes: 16 * 1024});
	makeWritable(volume);
	volume.transact(handle => {
		for (let number = 30; number < 40; number++) {
			const block = volume.cache.read(number);
			handle.touch(block);
			block.bytes.fill(number);
		}
	});
	for (let number = 100; number < 400; number++) volume.cache.read(number);
	for (let number = 30; number < 40; number++) {
		t.is(volume.cache.peek(number)?.bytes[0], number);
	}
	t.is(volume.cache.peek(100), undefined);
});

test('damage is noted in the superblock, and by the policy nothing is changed any more', t => {
	const {volume} = tinyVolume();
	volume.transact(handle => {
		handle.edit(volume.readInode(2)).uid = 5;
	});
	const damage = new CorruptError('EXT4_BAD_EXTENT', 'bad', {inode: 12});
	t.throws(() =>
		volume.transact(() => {
			throw damage;
		}),
	);
	const refused = t.throws(() => volume.transact(() => undefined), {instanceOf: FileError});
	t.is(refused.code, 'EROFS');
	const again = Volume.open(volume.device);
	t.true(again.superblock.hasErrors);
	t.is(again.readInode(2).uid, 5);
});

test('with errors=continue it is noted only', t => {
	const volume = open(new TinyImage());
	makeWritable(volume, new HomeLog(volume), 'continue');
	t.throws(() =>
		volume.transact(() => {
			throw new CorruptError('EXT4_BAD_EXTENT', 'bad');
		}),
	);
	t.is(
		volume.transact(() => 'still'),
		'still',
	);
	volume.transactions?.sync();
	t.true(Volume.open(volume.device).superblock.hasErrors);
});

test('data that could not be flushed once is never said to be durable', t => {
	const {volume} = tinyVolume();
	const {device} = volume;
	device.flush = () => {
		throw new DeviceError('gone', 0, 0);
	};
	volume.transactions?.noteData();
	t.throws(() => volume.transactions?.sync(), {instanceOf: DeviceError});
	// As a file's fsync(2): what was lost is told once, and the next flush knows nothing of it.
	device.flush = () => {};
	t.throws(() => volume.transactions?.sync(), {instanceOf: DeviceError});
});

test('after a failure of the device nothing is written any more', t => {
	const {volume, log} = tinyVolume();
	log.commit = () => {
		throw new DeviceError('gone', 0, 0);
	};
	volume.transact(handle => handle.edit(volume.readInode(2)));
	t.throws(() => volume.transactions?.sync(), {instanceOf: DeviceError});
	t.throws(() => volume.transact(() => undefined), {instanceOf: FileError, message: /gone/});
	t.throws(() => volume.transactions?.sync(), {instanceOf: DeviceError});
});
