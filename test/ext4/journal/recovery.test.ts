import test from 'ava';
import {CorruptError, UnsupportedError} from '../../../ext4/errors.ts';
import {type RecoveryResult, replayJournal} from '../../../ext4/journal/recovery.ts';
import {
	JournalBuilder,
	type JournalOptions,
	type TagFormat,
} from '../../support/journal-builder.ts';

const formats: readonly TagFormat[] = ['v1', 'checksum', 'csum_v2', 'csum_v3'];

function combinations(): readonly {format: TagFormat; is64bit: boolean; name: string}[] {
	return formats.flatMap(format =>
		[false, true].map(is64bit => ({format, is64bit, name: `${format}, ${is64bit ? 64 : 32} bits`})),
	);
}

/** The first byte that the overlay has for each block it holds. */
function summary(result: RecoveryResult): {readonly [block: number]: number | undefined} {
	return Object.fromEntries(
		result.overlay.blocks().map(block => [block, result.overlay.get(block)?.[0]]),
	);
}

for (const {format, is64bit, name} of combinations()) {
	test(`transactions are laid over in order, the last copy winning (${name})`, t => {
		const journal = new JournalBuilder({format, is64bit});
		const {block, bytes} = {block: 9, bytes: journal.content(3)};
		journal
			.transaction(1, [
				{block: 7, bytes: journal.content(1)},
				{block: 8, bytes: journal.content(2)},
				{block, bytes},
			])
			.transaction(2, [{block: 8, bytes: journal.content(4)}]);
		const result = replayJournal(journal.file());
		t.deepEqual(summary(result), {7: 1, 8: 4, 9: 3});
		t.deepEqual(result.overlay.get(9), bytes);
		t.is(result.damage, undefined);
		t.is(result.transactions, 2);
		t.is(result.firstSequence, 1);
		t.is(result.lastSequence, 2);
		t.is(result.nextSequence, 3);
		t.is(result.headBlock, journal.head);
		t.is(result.blocksReplayed, 4);
		t.is(result.endedBecause, 'no-record');
	});

	test(`a block that begins with the journal's magic gets it back (${name})`, t => {
		const journal = new JournalBuilder({format, is64bit});
		const bytes = journal.content(5);
		bytes.set([0xc0, 0x3b, 0x39, 0x98]);
		journal.transaction(1, [{block: 20, bytes}]);
		t.deepEqual(replayJournal(journal.file()).overlay.get(20), bytes);
	});

	test(`a block that is revoked later is not laid over (${name})`, t => {
		const journal = new JournalBuilder({format, is64bit});
		journal
			.transaction(1, [
				{block: 7, bytes: journal.content(1)},
				{block: 8, bytes: journal.content(2)},
			])
			.transaction(2, [], [8, 40])
			.transaction(3, [{block: 9, bytes: journal.content(3)}]);
		const result = replayJournal(journal.file());
		t.deepEqual(summary(result), {7: 1, 9: 3});
		t.is(result.blocksRevoked, 1);
		t.is(result.transactions, 3);
	});

	test(`a block that is written again after its revocation is laid over (${name})`, t => {
		const journal = new JournalBuilder({format, is64bit});
		journal
			.transaction(1, [{block: 8, bytes: journal.content(1)}])
			.transaction(2, [], [8])
			.transaction(3, [{block: 8, bytes: journal.content(3)}]);
		t.deepEqual(summary(replayJournal(journal.file())), {8: 3});
	});

	test(`a revocation counts for the transaction that it stands in (${name})`, t => {
		const journal = new JournalBuilder({format, is64bit});
		journal.transaction(1, [{block: 8, bytes: journal.content(1)}], [8]);
		t.deepEqual(summary(replayJournal(journal.file())), {});
	});

	test(`the log goes on at its first block after its last (${name})`, t => {
		const journal = new JournalBuilder({format, is64bit, start: 29, first: 2});
		journal
			.transaction(1, [
				{block: 7, bytes: journal.content(1)},
				{block: 8, bytes: journal.content(2)},
				{block: 9, bytes: journal.content(3)},
			])
			.transaction(2, [{block: 10, bytes: journal.content(4)}]);
		t.deepEqual(summary(replayJournal(journal.file())), {7: 1, 8: 2, 9: 3, 10: 4});
	});

	test(`a transaction without its commit block is not replayed (${name})`, t => {
		const journal = new JournalBuilder({format, is64bit});
		journal
			.transaction(1, [{block: 7, bytes: journal.content(1)}])
			.descriptor(2, [{block: 7, bytes: journal.content(2)}])
			.revoke(2, [7]);
		const result = replayJournal(journal.file());
		t.deepEqual(summary(result), {7: 1});
		t.is(result.blocksRevoked, 0);
		t.is(result.damage, undefined);
		t.is(result.endedBecause, 'no-record');
	});

	test(`what an earlier round left behind is not replayed (${name})`, t => {
		const journal = new JournalBuilder({format, is64bit, sequence: 5});
		journal
			.transaction(5, [{block: 7, bytes: journal.content(1)}])
			.transaction(3, [{block: 8, bytes: journal.content(2)}]);
		const result = replayJournal(journal.file());
		t.deepEqual(summary(result), {7: 1});
		t.is(result.transactions, 1);
	});

	test(`transaction numbers go round at 2^32, for revocations too (${name})`, t => {
		const journal = new JournalBuilder({format, is64bit, sequence: 0xffff_ffff});
		journal
			.transaction(0xffff_ffff, [
				{block: 7, bytes: journal.content(1)},
				{block: 8, bytes: journal.content(2)},
			])
			.transaction(0, [{block: 9, bytes: journal.content(3)}], [7])
			.transaction(1, [{block: 8, bytes: journal.content(4)}]);
		const result = replayJournal(journal.file());
		t.deepEqual(summary(result), {8: 4, 9: 3});
		t.is(result.transactions, 3);
		t.is(result.lastSequence, 1);
		t.is(result.nextSequence, 2);
	});
}

