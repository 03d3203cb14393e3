import test, {type ExecutionContext} from 'ava';
import fc from 'fast-check';
import {FileError} from '../../../ext4/errors.ts';
import type {MutableInode} from '../../../ext4/layout/inode.ts';
import {
	extentTreeDepth,
	hasExtents,
	makeUnwritten,
	mapAt,
	mapForWriting,
	removeBlocks,
	shiftBlocks,
} from '../../../ext4/mapping/index.ts';
import type {Volume} from '../../../ext4/volume.ts';
import {
	type FeatureSet,
	firstFile,
	mappingFeatures,
	openWithFiles,
} from '../../support/file-volume.ts';
import type {MadeVolume} from '../../support/made-volume.ts';

type Block = {readonly physical: number; readonly kind: 'mapped' | 'unwritten'};
type Model = Map<number, Block>;

/** The whole map, block by block, as the reader has it. */
function mapOf(volume: Volume, number: number, end: number): Model {
	const inode = volume.readInode(number);
	const map: Model = new Map();
	for (let at = 0; at < end; ) {
		const run = mapAt(volume, inode, at);
		const stop = Math.min(end, run.logical + run.length);
		if (run.kind !== 'hole') {
			for (let block = at; block < stop; block++) {
				map.set(block, {physical: run.physical + block - run.logical, kind: run.kind});
			}
		}
		at = stop;
	}
	return map;
}

/** Files reach this far, in blocks, so that e2fsck finds no space behind their ends. */
const fileBlocks = 3000;

function setSizes(made: MadeVolume): void {
	made.volume.transact(handle => {
		for (const number of [firstFile, firstFile + 1]) {
			const inode = handle.edit(made.volume.readInode(number));
			inode.sizeBytes = fileBlocks * made.volume.geometry.blockSize;
		}
	});
}

/** Allocates all of `[from, to)`, which may take several runs, and keeps the model the same. */
function allocate(
	volume: Volume,
	number: number,
	model: Model,
	range: {from: number; length: number; kind: 'written' | 'unwritten'},
): void {
	volume.transact(handle => {
		const inode = volume.readInode(number);
		const end = range.from + range.length;
		for (let at = range.from; at < end; ) {
			const run = mapForWriting(handle, inode, at, end - at, range.kind);
			for (let step = 0; step < run.length; step++) {
				model.set(at + step, {physical: run.physical + step, kind: run.kind});
			}
			at += run.length;
		}
	});
}

function remove(volume: Volume, number: number, model: Model, from: number, to: number): void {
	while (!volume.transact(handle => removeBlocks(handle, volume.readInode(number), from, to)));
	for (let at = from; at < to; at++) model.delete(at);
}

function unwrite(volume: Volume, number: number, model: Model, from: number, to: number): void {
	volume.transact(handle => {
		const inode = volume.readInode(number);
		for (let at = from; at < to; ) at = makeUnwritten(handle, inode, at, to - at);
	});
	for (let at = from; at < to; at++) {
		const block = model.get(at);
		if (block !== undefined) model.set(at, {...block, kind: 'unwritten'});
	}
}

function shift(volume: Volume, number: number, model: Model, from: number, by: number): void {
	if (by < 0) remove(volume, number, model, from + by, from);
	let resume: number | undefined;
	do {
		resume = volume.transact(handle =>
			shiftBlocks(handle, volume.readInode(number), from, by, resume),
		);
	} while (resume !== undefined);
	const moved = [...model].filter(([at]) => at >= from);
	for (const [at] of moved) model.delete(at);
	for (const [at, block] of moved) model.set(at + by, block);
}

type Operation = {
	readonly what: 'write' | 'reserve' | 'remove' | 'unwrite' | 'collapse' | 'insert' | 'fail';
	readonly file: 0 | 1;
	readonly from: number;
	readonly length: number;
};

const operation: fc.Arbitrary<Operation> = fc.record({
	what: fc.constantFrom(
		'write',
		'write',
		'reserve',
		'remove',
		'unwrite',
		'collapse',
		'insert',
		'fail',
	),
	file: fc.constantFrom(0, 1),
	from: fc.oneof(fc.nat(40), fc.nat(700), fc.nat(2000)),
	length: fc.oneof(fc.constant(1), fc.integer({min: 1, max: 8}), fc.integer({min: 1, max: 300})),
});

class Stop extends Error {}

function apply(made: MadeVolume, models: readonly [Model, Model], step: Operation): void {
	const {volume} = made;
	const number = firstFile + step.file;
	const model = models[step.file];
	const ratio = 2 ** volume.geometry.clusterBits;
	const {from, length} = step;
	const isTree = hasExtents(volume.readInode(number));
	const to = from + length;
	switch (step.what) {
		case 'write':
			allocate(volume, number, model, {from, length, kind: 'written'});
			break;
		case 'reserve':
			allocate(volume, number, model, {from, length, kind: 'unwritten'});
			break;
		case 'remove':
			remove(volume, number, model, from, to);
			break;
		case 'unwrite':
			if (isTree) unwrite(volume, number, model, from, to);
			break;
		case 'collapse':
		case 'insert': {
			const at = from - (from % ratio);
			const by = Math.ceil(length / ratio) * ratio;
			const isTooLong = [...model.keys()].some(block => block + by >= fileBlocks);
			if (!isTree || (step.what === 'insert' && isTooLong)) break;
			if (step.what === 'collapse') shift(volume, number, model, at + by, -by);
			else shift(volume, number, model, at, by);
			break;
		}
		case 'fail':
			failInTheMiddle(volume, number, from, length);
	}
}

