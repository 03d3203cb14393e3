/** The journal that we write, read by our own recovery, by e2fsck and by the kernel. */
import {crc32cOf, crc32cOfZeros} from '../../../ext4/checksum.ts';
import {lookup} from '../../../ext4/directory/lookup.ts';
import type {CorruptError} from '../../../ext4/errors.ts';
import {JournalLog} from '../../../ext4/journal/journal-log.ts';
import {journalFileOf} from '../../../ext4/journal/recover.ts';
import {replayJournal} from '../../../ext4/journal/recovery.ts';
import {journal_superblock, journalIncompatFeatures} from '../../../ext4/layout/journal.ts';
import {ext4_super_block} from '../../../ext4/layout/superblock.ts';
import {mapAt} from '../../../ext4/mapping/index.ts';
import {closeVolume, openForWriting} from '../../../ext4/open-for-writing.ts';
import {Volume} from '../../../ext4/volume.ts';
import {Random} from '../../fuzz/random.ts';
import {type Crash, CrashDevice, crashesOf} from '../../support/crash-device.ts';
import {hasDebugfs} from '../../support/e2fsprogs.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {viewOf} from '../../support/poke.ts';
import {testUnless} from '../../support/skip.ts';
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
	testUnless(why, `a crash at any moment leaves what was committed: ${name}`, t => {
		t.timeout(300_000);
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
		let judged = 0;
		for (const crash of crashesOf(device, {seed: 3, lossesPerEpoch: 1, tornPerEpoch: 0})) {
			if (seen.has(crash.key)) continue;
			seen.add(crash.key);
			const bytes = crash.image();
			assertBetween(readStamp(Volume.open(new MemoryDevice(bytes, true))), crash);
			judged++;
			if (random.chance(0.05)) {
				const copy = bytes.slice();
				assertBetween(replayByUs(copy), crash);
				if (random.chance(0.4)) checkByE2fsck(copy);
			}
			if (random.chance(0.015)) {
				const repaired = replayByE2fsck(bytes, [0, repair ?? 0]);
				assertBetween(readStamp(Volume.open(new MemoryDevice(repaired))), crash);
			}
			if (noKernel === undefined && random.chance(0.004)) {
				const replayed = replayByKernel(bytes);
				assertBetween(replayed.stamp, crash);
				checkByE2fsck(replayed.bytes);
			}
		}
		t.log(`${judged} states`);
		t.true(judged > 300);
	});
}

const checksumForms = ['none', 'csum_v2', 'csum_v3'] as const;

/** An image whose empty journal says what kind of checksums and block numbers it has. */
function imageWith(checksums: (typeof checksumForms)[number], is64bit: boolean): Uint8Array {
	const wide = is64bit ? '64bit' : '^64bit';
	const bytes = makeStampedImage(['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', wide]);
	const at = journalPosition(bytes);
	const raw = journal_superblock.edit(viewOf(bytes), at);
	const kind = checksums === 'none' ? 0 : journalIncompatFeatures[checksums];
	raw.s_feature_incompat = kind | (is64bit ? journalIncompatFeatures['64bit'] : 0);
	raw.s_start = 1; // As after a crash before the first commit.
	if (checksums !== 'none') {
		raw.s_checksum_type = 4;
		raw.s_uuid = new Uint8Array(16).fill(0x3c);
		const before = crc32cOf(0xffff_ffff, bytes.subarray(at, at + 0xfc));
		const after = bytes.subarray(at + 0x100, at + 0x400);
		raw.s_checksum = crc32cOf(crc32cOfZeros(before, 4), after);
	}
	return bytes;
}

/** The physical blocks of the file `pool`: the test's own, to be metadata or data as it likes. */
function poolBlocks(volume: Volume): number[] {
	const found = lookup(volume, volume.readInode(2), Buffer.from('pool'));
	if (found === undefined) throw new Error('no pool');
	const inode = volume.readInode(found.inode);
	return Array.from({length: 64}, (_, logical) => {
		const run = mapAt(volume, inode, logical);
		return run.kind === 'mapped' ? run.physical + logical - run.logical : 0;
	});
}