test('block numbers above 2^32 are read from 64-bit tags and revoke records', t => {
	for (const format of formats) {
		const journal = new JournalBuilder({format, is64bit: true});
		const block = 2 ** 32 + 7;
		journal.transaction(1, [
			{block, bytes: journal.content(1)},
			{block: block + 1, bytes: journal.content(1)},
		]);
		journal.transaction(2, [], [block]);
		const result = replayJournal({...journal.file(), blockCount: 2 ** 33});
		t.deepEqual(result.overlay.blocks(), [block + 1], format);
	}
});

test('a version 1 journal has no features, whatever stands in their place', t => {
	const journal = new JournalBuilder({version: 1, incompat: 0xffff, compat: 1});
	journal.transaction(1, [{block: 7, bytes: journal.content(1)}]);
	const result = replayJournal(journal.file());
	t.deepEqual(summary(result), {7: 1});
	t.is(result.journal.version, 1);
});

test('a journal whose start is 0 has nothing to replay', t => {
	const journal = new JournalBuilder();
	journal.transaction(1, [{block: 7, bytes: journal.content(1)}]);
	journal.writeSuperblock({start: 0});
	const result = replayJournal(journal.file());
	t.is(result.endedBecause, 'empty');
	t.is(result.transactions, 0);
	t.is(result.firstSequence, undefined);
	t.is(result.overlay.blockCount, 0);
});

test('a descriptor without a last tag has as many tags as fit', t => {
	const journal = new JournalBuilder({blockCount: 512, lengthBlocks: 200});
	// 1,024 bytes: 12 of the header, 8 and 16 of the first tag, then 8 each, to the end.
	const changes = Array.from({length: 124}, (_, index) => ({
		block: index + 300,
		bytes: journal.content(index),
	}));
	journal.descriptor(1, changes);
	const descriptor = journal.logBlock(1);
	const last = 12 + 8 + 16 + 122 * 8;
	descriptor[last + 7] = 2; // Not the last tag: no tag is.
	journal.commit(1);
	const result = replayJournal(journal.file());
	t.is(result.blocksReplayed, 124);
	t.is(result.transactions, 1);
});

test('the replay writes nothing to the device', t => {
	const journal = new JournalBuilder();
	journal.transaction(1, [{block: 7, bytes: journal.content(1)}]);
	const before = journal.device.bytes.slice();
	replayJournal(journal.file());
	t.deepEqual(journal.device.bytes, before);
});

