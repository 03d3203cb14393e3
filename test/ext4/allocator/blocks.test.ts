import fc from 'fast-check';
import {
	allocateBlocks,
	type BlockRun,
	freeBlocks,
	goalFor,
	releaseReservation,
} from '../../../ext4/allocator/blocks.ts';
import {allocatorOf} from '../../../ext4/allocator/state.ts';
import {FileError} from '../../../ext4/errors.ts';
import {groupFlags} from '../../../ext4/layout/group.ts';
import type {MutableInode} from '../../../ext4/layout/inode.ts';
import type {Volume} from '../../../ext4/volume.ts';
import {corruptBy} from '../../support/corrupt.ts';
import {layouts} from '../../support/layouts.ts';
import {type MadeVolume, mke2fs, openMade} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const ext4 = ['-t', 'ext4', '-b', '1024', '-g', '2048'];
const ext2 = ['-t', 'ext2', '-b', '1024', '-g', '2048'];

/** A file that exists for the allocator alone. */
function makeFile(volume: Volume, number: number): MutableInode {
	const root = volume.readInode(2);
	return {...root, number, type: 'file', mode: 0o100644, sectors: 0};
}

function take(volume: Volume, file: MutableInode, length: number, goal = 0, logical?: number) {
	return volume.transact(handle =>
		allocateBlocks(handle, file, {goal, length, ...(logical === undefined ? {} : {logical})}),
	);
}

/** Takes all that there is, in runs of at most `length`. */
function fill(volume: Volume, file: MutableInode, length: number, mayUseReserved = false) {
	const runs: BlockRun[] = [];
	try {
		for (;;) {
			const request = {goal: (runs.at(-1)?.start ?? 0) + (runs.at(-1)?.length ?? 0), length};
			runs.push(volume.transact(handle => allocateBlocks(handle, file, request), {mayUseReserved}));
		}
	} catch (error) {
		if (!(error instanceof FileError && error.code === 'ENOSPC')) throw error;
	}
	return runs;
}

function free(volume: Volume, file: MutableInode, run: BlockRun): void {
	volume.transact(handle => freeBlocks(handle, file, run.start, run.length, 'data'));
}

function extentCount(runs: readonly BlockRun[]): number {
	const sorted = [...runs].sort((a, b) => a.start - b.start);
	return sorted.filter((run, at) => {
		const before = sorted[at - 1];
		return before === undefined || before.start + before.length !== run.start;
	}).length;
}

function blockCountOf(runs: readonly BlockRun[]): number {
	return runs.reduce((sum, run) => sum + run.length, 0);
}

/** What is in use by the bitmaps that e2fsprogs reads, as `first-last` of the free blocks. */
function freeByDumpe2fs(made: MadeVolume): Set<number> {
	const freeBlocksFound = new Set<number>();
	for (const line of made.ask('dumpe2fs', []).split('\n')) {
		const list = /^ {2}Free blocks: (.*)$/.exec(line)?.[1];
		for (const range of list?.split(', ') ?? []) {
			const [from, to] = range.split('-').map(Number);
			if (from === undefined || range === '') continue;
			// It ends a range with the first block of the last cluster.
			const end = (to ?? from) + 2 ** made.volume.geometry.clusterBits;
			for (let block = from; block < end; block++) freeBlocksFound.add(block);
		}
	}
	return freeBlocksFound;
}

type Step =
	| {readonly kind: 'take'; readonly length: number; readonly goal: number; readonly grows: boolean}
	| {readonly kind: 'free'; readonly which: number}
	| {readonly kind: 'fail'; readonly length: number}
	| {readonly kind: 'release' | 'commit'};

