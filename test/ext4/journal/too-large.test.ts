/** Operations of more blocks than a transaction can hold, which only damaged images lead to. */
import test from 'ava';
import {FileError} from '../../../ext4/errors.ts';
import type {Handle} from '../../../ext4/journal/handle.ts';
import {Volume} from '../../../ext4/volume.ts';
import {makeWritable} from '../../support/home-log.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {TinyImage} from '../../support/tiny-image.ts';

const limit = 10;

function open() {
	const volume = Volume.open(new MemoryDevice(new TinyImage({features: ['extent']}).seal().bytes));
	const log = makeWritable(volume);
	log.transactionBlocksLimit = limit;
	return {volume, log};
}

/** Changes `count` blocks from block 20 on. */
function change(handle: Handle, count: number): void {
	for (let number = 20; number < 20 + count; number++) {
		const block = handle.volume.cache.read(number);
		handle.touch(block);
		block.bytes.fill(7);
	}
}

test('one that does not fit into the running transaction gets one of its own', t => {
	const {volume, log} = open();
	volume.transact(handle => change(handle, 2));
	volume.transact(handle => {
		change(handle, 1);
		handle.edit(volume.readInode(2)).mode = 0o40700;
		for (let number = 50; number < 57; number++) handle.create(number);
		handle.forget(60);
	});
	t.is(log.committed.length, 1);
	t.is(log.committed[0]?.blocks.length, 3); // With the superblock's.
	t.is(volume.readInode(2).mode, 0o40700);
});

test('one that fits into none changes nothing, and the file system is well', t => {
	const {volume, log} = open();
	const before = volume.cache.read(25).bytes.slice();
	const tooMuch = () => volume.transact(handle => change(handle, limit + 1));
	t.throws(tooMuch, {instanceOf: FileError, code: 'ENOSPC'});
	t.deepEqual(volume.cache.read(25).bytes, before);
	t.true(volume.transactions?.isWritable);
	volume.transact(handle => change(handle, limit));
	volume.transactions?.sync();
	t.is(log.committed.at(-1)?.blocks.length, limit + 1);
});

test('freed blocks count, as each is named in the log', t => {
	const {volume} = open();
	const tooMuch = () =>
		volume.transact(handle => {
			for (let number = 0; number < 125 * (limit + 1); number++) handle.forget(number);
		});
	t.throws(tooMuch, {instanceOf: FileError, code: 'ENOSPC'});
});