for (const format of ['csum_v2', 'csum_v3'] as const) {
	test(`a copy whose checksum fails is left out, the rest replayed, and told of (${format})`, t => {
		const journal = new JournalBuilder({format});
		journal
			.transaction(1, [
				{block: 7, bytes: journal.content(1)},
				{block: 8, bytes: journal.content(2), checksumXor: 0x101},
			])
			.transaction(2, [{block: 9, bytes: journal.content(3)}]);
		const result = replayJournal(journal.file());
		t.deepEqual(summary(result), {7: 1, 9: 3});
		t.is(result.damage?.code, 'EXT4_BAD_JOURNAL_CHECKSUM');
		t.is(result.damage?.place.block, 8);
		t.is(result.blocksDamaged, 1);
	});

	test(`a bad descriptor in a committed transaction discredits the whole log (${format})`, t => {
		const journal = new JournalBuilder({format});
		journal.transaction(1, [{block: 7, bytes: journal.content(1)}]);
		const at = journal.head;
		journal.transaction(2, [{block: 8, bytes: journal.content(2)}]);
		journal.logBlock(at)[500] = 1;
		const result = replayJournal(journal.file());
		t.is(result.overlay.blockCount, 0);
		t.is(result.endedBecause, 'bad-record');
		t.is(result.damage?.code, 'EXT4_BAD_JOURNAL_CHECKSUM');
	});

	test(`a bad revoke block in a committed transaction discredits the whole log (${format})`, t => {
		const journal = new JournalBuilder({format});
		journal.transaction(1, [{block: 7, bytes: journal.content(1)}]);
		const at = journal.head;
		journal.transaction(2, [], [7]);
		journal.logBlock(at)[500] = 1;
		const result = replayJournal(journal.file());
		t.is(result.overlay.blockCount, 0);
		t.is(result.damage?.code, 'EXT4_BAD_JOURNAL_CHECKSUM');
	});

	test(`a bad record whose commit is older than the one before is stale (${format})`, t => {
		const journal = new JournalBuilder({format});
		journal.descriptor(1, [{block: 7, bytes: journal.content(1)}]).commit(1, 2000);
		const at = journal.head;
		journal.descriptor(2, [{block: 8, bytes: journal.content(2)}]).commit(2, 1000);
		journal.logBlock(at)[500] = 1;
		const result = replayJournal(journal.file());
		t.deepEqual(summary(result), {7: 1});
		t.is(result.endedBecause, 'stale-record');
		t.is(result.damage, undefined);
	});

	test(`a bad record that was never committed only ends the log (${format})`, t => {
		const journal = new JournalBuilder({format});
		journal.transaction(1, [{block: 7, bytes: journal.content(1)}]);
		const at = journal.head;
		journal.descriptor(2, [{block: 8, bytes: journal.content(2)}]);
		journal.logBlock(at)[500] = 1;
		const result = replayJournal(journal.file());
		t.deepEqual(summary(result), {7: 1});
		t.is(result.damage, undefined);
	});

	test(`a commit block of which only the first sector arrived still commits (${format})`, t => {
		const journal = new JournalBuilder({format});
		journal.descriptor(1, [{block: 7, bytes: journal.content(1)}]);
		const at = journal.head;
		journal.commit(1);
		journal.logBlock(at).fill(0x5a, 512);
		const result = replayJournal(journal.file());
		t.deepEqual(summary(result), {7: 1});
		t.is(result.damage, undefined);
	});
}

for (const format of ['checksum', 'csum_v2', 'csum_v3'] as const) {
	test(`a bad commit block ends the log and is told of (${format})`, t => {
		const journal = new JournalBuilder({format});
		journal
			.transaction(1, [{block: 7, bytes: journal.content(1)}])
			.descriptor(2, [{block: 8, bytes: journal.content(2)}])
			.commit(2, 1000, 0x10)
			.transaction(3, [{block: 9, bytes: journal.content(3)}]);
		const result = replayJournal(journal.file());
		t.deepEqual(summary(result), {7: 1});
		t.is(result.endedBecause, 'bad-commit');
		t.is(result.damage?.code, 'EXT4_BAD_JOURNAL_CHECKSUM');
		t.is(result.nextSequence, 2);
	});

	test(`with async_commit a bad last commit is an interruption, not damage (${format})`, t => {
		const journal = new JournalBuilder({format, isAsync: true});
		journal
			.transaction(1, [{block: 7, bytes: journal.content(1)}])
			.descriptor(2, [{block: 8, bytes: journal.content(2)}])
			.commit(2, 1000, 0x10);
		const result = replayJournal(journal.file());
		t.deepEqual(summary(result), {7: 1});
		t.is(result.endedBecause, 'torn-commit');
		t.is(result.damage, undefined);
		t.is(result.nextSequence, 2);
	});
}

test('with async_commit, data that never arrived is found by the transaction checksum', t => {
	const journal = new JournalBuilder({format: 'checksum', isAsync: true});
	journal.transaction(1, [{block: 7, bytes: journal.content(1)}]);
	const at = journal.head;
	journal.transaction(2, [{block: 8, bytes: journal.content(2)}]);
	journal.logBlock(at + 1).fill(0);
	const result = replayJournal(journal.file());
	t.deepEqual(summary(result), {7: 1});
	t.is(result.endedBecause, 'torn-commit');
	t.is(result.damage, undefined);
});

