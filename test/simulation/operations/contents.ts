/** Operations on what files hold. */
import {allocateModes} from '../../../iomap/index.ts';
import {type Choices, chooseFile} from '../choices.ts';
import {Mismatch} from '../mismatch.ts';
import {type Node, Refused} from '../model.ts';
import type {World} from '../world.ts';
import type {Operation} from './operation.ts';

/** A write, which may be done in part where the file system is full. */
function write(world: World, node: Node, position: number, bytes: Uint8Array): void {
	world.tell(`write ${node.number} ${position} +${bytes.length}`);
	let written = bytes.length;
	const isDone = world.both(
		() => {
			written = world.subject.write(node.number, position, bytes);
		},
		() => {
			world.model.assertMayWrite(node, position);
			const max = world.features.sizeBytesMax;
			if (max !== undefined && position >= max) throw new Refused('EFBIG');
			node.contents.write(position, bytes.subarray(0, written));
			if (written > 0) world.model.touch(node);
		},
	);
	if (!isDone) {
		world.adopt(node);
		return;
	}
	if (written < bytes.length && !world.isScarce) {
		throw new Mismatch(`${written} of ${bytes.length} bytes are written`);
	}
}

function writeAt(
	positionOf: (choices: Choices, size: number) => number,
	lengthMax: number,
): Operation['run'] {
	return (world, choices) => {
		const node = chooseFile(world, choices);
		if (node === undefined) return;
		const position = positionOf(choices, node.contents.size);
		write(world, node, position, choices.bytes(choices.between(1, lengthMax)));
	};
}

function truncateTo(sizeOf: (choices: Choices, size: number) => number): Operation['run'] {
	return (world, choices) => {
		const node = chooseFile(world, choices);
		if (node === undefined) return;
		const size = sizeOf(choices, node.contents.size);
		world.tell(`truncate ${node.number} from ${node.contents.size} to ${size}`);
		const isDone = world.both(
			() => world.subject.truncate(node.number, size),
			() => {
				world.model.assertMayChange(node);
				node.contents.resize(size);
				world.model.touch(node);
			},
		);
		if (!isDone) world.adopt(node);
	};
}

type AllocateModel = (world: World, node: Node, position: number, length: number) => void;

const {keepSize, punchHole, collapseRange, insertRange, zeroRange} = allocateModes;

/** `isWhole`: only whole clusters are asked for, mostly. */
function allocate(mode: number, model: AllocateModel, isWhole = false): Operation['run'] {
	return (world, choices) => {
		const node = chooseFile(world, choices);
		const moves = (mode & (collapseRange | insertRange)) !== 0;
		if (node === undefined || (moves && !world.subject.movesRanges)) return;
		const {clusterSize} = world.subject.volume.geometry;
		const unit = isWhole && !choices.isOneIn(8) ? clusterSize : 1;
		const reach = Math.min(node.contents.size + 4096, 2 ** 21);
		const position = Math.floor(choices.below(reach) / unit) * unit;
		const length = Math.ceil(choices.between(1, 20_000) / unit) * unit;
		world.tell(`fallocate ${mode} ${node.number} ${position} +${length} of ${node.contents.size}`);
		const isDone = world.both(
			() => world.subject.allocate(node.number, mode, position, length),
			() => {
				const isAdding = (mode & ~keepSize) === 0;
				if (isAdding) world.model.assertMayWrite(node, Number.POSITIVE_INFINITY);
				else world.model.assertMayChange(node);
				if (mode !== (punchHole | keepSize) && !hasExtents(world)) throw new Refused('EOPNOTSUPP');
				model(world, node, position, length);
				world.model.touch(node);
			},
		);
		if (!isDone) world.adopt(node);
	};
}

function hasExtents(world: World): boolean {
	return world.subject.volume.features.has('extent');
}

function grow(node: Node, end: number): void {
	if (end > node.contents.size) node.contents.resize(end);
}

function assertClusters(world: World, position: number, length: number): void {
	const {clusterSize} = world.subject.volume.geometry;
	if (position % clusterSize !== 0 || length % clusterSize !== 0) throw new Refused('EINVAL');
}

