import test from 'ava';
import fc from 'fast-check';
import {type CorruptCode, CorruptError} from '../../../ext4/errors.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {extentTreeDepth, lastExtentBlock} from '../../../ext4/mapping/extent-tree.ts';
import {mapAt, type Run} from '../../../ext4/mapping/index.ts';
import {viewOf} from '../../support/poke.ts';
import {
	sealExtentBlock,
	type TinyExtent,
	TinyImage,
	writeExtentHeader,
	writeInner,
	writeLeaf,
} from '../../support/tiny-image.ts';

const file = 12;

/** A file whose tree is what `build` writes into the 60 bytes of the root and the image's blocks. */
function imageWith(
	build: (root: Uint8Array, image: TinyImage) => void,
	isChecked = false,
): TinyImage {
	const image = new TinyImage({features: isChecked ? ['extent', 'metadata_csum'] : ['extent']});
	build(image.addFile(file, true), image);
	return image;
}

function map(image: TinyImage, logical: number): Run {
	const volume = image.open();
	return mapAt(volume, volume.readInode(file), logical);
}

function mappingError(image: TinyImage, logical: number, code: CorruptCode): CorruptError {
	try {
		map(image, logical);
	} catch (error) {
		if (!(error instanceof CorruptError)) throw error;
		if (error.code !== code) throw new Error(`${error.code} instead of ${code}: ${error.message}`);
		return error;
	}
	throw new Error(`logical block ${logical} was mapped`);
}

test('in a leaf: an extent, the hole before, the hole between, the hole after', t => {
	const image = imageWith(root =>
		writeLeaf(root, [
			{logical: 10, length: 5, physical: 100},
			{logical: 20, length: 2, physical: 50, isUnwritten: true},
		]),
	);
	t.deepEqual(map(image, 0), {kind: 'hole', logical: 0, length: 10});
	t.deepEqual(map(image, 9), {kind: 'hole', logical: 9, length: 1});
	t.deepEqual(map(image, 10), {kind: 'mapped', logical: 10, length: 5, physical: 100});
	t.deepEqual(map(image, 14), {kind: 'mapped', logical: 10, length: 5, physical: 100});
	t.deepEqual(map(image, 15), {kind: 'hole', logical: 15, length: 5});
	t.deepEqual(map(image, 21), {kind: 'unwritten', logical: 20, length: 2, physical: 50});
	t.deepEqual(map(image, 22), {kind: 'hole', logical: 22, length: 2 ** 32 - 22});
	t.deepEqual(map(image, 2 ** 32 - 1), {kind: 'hole', logical: 2 ** 32 - 1, length: 1});
});

test('an empty root maps nothing: the whole file is a hole', t => {
	const image = imageWith(root => writeLeaf(root, []));
	t.deepEqual(map(image, 7), {kind: 'hole', logical: 7, length: 2 ** 32 - 7});
	const volume = image.open();
	t.is(lastExtentBlock(volume, volume.readInode(file)), undefined);
});

test('an extent of 32,768 blocks is written, one of a block more is 1 unwritten', t => {
	const image = new TinyImage({features: ['extent'], blockCount: 40_000, inodeCount: 32});
	viewOf(image.bytes).setUint32(1024 + 0, 32 * 5, true);
	writeLeaf(image.addFile(file, true), [{logical: 0, length: 32_768, physical: 200}]);
	t.deepEqual(map(image, 32_767), {kind: 'mapped', logical: 0, length: 32_768, physical: 200});
	writeLeaf(image.blockField(file), [{logical: 0, length: 1, physical: 200, isUnwritten: true}]);
	t.deepEqual(map(image, 0), {kind: 'unwritten', logical: 0, length: 1, physical: 200});
});

test('the last logical block that a file can have is mapped', t => {
	const image = imageWith(root =>
		writeLeaf(root, [{logical: 2 ** 32 - 1, length: 1, physical: 99}]),
	);
	t.is(map(image, 2 ** 32 - 1).kind, 'mapped');
	t.deepEqual(map(image, 0), {kind: 'hole', logical: 0, length: 2 ** 32 - 1});
});

/** A tree of `depth` levels below the root, each inner node with two children, two extents a leaf. */
function deepTree(depth: number, isChecked: boolean): TinyImage {
	return imageWith((root, image) => {
		let nextBlock = image.firstFreeBlock;
		// Each leaf is in charge of 100 logical blocks: an extent at 10, one at 50.
		const write = (node: Uint8Array, level: number, from: number): void => {
			if (level === 0) {
				writeLeaf(node, [
					{logical: from + 10, length: 5, physical: 200},
					{logical: from + 50, length: 1, physical: 100},
				]);
				return;
			}
			const span = 100 * 2 ** (level - 1);
			const children = [0, 1].map(index => ({logical: from + index * span, block: nextBlock++}));
			writeInner(node, level, children);
			for (const child of children) {
				write(image.block(child.block), level - 1, child.logical);
				if (isChecked) sealExtentBlock(image, file, child.block);
			}
		};
		write(root, depth, 0);
	}, isChecked);
}

