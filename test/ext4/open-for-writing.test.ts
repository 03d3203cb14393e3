import {allocateBlocks} from '../../ext4/allocator/blocks.ts';
import {CorruptError, DeviceError, FileError, UnsupportedError} from '../../ext4/errors.ts';
import {ext4_super_block, superblockState} from '../../ext4/layout/superblock.ts';
import {
	closeVolume,
	openForWriting,
	remountReadOnly,
	remountReadWrite,
} from '../../ext4/open-for-writing.ts';
import {addOrphan, hasOrphans} from '../../ext4/orphans/orphans.ts';
import {Volume} from '../../ext4/volume.ts';
import {CrashDevice, crashesOf} from '../support/crash-device.ts';
import {hasDebugfs} from '../support/e2fsprogs.ts';
import {MemoryDevice} from '../support/memory-device.ts';
import {viewOf} from '../support/poke.ts';
import {testUnless} from '../support/skip.ts';
import {
	checkByE2fsck,
	journalPosition,
	makeStampedImage,
	readStamp,
	replayByE2fsck,
	stamp,
	testOptions,
} from '../support/stamped-image.ts';

const why = hasDebugfs ? undefined : 'e2fsprogs is not installed';
const needsRecovery = 0x4;
const orphanPresent = 0x1_0000;

function superblockOf(bytes: Uint8Array) {
	return ext4_super_block.edit(viewOf(bytes), 1024);
}

function isClean(bytes: Uint8Array): boolean {
	return (superblockOf(bytes).s_state & superblockState.clean) !== 0;
}

testUnless(
	why,
	'with a journal, the superblock says needs_recovery as long as it is mounted',
	t => {
		const bytes = makeStampedImage(['-t', 'ext4', '-b', '1024', '-O', 'orphan_file']);
		const device = new MemoryDevice(bytes);
		const {s_mnt_count} = superblockOf(bytes);
		const volume = openForWriting(device, testOptions());
		t.is(superblockOf(bytes).s_feature_incompat & needsRecovery, needsRecovery);
		t.is(superblockOf(bytes).s_feature_ro_compat & orphanPresent, orphanPresent);
		t.true(isClean(bytes));
		t.is(superblockOf(bytes).s_mnt_count, s_mnt_count + 1);
		t.is(superblockOf(bytes).s_mtime, 1_700_000_000);
		t.is(volume.random(), 0x1234_5678);
		closeVolume(volume);
		t.is(superblockOf(bytes).s_feature_incompat & needsRecovery, 0);
		t.is(superblockOf(bytes).s_feature_ro_compat & orphanPresent, 0);
		t.throws(() => stamp(volume, 1), {instanceOf: FileError});
		closeVolume(volume); // Twice is once.
		checkByE2fsck(bytes);
	},
);

testUnless(why, 'without a journal, it is not clean as long as it is mounted', t => {
	const bytes = makeStampedImage(['-t', 'ext2', '-b', '1024']);
	const device = new MemoryDevice(bytes);
	const volume = openForWriting(device, testOptions());
	t.false(isClean(bytes));
	stamp(volume, 1);
	closeVolume(volume);
	t.true(isClean(bytes));
	checkByE2fsck(bytes);
	t.is(readStamp(Volume.open(device)), 1);
	// One that was not clean before stays so.
	superblockOf(bytes).s_state = 0;
	closeVolume(openForWriting(device, testOptions()));
	t.false(isClean(bytes));
});

testUnless(why, 'free counts that nobody wrote down are counted anew', t => {
	const bytes = makeStampedImage(['-t', 'ext2', '-b', '1024']);
	const {s_free_blocks_count_lo, s_free_inodes_count} = superblockOf(bytes);
	superblockOf(bytes).s_free_blocks_count_lo = 5;
	superblockOf(bytes).s_free_inodes_count = 6;
	superblockOf(bytes).s_state = 0;
	const volume = openForWriting(new MemoryDevice(bytes), testOptions());
	t.is(volume.superblock.freeBlockCount, s_free_blocks_count_lo);
	t.is(volume.superblock.freeInodeCount, s_free_inodes_count);
	closeVolume(volume);
	t.is(superblockOf(bytes).s_free_blocks_count_lo, s_free_blocks_count_lo);
});