const steps: fc.Arbitrary<Step[]> = fc.array(
	fc.oneof(
		{
			weight: 6,
			arbitrary: fc.record({
				kind: fc.constant('take' as const),
				length: fc.integer({min: 1, max: 600}),
				goal: fc.nat(20_000),
				grows: fc.boolean(),
			}),
		},
		{weight: 4, arbitrary: fc.record({kind: fc.constant('free' as const), which: fc.nat()})},
		{
			weight: 1,
			arbitrary: fc.record({
				kind: fc.constant('fail' as const),
				length: fc.integer({min: 1, max: 600}),
			}),
		},
		{
			weight: 1,
			arbitrary: fc.record({kind: fc.constantFrom('release' as const, 'commit' as const)}),
		},
	),
	{minLength: 10, maxLength: 80},
);

/** Takes and frees at random; a map of blocks in use is the model. */
class Model {
	readonly #made: MadeVolume;
	readonly #file: MutableInode;
	readonly #runs: BlockRun[] = [];
	readonly #used = new Set<number>();
	/** Freed since the last commit. */
	readonly #pending = new Set<number>();
	readonly #freeAtFirst: ReadonlySet<number>;

	constructor(made: MadeVolume) {
		this.#made = made;
		this.#file = makeFile(made.volume, 12);
		this.#freeAtFirst = freeByDumpe2fs(made);
	}