test('a commit after a bad one is damage, even with async_commit', t => {
	const journal = new JournalBuilder({format: 'checksum', isAsync: true});
	journal
		.descriptor(1, [{block: 7, bytes: journal.content(1)}])
		.commit(1, 1000, 0x10)
		.transaction(2, [{block: 8, bytes: journal.content(2)}]);
	const result = replayJournal(journal.file());
	t.is(result.overlay.blockCount, 0);
	t.is(result.endedBecause, 'bad-commit');
	t.is(result.damage?.code, 'EXT4_BAD_JOURNAL_CHECKSUM');
});

test('a commit block without a transaction checksum commits all the same', t => {
	const journal = new JournalBuilder({format: 'checksum'});
	journal.descriptor(1, [{block: 7, bytes: journal.content(1)}]);
	const at = journal.head;
	journal.commit(1);
	journal.logBlock(at).fill(0, 0xc, 0x14);
	t.deepEqual(summary(replayJournal(journal.file())), {7: 1});
});

test('a copy for a block beyond the volume is left out and told of', t => {
	const journal = new JournalBuilder();
	journal.transaction(1, [
		{block: 7, bytes: journal.content(1)},
		{block: 256, bytes: journal.content(2)},
		{block: 9, bytes: journal.content(3)},
	]);
	const result = replayJournal(journal.file());
	t.deepEqual(summary(result), {7: 1, 9: 3});
	t.is(result.damage?.code, 'EXT4_BAD_BLOCK_NUMBER');
	t.is(result.blocksDamaged, 1);
});

test('a revoke block that counts more bytes than it has discredits the whole log', t => {
	for (const format of ['v1', 'csum_v3'] as const) {
		const journal = new JournalBuilder({format});
		journal.transaction(1, [{block: 7, bytes: journal.content(1)}]);
		journal.revoke(2, [9], 1025).commit(2);
		const result = replayJournal(journal.file());
		t.is(result.overlay.blockCount, 0);
		t.is(result.damage?.code, 'EXT4_BAD_JOURNAL');
	}
});

test('a revoke block may count the whole block but for its checksum', t => {
	const journal = new JournalBuilder({format: 'csum_v3'});
	journal.transaction(1, [{block: 7, bytes: journal.content(1)}]);
	journal.revoke(2, [9], 1021).commit(2);
	t.is(replayJournal(journal.file()).damage?.code, 'EXT4_BAD_JOURNAL');
	const full = new JournalBuilder({format: 'csum_v3'});
	full.transaction(1, [{block: 7, bytes: full.content(1)}]);
	full.revoke(2, [9], 1020).commit(2);
	t.is(replayJournal(full.file()).damage, undefined);
});

test('a log of descriptors without an end is walked round once', t => {
	const journal = new JournalBuilder();
	for (let count = 0; count < 31; count++) journal.descriptor(1, []);
	for (let at = 1; at < 32; at++) journal.logBlock(at)[12 + 7] = 8; // One tag each, the last.
	const result = replayJournal(journal.file());
	t.is(result.endedBecause, 'full-circle');
	t.is(result.transactions, 0);
	t.is(result.overlay.blockCount, 0);
});

test('a descriptor whose tags reach further round than the log is not followed', t => {
	const journal = new JournalBuilder();
	journal.descriptor(1, []);
	const bytes = journal.logBlock(1);
	for (let at = 12 + 7; at < 1024; at += 8) bytes[at] = 2;
	const result = replayJournal(journal.file());
	t.is(result.endedBecause, 'full-circle');
	t.is(result.overlay.blockCount, 0);
});

test('a log that fills its circle to the last block is replayed whole', t => {
	const journal = new JournalBuilder();
	const changes = Array.from({length: 29}, (_, index) => ({
		block: index + 10,
		bytes: journal.content(index),
	}));
	journal.transaction(1, changes);
	t.is(journal.head, 1);
	t.is(replayJournal(journal.file()).blocksReplayed, 29);
});

test("a copy that would go into the journal's own blocks is corruption", t => {
	const journal = new JournalBuilder();
	journal.transaction(1, [
		{block: 7, bytes: journal.content(1)},
		{block: journal.physical(0), bytes: journal.content(2)},
		{block: journal.physical(5), bytes: journal.content(3)},
	]);
	const result = replayJournal(journal.file());
	t.is(result.damage?.code, 'EXT4_BAD_JOURNAL');
	t.is(result.damage?.place.block, journal.physical(0));
	t.deepEqual([result.blocksReplayed, result.blocksDamaged], [1, 2]);
	t.deepEqual(result.overlay.blocks(), [7]);
});

