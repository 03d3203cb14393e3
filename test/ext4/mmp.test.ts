import test from 'ava';
import {trimFree} from '../../ext4/allocator/trim.ts';
import {CorruptError, DeviceError, type FileError, UnsupportedError} from '../../ext4/errors.ts';
import {mmp_struct, mmpSequence} from '../../ext4/layout/mmp.ts';
import {ext4_super_block} from '../../ext4/layout/superblock.ts';
import {
	closeVolume,
	openForWriting,
	remountReadOnly,
	remountReadWrite,
	updateMmp,
} from '../../ext4/open-for-writing.ts';
import {hasDebugfs} from '../support/e2fsprogs.ts';
import {MemoryDevice} from '../support/memory-device.ts';
import {viewOf} from '../support/poke.ts';
import {testUnless} from '../support/skip.ts';
import {checkByE2fsck, makeStampedImage, stamp, testOptions} from '../support/stamped-image.ts';

const why = hasDebugfs ? undefined : 'e2fsprogs is not installed';

/** An image with mmp, a clock that only sleeping moves, and what happens on the other host meanwhile. */
class Host {
	readonly bytes: Uint8Array;
	readonly device: MemoryDevice;
	readonly slept: number[] = [];
	seconds = 1_700_000_000;
	meanwhile: () => void = () => {};

	constructor(...make: string[]) {
		this.bytes = makeStampedImage(['-t', 'ext4', '-b', '1024', '-O', 'mmp', ...make]);
		this.device = new MemoryDevice(this.bytes);
	}

	get at(): number {
		return ext4_super_block.at(viewOf(this.bytes), 1024).s_mmp_block * 1024;
	}

	get mmp() {
		return mmp_struct.edit(viewOf(this.bytes), this.at);
	}

	get options() {
		return {
			...testOptions(),
			clock: () => ({seconds: this.seconds, nanoseconds: 0}),
			mmp: {
				nodeName: 'here',
				deviceName: 'disk.img',
				sleep: (milliseconds: number) => {
					this.slept.push(milliseconds);
					this.seconds += milliseconds / 1000;
					this.meanwhile();
				},
			},
		};
	}

	open() {
		return openForWriting(this.device, this.options);
	}
}

function code(run: () => unknown): string {
	try {
		run();
	} catch (error) {
		return (error as FileError).code;
	}
	return 'nothing was thrown';
}

for (const make of [[], ['-O', '^metadata_csum']] as const) {
	const form = make.length === 0 ? 'metadata_csum' : 'no checksums';
	testUnless(why, `a clean file system is taken at once and given back: ${form}`, t => {
		const host = new Host(...make);
		const volume = host.open();
		t.deepEqual(host.slept, []);
		const first = host.mmp.mmp_seq;
		t.true(first > 0 && first <= mmpSequence.max);
		t.deepEqual(Buffer.from(host.mmp.mmp_nodename).toString().replaceAll('\0', ''), 'here');
		t.is(updateMmp(volume), 5);
		t.is(host.mmp.mmp_seq, first + 1);
		stamp(volume, 1);
		closeVolume(volume);
		t.is(host.mmp.mmp_seq, mmpSequence.clean);
		t.is(updateMmp(volume), undefined);
		checkByE2fsck(host.bytes);
		host.open();
	});
}

testUnless(why, 'a file system that another host uses is left alone', t => {
	const host = new Host('-O', '^metadata_csum');
	host.mmp.mmp_seq = 77;
	host.mmp.mmp_nodename = Buffer.from('there');
	host.meanwhile = () => {
		host.mmp.mmp_seq++;
	};
	const before = host.bytes.slice();
	const error = t.throws(() => host.open());
	t.is((error as FileError).code, 'EBUSY');
	t.regex(error?.message ?? '', /there/);
	t.deepEqual(host.slept, [21_000]);
	before.set(host.bytes.subarray(host.at, host.at + 1024), host.at);
	t.true(Buffer.from(host.bytes).equals(before));
});

testUnless(why, 'one whose user is gone is taken after a wait', t => {
	const host = new Host();
	host.open(); // And is never heard of again.
	host.open();
	t.deepEqual(host.slept, [21_000, 21_000]);
});

testUnless(why, 'who writes the number last has the file system', t => {
	const host = new Host('-O', '^metadata_csum');
	host.mmp.mmp_seq = 77;
	host.meanwhile = () => {
		if (host.slept.length === 2) host.mmp.mmp_seq = 4;
	};
	t.is(
		code(() => host.open()),
		'EBUSY',
	);
	t.is(host.mmp.mmp_seq, 4);
});

