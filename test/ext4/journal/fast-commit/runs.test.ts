import test from 'ava';
import fc from 'fast-check';
import {writeExtentTree} from '../../../../ext4/journal/fast-commit/extents.ts';
import {applyChanges, type MappedRun} from '../../../../ext4/journal/fast-commit/runs.ts';
import {mapAt, type Run} from '../../../../ext4/mapping/index.ts';
import {TinyImage} from '../../../support/tiny-image.ts';

const blocks = 64;

/** Each logical block's physical one, by the runs. */
function spell(runs: readonly MappedRun[]): (string | undefined)[] {
	const spelled: (string | undefined)[] = new Array(blocks).fill(undefined);
	for (const {kind, logical, length, physical} of runs) {
		for (let index = 0; index < length; index++) {
			spelled[logical + index] = `${kind} ${physical + index}`;
		}
	}
	return spelled;
}

const change = fc.record({
	kind: fc.constantFrom('mapped' as const, 'unwritten' as const, undefined),
	logical: fc.nat(blocks - 1),
	length: fc.integer({min: 1, max: 20}),
	physical: fc.nat(1000),
});

test('a list of runs that is changed maps as a table of blocks does', t => {
	fc.assert(
		fc.property(fc.array(change, {maxLength: 40}), changes => {
			const table: (string | undefined)[] = new Array(blocks).fill(undefined);
			const runs: Run[] = changes.map(({kind, logical, length: wanted, physical}) => {
				const length = Math.min(wanted, blocks - logical);
				for (let index = 0; index < length; index++) {
					table[logical + index] = kind && `${kind} ${physical + index}`;
				}
				return kind === undefined
					? {kind: 'hole', logical, length}
					: {kind, logical, length, physical};
			});
			const half = Math.floor(runs.length / 2);
			const merged = applyChanges(applyChanges([], runs.slice(0, half)), runs.slice(half));
			t.deepEqual(spell(merged), table);
			t.deepEqual(applyChanges([], runs), merged);
			for (const [index, run] of merged.entries()) {
				const next = merged[index + 1];
				t.true(next === undefined || run.logical + run.length <= next.logical);
				const isJoinable =
					next !== undefined &&
					next.kind === run.kind &&
					next.logical === run.logical + run.length &&
					next.physical === run.physical + run.length;
				t.false(isJoinable);
			}
		}),
	);
	t.pass();
});

for (const count of [0, 1, 4, 5, 84, 337, 5000]) {
	test(`a tree of ${count} extents is read back as it was written`, t => {
		const image = new TinyImage({
			blockCount: 8192,
			inodeCount: 32,
			features: ['filetype', 'extent', 'metadata_csum'],
		});
		const root = image.addFile(12, true);
		let next = 6500;
		const runs = Array.from(
			{length: count},
			(_, index): MappedRun => ({
				kind: index % 3 === 0 ? 'unwritten' : 'mapped',
				logical: index * 2,
				length: 1,
				physical: 1000 + index,
			}),
		);
		const tree = writeExtentTree(runs, {
			blockSize: 1024,
			checksumSeed: image.inodeSeed(12),
			allocate: () => {
				const bytes = image.block(next);
				const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
				return {number: next++, block: {bytes, view}};
			},
		});
		root.set(tree.root);
		t.is(tree.nodes.length, next - 6500);
		const volume = image.open();
		const inode = volume.readReservedInode(12);
		for (const run of runs) t.deepEqual(mapAt(volume, inode, run.logical), run);
		t.is(mapAt(volume, inode, count * 2).kind, 'hole');
	});
}

test('a run longer than an extent can be becomes several, an unwritten one sooner', t => {
	const view = (runs: readonly MappedRun[]) => {
		const {root} = writeExtentTree(runs, {
			blockSize: 1024,
			checksumSeed: undefined,
			allocate: () => {
				throw new Error('four extents fit into the inode');
			},
		});
		return new DataView(root.buffer);
	};
	const long = {logical: 7, length: 0x8000 + 10, physical: 2 ** 32 + 5};
	const mapped = view([{kind: 'mapped', ...long}]);
	t.deepEqual([mapped.getUint16(16, true), mapped.getUint16(28, true)], [0x8000, 10]);
	t.deepEqual([mapped.getUint16(18, true), mapped.getUint32(20, true)], [1, 5]);
	t.is(mapped.getUint32(24, true), 7 + 0x8000);
	const unwritten = view([{kind: 'unwritten', ...long}]);
	t.deepEqual([unwritten.getUint16(16, true), unwritten.getUint16(28, true)], [0xffff, 0x800b]);
});
