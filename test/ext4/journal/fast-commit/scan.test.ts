import test from 'ava';
import {UnsupportedError} from '../../../../ext4/errors.ts';
import {replayJournal} from '../../../../ext4/journal/recovery.ts';
import {FastCommitBuilder} from '../../../support/fast-commit-builder.ts';
import {JournalBuilder} from '../../../support/journal-builder.ts';

const fastCommitBlocks = 8;

/** A journal with one transaction in its log, number 1, and what `write` adds behind it. */
function makeJournal(write: (commits: FastCommitBuilder) => void): JournalBuilder {
	const journal = new JournalBuilder({lengthBlocks: 1040, blockCount: 1200, fastCommitBlocks});
	journal.transaction(1, [{block: 7, bytes: journal.content(1)}]);
	const commits = new FastCommitBuilder(1024);
	write(commits);
	const first = 1040 - fastCommitBlocks + 1;
	for (const [index, block] of commits.blocks.entries()) {
		if (index < fastCommitBlocks - 1) journal.logBlock(first + index).set(block);
	}
	return journal;
}

function scan(write: (commits: FastCommitBuilder) => void) {
	return replayJournal(makeJournal(write).file()).fastCommits;
}

const name = new Uint8Array(Buffer.from('name'));
const fields = new Uint8Array(128).fill(3);

test('every kind of record is read, over several commits', t => {
	const {commits, operations} = scan(builder =>
		builder
			.head(2)
			.inode(12, fields)
			.addRange(12, {logical: 5, length: 3, physical: 2 ** 33 + 1})
			.addRange(12, {logical: 8, length: 32767, physical: 100, isUnwritten: true})
			.addRange(12, {logical: 9, length: 0x8000, physical: 100})
			.entry('create', 2, 12, 'name')
			.tail(2)
			.deleteRange(12, {logical: 2 ** 31, length: 2 ** 31 - 1})
			.entry('link', 2, 13, 'name')
			.entry('unlink', 2, 14, 'name')
			.tail(2),
	);
	t.is(commits, 2);
	t.deepEqual(operations, [
		{kind: 'inode', inode: 12, bytes: fields},
		{
			kind: 'addRange',
			inode: 12,
			logical: 5,
			length: 3,
			physical: 2 ** 33 + 1,
			isUnwritten: false,
		},
		{kind: 'addRange', inode: 12, logical: 8, length: 32767, physical: 100, isUnwritten: true},
		{kind: 'addRange', inode: 12, logical: 9, length: 0x8000, physical: 100, isUnwritten: false},
		{kind: 'create', parent: 2, inode: 12, name},
		{kind: 'deleteRange', inode: 12, logical: 2 ** 31, length: 2 ** 31 - 1},
		{kind: 'link', parent: 2, inode: 13, name},
		{kind: 'unlink', parent: 2, inode: 14, name},
	]);
});

test('a commit may take several blocks, padded at their ends', t => {
	const {commits, operations} = scan(builder => {
		builder.head(2);
		for (let number = 20; number < 40; number++) builder.inode(number, fields);
		builder.tail(2);
	});
	t.is(commits, 1);
	t.deepEqual(
		operations.map(({inode}) => inode),
		Array.from({length: 20}, (_, index) => 20 + index),
	);
});

test('without a head in the first block there are no fast commits', t => {
	t.deepEqual(
		scan(builder => builder.entry('link', 2, 13, 'name').tail(2)),
		{
			commits: 0,
			operations: [],
		},
	);
	t.is(scan(() => undefined).commits, 0);
});

test('fast commits of another transaction are left over from before the last full commit', t => {
	const stale = scan(builder => builder.head(1).entry('link', 2, 13, 'name').tail(1));
	t.deepEqual(stale, {commits: 0, operations: []});
	const mixed = scan(builder =>
		builder.head(2).entry('link', 2, 13, 'name').tail(2).entry('link', 2, 14, 'name').tail(1),
	);
	t.is(mixed.commits, 1);
	t.is(mixed.operations.length, 1);
});

for (const [title, spoil] of [
	['whose checksum fails', (builder: FastCommitBuilder) => builder.tail(2, 1)],
	['without a tail', (builder: FastCommitBuilder) => builder],
	[
		'with an unknown record',
		(builder: FastCommitBuilder) => builder.record(10, new DataView(new ArrayBuffer(8))).tail(2),
	],
	[
		'with a record of an impossible length',
		(builder: FastCommitBuilder) => builder.record(2, new DataView(new ArrayBuffer(11))).tail(2),
	],
	[
		'with an inode too short',
		(builder: FastCommitBuilder) => builder.inode(12, new Uint8Array(127)).tail(2),
	],
	['with an empty name', (builder: FastCommitBuilder) => builder.entry('link', 2, 13, '').tail(2)],
	[
		'with a name too long',
		(builder: FastCommitBuilder) => builder.entry('link', 2, 13, 'n'.repeat(256)).tail(2),
	],
] as const) {
	test(`a commit ${title} ends the fast commits, those before it stand`, t => {
		const first = scan(builder => {
			spoil(builder.head(2).entry('link', 2, 12, 'name'));
		});
		t.deepEqual(first, {commits: 0, operations: []});
		const second = scan(builder => {
			builder.head(2).entry('link', 2, 12, 'name').tail(2);
			spoil(builder.entry('link', 2, 13, 'name'));
		});
		t.is(second.commits, 1);
		t.deepEqual(
			second.operations.map(({inode}) => inode),
			[12],
		);
	});
}

test('a record that reaches beyond its block ends the fast commits', t => {
	const journal = makeJournal(builder => builder.head(2).entry('link', 2, 12, 'name').tail(2));
	journal.logBlock(1040 - fastCommitBlocks + 1)[14] = 0xff; // fc_len of the link.
	t.is(replayJournal(journal.file()).fastCommits.commits, 0);
});

test('an unknown feature of the fast commits is refused by its name', t => {
	const journal = makeJournal(builder => builder.head(2, 4).tail(2));
	const error = t.throws(() => replayJournal(journal.file()), {instanceOf: UnsupportedError});
	t.is(error.feature, 'fast commit FEATURE_2');
});

test('fast commits may fill their blocks to the last', t => {
	const {commits} = scan(builder => {
		builder.head(2);
		for (let count = 0; count < fastCommitBlocks - 1; count++) {
			builder.entry('link', 2, 12, 'name').tail(2);
		}
	});
	t.is(commits, fastCommitBlocks - 1);
});

test('without anything in the log, or behind a log that is damaged, none are read', t => {
	const empty = makeJournal(builder => builder.head(1).entry('link', 2, 12, 'name').tail(1));
	empty.writeSuperblock({start: 0});
	t.is(replayJournal(empty.file()).fastCommits.commits, 0);
	const damaged = makeJournal(builder => builder.head(2).entry('link', 2, 12, 'name').tail(2));
	damaged.head = 4;
	damaged.revoke(2, [9], 5000).commit(2);
	t.is(replayJournal(damaged.file()).damage?.code, 'EXT4_BAD_JOURNAL');
	t.is(replayJournal(damaged.file()).fastCommits.commits, 0);
});