	run(t: {true(value: boolean, message?: string): void}, step: Step): void {
		const {volume} = this.#made;
		// Any operation may find that there must be a commit before it.
		const commits = volume.transactions?.counts.commits;
		const settle = () => {
			if (volume.transactions?.counts.commits !== commits) this.#pending.clear();
		};
		if (step.kind === 'commit') this.commit();
		if (step.kind === 'release') releaseReservation(volume, this.#file.number);
		if (step.kind === 'fail') {
			try {
				volume.transact(handle => {
					allocateBlocks(handle, this.#file, {goal: 0, length: step.length});
					const run = this.#runs[0];
					if (run !== undefined) freeBlocks(handle, this.#file, run.start, run.length, 'data');
					throw new FileError('EPERM', 'on purpose');
				});
			} catch (error) {
				if (!(error instanceof FileError)) throw error;
				// The inode is not one that the handle edits, so its count is put right here.
				this.#file.sectors = (blockCountOf(this.#runs) * volume.geometry.blockSize) / 512;
			}
		}
		if (step.kind === 'free') {
			const [run] = this.#runs.splice(step.which % Math.max(1, this.#runs.length), 1);
			if (run === undefined) return;
			free(volume, this.#file, run);
			settle();
			for (let block = run.start; block < run.start + run.length; block++) {
				this.#used.delete(block);
				this.#pending.add(block);
			}
			return;
		}
		if (step.kind !== 'take') {
			settle();
			return;
		}
		const run = this.#take(step);
		settle();
		if (run === undefined) return;
		this.#runs.push(run);
		for (let block = run.start; block < run.start + run.length; block++) {
			t.true(this.#freeAtFirst.has(block), `block ${block} was never free`);
			t.true(!this.#used.has(block), `block ${block} is in use`);
			t.true(!this.#pending.has(block), `block ${block} was freed and not committed`);
			this.#used.add(block);
		}
	}

	#take(step: Step & {kind: 'take'}): BlockRun | undefined {
		try {
			return take(
				this.#made.volume,
				this.#file,
				step.length,
				step.goal,
				step.grows ? step.length : undefined,
			);
		} catch (error) {
			if (error instanceof FileError && error.code === 'ENOSPC') return undefined;
			throw error;
		}
	}

	commit(): void {
		this.#made.volume.transactions?.commit();
		this.#pending.clear();
	}

	freeAll(): void {
		for (const run of this.#runs.splice(0)) free(this.#made.volume, this.#file, run);
		this.#used.clear();
		this.commit();
	}

	assertSame(t: {
		is(actual: number, expected: number): void;
		true(value: boolean, message?: string): void;
	}): void {
		const {volume} = this.#made;
		const found = freeByDumpe2fs(this.#made);
		t.is(found.size, this.#freeAtFirst.size - this.#used.size);
		for (const block of this.#used) t.true(!found.has(block), `${block} is free on disk`);
		t.is(volume.superblock.freeBlockCount, found.size);
		t.is(this.#file.sectors * 512, this.#used.size * volume.geometry.blockSize);
	}
}

for (const layout of layouts) {
	testUnless(why, `${layout.name}: what is taken was free, and e2fsprogs counts the same`, t => {
		const image = mke2fs(layout.options, layout.size);
		fc.assert(
			fc.property(steps, list => {
				const made = openMade(image.slice());
				const model = new Model(made);
				for (const step of list) model.run(t, step);
				model.commit();
				model.assertSame(t);
				model.freeAll();
				model.assertSame(t);
				t.is(made.findProblems(), undefined);
			}),
			{numRuns: 4, endOnFailure: true},
		);
	});

	testUnless(why, `${layout.name}: it can be filled to the last block, and emptied again`, t => {
		const made = openMade(mke2fs(layout.options, layout.size));
		const {volume} = made;
		const file = makeFile(volume, 12);
		allocatorOf(volume);
		const before = volume.superblock.freeBlockCount;
		const runs = fill(volume, file, 256, true);
		const ratio = 2 ** volume.geometry.clusterBits;
		const isExtent = volume.features.has('extent');
		const kept = isExtent ? Math.floor(volume.geometry.blockCount / ratio / 50) * ratio : 0;
		t.is(blockCountOf(runs), before - kept);
		// The map of a file may still grow.
		t.is(volume.superblock.freeBlockCount, kept);
		for (const run of runs) free(volume, file, run);
		volume.transactions?.commit();
		t.is(volume.superblock.freeBlockCount, before);
		t.is(file.sectors, 0);
		t.is(made.findProblems(), undefined);
	});
}

testUnless(
	why,
	'a file that is written in pieces lies in as few extents as the groups allow',
	t => {
		const {volume} = openMade(mke2fs(['-t', 'ext4'], '600M'));
		const file = makeFile(volume, 12);
		const runs: BlockRun[] = [];
		for (let logical = 0; logical < 131_072; ) {
			const last = runs.at(-1);
			const goal = last === undefined ? goalFor(volume, file) : last.start + last.length;
			const run = take(volume, file, 256, goal, logical);
			runs.push(run);
			logical += run.length;
		}
		t.true(extentCount(runs) <= 8, `${extentCount(runs)} extents`);
	},
);

testUnless(why, 'files that grow at once do not lie in each other', t => {
	const {volume} = openMade(mke2fs(['-t', 'ext4'], '600M'));
	const files = [12, 13, 14, 15].map(number => ({
		file: makeFile(volume, number),
		runs: [] as BlockRun[],
	}));
	for (let logical = 0; logical < 16_384; logical += 32) {
		for (const {file, runs} of files) {
			const last = runs.at(-1);
			const goal = last === undefined ? goalFor(volume, file) : last.start + last.length;
			runs.push(take(volume, file, 32, goal, logical));
		}
	}
	for (const {runs} of files) t.true(extentCount(runs) <= 16, `${extentCount(runs)} extents`);
});

testUnless(why, 'a block for the map of a file does not stand in the way of its contents', t => {
	const {volume} = openMade(mke2fs(['-t', 'ext4'], '60M'));
	const file = makeFile(volume, 12);
	const first = take(volume, file, 256, goalFor(volume, file), 0);
	const end = first.start + first.length;
	const node = take(volume, file, 1, end);
	t.is(take(volume, file, 256, end, 256).start, end);
	t.true(node.start < first.start || node.start >= end + 256);
});

testUnless(why, 'what is kept ahead of a file smaller than a cluster is a whole one', t => {
	const {volume} = openMade(
		mke2fs(['-t', 'ext4', '-b', '1024', '-C', '65536', '-O', 'bigalloc'], '80M'),
	);
	const {start, length} = take(volume, makeFile(volume, 12), 4, 20_000, 16);
	const end = start + length;
	t.not(take(volume, makeFile(volume, 13), 64, end, 0).start, end);
	t.is(take(volume, makeFile(volume, 12), 64, end, 64).start, end);
});

testUnless(why, 'small files lie one behind another', t => {
	const {volume} = openMade(mke2fs(['-t', 'ext4'], '60M'));
	const runs = Array.from({length: 50}, (_, index) => {
		const file = makeFile(volume, 12 + index);
		return take(volume, file, 3, goalFor(volume, file), 0);
	});
	t.is(extentCount(runs), 1);
});

testUnless(why, 'what is kept free for a file is given to others when nothing else is left', t => {
	const {volume} = openMade(mke2fs(ext4, '12M'));
	take(volume, makeFile(volume, 12), 64, 3000, 1000);
	fill(volume, makeFile(volume, 13), 512, true);
	const kept = Math.floor(volume.geometry.blockCount / 50);
	t.is(volume.superblock.freeBlockCount, kept);
});

testUnless(why, 'blocks kept for root are for who may use them', t => {
	const {volume} = openMade(mke2fs([...ext4, '-m', '10'], '12M'));
	const file = makeFile(volume, 12);
	fill(volume, file, 256);
	const grows = Math.floor(volume.geometry.blockCount / 50);
	t.is(volume.superblock.freeBlockCount, volume.superblock.reservedBlockCount + grows);
	t.is(blockCountOf(fill(volume, file, 256, true)), volume.superblock.reservedBlockCount);
	const map = volume.transact(handle =>
		allocateBlocks(handle, file, {goal: 0, length: 1, isForMap: true}),
	);
	t.is(map.length, 1);
});

testUnless(why, 'freed blocks are counted at once, and given again after a commit', t => {
	const {volume} = openMade(mke2fs(ext2, '12M'));
	const file = makeFile(volume, 12);
	const runs = fill(volume, file, 256, true);
	const run = runs[3] ?? {start: 0, length: 0};
	volume.transactions?.commit();
	const full = volume.superblock.freeBlockCount;
	free(volume, file, run);
	t.is(volume.superblock.freeBlockCount, full + run.length);
	const {commits = 0} = volume.transactions?.counts ?? {};
	const again = volume.transact(
		handle => allocateBlocks(handle, file, {goal: 0, length: run.length}),
		{mayUseReserved: true},
	);
	t.deepEqual(again, run);
	t.is(volume.transactions?.counts.commits, commits + 1);
});

/** Changes bytes on the device behind the back of everybody. */
function patched(change: (volume: Volume, bytes: Uint8Array) => void, options = ext4): MadeVolume {
	const image = mke2fs(options, '12M');
	change(openMade(image.slice()).volume, image);
	return openMade(image);
}

const noChecksums = [...ext4, '-O', '^metadata_csum,^uninit_bg,^flex_bg,^resize_inode'];

testUnless(why, 'a block bitmap whose checksum is wrong is not used', t => {
	const {volume} = patched((sound, bytes) => {
		const at = sound.group(0).blockBitmap * 1024 + 250;
		bytes[at] = (bytes[at] ?? 0) ^ 1;
	});
	const file = makeFile(volume, 12);
	corruptBy('EXT4_BAD_BITMAP_CHECKSUM', () => take(volume, file, 1, 100));
	t.true(volume.superblock.hasErrors);
});

testUnless(why, 'nor one that counts otherwise than its descriptor', t => {
	const {volume} = patched((sound, bytes) => {
		const at = sound.group(0).blockBitmap * 1024 + 250;
		bytes[at] = (bytes[at] ?? 0) ^ 1;
	}, noChecksums);
	corruptBy('EXT4_BAD_BITMAP', () => take(volume, makeFile(volume, 12), 1, 100));
	t.pass();
});

testUnless(why, 'metadata that is marked as free is given to nobody', t => {
	const {volume} = patched((sound, bytes) => {
		// In place of the last free block, the inode table's first is free.
		const group = sound.group(0);
		const table = group.inodeTable - sound.geometry.firstDataBlock;
		const at = group.blockBitmap * 1024;
		const byte = at + (table >>> 3);
		bytes[byte] = (bytes[byte] ?? 0) & ~(1 << (table & 7));
		const last = sound.geometry.blocksPerGroup / 8 - 1;
		bytes[at + last] = (bytes[at + last] ?? 0) | 0x80;
	}, noChecksums);
	const file = makeFile(volume, 12);
	corruptBy('EXT4_BAD_BITMAP', () => take(volume, file, 1, volume.group(0).inodeTable));
	t.pass();
});

testUnless(why, 'metadata and blocks that are free or do not exist can not be freed', t => {
	const {volume} = openMade(mke2fs(ext4, '12M'));
	const file = makeFile(volume, 12);
	const {start} = take(volume, file, 1);
	free(volume, file, {start, length: 1});
	const tries = [
		['EXT4_BAD_BITMAP', start, 1],
		['EXT4_BAD_BITMAP', start, 20],
		['EXT4_BAD_BITMAP', volume.group(1).inodeTable + 1, 1],
		['EXT4_BAD_BITMAP', volume.geometry.blocksPerGroup + 1, 1],
		['EXT4_BAD_BLOCK_NUMBER', 0, 1],
		['EXT4_BAD_BLOCK_NUMBER', volume.geometry.blockCount - 1, 2],
		['EXT4_BAD_BLOCK_NUMBER', 2 ** 40, 1],
	] as const;
	for (const [code, at, length] of tries) {
		const made = openMade(mke2fs(ext4, '12M')).volume;
		corruptBy(code, () => free(made, makeFile(made, 12), {start: at, length}));
	}
	t.pass();
});

testUnless(why, 'nor may the journal be', t => {
	const {volume} = openMade(mke2fs(ext4, '12M'));
	const journal = volume.readReservedInode(volume.superblock.journalInode);
	const first = journal.blockView.getUint32(20, true);
	corruptBy('EXT4_BAD_BITMAP', () => free(volume, makeFile(volume, 12), {start: first, length: 4}));
	t.pass();
});

testUnless(why, 'metadata that lies in other metadata opens nothing for writing', t => {
	const {volume} = patched((sound, bytes) => {
		const view = new DataView(bytes.buffer);
		const table = 1024 * (sound.geometry.firstDataBlock + 1);
		const second = table + sound.geometry.descriptorSize;
		view.setUint32(second + 4, view.getUint32(table + 8, true), true);
	}, noChecksums);
	corruptBy('EXT4_BAD_GROUP_DESCRIPTOR', () => take(volume, makeFile(volume, 12), 1));
	t.pass();
});

testUnless(why, 'nor does a journal in more pieces than any has', t => {
	const image = mke2fs(['-t', 'ext3', '-b', '1024', '-J', 'size=70'], '200M');
	const {volume} = openMade(image);
	const view = new DataView(image.buffer, image.byteOffset);
	const journal = volume.readReservedInode(volume.superblock.journalInode);
	const pointer = (block: number, index: number) => view.getUint32(block * 1024 + index * 4, true);
	const maps = journal.blockView.getUint32((12 + 1) * 4, true);
	for (let index = 0; index < 256; index++) {
		const map = pointer(maps, index);
		for (let entry = 0; entry < 256; entry++) view.setUint32(map * 1024 + entry * 4, 5000, true);
	}
	corruptBy('EXT4_BAD_JOURNAL', () => allocatorOf(openMade(image).volume));
	t.pass();
});

testUnless(why, 'the first block taken of a group that was never used writes its bitmap', t => {
	const made = openMade(mke2fs(ext4, '12M'));
	const {volume} = made;
	const isFresh = (index: number) => (volume.group(index).flags & groupFlags.blockUninit) !== 0;
	const group = [1, 2, 3, 4].find(isFresh) ?? 0;
	t.true(isFresh(group));
	const file = makeFile(volume, 12);
	const run = take(volume, file, 1, 1 + group * 2048 + 1000);
	t.false(isFresh(group));
	free(volume, file, run);
	t.is(made.findProblems(), undefined);
});