test('a hole in the journal is corruption where it is needed', t => {
	const journal = new JournalBuilder();
	journal.transaction(1, [{block: 7, bytes: journal.content(1)}]);
	const file = journal.file();
	const error = t.throws(
		() =>
			replayJournal({
				...file,
				journalBlocks: logical => (logical === 2 ? undefined : file.journalBlocks(logical)),
			}),
		{instanceOf: CorruptError},
	);
	t.is(error.code, 'EXT4_BAD_JOURNAL');
});

const brokenSuperblocks: readonly {
	readonly title: string;
	readonly options?: JournalOptions;
	readonly spoil?: (journal: JournalBuilder) => void;
	readonly code: string;
}[] = [
	{
		title: 'without its magic',
		spoil: journal => journal.logBlock(0).fill(0, 0, 4),
		code: 'EXT4_BAD_JOURNAL',
	},
	{
		title: 'of an unknown type',
		spoil: journal => journal.logBlock(0).fill(9, 7, 8),
		code: 'EXT4_BAD_JOURNAL',
	},
	{
		title: 'with another block size',
		spoil: journal => journal.writeSuperblock({blockSize: 4096}),
		code: 'EXT4_BAD_JOURNAL',
	},
	{
		title: 'longer than its file',
		spoil: journal => journal.writeSuperblock({maxlen: 33}),
		code: 'EXT4_BAD_JOURNAL',
	},
	{
		title: 'whose log begins at block 0',
		spoil: journal => journal.logBlock(0).fill(0, 0x14, 0x18),
		code: 'EXT4_BAD_JOURNAL',
	},
	{
		title: 'whose log begins behind its end',
		spoil: journal => journal.writeSuperblock({maxlen: 1}),
		code: 'EXT4_BAD_JOURNAL',
	},
	{
		title: 'whose start lies outside the log',
		spoil: journal => journal.writeSuperblock({start: 32}),
		code: 'EXT4_BAD_JOURNAL',
	},
	{
		title: 'whose checksum fails',
		options: {format: 'csum_v3'},
		spoil: journal => journal.logBlock(0).fill(1, 0x90, 0x91),
		code: 'EXT4_BAD_JOURNAL_CHECKSUM',
	},
	{
		title: 'with another checksum type',
		options: {format: 'csum_v3'},
		spoil: journal => journal.logBlock(0).fill(1, 0x50, 0x51),
		code: 'EXT4_BAD_JOURNAL',
	},
	{
		title: 'with two kinds of checksum',
		options: {format: 'csum_v3', incompat: 9},
		code: 'EXT4_BAD_JOURNAL',
	},
	{
		title: 'with block and transaction checksums',
		options: {format: 'csum_v3', compat: 1},
		code: 'EXT4_BAD_JOURNAL',
	},
	{
		title: 'with too little room left by fast commits',
		options: {fastCommitBlocks: 8},
		code: 'EXT4_BAD_JOURNAL',
	},
];

for (const {title, options, spoil, code} of brokenSuperblocks) {
	test(`a journal ${title} is refused`, t => {
		const journal = new JournalBuilder(options);
		spoil?.(journal);
		const error = t.throws(() => replayJournal(journal.file()), {instanceOf: CorruptError});
		t.is(error.code as string, code);
	});
}

test('an unknown incompat or ro_compat feature of the journal is refused by its name', t => {
	for (const [options, feature] of [
		[{incompat: 0x40}, 'journal FEATURE_I6'],
		[{incompat: 0x8000_0001}, 'journal FEATURE_I31'],
		[{roCompat: 1}, 'journal FEATURE_R0'],
	] as const) {
		const error = t.throws(() => replayJournal(new JournalBuilder(options).file()), {
			instanceOf: UnsupportedError,
		});
		t.is(error.feature, feature);
	}
});

test('with fast commits the log ends before their blocks, 256 where none are named', t => {
	const named = new JournalBuilder({
		lengthBlocks: 1100,
		blockCount: 1300,
		fastCommitBlocks: 16,
		start: 1083,
	});
	named.transaction(1, [
		{block: 7, bytes: named.content(1)},
		{block: 8, bytes: named.content(2)},
	]);
	const result = replayJournal(named.file());
	t.deepEqual(summary(result), {7: 1, 8: 2});
	t.is(result.journal.endBlock, 1084);
	t.is(result.journal.fastCommitFirstBlock, 1085);
	const unnamed = new JournalBuilder({
		lengthBlocks: 1300,
		blockCount: 1500,
		incompat: 0x21,
		start: 0,
	});
	t.is(replayJournal(unnamed.file()).journal.endBlock, 1044);
});