for (const depth of [0, 1, 2, 3, 4, 5]) {
	for (const isChecked of [false, true]) {
		const name = isChecked ? 'with checksums' : 'without checksums';
		test(`a tree of depth ${depth} is followed to each of its leaves, ${name}`, t => {
			const volume = deepTree(depth, isChecked).open();
			const inode = volume.readInode(file);
			t.is(extentTreeDepth(volume, inode), depth);
			const leaves = 2 ** depth;
			t.is(lastExtentBlock(volume, inode), (leaves - 1) * 100 + 50);
			for (let leaf = 0; leaf < leaves; leaf++) {
				const from = leaf * 100;
				const at = (logical: number) => mapAt(volume, inode, from + logical);
				t.deepEqual(at(0), {kind: 'hole', logical: from, length: 10});
				t.deepEqual(at(12), {kind: 'mapped', logical: from + 10, length: 5, physical: 200});
				t.deepEqual(at(20), {kind: 'hole', logical: from + 20, length: 30});
				t.deepEqual(at(50), {kind: 'mapped', logical: from + 50, length: 1, physical: 100});
				const end = leaf === leaves - 1 ? 2 ** 32 : from + 100;
				t.deepEqual(at(51), {kind: 'hole', logical: from + 51, length: end - from - 51});
			}
		});
	}
}

test('before the first key of an inner node there is a hole', t => {
	const image = imageWith((root, at) => {
		writeInner(root, 1, [{logical: 40, block: at.firstFreeBlock}]);
		writeLeaf(at.block(at.firstFreeBlock), [{logical: 40, length: 1, physical: 100}]);
	});
	t.deepEqual(map(image, 3), {kind: 'hole', logical: 3, length: 37});
});

test('a node filled to the brim has no room for a checksum and is believed without one', t => {
	// 2,048 - 12 is no multiple of 12 less than 4 bytes off, but 1,024 + 12 n = 1,020 + 4 is: eh_max 84.
	const image = deepTree(1, true);
	const block = image.block(image.firstFreeBlock);
	t.is(viewOf(block).getUint16(4, true), 84);
	t.notThrows(() => map(image, 0));
});

/** A tree of depth 1 whose only leaf is at the first free block. */
function oneLeaf(
	change: (leaf: Uint8Array, root: Uint8Array, image: TinyImage) => void,
): TinyImage {
	return imageWith((root, image) => {
		const leaf = image.block(image.firstFreeBlock);
		writeInner(root, 1, [{logical: 0, block: image.firstFreeBlock}]);
		writeLeaf(leaf, [
			{logical: 0, length: 4, physical: 100},
			{logical: 8, length: 4, physical: 110},
		]);
		change(leaf, root, image);
	});
}

/** One row for one way in which a header can be wrong. */
const badHeaders: readonly (readonly [string, (leaf: Uint8Array, root: Uint8Array) => void])[] = [
	['a root without the magic number', (_, root) => root.fill(0, 0, 2)],
	['a leaf without the magic number', leaf => leaf.fill(0, 0, 2)],
	['a root of depth 6', (_, root) => viewOf(root).setUint16(6, 6, true)],
	['a root of depth 65,535', (_, root) => viewOf(root).setUint16(6, 0xffff, true)],
	["a child of its parent's depth", leaf => viewOf(leaf).setUint16(6, 1, true)],
	['a root two levels above its leaf', (_, root) => viewOf(root).setUint16(6, 2, true)],
	['a root with room for five entries', (_, root) => viewOf(root).setUint16(4, 5, true)],
	['a leaf with more room than its block', leaf => viewOf(leaf).setUint16(4, 85, true)],
	['a leaf with no room', leaf => viewOf(leaf).setUint16(4, 0, true)],
	['more entries than room', leaf => viewOf(leaf).setUint32(2, 3 + (2 << 16), true)],
	['an inner root without entries', (_, root) => viewOf(root).setUint16(2, 0, true)],
	['a leaf block without entries', leaf => viewOf(leaf).setUint16(2, 0, true)],
];

for (const [what, change] of badHeaders) {
	test(`${what} is refused`, t => {
		const error = mappingError(oneLeaf(change), 0, 'EXT4_BAD_EXTENT_HEADER');
		t.is(error.place.inode, file);
	});
}

