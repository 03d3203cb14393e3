import test from 'ava';
import fc from 'fast-check';
import {CorruptError} from '../../../ext4/errors.ts';
import {mapAt, type Run} from '../../../ext4/mapping/index.ts';
import {viewOf} from '../../support/poke.ts';
import {TinyImage} from '../../support/tiny-image.ts';

const file = 12;
const perBlock = 256; // Pointers in a block of 1 KiB.
const firstSingle = 12;
const firstDouble = firstSingle + perBlock;
const firstTriple = firstDouble + perBlock ** 2;
const end = firstTriple + perBlock ** 3;

function newImage(blockCount = 256): {image: TinyImage; top: DataView} {
	const image = new TinyImage({features: ['filetype'], blockCount});
	return {image, top: viewOf(image.addFile(file, false))};
}

function setPointer(image: TinyImage, block: number, index: number, pointer: number): void {
	viewOf(image.block(block)).setUint32(index * 4, pointer, true);
}

function map(image: TinyImage, logical: number): Run {
	const volume = image.open();
	return mapAt(volume, volume.readInode(file), logical);
}

function mappingError(image: TinyImage, logical: number): CorruptError {
	try {
		map(image, logical);
	} catch (error) {
		if (error instanceof CorruptError) return error;
		throw error;
	}
	throw new Error(`logical block ${logical} was mapped`);
}

test('direct pointers: runs of neighbours, and the holes before, between and after', t => {
	const {image, top} = newImage();
	[0, 0, 50, 51, 52, 60, 0, 61].forEach((pointer, index) => {
		top.setUint32(index * 4, pointer, true);
	});
	t.deepEqual(map(image, 0), {kind: 'hole', logical: 0, length: 2});
	t.deepEqual(map(image, 1), {kind: 'hole', logical: 1, length: 1});
	t.deepEqual(map(image, 2), {kind: 'mapped', logical: 2, length: 3, physical: 50});
	t.deepEqual(map(image, 4), {kind: 'mapped', logical: 4, length: 1, physical: 52});
	t.deepEqual(map(image, 5), {kind: 'mapped', logical: 5, length: 1, physical: 60});
	t.deepEqual(map(image, 6), {kind: 'hole', logical: 6, length: 1});
	t.deepEqual(map(image, 7), {kind: 'mapped', logical: 7, length: 1, physical: 61});
	t.deepEqual(map(image, 8), {kind: 'hole', logical: 8, length: 4});
});

test('a tree that is not there is one hole, of all that it would map', t => {
	const {image} = newImage();
	t.deepEqual(map(image, firstSingle), {kind: 'hole', logical: firstSingle, length: perBlock});
	t.deepEqual(map(image, firstDouble + 5), {
		kind: 'hole',
		logical: firstDouble + 5,
		length: perBlock ** 2 - 5,
	});
	t.deepEqual(map(image, firstTriple), {
		kind: 'hole',
		logical: firstTriple,
		length: perBlock ** 3,
	});
	t.deepEqual(map(image, end - 1), {kind: 'hole', logical: end - 1, length: 1});
});

for (const [levels, first] of [
	[1, firstSingle],
	[2, firstDouble],
	[3, firstTriple],
] as const) {
	test(`a tree of ${levels} levels is followed at its first, a middle and its last logical block`, t => {
		const {image, top} = newImage();
		const chain = Array.from({length: levels}, (_, index) => 40 + index);
		top.setUint32((12 + levels - 1) * 4, chain[0] ?? 0, true);
		for (const index of [0, 100, 255]) {
			chain.forEach((block, depth) => {
				const below = chain[depth + 1] ?? 200 + (index % 50);
				setPointer(image, block, index, below);
			});
		}
		for (const index of [0, 100, 255]) {
			// The same index on every level, so that `index` repeats as a digit.
			let logical = first;
			for (let depth = 0; depth < levels; depth++) logical += index * perBlock ** depth;
			t.deepEqual(map(image, logical), {
				kind: 'mapped',
				logical,
				length: 1,
				physical: 200 + (index % 50),
			});
		}
		t.deepEqual(map(image, first + 1), {kind: 'hole', logical: first + 1, length: 99});
	});

	test(`a missing block on each level of a tree of ${levels} levels is a hole of what it would map`, t => {
		// `present` blocks of the chain are there, the next one is not.
		for (let present = 0; present < levels; present++) {
			const {image, top} = newImage();
			if (present > 0) top.setUint32((12 + levels - 1) * 4, 40, true);
			for (let depth = 1; depth < present; depth++) setPointer(image, 39 + depth, 0, 40 + depth);
			const length = perBlock ** (levels - present);
			t.deepEqual(map(image, first), {kind: 'hole', logical: first, length});
			t.deepEqual(map(image, first + 3), {kind: 'hole', logical: first + 3, length: length - 3});
		}
	});
}