testUnless(why, 'free counts stay right when the first operation fails', t => {
	const bytes = makeStampedImage(['-t', 'ext3', '-b', '1024']);
	const {s_free_blocks_count_lo} = superblockOf(bytes);
	superblockOf(bytes).s_free_blocks_count_lo = 5;
	const volume = openForWriting(new MemoryDevice(bytes), testOptions());
	t.throws(
		() =>
			volume.transact(handle => {
				handle.editSuperblock();
				allocateBlocks(handle, handle.edit(volume.readInode(13)), {goal: 0, length: 1});
				throw new FileError('EPERM', 'no');
			}),
		{instanceOf: FileError, message: 'no'},
	);
	t.is(volume.superblock.freeBlockCount, s_free_blocks_count_lo);
});

testUnless(why, 'orphans of a damaged file system are not denied', t => {
	const options = ['-t', 'ext4', '-b', '1024', '-O', 'orphan_file,^metadata_csum'];
	const bytes = makeStampedImage(options);
	const volume = openForWriting(new MemoryDevice(bytes), testOptions());
	volume.transact(handle => addOrphan(handle, volume.readInode(20)));
	remountReadOnly(volume);
	superblockOf(bytes).s_state |= superblockState.errorsSeen;
	closeVolume(openForWriting(new MemoryDevice(bytes), testOptions()));
	t.is(superblockOf(bytes).s_feature_ro_compat & orphanPresent, orphanPresent);
});

testUnless(why, 'an orphan that can not be cleaned up is left alone to the end', t => {
	const bytes = makeStampedImage(['-t', 'ext4', '-b', '1024', '-O', '^orphan_file']);
	const volume = openForWriting(new MemoryDevice(bytes), testOptions());
	volume.transact(handle => {
		const inode = handle.edit(volume.readInode(20));
		addOrphan(handle, inode);
		inode.linkCount = 0;
		inode.blockBytes.fill(0xff);
	});
	remountReadOnly(volume);
	const again = openForWriting(new MemoryDevice(bytes), {...testOptions(), errors: 'continue'});
	t.true(again.superblock.hasErrors);
	t.is(again.superblock.lastOrphan, 0);
	t.false(hasOrphans(again));
	closeVolume(again);
	t.is(superblockOf(bytes).s_last_orphan, 0);
	t.is(superblockOf(bytes).s_feature_incompat & needsRecovery, 0);
});

testUnless(why, 'what turned out to be damaged is not made writable again', t => {
	const bytes = makeStampedImage(['-t', 'ext4', '-b', '1024']);
	const volume = openForWriting(new MemoryDevice(bytes), {...testOptions(), errors: 'remount-ro'});
	t.throws(() =>
		volume.transact(() => {
			throw new CorruptError('EXT4_BAD_INODE', 'damaged');
		}),
	);
	remountReadOnly(volume);
	t.is(superblockOf(bytes).s_feature_incompat & needsRecovery, 0);
	t.throws(() => remountReadWrite(volume), {instanceOf: FileError, message: /only/});
	t.throws(() => stamp(volume, 1), {instanceOf: FileError, message: /damaged/});
});

testUnless(why, 'what must not be written to is not', t => {
	const refused = (bytes: Uint8Array) => {
		const before = bytes.slice();
		t.throws(() => openForWriting(new MemoryDevice(bytes), testOptions()), {
			instanceOf: UnsupportedError,
		});
		t.true(Buffer.from(bytes).equals(before));
	};
	for (const roCompat of [0x1000, 0x4000, 0x80000]) {
		const bytes = makeStampedImage(['-t', 'ext3', '-b', '1024']);
		superblockOf(bytes).s_feature_ro_compat |= roCompat;
		refused(bytes);
	}
	const bytes = makeStampedImage(['-t', 'ext3', '-b', '1024']);
	const readOnly = new MemoryDevice(bytes, true);
	t.throws(() => openForWriting(readOnly, testOptions()), {instanceOf: FileError});
	const ignoring = {...testOptions(), journal: 'ignore'} as const;
	t.throws(() => openForWriting(new MemoryDevice(bytes), ignoring), {instanceOf: FileError});
});

