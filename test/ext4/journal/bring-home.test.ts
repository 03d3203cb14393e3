/** A recovery written home, interrupted at every moment, and begun again. */
import * as fs from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {closeVolume, openForWriting} from '../../../ext4/open-for-writing.ts';
import {Volume} from '../../../ext4/volume.ts';
import {Random} from '../../fuzz/random.ts';
import {CrashDevice, crashesOf} from '../../support/crash-device.ts';
import {hasDebugfs} from '../../support/e2fsprogs.ts';
import {FastCommitImage, transaction} from '../../support/fast-commit-image.ts';
import {listVolume} from '../../support/listing.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {testUnless} from '../../support/skip.ts';
import {
	checkByE2fsck,
	makeStampedImage,
	readStamp,
	replayByE2fsck,
	replayByKernel,
	stamp,
	testOptions,
	whyNoKernelMount,
} from '../../support/stamped-image.ts';

const why = hasDebugfs ? undefined : 'e2fsprogs is not installed';

function listing(bytes: Uint8Array): string {
	return JSON.stringify(listVolume(Volume.open(new MemoryDevice(bytes, true))).entries);
}

function mountAndUnmount(bytes: Uint8Array): void {
	closeVolume(openForWriting(new MemoryDevice(bytes), testOptions()));
}

/** An image as a crash has left it after 50 stamps, each committed. */
function interrupted(...make: string[]): Uint8Array {
	const device = new MemoryDevice(makeStampedImage(['-b', '1024', '-J', 'size=1', ...make]));
	const volume = openForWriting(device, testOptions());
	for (let value = 1; value <= 50; value++) {
		stamp(volume, value);
		volume.transactions?.commit();
	}
	return device.bytes;
}

for (const [name, make] of [
	['ext3', ['-t', 'ext3']],
	['ext4', ['-t', 'ext4']],
] as const) {
	testUnless(why, `a log may be brought home any number of times: ${name}`, t => {
		const dirty = interrupted(...make);
		const device = new CrashDevice(dirty);
		const volume = openForWriting(device, testOptions());
		t.is(readStamp(volume), 50);
		closeVolume(volume);
		checkByE2fsck(device.bytes);
		const random = new Random(1);
		let judged = 0;
		for (const crash of crashesOf(device, {seed: 2, lossesPerEpoch: 6})) {
			const bytes = crash.image();
			t.is(readStamp(Volume.open(new MemoryDevice(bytes, true))), 50, String(crash));
			if (random.chance(0.05)) {
				t.is(readStamp(Volume.open(new MemoryDevice(replayByE2fsck(bytes)))), 50);
			}
			if (random.chance(0.03) && whyNoKernelMount() === undefined) {
				t.is(replayByKernel(bytes).stamp, 50);
			}
			if (random.chance(0.1)) {
				mountAndUnmount(bytes);
				checkByE2fsck(bytes);
				t.is(readStamp(Volume.open(new MemoryDevice(bytes, true))), 50);
			}
			judged++;
		}
		t.true(judged > 20, String(judged));
	});
}

testUnless(why, 'the number of an interrupted transaction is not used again', t => {
	const bytes = interrupted('-t', 'ext4');
	const before = Volume.open(new MemoryDevice(bytes, true)).recovery?.nextSequence ?? 0;
	const device = new MemoryDevice(bytes);
	const volume = openForWriting(device, testOptions());
	stamp(volume, 51);
	volume.transactions?.commit();
	const after = Volume.open(new MemoryDevice(device.bytes, true)).recovery;
	t.is(after?.firstSequence, before + 1);
	t.is(after?.transactions, 1);
});

const fileMode = 0o100640;

/** Files made, moved, linked and removed by fast commits. */
function fastCommitted(...make: string[]): {bytes: Uint8Array; expected: string} {
	const image = new FastCommitImage(make, folder => {
		fs.mkdirSync(path.join(folder, 'a'));
		fs.mkdirSync(path.join(folder, 'a', 'empty'));
		fs.writeFileSync(path.join(folder, 'a', 'one'), 'one');
		fs.writeFileSync(path.join(folder, 'a', 'two'), 'x'.repeat(20 * 1024));
		for (let index = 0; index < 60; index++) {
			fs.writeFileSync(path.join(folder, `file ${index}`), `${index}`);
		}
	});
	const a = image.inodeOf('/a');
	const one = image.inodeOf('/a/one');
	const two = image.inodeOf('/a/two');
	const physical = image.freeBlocks(60);
	const volume = image.replay(commits => {
		for (let index = 0; index < 20; index++) {
			const made = image.newFields({mode: fileMode, links: 1, size: 3000});
			commits
				.inode(300 + index, made)
				.addRange(300 + index, {logical: 0, length: 3, physical: physical + 3 * index})
				.entry('create', a, 300 + index, `new ${index}`);
			const gone = image.inodeOf(`/file ${index}`);
			commits.entry('unlink', 2, gone, `file ${index}`);
		}
		commits
			.entry('link', 2, one, 'linked')
			.inode(two, image.fieldsOf(two))
			.deleteRange(two, {logical: 4, length: 10});
		commits.tail(transaction);
	});
	return {bytes: image.bytes, expected: JSON.stringify(listVolume(volume).entries)};
}

for (const make of [[], ['-O', '^metadata_csum,^64bit']] as const) {
	const name = make.length === 0 ? 'metadata_csum' : 'no checksums';
	testUnless(why, `fast commits are brought home as a whole: ${name}`, t => {
		const {bytes: dirty, expected} = fastCommitted(...make);
		const device = new CrashDevice(dirty);
		const volume = openForWriting(device, testOptions());
		t.true((volume.recovery?.fastCommits.operations.length ?? 0) > 0);
		closeVolume(volume);
		t.is(listing(device.bytes), expected);
		checkByE2fsck(device.bytes);
		const random = new Random(3);
		let judged = 0;
		for (const crash of crashesOf(device, {seed: 4, lossesPerEpoch: 8})) {
			const bytes = crash.image();
			t.is(listing(bytes), expected, String(crash));
			judged++;
			if (!random.chance(0.2)) continue;
			mountAndUnmount(bytes);
			t.is(listing(bytes), expected, String(crash));
			checkByE2fsck(bytes);
		}
		t.log(`${judged} states`);
		t.true(judged > 40);
	});
}

test('what a file system without needs_recovery has in its log is given up', t => {
	if (why !== undefined) return t.pass(why);
	const bytes = makeStampedImage(['-t', 'ext3', '-b', '1024', '-J', 'size=1']);
	const device = new MemoryDevice(bytes);
	const volume = openForWriting(device, testOptions());
	stamp(volume, 1);
	volume.transactions?.commit();
	// As if someone had cleared the flag, and nothing else.
	const incompatAt = 1024 + 0x60;
	device.bytes[incompatAt] = (device.bytes[incompatAt] ?? 0) & ~4;
	const again = openForWriting(device, testOptions());
	t.is(readStamp(again), 0);
	stamp(again, 2);
	closeVolume(again);
	t.is(Volume.open(device).readInode(2).modificationTime.seconds, 1_000_002);
	checkByE2fsck(device.bytes);
	return undefined;
});
