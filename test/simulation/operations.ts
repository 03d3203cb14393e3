/**
 * The operations of the simulation. Each draws what it needs from its numbers, and is done to the
 * model and to the file system.
 */
import {inodeFlags} from '../../ext4/layout/inode.ts';
import {allocateModes} from '../../iomap/index.ts';
import {wireForm} from './acl.ts';
import {
	type Choices,
	chooseAcl,
	chooseDirectory,
	chooseFile,
	chooseNewFile,
	chooseNewPlace,
	chooseNode,
	chooseOwner,
	choosePlace,
} from './choices.ts';
import {compareDirectory, compareFile, compareInode} from './compare.ts';
import {Mismatch} from './mismatch.ts';
import {type Node, type Place, Refused} from './model.ts';
import type {World} from './world.ts';

export type Operation = {
	readonly name: string;
	/** How often it comes, against the others. */
	readonly weight: number;
	readonly run: (world: World, choices: Choices) => void;
};

function placeName({parent, name}: Place): string {
	return `${parent.number}/${name.length > 20 ? `${name.slice(0, 12)}…${name.length}` : name}`;
}

/** Makes something in both, and notes the number that it has got. */
function make(world: World, subject: () => number, model: () => Node): void {
	let number = 0;
	let node: Node | undefined;
	world.both(
		() => {
			number = subject();
		},
		() => {
			node = model();
		},
	);
	if (node !== undefined) node.number = number;
}

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
		if (node === undefined) return;
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

const xattrNames = ['user.a', 'user.b', 'user.a longer name', 'trusted.c', 'security.d'];

function setXattr(
	lengthOf: (choices: Choices, blockSize: number) => number,
	mode: 'any' | 'create' | 'replace',
): Operation['run'] {
	return (world, choices) => {
		const node = chooseNode(world, choices);
		const name = choices.of(xattrNames) ?? '';
		const {blockSize, inodeSize} = world.subject.volume.geometry;
		const value = choices.bytes(lengthOf(choices, blockSize));
		world.tell(`setxattr ${mode} ${node.number} ${name} +${value.length}`);
		// What is there already, and what of it lies in the inode, decides whether there is room.
		const total = [...node.xattrs.values()].reduce((sum, {length}) => sum + length, value.length);
		const isTight = total > blockSize / 2 || (inodeSize === 128 && total > blockSize / 4);
		const isRevision0 = world.subject.volume.superblock.revision === 0;
		world.both(
			() => world.subject.setXattr(node.number, name, value, mode),
			() => {
				if (isRevision0) throw new Refused('EOPNOTSUPP');
				world.model.setXattr(node, name, value, mode);
			},
			isTight,
		);
	};
}

function setAcl(isDefault: boolean, removes: boolean): Operation['run'] {
	const name = `system.posix_acl_${isDefault ? 'default' : 'access'}`;
	return (world, choices) => {
		const node = isDefault ? chooseDirectory(world, choices) : chooseNode(world, choices);
		const acl = removes ? undefined : chooseAcl(choices);
		world.tell(`${removes ? 'remove' : 'set'} ${name} ${node.number}`);
		const isRevision0 = world.subject.volume.superblock.revision === 0;
		world.both(
			() => {
				if (acl === undefined) world.subject.removeXattr(node.number, name);
				else world.subject.setXattr(node.number, name, wireForm(acl), 'any');
			},
			() => {
				if (isRevision0) throw new Refused('EOPNOTSUPP');
				if (isDefault) world.model.setDefaultAcl(node, acl);
				else world.model.setAcl(node, acl);
			},
			[...node.xattrs.values()].reduce((sum, {length}) => sum + length, 0) > 400,
		);
	};
}