function extents(...list: TinyExtent[]): (leaf: Uint8Array) => void {
	return leaf => writeLeaf(leaf, list);
}

/** One row for one way in which an entry can be wrong. */
const badEntries: readonly (readonly [
	string,
	(leaf: Uint8Array, root: Uint8Array, image: TinyImage) => void,
])[] = [
	['an extent of no blocks', extents({logical: 0, length: 0, physical: 100})],
	[
		'two extents that overlap',
		extents({logical: 0, length: 4, physical: 100}, {logical: 3, length: 1, physical: 120}),
	],
	[
		'extents out of order',
		extents({logical: 9, length: 1, physical: 100}, {logical: 3, length: 1, physical: 120}),
	],
	[
		'the same logical block twice',
		extents({logical: 3, length: 1, physical: 100}, {logical: 3, length: 1, physical: 120}),
	],
	['an extent at block 0', extents({logical: 0, length: 1, physical: 0})],
	['an extent in the superblock', extents({logical: 0, length: 1, physical: 1})],
	['an extent that ends beyond the file system', extents({logical: 0, length: 2, physical: 255})],
	['an extent beyond the file system', extents({logical: 0, length: 1, physical: 2 ** 33})],
	['an extent at the last of 2^48 blocks', extents({logical: 0, length: 1, physical: 2 ** 48 - 1})],
	[
		'an extent beyond the last logical block',
		extents({logical: 2 ** 32 - 1, length: 2, physical: 99}),
	],
	[
		'an unwritten extent beyond the file system',
		extents({logical: 0, length: 9, physical: 250, isUnwritten: true}),
	],
	[
		'an extent that starts before its node',
		(_, root, image) => writeInner(root, 1, [{logical: 5, block: image.firstFreeBlock}]),
	],
	[
		'an extent that reaches into the next node',
		(_, root, image) =>
			writeInner(root, 1, [
				{logical: 0, block: image.firstFreeBlock},
				{logical: 10, block: image.firstFreeBlock + 1},
			]),
	],
	['a child at block 0', (_, root) => writeInner(root, 1, [{logical: 0, block: 0}])],
	['a child beyond the file system', (_, root) => writeInner(root, 1, [{logical: 0, block: 256}])],
	[
		'a child at the last of 2^48 blocks',
		(_, root) => writeInner(root, 1, [{logical: 0, block: 2 ** 48 - 1}]),
	],
	[
		'children out of order',
		(_, root, image) =>
			writeInner(root, 1, [
				{logical: 20, block: image.firstFreeBlock},
				{logical: 10, block: image.firstFreeBlock},
			]),
	],
];

for (const [what, change] of badEntries) {
	test(`${what} is refused`, t => {
		const error = mappingError(oneLeaf(change), 5, 'EXT4_BAD_EXTENT');
		t.is(error.place.inode, file);
	});
}

test('a node that is its own child is refused, and so is a child that is its grandparent', t => {
	const own = imageWith((root, image) => {
		const block = image.firstFreeBlock;
		writeInner(root, 2, [{logical: 0, block}]);
		writeInner(image.block(block), 1, [{logical: 0, block}]);
	});
	t.is(mappingError(own, 0, 'EXT4_BAD_EXTENT_HEADER').place.block, own.firstFreeBlock);
	const grand = imageWith((root, image) => {
		const block = image.firstFreeBlock;
		writeInner(root, 3, [{logical: 0, block}]);
		writeInner(image.block(block), 2, [{logical: 0, block: block + 1}]);
		writeInner(image.block(block + 1), 1, [{logical: 0, block}]);
	});
	t.is(mappingError(grand, 0, 'EXT4_BAD_EXTENT_HEADER').place.block, grand.firstFreeBlock);
});

test('a leaf claimed by two parents is right for one of them at most', t => {
	const image = imageWith((root, at) => {
		const block = at.firstFreeBlock;
		writeInner(root, 1, [
			{logical: 0, block},
			{logical: 100, block},
		]);
		writeLeaf(at.block(block), [{logical: 0, length: 4, physical: 100}]);
	});
	t.is(map(image, 0).kind, 'mapped');
	const volume = image.open();
	const inode = volume.readInode(file);
	mapAt(volume, inode, 0); // Now the leaf is in the cache, checked for its first parent.
	t.throws(() => mapAt(volume, inode, 100), {instanceOf: CorruptError});
});

