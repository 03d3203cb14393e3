/** What changes of contents refuse, and what becomes of them where there is no room. */
import test from 'ava';
import {type Errno, FileError} from '../../ext4/errors.ts';
import {inodeFlags} from '../../ext4/layout/inode.ts';
import {extentTreeDepth, lastExtentBlock, mapAt} from '../../ext4/mapping/index.ts';
import {cleanOrphans} from '../../ext4/orphans/clean.ts';
import {Volume} from '../../ext4/volume.ts';
import {readRange} from '../../iomap/actor.ts';
import {allocateModes, allocateRange} from '../../iomap/allocate.ts';
import {copyRange} from '../../iomap/copy.ts';
import {Mapper} from '../../iomap/mapper.ts';
import {truncate} from '../../iomap/truncate.ts';
import {writeFile, writeRange} from '../../iomap/write.ts';
import {
	type FeatureSet,
	firstFile,
	mappingFeatures,
	openWithFiles,
} from '../support/file-volume.ts';
import {makeWritable} from '../support/home-log.ts';

function featuresNamed(name: string): FeatureSet {
	const found = mappingFeatures.find(features => features.name === name);
	if (found === undefined) throw new Error(name);
	return found;
}

function open(name: string, size = '8M') {
	const made = openWithFiles(featuresNamed(name), size);
	return {made, volume: made.volume, mapper: new Mapper(made.volume)};
}

function codeOf(action: () => unknown): Errno | undefined {
	try {
		action();
		return undefined;
	} catch (error) {
		if (error instanceof FileError) return error.code;
		throw error;
	}
}

const {keepSize, punchHole, collapseRange, zeroRange, insertRange} = allocateModes;

const refused: readonly (readonly [string, number, number, number, Errno])[] = [
	['no bytes', 0, 0, 0, 'EINVAL'],
	['a negative position', -1, 10, 0, 'EINVAL'],
	['an unknown mode', 0, 10, 0x40, 'EOPNOTSUPP'],
	['a hole that changes the size', 0, 10, punchHole, 'EOPNOTSUPP'],
	['a hole and zeros', 0, 10, punchHole | zeroRange | keepSize, 'EOPNOTSUPP'],
	['collapsing with another mode', 0, 1024, collapseRange | keepSize, 'EINVAL'],
	['inserting with another mode', 0, 1024, insertRange | keepSize, 'EINVAL'],
	['collapsing parts of blocks', 0, 1000, collapseRange, 'EINVAL'],
	['collapsing to the end', 1024, 4096 - 1024, collapseRange, 'EINVAL'],
	['inserting parts of blocks', 1, 1024, insertRange, 'EINVAL'],
	['inserting at the end', 4096, 1024, insertRange, 'EINVAL'],
	['beyond what a file can reach', (2 ** 32 - 2) * 1024, 2048, 0, 'EFBIG'],
	['inserting more than a file can reach', 0, (2 ** 32 - 4) * 1024, insertRange, 'EFBIG'],
];

for (const [what, position, length, mode, code] of refused) {
	test(`fallocate refuses ${what}: ${code}`, t => {
		const {mapper, volume, made} = open('extents, 1 KiB');
		writeFile(mapper, firstFile, 0, new Uint8Array(4096).fill(1));
		t.is(
			codeOf(() => allocateRange(mapper, firstFile, position, length, mode)),
			code,
		);
		t.is(volume.readInode(firstFile).sizeBytes, 4096);
		t.is(made.findProblems(), undefined);
	});
}

test('of a file with a block map only holes are punched', t => {
	const {mapper} = open('block maps');
	writeFile(mapper, firstFile, 0, new Uint8Array(8192).fill(1));
	for (const mode of [0, keepSize, zeroRange, collapseRange, insertRange]) {
		t.is(
			codeOf(() => allocateRange(mapper, firstFile, 1024, 1024, mode)),
			'EOPNOTSUPP',
		);
	}
	t.is(
		codeOf(() => allocateRange(mapper, firstFile, 1024, 1024, punchHole | keepSize)),
		undefined,
	);
});

test('with clusters, what is moved is whole clusters', t => {
	const {mapper} = open('clusters of 16');
	writeFile(mapper, firstFile, 0, new Uint8Array(100_000).fill(1));
	for (const mode of [collapseRange, insertRange]) {
		t.is(
			codeOf(() => allocateRange(mapper, firstFile, 0, 1024, mode)),
			'EINVAL',
		);
	}
});