function setFlags(flagsOf: (choices: Choices, node: Node) => number): Operation['run'] {
	return (world, choices) => {
		const node = chooseNode(world, choices);
		if (node.type !== 'file' && node.type !== 'directory') return;
		const wanted = flagsOf(choices, node);
		world.tell(`flags ${node.number} 0x${wanted.toString(16)}`);
		// What the file system keeps for itself goes along, as chattr(1) does it.
		const kept = world.subject.flags(node.number) & ~node.flags;
		world.both(
			() => world.subject.setFlags(node.number, kept | wanted),
			() => {
				const staysImmutable = node.flags & wanted & inodeFlags.immutable;
				if (staysImmutable && wanted !== node.flags) throw new Refused('EPERM');
				world.model.setFlags(node, wanted);
			},
		);
	};
}

const flagsOfFiles = [inodeFlags.noAtime, inodeFlags.noDump, inodeFlags.synchronous];
const flagsOfDirectories = [...flagsOfFiles, inodeFlags.directorySync];
const bindingFlags = inodeFlags.immutable | inodeFlags.appendOnly;

function harmlessFlags(choices: Choices, node: Node): number {
	const all = node.type === 'directory' ? flagsOfDirectories : flagsOfFiles;
	return (choices.of(all) ?? 0) ^ node.flags;
}

function setProject(world: World, choices: Choices): void {
	const node = chooseNode(world, choices);
	const projectId = choices.below(3);
	const inherits = node.type === 'directory' && choices.isOneIn(2);
	const isBound = (node.flags & bindingFlags) !== 0;
	// Casefold is among the flags that FSSETXATTR has no word for.
	if (isBound || (node.type !== 'file' && node.type !== 'directory')) return;
	const kept = node.flags & inodeFlags.casefold;
	const common = node.flags & ~inodeFlags.projectInherit & ~kept & ~inodeFlags.directorySync;
	const flags = common | (inherits ? inodeFlags.projectInherit : 0);
	const {hasProjects} = world;
	world.tell(`project ${node.number} ${projectId}${inherits ? ' inherited' : ''}`);
	world.both(
		() => world.subject.setProject(node.number, flags, projectId),
		() => {
			if (projectId !== node.projectId && !hasProjects) throw new Refused('EOPNOTSUPP');
			node.projectId = projectId;
			world.model.setFlags(node, flags | kept | (node.flags & inodeFlags.directorySync));
		},
	);
}

