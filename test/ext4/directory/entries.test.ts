import test from 'ava';
import {checkEntries, type EntryRules} from '../../../ext4/directory/entries.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {viewOf} from '../../support/poke.ts';
import {dots, type TinyEntry, writeEntries} from '../../support/tiny-directory.ts';

const plain: EntryRules = {
	blockSize: 1024,
	inodeCount: 32,
	hasTypes: true,
	hasChecksums: false,
	isIndexed: false,
	isEncrypted: false,
	isCasefolded: false,
	hasHashes: false,
};
const encrypted: EntryRules = {...plain, isEncrypted: true};
const hashed: EntryRules = {...encrypted, isCasefolded: true, hasHashes: true};

function check(bytes: Uint8Array, rules: EntryRules): void {
	const view = viewOf(bytes);
	checkEntries({bytes, view, start: 0, end: bytes.length, inode: 12, block: 99}, rules);
}

function block(entries: readonly TinyEntry[], size = 1024): Uint8Array {
	const bytes = new Uint8Array(size);
	writeEntries(bytes, entries);
	return bytes;
}

const cipher = Uint8Array.from({length: 16}, (_, index) => [0x2f, 0, 0xff, 0x41][index % 4] ?? 0);

const good: readonly [string, EntryRules, readonly TinyEntry[]][] = [
	[
		'dots and names',
		plain,
		[...dots, {inode: 11, name: 'file'}, {inode: 32, name: 'n'.repeat(255)}],
	],
	['an entry that is not in use, without a name', plain, [...dots, {inode: 0, name: ''}]],
	['a name that is not in use with a slash', plain, [...dots, {inode: 0, name: 'a/b'}]],
	[
		'exactly twelve bytes left for the last',
		plain,
		[
			{inode: 11, name: 'a', length: 1012},
			{inode: 0, name: ''},
		],
	],
	['encrypted names with slash and NUL', encrypted, [...dots, {inode: 11, name: cipher}]],
	[
		'dots without hashes before names with them',
		hashed,
		[...dots, {inode: 11, name: cipher, hash: [2, 1]}],
	],
];

for (const [what, rules, entries] of good) {
	test(`entries that pass: ${what}`, t => {
		t.notThrows(() => check(block(entries), rules));
	});
}

test('a block of 64 KiB with one entry, in either spelling of its length, and with more', t => {
	const rules = {...plain, blockSize: 65536};
	for (const length of [0, 65535]) {
		t.notThrows(() => check(block([{inode: 11, name: 'a', length}], 65536), rules));
	}
	// 65536 - 12, for which sixteen bits suffice, and behind it what is left.
	t.notThrows(() =>
		check(
			block(
				[
					{inode: 11, name: 'a', length: 65524},
					{inode: 0, name: ''},
				],
				65536,
			),
			rules,
		),
	);
	// A length of 12 with bit 16 set, which only the two lowest bits can say.
	corruptBy('EXT4_BAD_DIRECTORY_ENTRY', () =>
		check(block([{inode: 11, name: 'a', length: 13}], 65536), rules),
	);
	t.pass();
});

const bad: readonly [string, RegExp, EntryRules, readonly TinyEntry[]][] = [
	['a length of 0', /rec_len 0/, plain, [{inode: 11, name: 'a', length: 0}]],
	['a length of 8', /rec_len 8/, plain, [{inode: 11, name: 'a', length: 8}]],
	[
		'a length that is no multiple of 4',
		/multiple of 4/,
		plain,
		[{inode: 11, name: 'a', length: 14}],
	],
	[
		'a length too small for the name',
		/less than 16/,
		plain,
		[{inode: 11, name: 'abcde', length: 12}],
	],
	[
		'a length beyond the end',
		/beyond the end/,
		plain,
		[...dots, {inode: 11, name: 'a', length: 1024}],
	],
	['too little left at the end', /leaves 8/, plain, [{inode: 11, name: 'a', length: 1016}]],
	['an inode beyond the last', /inode 33/, plain, [{inode: 33, name: 'a'}]],
	['an inode beyond the last, even for dots', /inode 33/, plain, [{inode: 33, name: '.'}]],
	['an empty name', /empty/, plain, [{inode: 11, name: ''}]],
	['a name with a slash', /slash/, plain, [{inode: 11, name: 'a/b'}]],
	['a name with a NUL', /NUL/, plain, [{inode: 11, name: 'a\0b'}]],
	[
		'an encrypted name that is too short',
		/15 bytes/,
		encrypted,
		[{inode: 11, name: 'a'.repeat(15)}],
	],
	[
		'no room for the hashes',
		/less than 32/,
		hashed,
		[...dots, {inode: 11, name: cipher, length: 24}, {inode: 0, name: ''}],
	],
	[
		'no room for an entry with hashes at the end',
		/leaves 12/,
		hashed,
		[
			{inode: 11, name: cipher, length: 1012},
			{inode: 0, name: ''},
		],
	],
];

for (const [what, message, rules, entries] of bad) {
	test(`refused: ${what}`, t => {
		const error = corruptBy('EXT4_BAD_DIRECTORY_ENTRY', () => check(block(entries), rules));
		t.regex(error.message, message);
		t.is(error.place.inode, 12);
		t.is(error.place.block, 99);
		t.is(typeof error.place.offset, 'number');
	});
}

test('a stretch too short for an entry is refused', t => {
	const error = corruptBy('EXT4_BAD_DIRECTORY_ENTRY', () => check(new Uint8Array(4), plain));
	t.regex(error.message, /no room/);
});

test('the place of an error is where the bad entry begins', t => {
	const bytes = block([...dots, {inode: 11, name: 'good'}, {inode: 11, name: 'bad/'}]);
	const error = corruptBy('EXT4_BAD_DIRECTORY_ENTRY', () => check(bytes, plain));
	t.is(error.place.offset, 36);
});
