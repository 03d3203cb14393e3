/**
 * Crashes at every write of a mounted file system, in the forms that journals have. A fifth of the
 * states is judged; all of them with EXT4BOX_CRASHES=all, which takes minutes.
 */
import {setImmediate} from 'node:timers/promises';
import {journal_superblock} from '../../../ext4/layout/journal.ts';
import {closeVolume, openForWriting} from '../../../ext4/open-for-writing.ts';
import {Volume} from '../../../ext4/volume.ts';
import {Random} from '../../fuzz/random.ts';
import {type Crash, CrashDevice, crashesOf} from '../../support/crash-device.ts';
import {hasDebugfs} from '../../support/e2fsprogs.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {viewOf} from '../../support/poke.ts';
import {serialTestUnless} from '../../support/skip.ts';
import {
	checkByE2fsck,
	journalPosition,
	makeStampedImage,
	readStamp,
	replayByE2fsck,
	replayByKernel,
	stamp,
	testOptions,
	whyNoKernelMount,
} from '../../support/stamped-image.ts';

const why = hasDebugfs ? undefined : 'e2fsprogs is not installed';
const noKernel = whyNoKernelMount();
const judgedShare = process.env['EXT4BOX_CRASHES'] === 'all' ? 1 : 0.2;

const forms: readonly {
	readonly name: string;
	readonly make: readonly string[];
	readonly size?: string;
	readonly sequence?: number;
	/** e2fsck's exit status for its repair: 1 where it clears what only a mount sets. */
	readonly repair?: number;
}[] = [
	{name: 'ext3', make: ['-t', 'ext3', '-b', '1024', '-J', 'size=1']},
	{name: 'ext4', make: ['-t', 'ext4', '-b', '1024', '-J', 'size=1']},
	{name: 'ext4, 4 KiB', make: ['-t', 'ext4', '-b', '4096', '-J', 'size=4'], size: '12M'},
	{name: 'no 64bit', make: ['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', '^64bit']},
	{
		name: 'no checksums',
		make: ['-t', 'ext4', '-b', '2048', '-J', 'size=2', '-O', '^metadata_csum'],
		size: '12M',
	},
	{
		name: 'fast_commit',
		make: ['-t', 'ext4', '-b', '1024', '-O', 'fast_commit', '-J', 'size=2,fast_commit_size=512'],
		size: '12M',
	},
	{
		name: 'sequence numbers that go round',
		make: ['-t', 'ext4', '-b', '1024', '-J', 'size=1'],
		sequence: 0xffff_ffe0,
	},
	{
		name: 'journal of a block map',
		make: ['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', '^extent,^64bit'],
	},
	{
		name: 'orphan_file',
		make: ['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', 'orphan_file'],
		repair: 1,
	},
];

/** Stamps `count` times, some of them a commit each; marks what was promised and what was begun. */
function workload(device: CrashDevice<{synced: number; begun: number}>, count: number): void {
	const random = new Random(count);
	const volume = openForWriting(device, testOptions());
	let synced = 0;
	for (let value = 1; value <= count; value++) {
		device.mark({synced, begun: value});
		stamp(volume, value);
		if (!random.chance(0.7)) continue;
		volume.transactions?.sync();
		synced = value;
		device.mark({synced, begun: value});
	}
	device.mark({synced, begun: count});
	closeVolume(volume);
	device.mark({synced: count, begun: count});
}

type Marked = Crash<{synced: number; begun: number}>;

function assertBetween(stampFound: number, crash: Marked): void {
	const {synced, begun} = crash.mark ?? {synced: 0, begun: 0};
	if (stampFound >= synced && stampFound <= begun) return;
	throw new Error(`${crash}: stamp ${stampFound}, promised ${synced}, begun ${begun}`);
}

/** Mounts what a crash has left and unmounts it again; the stamp found. */
function replayByUs(bytes: Uint8Array): number {
	const device = new MemoryDevice(bytes);
	const volume = openForWriting(device, testOptions());
	const found = readStamp(volume);
	closeVolume(volume);
	if (readStamp(Volume.open(device)) !== found) throw new Error('changed by being unmounted');
	return found;
}

for (const {name, make, size, sequence, repair} of forms) {
	serialTestUnless(why, `a crash at any moment leaves what was committed: ${name}`, async t => {
		await setImmediate(); // Lets what the test before has found be told.
		t.timeout(600_000);
		const base = makeStampedImage(make, size);
		if (sequence !== undefined) {
			const at = journalPosition(base) + journal_superblock.fields.s_sequence.at;
			viewOf(base).setUint32(at, sequence, false);
		}
		const device = new CrashDevice<{synced: number; begun: number}>(base);
		workload(device, 110);
		checkByE2fsck(device.bytes);
		const seen = new Set<string>();
		const random = new Random(7);
		const options = {seed: 3, lossesPerEpoch: 1, tornPerEpoch: 1, untorn: {from: 1024, to: 2048}};
		for (const crash of crashesOf(device, options)) {
			if (!random.chance(judgedShare) || seen.has(crash.key)) continue;
			seen.add(crash.key);
			const bytes = crash.image();
			assertBetween(readStamp(Volume.open(new MemoryDevice(bytes, true))), crash);
			if (random.chance(0.06)) {
				const copy = bytes.slice();
				assertBetween(replayByUs(copy), crash);
				if (random.chance(0.4)) checkByE2fsck(copy);
			}
			if (random.chance(0.03)) {
				const repaired = replayByE2fsck(bytes, [0, repair ?? 0]);
				assertBetween(readStamp(Volume.open(new MemoryDevice(repaired))), crash);
			}
			if (noKernel === undefined && random.chance(0.02)) {
				const replayed = replayByKernel(bytes);
				assertBetween(replayed.stamp, crash);
				checkByE2fsck(replayed.bytes);
			}
		}
		t.log(`${seen.size} states`);
		t.true(seen.size > 500 * judgedShare);
	});
}