for (const checksums of checksumForms) {
	for (const is64bit of [false, true]) {
		const form = `${checksums}, ${is64bit ? 64 : 32} bits`;
		testUnless(why, `descriptors, escaped blocks and revokes: ${form}`, t => {
			const bytes = imageWith(checksums, is64bit);
			const device = new MemoryDevice(bytes);
			const asItLies = Volume.openAsItLies(device, {});
			const pool = poolBlocks(asItLies);
			const recovery = replayJournal(journalFileOf(asItLies));
			t.is(recovery.transactions, 0);
			const log = JournalLog.resume(asItLies, recovery);
			const contents = pool.map((number, index) => {
				const block = new Uint8Array(1024).fill(index + 1);
				// One in three looks like a record of the journal.
				if (index % 3 === 0) viewOf(block).setUint32(0, 0xc03b3998, false);
				return {number, bytes: block};
			});
			const time = {seconds: 1_700_000_000, nanoseconds: 1};
			// More than one descriptor; then all but the last ten revoked, one of them written again.
			log.commit({blocks: contents, revoked: [], time});
			const again = {number: pool[5] ?? 0, bytes: new Uint8Array(1024).fill(0xa5)};
			const manyOthers = Array.from({length: 600}, (_, index) => 7000 + index);
			log.commit({blocks: [again], revoked: [...pool.slice(0, 54), ...manyOthers], time});
			markNeedsRecovery(bytes);

			const expected = pool.map((_, index) => {
				if (index >= 54) return contents[index]?.bytes;
				return index === 5 ? again.bytes : new Uint8Array(1024).fill(0x70);
			});
			const read = (volume: Volume) => poolBlocks(volume).map(at => volume.cache.read(at).bytes);
			const ours = Volume.open(new MemoryDevice(bytes.slice(), true));
			t.deepEqual(read(ours), expected as Uint8Array[]);
			t.is(ours.recovery?.blocksRevoked, 53);
			const repaired = Volume.open(new MemoryDevice(replayByE2fsck(bytes)));
			t.deepEqual(read(repaired), expected as Uint8Array[]);
			if (noKernel !== undefined) return;
			const mounted = Volume.open(new MemoryDevice(replayByKernel(bytes).bytes));
			t.deepEqual(read(mounted), expected as Uint8Array[]);
		});
	}
}

function markNeedsRecovery(bytes: Uint8Array): void {
	const raw = ext4_super_block.edit(viewOf(bytes), 1024);
	raw.s_feature_incompat |= 0x4;
	raw.s_checksum = crc32cOf(0xffff_ffff, bytes.subarray(1024, 1024 + 0x3fc));
}

testUnless(why, 'what was freed and is file data now is not replayed, round the whole log', t => {
	t.timeout(120_000);
	const base = makeStampedImage(['-t', 'ext3', '-b', '1024', '-J', 'size=1']);
	const device = new CrashDevice<{data: number; logged: number}>(base);
	const volume = openForWriting(device, testOptions());
	t.false(journalFeatures(device.bytes).hasRevoke);
	const pool = poolBlocks(volume);
	// Each block of the pool in turn is metadata, is freed, then takes file data.
	for (let round = 1; round <= 200; round++) {
		const number = pool[round % 8] ?? 0;
		volume.transact(handle => {
			const block = volume.cache.read(number);
			handle.touch(block);
			block.bytes.fill(0x11);
		});
		stamp(volume, 2 * round - 1);
		if (round % 3 > 0) volume.transactions?.commit();
		volume.transact(handle => handle.forget(number));
		stamp(volume, 2 * round);
		volume.transactions?.commit();
		device.write(number * 1024, new Uint8Array(1024).fill(round));
		device.flush();
		device.mark({data: round, logged: 2 * round});
	}
	t.true((volume.transactions?.counts.checkpoints ?? 0) >= 2);
	t.true(journalFeatures(device.bytes).hasRevoke);
	const random = new Random(5);
	let judged = 0;
	for (const crash of crashesOf(device, {seed: 8, lossesPerEpoch: 1})) {
		if (crash.mark === undefined) continue;
		const bytes = crash.image();
		const images = [Volume.open(new MemoryDevice(bytes, true))];
		if (random.chance(0.01)) images.push(Volume.open(new MemoryDevice(replayByE2fsck(bytes))));
		for (const image of images) {
			t.true(readStamp(image) >= crash.mark.logged);
			// The last eight data blocks written are promised, but for the one in use again.
			for (let round = Math.max(1, crash.mark.data - 6); round <= crash.mark.data; round++) {
				const [first] = image.cache.read(pool[round % 8] ?? 0).bytes;
				if (first !== round % 256) t.fail(`${crash}: block of round ${round} holds ${first}`);
			}
		}
		judged++;
	}
	t.true(judged > 500);
});