function chooseTime(choices: Choices): {seconds: number; nanoseconds: number} {
	const seconds = choices.of([0, 1_000_000_000, 2 ** 31 - 2, -5, 1_600_000_000]) ?? 0;
	return {seconds, nanoseconds: choices.below(10 ** 9)};
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

const permissions = [0o600, 0o644, 0o755, 0o4711, 0o2775, 0o1777, 0];

/** Forty and more. The weights keep a volume about half full of small things. */
export const operations: readonly Operation[] = [
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
	{name: 'setxattr, small', weight: 3, run: setXattr(choices => choices.below(60), 'any')},
	{
		name: 'setxattr, large',
		weight: 2,
		run: setXattr((choices, blockSize) => choices.below(Math.min(blockSize / 4, 2000)), 'any'),
	},
	{
		name: 'setxattr, larger than a block',
		weight: 1,
		run: setXattr(choices => choices.between(4000, 20_000), 'any'),
	},
	{name: 'setxattr, create', weight: 2, run: setXattr(choices => choices.below(200), 'create')},
	{name: 'setxattr, replace', weight: 2, run: setXattr(choices => choices.below(200), 'replace')},
	{
		name: 'removexattr',
		weight: 3,
		run: (world, choices) => {
			const node = chooseNode(world, choices);
			const name = choices.of([...node.xattrs.keys()]) ?? choices.of(xattrNames) ?? '';
			world.tell(`removexattr ${node.number} ${name}`);
			const isRevision0 = world.subject.volume.superblock.revision === 0;
			world.both(
				() => world.subject.removeXattr(node.number, name),
				() => {
					if (isRevision0) throw new Refused('EOPNOTSUPP');
					world.model.removeXattr(node, name);
				},
			);
		},
	},
	{name: 'set an ACL', weight: 2, run: setAcl(false, false)},
	{name: 'remove an ACL', weight: 1, run: setAcl(false, true)},
	{name: 'set a default ACL', weight: 1, run: setAcl(true, false)},
	{name: 'remove a default ACL', weight: 1, run: setAcl(true, true)},
	{
		name: 'chmod',
		weight: 3,
		run: (world, choices) => {
			const node = chooseNode(world, choices);
			const mode = choices.of(permissions) ?? 0;
			world.tell(`chmod ${node.number} 0${mode.toString(8)}`);
			world.both(
				() => world.subject.setAttributes(node.number, {mode}),
				() => world.model.chmod(node, mode),
			);
		},
	},
	{
		name: 'chown',
		weight: 2,
		run: (world, choices) => {
			const node = chooseNode(world, choices);
			const owner = chooseOwner(choices);
			world.tell(`chown ${node.number} ${owner.uid}:${owner.gid}`);
			world.both(
				() => world.subject.setAttributes(node.number, owner),
				() => world.model.chown(node, owner),
			);
		},
	},
	{
		name: 'utimes',
		weight: 2,
		run: (world, choices) => {
			const node = chooseNode(world, choices);
			const accessTime = chooseTime(choices);
			const modificationTime = chooseTime(choices);
			world.tell(`utimes ${node.number}`);
			world.both(
				() => world.subject.setAttributes(node.number, {accessTime, modificationTime}),
				() => world.model.setTimes(node, accessTime, modificationTime),
			);
		},
	},
	{name: 'flags', weight: 2, run: setFlags(harmlessFlags)},
	{
		name: 'immutable or append-only',
		weight: 1,
		run: setFlags((choices, node) => {
			const flag = choices.isOneIn(2) ? inodeFlags.immutable : inodeFlags.appendOnly;
			return (node.flags & ~bindingFlags) | flag;
		}),
	},
	{name: 'not immutable', weight: 2, run: setFlags((_, node) => node.flags & ~bindingFlags)},
	{
		name: 'nothing is immutable',
		weight: 1,
		run: world => {
			world.tell('all flags that bind are cleared');
			for (const node of [...world.model.nodes(), ...world.model.held]) {
				if ((node.flags & bindingFlags) === 0) continue;
				const kept = world.subject.flags(node.number) & ~bindingFlags;
				world.subject.setFlags(node.number, kept);
				world.model.setFlags(node, node.flags & ~bindingFlags);
			}
		},
	},
	{name: 'project', weight: 1, run: setProject},
	{
		name: 'commit',
		weight: 2,
		run: world => {
			world.tell('commit');
			world.subject.commit();
		},
	},
	{
		name: 'checkpoint',
		weight: 1,
		run: world => {
			world.tell('checkpoint');
			world.subject.checkpoint();
		},
	},
	{
		name: 'unmount and mount',
		weight: 1,
		run: world => {
			world.tell('unmount, mount');
			world.subject.close();
			world.model.held.clear();
			world.subject.reopen();
		},
	},
	{
		name: 'commit, crash and mount',
		weight: 1,
		run: world => {
			world.tell('commit, crash, mount');
			world.subject.commit();
			world.model.held.clear();
			world.subject.crash();
		},
	},
	{
		name: 'remount read-only and back',
		weight: 1,
		run: world => {
			world.tell('remount');
			world.subject.remountReadOnlyAndBack();
		},
	},
	{
		name: 'read',
		weight: 2,
		run: (world, choices) => {
			const node = chooseFile(world, choices);
			if (node === undefined) return;
			world.tell(`read ${node.number}`);
			compareFile(world.subject.mapper, node);
		},
	},
	{
		name: 'list',
		weight: 2,
		run: (world, choices) => {
			const node = chooseDirectory(world, choices);
			world.tell(`list ${node.number}`);
			compareDirectory(world.subject.volume, node);
		},
	},
	{
		name: 'stat',
		weight: 2,
		run: (world, choices) => {
			const node = chooseNode(world, choices);
			world.tell(`stat ${node.number}`);
			compareInode(world.subject.volume, world.model, node);
		},
	},
];

/** One for each time that its weight gives an operation. */
export const weightedOperations: readonly Operation[] = operations.flatMap(operation =>
	Array.from({length: operation.weight}, () => operation),
);
