/** Operations on names: made, linked, moved, taken away. */
import {
	type Choices,
	chooseDirectory,
	chooseNewFile,
	chooseNewPlace,
	chooseNode,
	chooseOwner,
	choosePlace,
} from '../choices.ts';
import {Mismatch} from '../mismatch.ts';
import type {Node} from '../model.ts';
import type {World} from '../world.ts';
import {make, type Operation, placeName} from './operation.ts';

function makeSpecial(
	type: 'file' | 'fifo' | 'socket' | 'character' | 'block',
	typeBits: number,
): Operation['run'] {
	return (world, choices) => {
		const place = chooseNewPlace(world, choices);
		const file = chooseNewFile(choices);
		const isDevice = type === 'character' || type === 'block';
		const device = isDevice
			? {major: choices.between(1, 4095), minor: choices.below(2 ** 20)}
			: undefined;
		world.tell(`mknod ${type} ${placeName(place)}`);
		make(
			world,
			() =>
				world.subject.makeNode(world.placeOf(place), {
					...file,
					mode: file.mode | typeBits,
					...(device && {device}),
				}),
			() => world.model.create(type, place, file, {device}),
		);
	};
}

function makeSymlink(lengthOf: (choices: Choices) => number): Operation['run'] {
	return (world, choices) => {
		const place = chooseNewPlace(world, choices);
		const target = 'target/'.repeat(700).slice(0, lengthOf(choices));
		const owner = chooseOwner(choices);
		world.tell(`symlink ${placeName(place)} to ${target.length} bytes`);
		make(
			world,
			() => world.subject.symlink(world.placeOf(place), target, owner),
			() => world.model.symlink(place, target, owner),
		);
	};
}

/** Has files that lost their last name freed, but for some that stay open. */
function letGo(world: World, choices: Choices, keeps: boolean): void {
	for (const node of world.model.held) {
		if (keeps && !choices.isOneIn(3)) continue;
		world.model.held.delete(node);
		world.subject.reap(node.number);
	}
}

function unlinkOne(world: World, choices: Choices, staysOpen: boolean): void {
	const place = choosePlace(world, choices);
	world.tell(`unlink ${placeName(place)}${staysOpen ? ', held' : ''}`);
	let node: Node | undefined;
	world.both(
		() => world.subject.unlink(world.placeOf(place)),
		() => {
			node = world.model.unlink(place);
		},
	);
	if (staysOpen || node === undefined || !world.model.held.delete(node)) return;
	world.subject.reap(node.number);
}

function renameOne(kind: 'replace' | 'noreplace' | 'exchange', leavesWhiteout = false) {
	return (world: World, choices: Choices) => {
		const from = choosePlace(world, choices);
		const isOver = kind === 'exchange' || choices.isOneIn(3);
		const to = isOver ? choosePlace(world, choices) : chooseNewPlace(world, choices);
		const whiteout = leavesWhiteout ? chooseOwner(choices) : undefined;
		world.tell(`rename ${kind} ${placeName(from)} to ${placeName(to)}`);
		world.both(
			() =>
				world.subject.rename(world.placeOf(from), world.placeOf(to), {
					kind,
					...(whiteout && {whiteout}),
				}),
			() => world.model.rename(from, to, kind, whiteout),
		);
		const left = whiteout && world.model.find(from)?.node;
		if (left?.number === 0) left.number = world.subject.lookup(world.placeOf(from)) ?? 0;
	};
}

function makeMany(world: World, choices: Choices): void {
	const parent = chooseDirectory(world, choices);
	const count = choices.between(10, 60);
	const first = choices.below(1000);
	const file = chooseNewFile(choices);
	world.tell(`${count} files in ${parent.number} from ${first}`);
	for (let step = 0; step < count; step++) {
		const place = {parent, name: `one of many files ${first + step}`};
		make(
			world,
			() => world.subject.makeFile(world.placeOf(place), file),
			() => world.model.create('file', place, file),
		);
	}
}

function removeMany(world: World, choices: Choices): void {
	const parent = chooseDirectory(world, choices);
	const step = choices.between(1, 3);
	world.tell(`unlink every ${step}. of many files in ${parent.number}`);
	const many = [...parent.children.values()].filter(({name}) => name.startsWith('one of many'));
	for (let at = 0; at < many.length; at += step) {
		const place = {parent, name: many[at]?.name ?? ''};
		world.both(
			() => world.subject.unlink(world.placeOf(place)),
			() => void world.model.unlink(place),
		);
	}
	letGo(world, choices, false);
}