test('a run ends where its map block does, even if the next one goes on', t => {
	const {image, top} = newImage();
	top.setUint32(11 * 4, 50, true);
	top.setUint32(12 * 4, 40, true);
	setPointer(image, 40, 0, 51);
	t.deepEqual(map(image, 11), {kind: 'mapped', logical: 11, length: 1, physical: 50});
	t.deepEqual(map(image, 12), {kind: 'mapped', logical: 12, length: 1, physical: 51});
});

for (const logical of [end, 2 ** 32 - 1]) {
	test(`no map of 1 KiB blocks reaches logical block ${logical}`, t => {
		t.is(mappingError(newImage().image, logical).code, 'EXT4_BAD_BLOCK_MAP');
	});
}

for (const pointer of [1, 256, 0x80000000, 0xffffffff]) {
	test(`block ${pointer} of a file system of 256 can't be mapped, on any level`, t => {
		for (const slot of [0, 12, 13, 14]) {
			const {image, top} = newImage();
			top.setUint32(slot * 4, pointer, true);
			const logical = [firstSingle, firstDouble, firstTriple][slot - 12] ?? 0;
			const error = mappingError(image, logical);
			t.is(error.code, 'EXT4_BAD_BLOCK_MAP');
			t.is(error.place.inode, file);
		}
		const {image, top} = newImage();
		top.setUint32(13 * 4, 40, true);
		setPointer(image, 40, 7, pointer);
		t.is(mappingError(image, firstDouble + 7 * perBlock).code, 'EXT4_BAD_BLOCK_MAP');
		setPointer(image, 40, 7, 41);
		setPointer(image, 41, 9, pointer);
		t.is(mappingError(image, firstDouble + 7 * perBlock + 9).code, 'EXT4_BAD_BLOCK_MAP');
	});
}

test('a run of pointers that ends beyond the file system is refused', t => {
	const {image, top} = newImage();
	[254, 255, 256].forEach((pointer, index) => {
		top.setUint32(index * 4, pointer, true);
	});
	t.is(mappingError(image, 0).code, 'EXT4_BAD_BLOCK_MAP');
});

test('a map block that points to itself costs three steps and maps what it says', t => {
	const {image, top} = newImage();
	top.setUint32(14 * 4, 40, true);
	setPointer(image, 40, 0, 40);
	t.deepEqual(map(image, firstTriple), {
		kind: 'mapped',
		logical: firstTriple,
		length: 1,
		physical: 40,
	});
});

/** Which logical blocks to map, chosen so that each zone and its borders come up. */
const logicalArbitrary = fc.oneof(
	fc.nat(firstSingle + 3),
	fc.integer({min: firstDouble - 3, max: firstDouble + 3}),
	fc.integer({min: firstDouble, max: firstTriple - 1}),
	fc.integer({min: firstTriple - 3, max: firstTriple + 3}),
	fc.integer({min: firstTriple, max: end - 1}),
);

/** Maps `logical` to `physical`, taking new blocks for the levels that are not there yet. */
function write(
	image: TinyImage,
	top: DataView,
	logical: number,
	physical: number,
	take: () => number,
): void {
	let rest = logical - firstSingle;
	if (rest < 0) {
		top.setUint32(logical * 4, physical, true);
		return;
	}
	let levels = 1;
	for (; rest >= perBlock ** levels; levels++) rest -= perBlock ** levels;
	let view = top;
	let index = 11 + levels;
	for (let level = levels; level > 0; level--) {
		let pointer = view.getUint32(index * 4, true);
		if (pointer === 0) {
			pointer = take();
			view.setUint32(index * 4, pointer, true);
		}
		view = viewOf(image.block(pointer));
		index = Math.floor(rest / perBlock ** (level - 1)) % perBlock;
	}
	view.setUint32(index * 4, physical, true);
}

test('any block map maps each logical block as a list of them does', t => {
	fc.assert(
		fc.property(fc.array(fc.tuple(logicalArbitrary, fc.integer({min: 20, max: 400}))), pairs => {
			const {image, top} = newImage(420);
			const model = new Map<number, number>();
			let next = image.firstFreeBlock;
			for (const [logical, physical] of pairs.slice(0, 60)) {
				write(image, top, logical, physical, () => next++);
				model.set(logical, physical);
			}
			const volume = image.open();
			const inode = volume.readInode(file);
			for (const [asked] of pairs) {
				for (const logical of [asked - 1, asked, asked + 1]) {
					if (logical < 0 || logical >= end) continue;
					const run = mapAt(volume, inode, logical);
					t.is(run.logical, logical);
					t.true(run.length > 0);
					// Look at the run's ends and its first blocks; holes are long.
					const steps = [...Array(Math.min(run.length, 300)).keys(), run.length - 1];
					for (const step of steps) {
						const expected = model.get(logical + step);
						t.is(run.kind === 'hole' ? undefined : run.physical + step, expected);
					}
				}
			}
		}),
		{numRuns: 60},
	);
});