function collapse(world: World, node: Node, position: number, length: number): void {
	assertClusters(world, position, length);
	if (position + length >= node.contents.size) throw new Refused('EINVAL');
	node.contents.collapse(position, position + length);
}

function insert(world: World, node: Node, position: number, length: number): void {
	assertClusters(world, position, length);
	if (position >= node.contents.size) throw new Refused('EINVAL');
	node.contents.insert(position, length);
}

function copy(world: World, choices: Choices): void {
	const from = chooseFile(world, choices);
	const to = chooseFile(world, choices);
	if (from === undefined || to === undefined) return;
	const at = choices.below(Math.min(from.contents.size, 2 ** 20) + 1);
	const position = choices.below(Math.min(to.contents.size + 5000, 2 ** 20));
	const length = choices.between(1, 30_000);
	world.tell(`copy ${from.number} ${at} +${length} to ${to.number} ${position}`);
	let copied = 0;
	const bytes = from.contents.read(at, length);
	const isDone = world.both(
		() => {
			copied = world.subject.copy(from.number, at, to.number, position, length);
		},
		() => {
			world.model.assertMayWrite(to, position);
			const overlaps = from === to && Math.abs(at - position) < bytes.length;
			if (overlaps) throw new Refused('EINVAL');
			to.contents.write(position, bytes.subarray(0, copied));
			if (copied > 0) world.model.touch(to);
		},
	);
	if (!isDone) world.adopt(to);
	else if (copied < bytes.length && !world.isScarce) {
		throw new Mismatch(`${copied} of ${bytes.length} bytes are copied`);
	}
}

/** Writes, cuts, holes and copies. */
export const contentOperations: readonly Operation[] = [
	{name: 'write', weight: 6, run: writeAt((choices, size) => choices.below(size + 1), 9000)},
	{name: 'write, one byte', weight: 2, run: writeAt((choices, size) => choices.below(size + 1), 1)},
	{
		name: 'write, much',
		weight: 2,
		run: writeAt((choices, size) => choices.below(size + 1), 200_000),
	},
	{name: 'append', weight: 6, run: writeAt((_, size) => size, 6000)},
	{name: 'append, a little', weight: 4, run: writeAt((_, size) => size, 100)},
	{
		name: 'write behind the end',
		weight: 2,
		run: writeAt((choices, size) => size + choices.below(50_000), 3000),
	},
	{
		name: 'write far away',
		weight: 1,
		run: writeAt(choices => choices.between(2 ** 20, 3 * 2 ** 29), 3000),
	},
	{
		name: 'write beyond 2 GiB',
		weight: 1,
		run: writeAt(choices => 2 ** 31 + choices.below(2 ** 30), 3000),
	},
	{
		name: 'truncate down',
		weight: 3,
		run: truncateTo((choices, size) => choices.below(Math.min(size, 2 ** 31 - 1) + 1)),
	},
	{
		name: 'truncate up',
		weight: 2,
		run: truncateTo((choices, size) => Math.min(size + choices.below(100_000), 2 ** 31 - 1)),
	},
	{name: 'truncate to nothing', weight: 2, run: truncateTo(() => 0)},
	{
		name: 'fallocate',
		weight: 2,
		run: allocate(0, (_, node, position, length) => grow(node, position + length)),
	},
	{
		name: 'fallocate, keep size',
		weight: 2,
		run: allocate(keepSize, () => {
			// Nothing that can be read changes.
		}),
	},
	{
		name: 'punch a hole',
		weight: 3,
		run: allocate(punchHole | keepSize, (_, node, position, length) =>
			node.contents.clear(position, position + length),
		),
	},
	{
		name: 'zero a range',
		weight: 2,
		run: allocate(zeroRange, (_, node, position, length) => {
			node.contents.clear(position, position + length);
			grow(node, position + length);
		}),
	},
	{
		name: 'zero a range, keep size',
		weight: 2,
		run: allocate(zeroRange | keepSize, (_, node, position, length) =>
			node.contents.clear(position, position + length),
		),
	},
	{name: 'collapse a range', weight: 2, run: allocate(collapseRange, collapse, true)},
	{name: 'insert a range', weight: 2, run: allocate(insertRange, insert, true)},
	{name: 'copy a range', weight: 3, run: copy},
];
