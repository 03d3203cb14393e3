/** A read-only mount that brings home what a crash has left, as the kernel's does. */
import {FileError} from '../../ext4/errors.ts';
import {ext4_super_block, superblockState} from '../../ext4/layout/superblock.ts';
import {
	closeVolume,
	openForWriting,
	openRecovered,
	remountReadOnly,
	remountReadWrite,
} from '../../ext4/open-for-writing.ts';
import {addOrphan} from '../../ext4/orphans/orphans.ts';
import {Volume} from '../../ext4/volume.ts';
import {CrashDevice, crashesOf} from '../support/crash-device.ts';
import {hasDebugfs} from '../support/e2fsprogs.ts';
import {MemoryDevice} from '../support/memory-device.ts';
import {viewOf} from '../support/poke.ts';
import {testUnless} from '../support/skip.ts';
import {
	checkByE2fsck,
	makeStampedImage,
	readStamp,
	replayByE2fsck,
	stamp,
	testOptions,
} from '../support/stamped-image.ts';

const why = hasDebugfs ? undefined : 'e2fsprogs is not installed';
const needsRecovery = 0x4;
const orphanPresent = 0x1_0000;

const forms: readonly (readonly string[])[] = [
	['-t', 'ext3', '-b', '1024'],
	['-t', 'ext4', '-b', '1024', '-O', '^orphan_file'],
	['-t', 'ext4', '-b', '4096', '-O', 'orphan_file'],
];

function superblockOf(bytes: Uint8Array) {
	return ext4_super_block.edit(viewOf(bytes), 1024);
}

/** Where a comparison by `deepEqual` would take seconds. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
	return Buffer.compare(one, other) === 0;
}

/** An orphan of `testOptions`' volume that has links left: it is cut off at its size, and stays. */
const orphan = 20;

/** What a crash leaves with `stamped` in the journal, and an orphan if `hasOrphan`. */
function crashedImage(make: readonly string[], {hasOrphan = true} = {}): Uint8Array {
	const bytes = makeStampedImage(make);
	const volume = openForWriting(new MemoryDevice(bytes), testOptions());
	stamp(volume, 1);
	if (hasOrphan) volume.transact(handle => addOrphan(handle, volume.readInode(orphan)));
	volume.transactions?.commit();
	return bytes;
}

for (const make of forms) {
	testUnless(why, `journal and orphans are brought home, and nothing else is: ${make}`, t => {
		const bytes = crashedImage(make);
		const before = superblockOf(bytes.slice());
		const volume = openRecovered(new MemoryDevice(bytes), testOptions());
		const after = superblockOf(bytes);
		t.is(after.s_feature_incompat & needsRecovery, 0);
		t.is(after.s_feature_ro_compat & orphanPresent, 0);
		t.is(after.s_last_orphan, 0);
		t.is(after.s_mnt_count, before.s_mnt_count);
		t.is(after.s_mtime, before.s_mtime);
		t.is(readStamp(volume), 1);
		t.throws(() => stamp(volume, 2), {instanceOf: FileError, message: /reading only/});
		checkByE2fsck(bytes);
		const settled = bytes.slice();
		closeVolume(volume);
		t.true(isSame(bytes, settled));
	});

	testUnless(why, `a journal without orphans is brought home: ${make}`, t => {
		const bytes = crashedImage(make, {hasOrphan: false});
		t.is(readStamp(openRecovered(new MemoryDevice(bytes), testOptions())), 1);
		t.is(superblockOf(bytes).s_feature_incompat & needsRecovery, 0);
		checkByE2fsck(bytes);
	});

	testUnless(why, `where a crash has left nothing, nothing is written: ${make}`, t => {
		const bytes = makeStampedImage(make);
		const before = bytes.slice();
		const device = new MemoryDevice(bytes);
		closeVolume(openRecovered(device, testOptions()));
		t.true(isSame(bytes, before));
	});

	testUnless(why, `it becomes writable, and counts as mounted from then on: ${make}`, t => {
		const bytes = crashedImage(make);
		const {s_mnt_count} = superblockOf(bytes);
		const volume = openRecovered(new MemoryDevice(bytes), testOptions());
		remountReadWrite(volume);
		t.is(superblockOf(bytes).s_mnt_count, s_mnt_count + 1);
		stamp(volume, 2);
		closeVolume(volume);
		checkByE2fsck(bytes);
		t.is(readStamp(Volume.open(new MemoryDevice(bytes, true))), 2);
	});

	testUnless(why, `a crash on the way leaves it as recoverable as before: ${make}`, t => {
		const device = new CrashDevice<never>(crashedImage(make));
		openRecovered(device, testOptions());
		let judged = 0;
		for (const crash of crashesOf(device, {seed: 1, prefixes: true, lossesPerEpoch: 1})) {
			const bytes = crash.image();
			t.is(readStamp(openRecovered(new MemoryDevice(bytes), testOptions())), 1, String(crash));
			if (judged++ % 8 === 0) replayByE2fsck(crash.image(), [0, 1]);
		}
		t.true(judged > 3);
	});
}

testUnless(why, 'without a journal, what was not unmounted stays not clean', t => {
	const bytes = makeStampedImage(['-t', 'ext2', '-b', '1024']);
	superblockOf(bytes).s_state = 0;
	const before = bytes.slice();
	openRecovered(new MemoryDevice(bytes), testOptions());
	t.true(isSame(bytes, before));
});

for (const feature of ['orphan_file', '^orphan_file']) {
	testUnless(why, `orphans of a file system that has errors are left to e2fsck: ${feature}`, t => {
		const make = ['-t', 'ext4', '-b', '1024', '-O', `${feature},^metadata_csum`];
		const bytes = makeStampedImage(make);
		const volume = openForWriting(new MemoryDevice(bytes), testOptions());
		volume.transact(handle => addOrphan(handle, volume.readInode(orphan)));
		// With the journal empty: its superblock would undo what the next lines do.
		remountReadOnly(volume);
		const {s_last_orphan} = superblockOf(bytes);
		superblockOf(bytes).s_feature_incompat |= needsRecovery;
		superblockOf(bytes).s_state |= superblockState.errorsSeen;
		const read = openRecovered(new MemoryDevice(bytes), testOptions());
		const after = superblockOf(bytes);
		t.is(after.s_feature_incompat & needsRecovery, 0);
		t.is(after.s_last_orphan, s_last_orphan);
		t.true(s_last_orphan !== 0 || (after.s_feature_ro_compat & orphanPresent) !== 0);
		t.throws(() => remountReadWrite(read), {instanceOf: FileError, message: /left alone/});
	});
}

testUnless(why, 'it takes a device that can be written to', t => {
	const device = new MemoryDevice(makeStampedImage(['-t', 'ext4', '-b', '1024']), true);
	t.throws(() => openRecovered(device, testOptions()), {instanceOf: FileError});
});
