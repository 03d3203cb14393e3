/** Operations on what is known of files: attributes, modes, owners, times, flags. */
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {wireForm} from '../acl.ts';
import {type Choices, chooseAcl, chooseDirectory, chooseNode, chooseOwner} from '../choices.ts';
import {type Node, Refused} from '../model.ts';
import type {World} from '../world.ts';
import type {Operation} from './operation.ts';

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

const permissions = [0o600, 0o644, 0o755, 0o4711, 0o2775, 0o1777, 0];

/** Of all kinds of files. */
export const attributeOperations: readonly Operation[] = [
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
];
