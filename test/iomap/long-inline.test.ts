/** Files longer than what their inode keeps of them: a hole follows. mke2fs -d makes such. */
import {mkdtempSync, rmSync, truncateSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {readRange, seek} from '../../iomap/actor.ts';
import {allocateModes, allocateRange} from '../../iomap/allocate.ts';
import {Mapper} from '../../iomap/mapper.ts';
import {truncate} from '../../iomap/truncate.ts';
import {writeFile} from '../../iomap/write.ts';
import {firstFile} from '../support/file-volume.ts';
import {type MadeVolume, mke2fs, openMade} from '../support/made-volume.ts';
import {missing, testUnless} from '../support/skip.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const sizes = [100, 5000, 1_000_001];

function openWithHole(sizeBytes: number): MadeVolume {
	const source = mkdtempSync(join(tmpdir(), 'ext4box-source-'));
	try {
		writeFileSync(join(source, 'file'), '');
		truncateSync(join(source, 'file'), sizeBytes);
		const features = ['-O', '^has_journal,inline_data', '-b', '1024', '-I', '256'];
		return openMade(mke2fs(['-t', 'ext4', '-d', source, ...features], '8M'));
	} finally {
		rmSync(source, {recursive: true});
	}
}

function contents({volume}: MadeVolume): Uint8Array {
	const inode = volume.readInode(firstFile);
	const bytes = new Uint8Array(inode.sizeBytes).fill(0xee);
	readRange(new Mapper(volume), inode, 0, bytes);
	return bytes;
}

type Change = {
	readonly what: string;
	readonly act: (mapper: Mapper, size: number) => void;
	/** What an array of zeros of that size becomes. */
	readonly expected: (size: number) => Uint8Array;
};

const word = new TextEncoder().encode('written');

function zerosWith(size: number, at: number): Uint8Array {
	const bytes = new Uint8Array(Math.max(size, at + word.length));
	bytes.set(word, at);
	return bytes;
}

const changes: readonly Change[] = [
	{what: 'read', act: () => {}, expected: size => new Uint8Array(size)},
	{
		what: 'written to at the start',
		act: mapper => void writeFile(mapper, firstFile, 3, word),
		expected: size => zerosWith(size, 3),
	},
	{
		what: 'written to where nothing is kept',
		act: (mapper, size) => void writeFile(mapper, firstFile, size - 5, word),
		expected: size => zerosWith(size, size - 5),
	},
	{
		what: 'cut off to less than is kept',
		act: mapper => truncate(mapper, firstFile, 20),
		expected: () => new Uint8Array(20),
	},
	{
		what: 'cut off to more than is kept',
		act: (mapper, size) => truncate(mapper, firstFile, size - 1),
		expected: size => new Uint8Array(size - 1),
	},
	{
		what: 'made longer',
		act: (mapper, size) => truncate(mapper, firstFile, size + 3000),
		expected: size => new Uint8Array(size + 3000),
	},
	{
		what: 'given space',
		act: (mapper, size) => allocateRange(mapper, firstFile, 0, size, allocateModes.keepSize),
		expected: size => new Uint8Array(size),
	},
];

for (const {what, act, expected} of changes) {
	for (const size of sizes) {
		testUnless(why, `an inline file of ${size} bytes that keeps fewer is ${what}`, t => {
			const made = openWithHole(size);
			const before = made.volume.readInode(firstFile);
			t.is(before.sizeBytes, size);
			act(new Mapper(made.volume), size);
			t.deepEqual(Buffer.from(contents(made)), Buffer.from(expected(size)));
			t.is(made.findProblems(), undefined);
		});
	}
}

testUnless(why, 'what an inline file does not keep is a hole', t => {
	const {volume} = openWithHole(5000);
	const inode = volume.readInode(firstFile);
	const mapper = new Mapper(volume);
	t.is(seek(mapper, inode, 0, 'data'), 0);
	t.is(seek(mapper, inode, 0, 'hole'), 60);
	t.is(seek(mapper, inode, 60, 'data'), undefined);
});