test('an extent block whose checksum fails is refused, and so is one of another inode', t => {
	const damaged = deepTree(1, true);
	viewOf(damaged.block(damaged.firstFreeBlock)).setUint32(8, 1, true);
	mappingError(damaged, 0, 'EXT4_BAD_EXTENT_CHECKSUM');
	const others = deepTree(1, true);
	sealExtentBlock(others, file + 1, others.firstFreeBlock);
	mappingError(others, 0, 'EXT4_BAD_EXTENT_CHECKSUM');
	t.pass();
});

test('no file has a logical block below 0 or from 2^32 on', t => {
	const image = imageWith(root => writeLeaf(root, []));
	for (const logical of [-1, 2 ** 32, 2 ** 40]) {
		t.is(mappingError(image, logical, 'EXT4_BAD_EXTENT').place.inode, file);
	}
});

test('data in the inode has no blocks to map', t => {
	const image = new TinyImage({features: ['extent', 'inline_data']});
	image.setInode(file, {i_mode: 0o100644, i_flags: inodeFlags.inlineData});
	t.is(mappingError(image, 0, 'EXT4_BAD_INLINE_DATA').place.inode, file);
});

test('an extent header is all that tells a tree: without it nothing is believed', t => {
	const image = imageWith(root =>
		writeExtentHeader(root, {entries: 0, depth: 0, max: 4, magic: 0xf30b}),
	);
	t.regex(mappingError(image, 0, 'EXT4_BAD_EXTENT_HEADER').message, /0xf30b/);
});

type Model = readonly TinyExtent[];

/** Extents in order with gaps between them, as (gap, length, kind) triples make them. */
const modelArbitrary: fc.Arbitrary<Model> = fc
	.array(
		fc.record({gap: fc.nat(6), length: fc.integer({min: 1, max: 9}), isUnwritten: fc.boolean()}),
		{
			maxLength: 60,
			size: 'max',
		},
	)
	.map(steps => {
		let logical = 0;
		return steps.map(({gap, length, isUnwritten}, index) => {
			const extent = {logical: logical + gap, length, physical: 60 + index * 3, isUnwritten};
			logical = extent.logical + length;
			return extent;
		});
	});

/** Writes `model` as a tree whose leaves and inner nodes have at most `fanout` entries. */
function writeTree(image: TinyImage, root: Uint8Array, model: Model, fanout: number): number {
	let nextBlock = image.firstFreeBlock;
	let depth = 0;
	let level: {logical: number; block: number}[] = [];
	const take = (
		write: (node: Uint8Array) => void,
		logical: number,
	): {logical: number; block: number} => {
		const block = nextBlock++;
		write(image.block(block));
		sealExtentBlock(image, file, block);
		return {logical, block};
	};
	if (model.length <= 4) {
		writeLeaf(root, model);
		return 0;
	}
	for (let from = 0; from < model.length; from += fanout) {
		const part = model.slice(from, from + fanout);
		level.push(take(node => writeLeaf(node, part), part[0]?.logical ?? 0));
	}
	for (depth = 1; level.length > 4; depth++) {
		const above: typeof level = [];
		for (let from = 0; from < level.length; from += fanout) {
			const part = level.slice(from, from + fanout);
			const at = depth;
			above.push(take(node => writeInner(node, at, part), part[0]?.logical ?? 0));
		}
		level = above;
	}
	writeInner(root, depth, level);
	return depth;
}

test('any tree maps each logical block as a list of its extents does', t => {
	const depths = new Set<number>();
	fc.assert(
		fc.property(modelArbitrary, fc.integer({min: 2, max: 9}), (model, fanout) => {
			const image = new TinyImage({features: ['extent', 'metadata_csum'], blockCount: 320});
			depths.add(writeTree(image, image.addFile(file, true), model, fanout));
			const volume = image.open();
			const inode = volume.readInode(file);
			const end = (model.at(-1)?.logical ?? 0) + 20;
			for (let logical = 0; logical < end; logical++) {
				const run = mapAt(volume, inode, logical);
				t.true(run.length > 0 && run.logical <= logical && logical < run.logical + run.length);
				const expected = model.find(
					extent => extent.logical <= logical && logical < extent.logical + extent.length,
				);
				if (expected === undefined) {
					// A hole may end early, at its node's end, but never reach over an extent.
					t.is(run.kind, 'hole');
					const next = model.find(extent => extent.logical > logical)?.logical ?? 2 ** 32;
					t.true(run.logical + run.length <= next);
				} else {
					const {isUnwritten, ...place} = expected;
					t.deepEqual(run, {kind: isUnwritten === true ? 'unwritten' : 'mapped', ...place});
				}
			}
		}),
		{numRuns: 150},
	);
	t.true(depths.size >= 4, `trees of depths ${[...depths].join(', ')}`);
});