function failInTheMiddle(volume: Volume, number: number, from: number, length: number): void {
	try {
		volume.transact(handle => {
			const inode: MutableInode = volume.readInode(number);
			removeBlocks(handle, inode, from, from + length);
			mapForWriting(handle, inode, from, length, 'written');
			removeBlocks(handle, inode, from + 1, 2 ** 32);
			throw new Stop();
		});
	} catch (error) {
		if (!(error instanceof Stop)) throw error;
	}
}

function assertSame(t: ExecutionContext, made: MadeVolume, models: readonly [Model, Model]): void {
	models.forEach((model, file) => {
		const found = mapOf(made.volume, firstFile + file, fileBlocks);
		t.deepEqual(
			[...found],
			[...model].sort(([a], [b]) => a - b),
		);
	});
	const physical = models.flatMap(model => [...model.values()].map(block => block.physical));
	t.is(new Set(physical).size, physical.length, 'no block belongs to two places');
}

function run(t: ExecutionContext, features: FeatureSet, steps: readonly Operation[]): void {
	const made = openWithFiles(features, '16M');
	setSizes(made);
	const free = made.volume.superblock.freeBlockCount;
	const models: [Model, Model] = [new Map(), new Map()];
	for (const step of steps) {
		apply(made, models, step);
	}
	assertSame(t, made, models);
	t.is(made.findProblems(), undefined);
	for (const file of [0, 1] as const)
		remove(made.volume, firstFile + file, models[file], 0, 2 ** 20);
	t.is(made.volume.superblock.freeBlockCount, free);
	t.is(made.volume.readInode(firstFile).sectors, 0);
	t.is(made.findProblems(), undefined);
}

for (const features of mappingFeatures.filter(({name}) => !name.startsWith('data in'))) {
	test(`any sequence leaves the map that a model has: ${features.name}`, t => {
		fc.assert(
			fc.property(fc.array(operation, {minLength: 1, maxLength: 80}), steps => {
				run(t, features, steps);
			}),
			{numRuns: 8},
		);
	});
}

function featuresNamed(name: string): FeatureSet {
	const found = mappingFeatures.find(features => features.name === name);
	if (found === undefined) throw new Error(name);
	return found;
}

/** Every second block, so that no two extents merge, in a given order. */
function writeComb(made: MadeVolume, count: number, order: (index: number) => number): void {
	const {volume} = made;
	for (let index = 0; index < count; ) {
		volume.transact(handle => {
			const inode = handle.edit(volume.readInode(firstFile));
			inode.sizeBytes = 2 * count * volume.geometry.blockSize;
			for (const stop = Math.min(count, index + 50); index < stop; index++) {
				mapForWriting(handle, inode, 2 * order(index), 1, 'written');
			}
		});
	}
}

const orders: readonly (readonly [string, (index: number, count: number) => number])[] = [
	['from the start', index => index],
	['from the end', (index, count) => count - 1 - index],
	['here and there', (index, count) => (index * 2_654_435_761) % count],
];

for (const [name, order] of orders) {
	test(`a tree of thousands of extents, made ${name}, grows, is good, and vanishes`, t => {
		const made = openWithFiles(featuresNamed('extents, 1 KiB'), '16M');
		const {volume} = made;
		const free = volume.superblock.freeBlockCount;
		const count = 4001;
		writeComb(made, count, index => order(index, count));
		t.true(extentTreeDepth(volume, volume.readInode(firstFile)) >= 2);
		t.is(mapOf(volume, firstFile, 2 * count).size, count);
		t.is(made.findProblems(), undefined);
		let handles = 1;
		while (
			!volume.transact(handle => removeBlocks(handle, volume.readInode(firstFile), 8, 2 ** 32))
		) {
			handles++;
		}
		t.is(mapOf(volume, firstFile, 2 * count).size, 4);
		t.is(extentTreeDepth(volume, volume.readInode(firstFile)), 0, 'and fits into the inode again');
		t.is(made.findProblems(), undefined);
		volume.transact(handle => removeBlocks(handle, volume.readInode(firstFile), 0, 2 ** 32));
		t.is(volume.superblock.freeBlockCount, free);
		t.log(`${handles} handles`);
	});
}

test('a block map to its third level, and back', t => {
	const made = openWithFiles(featuresNamed('block maps'), '16M');
	const {volume} = made;
	const free = volume.superblock.freeBlockCount;
	const blocks = [0, 11, 12, 267, 268, 12 + 256 + 65_535, 12 + 256 + 65_536, 2_000_000];
	volume.transact(handle => {
		const inode = handle.edit(volume.readInode(firstFile));
		inode.sizeBytes = 2_000_001 * 1024;
		for (const block of blocks) mapForWriting(handle, inode, block, 1, 'written');
	});
	t.is(made.findProblems(), undefined);
	const inode = volume.readInode(firstFile);
	for (const block of blocks) t.is(mapAt(volume, inode, block).kind, 'mapped');
	t.is(inode.sectors / 2, blocks.length + 1 + 3 + 3 + 2);
	const error = t.throws(
		() =>
			volume.transact(handle =>
				mapForWriting(handle, volume.readInode(firstFile), 2 ** 30, 1, 'written'),
			),
		{instanceOf: FileError},
	);
	t.is(error.code, 'EFBIG');
	t.true(volume.transact(handle => removeBlocks(handle, volume.readInode(firstFile), 0, 2 ** 32)));
	t.is(volume.superblock.freeBlockCount, free);
	t.is(volume.readInode(firstFile).sectors, 0);
	t.is(made.findProblems(), undefined);
});