testUnless(why, 'a journal that the kernel gave up marks the file system', t => {
	const bytes = makeStampedImage(['-t', 'ext3', '-b', '1024']);
	const errorAt = journalPosition(bytes) + 0x20;
	viewOf(bytes).setInt32(errorAt, -5, false);
	const volume = openForWriting(new MemoryDevice(bytes), testOptions());
	t.true(volume.superblock.hasErrors);
	closeVolume(volume);
	t.is(superblockOf(bytes).s_state & superblockState.errorsSeen, superblockState.errorsSeen);
	t.is(viewOf(bytes).getInt32(errorAt, false), 0);
});

for (const type of ['ext2', 'ext3', 'ext4']) {
	testUnless(why, `read-only and back: ${type}`, t => {
		const bytes = makeStampedImage(['-t', type, '-b', '1024']);
		const volume = openForWriting(new MemoryDevice(bytes), testOptions());
		stamp(volume, 1);
		remountReadOnly(volume);
		remountReadOnly(volume);
		checkByE2fsck(bytes);
		t.throws(() => stamp(volume, 2), {instanceOf: FileError});
		t.is(readStamp(volume), 1);
		remountReadWrite(volume);
		remountReadWrite(volume);
		stamp(volume, 2);
		volume.transactions?.commit();
		t.is(readStamp(Volume.open(new MemoryDevice(bytes.slice(), true))), 2);
		closeVolume(volume);
		checkByE2fsck(bytes);
		t.is(readStamp(Volume.open(new MemoryDevice(bytes, true))), 2);
		t.throws(() => remountReadWrite(volume), {instanceOf: FileError});
	});
}

testUnless(why, 'a device that fails leaves what was committed to be recovered', t => {
	for (let failAt = 1; failAt <= 12; failAt++) {
		const bytes = makeStampedImage(['-t', 'ext4', '-b', '1024', '-J', 'size=1']);
		const device = new MemoryDevice(bytes);
		const volume = openForWriting(device, testOptions());
		stamp(volume, 1);
		volume.transactions?.sync();
		let requests = 0;
		device.write = () => {
			throw new DeviceError('broken', 0, 0);
		};
		const {writeScattered} = MemoryDevice.prototype;
		device.writeScattered = (position, buffers) => {
			if (++requests >= failAt) throw new DeviceError('broken', position, 0);
			for (const buffer of buffers) MemoryDevice.prototype.write.call(device, position, buffer);
			writeScattered.call({write: MemoryDevice.prototype.write.bind(device)}, position, buffers);
		};
		let synced = 1;
		try {
			for (let value = 2; value < 200; value++) {
				stamp(volume, value);
				volume.transactions?.sync();
				synced = value;
			}
			t.fail('it never failed');
		} catch (error) {
			t.true(error instanceof DeviceError, String(error));
		}
		t.throws(() => stamp(volume, 999), {instanceOf: FileError, message: /broken/});
		t.throws(() => closeVolume(volume), {instanceOf: DeviceError});
		const found = readStamp(Volume.open(new MemoryDevice(bytes, true)));
		t.true(found === synced || found === synced + 1, `${found}, ${synced}`);
		if (failAt % 4 === 0) replayByE2fsck(bytes);
	}
});

for (const type of ['ext2', 'ext4']) {
	const make = type === 'ext2' ? ['-t', 'ext2'] : ['-t', 'ext4', '-O', '^has_journal'];
	testUnless(
		why,
		`without a journal e2fsck puts right what a crash has left: ${make.join(' ')}`,
		t => {
			const base = makeStampedImage([...make, '-b', '1024']);
			const device = new CrashDevice<number>(base);
			const volume = openForWriting(device, testOptions());
			for (let value = 1; value <= 30; value++) {
				stamp(volume, value);
				volume.transactions?.sync();
				device.mark(value);
			}
			closeVolume(volume);
			let judged = 0;
			for (const crash of crashesOf(device, {seed: 1, prefixes: false, lossesPerEpoch: 1})) {
				if (judged++ % 8 > 0) continue;
				const bytes = crash.image();
				if (crash.mark !== undefined) t.false(isClean(bytes) && crash.mark < 30);
				const repaired = Volume.open(new MemoryDevice(replayByE2fsck(bytes, [0, 1])));
				const root = repaired.readInode(2).modificationTime.seconds - 1_000_000;
				t.true(root >= (crash.mark ?? 0), String(crash));
			}
			checkByE2fsck(device.bytes);
			t.is(readStamp(Volume.open(new MemoryDevice(device.bytes))), 30);
		},
	);
}