testUnless(why, 'e2fsck at work keeps us away, and so does what makes no sense', t => {
	const host = new Host('-O', '^metadata_csum');
	host.mmp.mmp_seq = mmpSequence.beingChecked;
	t.is(
		code(() => host.open()),
		'EBUSY',
	);
	host.mmp.mmp_seq = 3;
	host.mmp.mmp_check_interval = 50_000;
	t.is(
		code(() => host.open()),
		'EXT4_BAD_MMP',
	);
	host.mmp.mmp_magic = 1;
	t.is(
		code(() => host.open()),
		'EXT4_BAD_MMP',
	);
	const sealed = new Host();
	sealed.mmp.mmp_seq = 3;
	t.throws(() => sealed.open(), {instanceOf: CorruptError, message: /checksum/});
	t.throws(() => openForWriting(new Host().device, testOptions()), {instanceOf: UnsupportedError});
});

testUnless(why, 'it is updated while something takes long, and no more often than that', t => {
	const host = new Host('-g', '2048');
	const volume = host.open();
	const first = host.mmp.mmp_seq;
	for (let round = 1; round <= 5; round++) {
		host.seconds += 2;
		stamp(volume, round);
	}
	t.is(host.mmp.mmp_seq, first + 1);
	const discard = () => {
		host.seconds += 30;
	};
	Object.assign(host.device, {discard});
	trimFree(volume, {start: 0, length: Number.MAX_SAFE_INTEGER, minLength: 0});
	const {groupCount} = volume.geometry;
	t.true(groupCount > 1);
	t.is(host.mmp.mmp_seq, first + 1 + groupCount);
	closeVolume(volume);
	checkByE2fsck(host.bytes);
});

testUnless(why, 'what takes too long ends at the transaction that finds another host', t => {
	const host = new Host('-O', '^metadata_csum');
	const volume = host.open();
	stamp(volume, 1);
	host.mmp.mmp_seq = 1234;
	host.seconds += 60;
	t.is(
		code(() => stamp(volume, 2)),
		'EBUSY',
	);
	t.true(volume.transactions?.isAborted);
	t.is(host.mmp.mmp_seq, 1234);
});

testUnless(why, 'a late update that finds another host ends all writing', t => {
	const host = new Host('-O', '^metadata_csum');
	const volume = host.open();
	stamp(volume, 1);
	host.mmp.mmp_seq = 1234;
	host.seconds += 60;
	t.is(
		code(() => updateMmp(volume)),
		'EBUSY',
	);
	t.is(
		code(() => stamp(volume, 2)),
		'EROFS',
	);
	t.is(
		code(() => closeVolume(volume)),
		'EBUSY',
	);
	t.is(host.mmp.mmp_seq, 1234);
});

testUnless(why, 'an update that fails ends all writing, as no other follows', t => {
	const host = new Host();
	const volume = host.open();
	const {device} = volume;
	const write = device.write;
	device.write = () => {
		throw new DeviceError('gone', 0, 0);
	};
	t.throws(() => updateMmp(volume), {instanceOf: DeviceError});
	device.write = write;
	t.is(
		code(() => stamp(volume, 2)),
		'EROFS',
	);
});

testUnless(why, 'it is given back while the volume is read-only', t => {
	const host = new Host();
	const volume = host.open();
	remountReadOnly(volume);
	t.is(host.mmp.mmp_seq, mmpSequence.clean);
	remountReadWrite(volume);
	t.not(host.mmp.mmp_seq, mmpSequence.clean);
	closeVolume(volume);
	checkByE2fsck(host.bytes);
});

testUnless(why, 'a volume that can not be made writable again gives it back', t => {
	const host = new Host();
	const volume = host.open();
	remountReadOnly(volume);
	const {device} = volume;
	const write = device.writeScattered;
	device.writeScattered = () => {
		throw new DeviceError('gone', 1024, 1024);
	};
	t.throws(() => remountReadWrite(volume), {instanceOf: DeviceError});
	t.is(host.mmp.mmp_seq, mmpSequence.clean);
	device.writeScattered = write;
	remountReadWrite(volume);
	t.not(host.mmp.mmp_seq, mmpSequence.clean);
	closeVolume(volume);
	checkByE2fsck(host.bytes);
});

test('a sequence number at its end starts again', t => {
	if (why !== undefined) return t.pass(why);
	const host = new Host();
	const options = {...host.options, randomUint32: () => mmpSequence.max - 1};
	const volume = openForWriting(host.device, options);
	t.is(host.mmp.mmp_seq, mmpSequence.max);
	updateMmp(volume);
	t.is(host.mmp.mmp_seq, 1);
	return undefined;
});