test('what is no regular file, encrypted or sealed is not written to', t => {
	const {mapper, volume} = open('extents, 1 KiB');
	t.is(
		codeOf(() => writeFile(mapper, 2, 0, new Uint8Array(1))),
		'EISDIR',
	);
	t.is(
		codeOf(() => truncate(mapper, 2, 0)),
		'EISDIR',
	);
	for (const [flag, code] of [
		[inodeFlags.encrypted, 'ENOKEY'],
		[inodeFlags.verity, 'EPERM'],
	] as const) {
		volume.transact(handle => {
			const inode = handle.edit(volume.readInode(firstFile));
			inode.flags = (inode.flags & ~(inodeFlags.encrypted | inodeFlags.verity)) | flag;
		});
		t.is(
			codeOf(() => writeFile(mapper, firstFile, 0, new Uint8Array(1))),
			code,
		);
		t.is(
			codeOf(() => truncate(mapper, firstFile, 0)),
			code,
		);
		t.is(
			codeOf(() => allocateRange(mapper, firstFile, 0, 1, 0)),
			code,
		);
	}
});

test('a volume that takes no changes is not written to, not even in place', t => {
	const {mapper, made} = open('extents, 1 KiB');
	writeFile(mapper, firstFile, 0, new Uint8Array(1024).fill(1));
	made.volume.transactions?.close();
	t.is(
		codeOf(() => writeFile(mapper, firstFile, 0, new Uint8Array(10))),
		'EROFS',
	);
});

const sizesMax: readonly (readonly [string, number])[] = [
	['extents, 1 KiB', (2 ** 32 - 1) * 1024],
	['extents, 4 KiB', (2 ** 32 - 1) * 4096],
	['block maps with huge_file and checksums', (12 + 256 + 256 ** 2 + 256 ** 3) * 1024],
	['block maps', (12 + 256 + 256 ** 2 + 256 ** 3) * 1024],
];

for (const [name, sizeMax] of sizesMax) {
	test(`a file is at most as large as in the kernel's ext4: ${name}`, t => {
		const {mapper, made, volume} = open(name);
		t.is(
			codeOf(() => truncate(mapper, firstFile, sizeMax + 1)),
			'EFBIG',
		);
		t.is(
			codeOf(() => writeFile(mapper, firstFile, sizeMax, new Uint8Array(1))),
			'EFBIG',
		);
		const bytes = new Uint8Array(10).fill(7);
		t.is(writeFile(mapper, firstFile, sizeMax - 4, bytes), 4, 'what fits is written');
		t.is(volume.readInode(firstFile).sizeBytes, sizeMax);
		t.is(made.findProblems(), undefined);
		t.true(volume.features.has('large_file'));
		truncate(mapper, firstFile, 0);
		t.is(volume.readInode(firstFile).sectors, 0);
		t.is(made.findProblems(), undefined);
	});
}

test('the first file of more than 2 GiB turns large_file on', t => {
	const plain = {
		name: 'no large_file',
		options: ['-t', 'ext2', '-b', '1024', '-O', '^large_file'],
	};
	const made = openWithFiles(plain);
	const mapper = new Mapper(made.volume);
	truncate(mapper, firstFile, 2 ** 31 - 1);
	t.false(made.volume.features.has('large_file'));
	t.is(made.findProblems(), undefined);
	truncate(mapper, firstFile, 2 ** 31);
	t.true(made.volume.features.has('large_file'));
	t.is(made.findProblems(), undefined);
});

for (const name of ['extents, 1 KiB', 'clusters of 16', 'block maps', 'data in inodes']) {
	test(`a full disk takes what fits, says ENOSPC, and loses nothing: ${name}`, t => {
		const {mapper, made, volume} = open(name);
		const chunk = 300_000;
		let size = 0;
		for (;;) {
			const bytes = new Uint8Array(chunk).fill(1 + (size % 250));
			let done = 0;
			const code = codeOf(() => {
				done = writeFile(mapper, firstFile, size, bytes);
			});
			size += done;
			if (code !== undefined) {
				t.is(code, 'ENOSPC');
				break;
			}
		}
		t.true(size > 5_000_000, `${size} bytes fit`);
		t.is(volume.readInode(firstFile).sizeBytes, size);
		t.is(made.findProblems(), undefined);
		t.is(
			codeOf(() => writeFile(mapper, firstFile + 1, 5000, new Uint8Array(5000))),
			'ENOSPC',
		);
		t.is(writeFile(mapper, firstFile, 77, new Uint8Array(500)), 500, 'in place there is room');
		truncate(mapper, firstFile, 10);
		t.is(writeFile(mapper, firstFile + 1, 5000, new Uint8Array(50_000)), 50_000);
		t.is(made.findProblems(), undefined);
	});
}

test('space that was reserved can be written to on a full disk, in any order', t => {
	const {mapper, made, volume} = open('extents, 1 KiB');
	const blocks = 1500;
	allocateRange(mapper, firstFile, 0, blocks * 1024, 0);
	t.is(
		codeOf(() => allocateRange(mapper, firstFile + 1, 0, 2 ** 23, 0)),
		'ENOSPC',
	);
	codeOf(() => {
		for (let at = 2 ** 24; ; at += 10_240)
			writeFile(mapper, firstFile + 1, at, new Uint8Array(10_240));
	});
	for (let block = 0; block < blocks; block += 2) {
		writeFile(mapper, firstFile, block * 1024 + 10, Uint8Array.of(9));
	}
	t.is(extentTreeDepth(volume, volume.readInode(firstFile)), 2);
	t.is(made.findProblems(), undefined);
	const into = new Uint8Array(4096);
	readRange(mapper, volume.readInode(firstFile), 0, into);
	t.deepEqual(
		[...into.entries()].filter(([, byte]) => byte !== 0),
		[
			[10, 9],
			[2058, 9],
		],
	);
});