function journalFeatures(bytes: Uint8Array) {
	const volume = Volume.openAsItLies(new MemoryDevice(bytes, true), {});
	return replayJournal(journalFileOf(volume)).journal.features;
}

testUnless(why, 'transactions of a quarter of the log wait for room in it', t => {
	const base = makeStampedImage(['-t', 'ext4', '-b', '1024', '-J', 'size=1']);
	const device = new CrashDevice<number>(base);
	const volume = openForWriting(device, testOptions());
	const first = 7000; // Free, and nobody else's.
	const {transactionBlocksMax: max} = JournalLog.openEmpty(
		Volume.openAsItLies(new MemoryDevice(base, true), {}),
	);
	t.is(max, 255);
	for (let round = 1; round <= 12; round++) {
		for (let from = 0; from < 250; from += 50) {
			volume.transact(
				handle => {
					for (let at = from; at < from + 50; at++) {
						const block = volume.cache.read(first + at);
						handle.touch(block);
						block.bytes.fill(round);
					}
				},
				{credits: 50},
			);
		}
		volume.transactions?.sync();
		device.mark(round);
	}
	t.true((volume.transactions?.counts.checkpoints ?? 0) >= 4);
	for (const crash of crashesOf(device, {seed: 4, prefixes: false, lossesPerEpoch: 3})) {
		const {cache} = Volume.open(new MemoryDevice(crash.image(), true));
		const rounds = Array.from({length: 250}, (_, at) => cache.read(first + at).bytes[9]);
		const [round = 0] = rounds;
		t.true(round >= (crash.mark ?? 0) && rounds.every(other => other === round), String(crash));
	}
});

testUnless(why, 'a journal gets the features that the kernel would give it', t => {
	const open = (...make: string[]) => {
		const device = new MemoryDevice(makeStampedImage(['-b', '1024', ...make], '16M'));
		const volume = openForWriting(device, testOptions());
		t.deepEqual(journalFeatures(device.bytes).hasChecksumV3, false);
		stamp(volume, 1);
		volume.transactions?.commit();
		const inUse = journalFeatures(device.bytes);
		closeVolume(volume);
		return {inUse, closed: journalFeatures(device.bytes)};
	};
	const ext4 = open('-t', 'ext4').inUse;
	t.true(ext4.hasChecksumV3 && ext4.has64bit && !ext4.hasFastCommit && !ext4.hasRevoke);
	const ext3 = open('-t', 'ext3').inUse;
	t.false(ext3.hasChecksumV3 || ext3.hasChecksumV2 || ext3.has64bit);
	const fast = open('-t', 'ext4', '-O', 'fast_commit');
	t.true(fast.inUse.hasFastCommit);
	t.false(fast.closed.hasFastCommit);
});

testUnless(why, 'a log that is too short is not written to', t => {
	const bytes = makeStampedImage(['-t', 'ext3', '-b', '1024', '-J', 'size=1']);
	viewOf(bytes).setUint32(journalPosition(bytes) + 0x10, 900, false);
	const error = t.throws(() => openForWriting(new MemoryDevice(bytes), testOptions()));
	t.is((error as CorruptError).code, 'EXT4_BAD_JOURNAL');
});
