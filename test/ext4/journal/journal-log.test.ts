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
import {CrashDevice, crashesOf} from '../../support/crash-device.ts';
import {hasDebugfs} from '../../support/e2fsprogs.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {viewOf} from '../../support/poke.ts';
import {testUnless} from '../../support/skip.ts';
import {
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
		if (crash.mark === undefined || !random.chance(0.3)) continue;
		const bytes = crash.image();
		const images = [Volume.open(new MemoryDevice(bytes, true))];
		if (random.chance(0.03)) images.push(Volume.open(new MemoryDevice(replayByE2fsck(bytes))));
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
	t.true(judged > 150, String(judged));
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

testUnless(why, 'a transaction that frees more than the log can name is committed in parts', t => {
	const bytes = makeStampedImage(['-t', 'ext4', '-b', '1024', '-J', 'size=1', '-O', '64bit']);
	const volume = openForWriting(new MemoryDevice(bytes), testOptions());
	for (let step = 0; step < 2500; step++) {
		volume.transact(handle => {
			for (let block = 0; block < 64; block++) handle.forget(10_000 + step * 64 + block);
		});
	}
	t.true((volume.transactions?.counts.commits ?? 0) > 4);
	closeVolume(volume);
});