function makeTree(world: World, choices: Choices): void {
	let parent = chooseDirectory(world, choices);
	const depth = choices.between(2, 12);
	world.tell(`a tree of ${depth} in ${parent.number}`);
	for (let level = 0; level < depth; level++) {
		const place = {parent, name: `level ${level}`};
		const file = {uid: 0, gid: 0, mode: 0o755, umask: 0};
		make(
			world,
			() => world.subject.makeDirectory(world.placeOf(place), file),
			() => world.model.create('directory', place, file),
		);
		const made = world.model.find(place)?.node;
		if (made?.type !== 'directory') return;
		parent = made;
	}
}

/** Weighted so that a volume is about half full of small things. */
export const nameOperations: readonly Operation[] = [
	{
		name: 'create',
		weight: 8,
		run: (world, choices) => {
			const place = chooseNewPlace(world, choices);
			const file = chooseNewFile(choices);
			world.tell(`create ${placeName(place)}`);
			make(
				world,
				() => world.subject.makeFile(world.placeOf(place), file),
				() => world.model.create('file', place, file),
			);
		},
	},
	{name: 'create many', weight: 1, run: makeMany},
	{
		name: 'mkdir',
		weight: 5,
		run: (world, choices) => {
			const place = chooseNewPlace(world, choices);
			const file = chooseNewFile(choices);
			world.tell(`mkdir ${placeName(place)}`);
			make(
				world,
				() => world.subject.makeDirectory(world.placeOf(place), file),
				() => world.model.create('directory', place, file),
			);
		},
	},
	{name: 'mkdir in mkdir', weight: 1, run: makeTree},
	{name: 'mknod file', weight: 1, run: makeSpecial('file', 0o100000)},
	{name: 'mknod fifo', weight: 1, run: makeSpecial('fifo', 0o010000)},
	{name: 'mknod socket', weight: 1, run: makeSpecial('socket', 0o140000)},
	{name: 'mknod character', weight: 1, run: makeSpecial('character', 0o020000)},
	{name: 'mknod block', weight: 1, run: makeSpecial('block', 0o060000)},
	{name: 'symlink, short', weight: 2, run: makeSymlink(choices => choices.between(1, 59))},
	{name: 'symlink, long', weight: 2, run: makeSymlink(choices => choices.between(60, 1100))},
	{name: 'symlink, at most', weight: 1, run: makeSymlink(choices => choices.between(4090, 4097))},
	{
		name: 'link',
		weight: 4,
		run: (world, choices) => {
			const node = chooseNode(world, choices);
			const place = chooseNewPlace(world, choices);
			world.tell(`link ${node.number} ${placeName(place)}`);
			world.both(
				() => world.subject.link(node.number, world.placeOf(place)),
				() => world.model.link(node, place),
			);
		},
	},
	{name: 'unlink', weight: 6, run: (world, choices) => unlinkOne(world, choices, false)},
	{name: 'unlink, held', weight: 3, run: (world, choices) => unlinkOne(world, choices, true)},
	{name: 'unlink many', weight: 1, run: removeMany},
	{
		name: 'close what is held',
		weight: 1,
		run: (world, choices) => {
			world.tell('close');
			letGo(world, choices, true);
		},
	},
	{
		name: 'rmdir',
		weight: 4,
		run: (world, choices) => {
			const place = choosePlace(world, choices);
			world.tell(`rmdir ${placeName(place)}`);
			world.both(
				() => world.subject.rmdir(world.placeOf(place)),
				() => void world.model.rmdir(place),
			);
		},
	},
	{name: 'rename', weight: 6, run: renameOne('replace')},
	{name: 'rename, noreplace', weight: 2, run: renameOne('noreplace')},
	{name: 'rename, exchange', weight: 3, run: renameOne('exchange')},
	{name: 'rename, whiteout', weight: 2, run: renameOne('replace', true)},
	{
		name: 'tmpfile',
		weight: 2,
		run: (world, choices) => {
			const parent = chooseDirectory(world, choices);
			const file = chooseNewFile(choices);
			world.tell(`tmpfile near ${parent.number}`);
			make(
				world,
				() => world.subject.tmpfile(parent.number, file),
				() => world.model.tmpfile(parent, file),
			);
		},
	},
	{
		name: 'link tmpfile',
		weight: 2,
		run: (world, choices) => {
			const node = choices.of([...world.model.held]);
			if (node === undefined) return;
			const place = chooseNewPlace(world, choices);
			world.tell(`link held ${node.number} ${placeName(place)}`);
			world.both(
				() => world.subject.link(node.number, world.placeOf(place)),
				() => world.model.link(node, place),
			);
		},
	},
	{
		name: 'lookup',
		weight: 2,
		run: (world, choices) => {
			const place = choosePlace(world, choices);
			world.tell(`lookup ${placeName(place)}`);
			const found = world.subject.lookup(world.placeOf(place));
			const wanted = world.model.find(place)?.node.number;
			if (found !== wanted) throw new Mismatch(`inode ${found} where ${wanted} is right`);
		},
	},
];