/** A file of `count` extents, every second block of it a hole. */
function fragment(mapper: Mapper, count: number): void {
	for (let index = 0; index < count; index++) {
		// In an order that keeps them apart on the device as well.
		const block = 2 * ((index * 1_000_003) % count);
		const bytes = new Uint8Array(1024).fill(1 + (block % 251));
		writeFile(mapper, firstFile, block * 1024, bytes);
	}
}

class Crash extends Error {}

/** Runs `action` until the `count`th of its transactions has ended, as a crash would. */
function runUntil(volume: Volume, count: number, action: () => void): boolean {
	const {transactions} = volume;
	if (transactions === undefined) throw new Error('not open for writing');
	const run = transactions.run.bind(transactions);
	let left = count;
	transactions.run = (operation, options) => {
		if (left-- === 0) throw new Crash();
		return run(operation, options);
	};
	try {
		action();
		return false;
	} catch (error) {
		if (error instanceof Crash) return true;
		throw error;
	} finally {
		transactions.run = run;
	}
}

test('a crash between the transactions of a truncation leaves an orphan; its cleaning does the rest', t => {
	const {mapper, made, volume} = open('extents, 1 KiB', '64M');
	const free = volume.superblock.freeBlockCount;
	fragment(mapper, 13_001);
	t.true(runUntil(volume, 1, () => truncate(mapper, firstFile, 3 * 1024 + 5)));
	t.true((lastExtentBlock(volume, volume.readInode(firstFile)) ?? 0) > 4);
	volume.transactions?.sync();
	const again = Volume.open(made.device);
	makeWritable(again);
	cleanOrphans(again);
	again.transactions?.sync();
	t.is(lastExtentBlock(again, again.readInode(firstFile)), 2);
	t.is(again.readInode(firstFile).sizeBytes, 3 * 1024 + 5);
	truncate(new Mapper(again), firstFile, 0);
	again.transactions?.sync();
	t.is(again.superblock.freeBlockCount, free);
	t.is(made.findProblems(), undefined);
});

test('a file of thousands of extents is collapsed, inserted into and punched, in many transactions', t => {
	const {mapper, made, volume} = open('extents, 1 KiB', '64M');
	const count = 9001;
	fragment(mapper, count);
	const kinds = (end: number) => {
		const inode = volume.readInode(firstFile);
		return Array.from({length: end}, (_, block) => mapAt(volume, inode, block).kind === 'mapped');
	};
	const before = kinds(2 * count);
	allocateRange(mapper, firstFile, 3 * 1024, 4 * 1024, collapseRange);
	const collapsed = [...before.slice(0, 3), ...before.slice(7)];
	t.deepEqual(kinds(2 * count - 4), collapsed);
	t.is(made.findProblems(), undefined);
	allocateRange(mapper, firstFile, 1024, 7 * 1024, insertRange);
	const inserted = [collapsed[0], ...Array.from({length: 7}, () => false), ...collapsed.slice(1)];
	t.deepEqual(kinds(2 * count + 3), inserted);
	t.is(made.findProblems(), undefined);
	allocateRange(mapper, firstFile, 0, 2 ** 30, punchHole | keepSize);
	t.is(volume.readInode(firstFile).sectors, 0);
	t.is(made.findProblems(), undefined);
});

test('a write stops where its transaction has grown large, and can go on', t => {
	const {mapper, made, volume} = open('extents, 1 KiB', '64M');
	fragment(mapper, 8000);
	const bytes = new Uint8Array(16_000 * 1024).fill(3);
	let done = 0;
	let handles = 0;
	while (done < bytes.length) {
		const rest = bytes.subarray(done);
		done += volume.transact(handle =>
			writeRange(mapper, handle, volume.readInode(firstFile), done, rest),
		);
		handles++;
	}
	t.log(`${handles} transactions`);
	const into = new Uint8Array(bytes.length);
	readRange(mapper, volume.readInode(firstFile), 0, into);
	t.is(Buffer.compare(into, bytes), 0);
	t.is(made.findProblems(), undefined);
});

test('a copy within a file must not overlap itself', t => {
	const {mapper} = open('extents, 1 KiB');
	writeFile(mapper, firstFile, 0, new Uint8Array(5000).fill(1));
	const place = (position: number) => ({number: firstFile, position});
	t.is(
		codeOf(() => copyRange(mapper, place(0), place(100), 200)),
		'EINVAL',
	);
	t.is(copyRange(mapper, place(0), place(200), 200), 200);
	t.is(copyRange(mapper, place(6000), place(0), 200), 0);
});
