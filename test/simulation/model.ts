/**
 * The model: a file system as POSIX and the kernel's ext4 have it, in Maps. Every operation checks
 * all before it changes anything, and throws `Refused` with the errno.
 */
import type {FileType} from '../../ext4/layout/inode.ts';
import {inodeFlags} from '../../ext4/layout/inode.ts';
import {inherited, type ModelAcl, modeOf, storedForm, withMode} from './acl.ts';
import {SparseBytes} from './sparse-bytes.ts';

/** An operation that fails, as it must. */
export class Refused extends Error {
	readonly code: string;

	constructor(code: string) {
		super(code);
		this.code = code;
	}
}

export type Time = {readonly seconds: number; readonly nanoseconds: number};

export type Child = {readonly name: string; readonly node: Node};

export type Node = {
	/** Known once the file system has made it. */
	number: number;
	readonly type: FileType;
	/** The low twelve bits. */
	mode: number;
	uid: number;
	gid: number;
	projectId: number;
	flags: number;
	/** Of all but directories. */
	links: number;
	readonly contents: SparseBytes;
	readonly target: string;
	readonly device: {readonly major: number; readonly minor: number} | undefined;
	readonly xattrs: Map<string, Uint8Array>;
	acl: ModelAcl | undefined;
	defaultAcl: ModelAcl | undefined;
	accessTime: Time;
	modificationTime: Time;
	changeTime: Time;
	parent: Node | undefined;
	/** By the form of the name that is compared. */
	readonly children: Map<string, Child>;
};

export type Owner = {readonly uid: number; readonly gid: number};

export type NewNode = Owner & {readonly mode: number; readonly umask: number};

export type Place = {readonly parent: Node; readonly name: string};

export type ModelOptions = {
	readonly root: Node;
	readonly hasProjects: boolean;
	/** Of a symbolic link's target, in bytes. */
	readonly targetMax: number;
	/** What an inode can hold of a time. */
	readonly roundTime: (time: Time) => Time;
};

const setgid = 0o2000;
const inheritedByFiles = inodeFlags.synchronous | inodeFlags.noDump | inodeFlags.noAtime;
const inheritedByDirectories =
	inheritedByFiles | inodeFlags.directorySync | inodeFlags.projectInherit | inodeFlags.casefold;
const inheritedByOthers = inodeFlags.noDump | inodeFlags.noAtime;

function inheritedFlags(parent: Node, type: FileType): number {
	if (type === 'directory') return parent.flags & inheritedByDirectories;
	return parent.flags & (type === 'file' ? inheritedByFiles : inheritedByOthers);
}

export function makeNode(type: FileType, fields: Partial<Node> = {}): Node {
	const never = {seconds: 0, nanoseconds: 0};
	return {
		number: 0,
		type,
		mode: 0,
		uid: 0,
		gid: 0,
		projectId: 0,
		flags: 0,
		links: 1,
		contents: new SparseBytes(),
		target: '',
		device: undefined,
		xattrs: new Map(),
		acl: undefined,
		defaultAcl: undefined,
		accessTime: never,
		modificationTime: never,
		changeTime: never,
		parent: undefined,
		children: new Map(),
		...fields,
	};
}

export class Model {
	readonly root: Node;
	readonly #options: ModelOptions;
	/** Files without a name that are open yet. */
	readonly held = new Set<Node>();
	now: Time = {seconds: 0, nanoseconds: 0};

	constructor(options: ModelOptions) {
		this.root = options.root;
		this.#options = options;
	}

	/** All nodes with a name, each once, parents first. */
	nodes(): Node[] {
		const found = new Set([this.root]);
		for (const node of found) for (const child of node.children.values()) found.add(child.node);
		return [...found];
	}

	linkCountOf(node: Node): number {
		if (node.type !== 'directory') return node.links;
		let count = 2;
		for (const {node: child} of node.children.values()) if (child.type === 'directory') count++;
		return count;
	}

	find({parent, name}: Place): Child | undefined {
		return parent.children.get(this.#keyOf(parent, name));
	}

	create(type: FileType, place: Place, file: NewNode, more: Partial<Node> = {}): Node {
		this.#assertMayAdd(place);
		const node = this.#newNode(type, place.parent, file, more);
		this.#add(place, node);
		return node;
	}

	symlink(place: Place, target: string, owner: Owner): Node {
		if (target.length > this.#options.targetMax) throw new Refused('ENAMETOOLONG');
		return this.create('symlink', place, {...owner, mode: 0o777, umask: 0}, {target});
	}

	tmpfile(parent: Node, file: NewNode): Node {
		if (parent.flags & inodeFlags.immutable) throw new Refused('EPERM');
		const node = this.#newNode('file', parent, file, {links: 0});
		this.held.add(node);
		return node;
	}

	link(node: Node, place: Place): void {
		if (node.type === 'directory') throw new Refused('EPERM');
		if (node.flags & (inodeFlags.immutable | inodeFlags.appendOnly)) throw new Refused('EPERM');
		this.#assertMayAdd(place);
		this.#assertProject(place.parent, node);
		node.links++;
		node.changeTime = this.#time();
		this.#add(place, node);
		this.held.delete(node);
	}

	/** Returns the node, which `held` has where that was its last name. */
	unlink(place: Place): Node {
		const {node} = this.#existing(place);
		if (node.type === 'directory') throw new Refused('EISDIR');
		this.#assertMayRemove(place.parent, node);
		this.#remove(place);
		this.#dropName(node);
		return node;
	}

	rmdir(place: Place): Node {
		const {node} = this.#existing(place);
		if (node.type !== 'directory') throw new Refused('ENOTDIR');
		this.#assertMayRemove(place.parent, node);
		if (node.children.size > 0) throw new Refused('ENOTEMPTY');
		this.#remove(place);
		node.parent = undefined;
		return node;
	}

	rename(
		from: Place,
		to: Place,
		kind: 'replace' | 'noreplace' | 'exchange',
		whiteout?: Owner,
	): void {
		const {node, name} = this.#existing(from);
		const target = this.find(to);
		if (target !== undefined && kind === 'noreplace') throw new Refused('EEXIST');
		if (target?.node === node) return;
		if (target === undefined && kind === 'exchange') throw new Refused('ENOENT');
		this.#assertMayRemove(from.parent, node);
		if (target === undefined) this.#assertMutable(to.parent);
		else this.#assertMayRemove(to.parent, target.node);
		this.#assertNoLoop(node, to.parent);
		this.#assertProject(to.parent, node);
		if (kind === 'exchange' && target !== undefined) {
			this.#exchange(from, to, {node, name}, target);
			return;
		}
		if (target !== undefined) this.#assertReplaces(node, target.node);
		this.#remove(from);
		const kept = target?.name ?? to.name;
		this.#set(to, kept, node);
		node.changeTime = this.#time();
		if (target !== undefined) {
			if (target.node.type === 'directory') target.node.parent = undefined;
			else this.#dropName(target.node);
		}
		if (whiteout === undefined) return;
		const file = {...whiteout, mode: 0, umask: 0};
		const device = {major: 0, minor: 0};
		this.#set(from, name, this.#newNode('character', from.parent, file, {device}));
	}

	chmod(node: Node, mode: number): void {
		this.assertMayChange(node);
		node.mode = mode;
		if (node.acl !== undefined) node.acl = withMode(node.acl, mode);
		node.changeTime = this.#time();
	}

	chown(node: Node, owner: Owner): void {
		this.assertMayChange(node);
		Object.assign(node, owner);
		node.changeTime = this.#time();
	}

	setTimes(node: Node, accessTime: Time, modificationTime: Time): void {
		this.assertMayChange(node);
		node.accessTime = this.#options.roundTime(accessTime);
		node.modificationTime = this.#options.roundTime(modificationTime);
		node.changeTime = this.#time();
	}

	setXattr(node: Node, name: string, value: Uint8Array, mode: 'any' | 'create' | 'replace'): void {
		this.assertMayChange(node);
		const isKept = node.type === 'file' || node.type === 'directory';
		if (name.startsWith('user.') && !isKept) throw new Refused('EPERM');
		if (mode === 'create' && node.xattrs.has(name)) throw new Refused('EEXIST');
		if (mode === 'replace' && !node.xattrs.has(name)) throw new Refused('ENODATA');
		node.xattrs.set(name, value);
		node.changeTime = this.#time();
	}

	removeXattr(node: Node, name: string): void {
		this.assertMayChange(node);
		const isKept = node.type === 'file' || node.type === 'directory';
		if (name.startsWith('user.') && !isKept) throw new Refused('EPERM');
		if (!node.xattrs.delete(name)) throw new Refused('ENODATA');
		node.changeTime = this.#time();
	}

	setAcl(node: Node, acl: ModelAcl | undefined): void {
		this.assertMayChange(node);
		if (node.type === 'symlink') throw new Refused('EOPNOTSUPP');
		// As the kernel: taking away what is not there changes nothing.
		if (acl === undefined && node.acl === undefined) return;
		if (acl !== undefined) node.mode = (node.mode & ~0o777) | modeOf(acl);
		node.acl = acl && storedForm(acl);
		node.changeTime = this.#time();
	}

	setDefaultAcl(node: Node, acl: ModelAcl | undefined): void {
		this.assertMayChange(node);
		if (node.type === 'symlink') throw new Refused('EOPNOTSUPP');
		if (node.type !== 'directory') {
			if (acl !== undefined) throw new Refused('EACCES');
			return;
		}
		if (acl === undefined && node.defaultAcl === undefined) return;
		node.defaultAcl = acl;
		node.changeTime = this.#time();
	}

	setFlags(node: Node, flags: number): void {
		node.flags = flags;
		node.changeTime = this.#time();
	}

	/** The contents were written to. */
	touch(node: Node): void {
		node.modificationTime = node.changeTime = this.#time();
	}

	assertMayChange(node: Node): void {
		if (node.flags & (inodeFlags.immutable | inodeFlags.appendOnly)) throw new Refused('EPERM');
	}

	assertMayWrite(node: Node, position: number): void {
		if (node.flags & inodeFlags.immutable) throw new Refused('EPERM');
		const isBefore = position < node.contents.size;
		if (node.flags & inodeFlags.appendOnly && isBefore) throw new Refused('EPERM');
	}

	#time(): Time {
		return this.#options.roundTime(this.now);
	}

	/** Names of the model are ASCII where case matters; what is not UTF-8 has no letters. */
	#keyOf(parent: Node, name: string): string {
		return parent.flags & inodeFlags.casefold ? name.toLowerCase() : name;
	}

	#existing(place: Place): Child {
		const child = this.find(place);
		if (child === undefined) throw new Refused('ENOENT');
		return child;
	}

	#newNode(type: FileType, parent: Node, file: NewNode, more: Partial<Node>): Node {
		const time = this.#time();
		const isGroups = (parent.mode & setgid) !== 0;
		const asked = file.mode | (isGroups && type === 'directory' ? setgid : 0);
		const keeps = this.#options.hasProjects && (parent.flags & inodeFlags.projectInherit) !== 0;
		const node = makeNode(type, {
			uid: file.uid,
			gid: isGroups ? parent.gid : file.gid,
			mode: asked,
			projectId: keeps ? parent.projectId : 0,
			flags: inheritedFlags(parent, type),
			accessTime: time,
			modificationTime: time,
			changeTime: time,
			...more,
		});
		if (type === 'symlink') return node;
		const {defaultAcl} = parent;
		if (defaultAcl === undefined) {
			node.mode = asked & ~(file.umask & 0o777);
			return node;
		}
		const acl = inherited(defaultAcl, asked);
		node.mode = (asked & ~0o777) | modeOf(acl);
		node.acl = storedForm(acl);
		if (type === 'directory') node.defaultAcl = defaultAcl;
		return node;
	}

	#assertMutable(parent: Node): void {
		if (parent.flags & inodeFlags.immutable) throw new Refused('EPERM');
	}

	#assertMayAdd(place: Place): void {
		this.#assertMutable(place.parent);
		if (this.find(place) !== undefined) throw new Refused('EEXIST');
	}

	#assertMayRemove(parent: Node, node: Node): void {
		this.assertMayChange(parent);
		this.assertMayChange(node);
	}

	#assertProject(parent: Node, node: Node): void {
		const keeps = this.#options.hasProjects && (parent.flags & inodeFlags.projectInherit) !== 0;
		if (keeps && parent.projectId !== node.projectId) throw new Refused('EXDEV');
	}

	#assertNoLoop(moved: Node, into: Node): void {
		for (let at: Node | undefined = into; at !== undefined; at = at.parent) {
			if (at === moved) throw new Refused('EINVAL');
		}
	}

	#assertReplaces(node: Node, target: Node): void {
		if (node.type !== 'directory') {
			if (target.type === 'directory') throw new Refused('EISDIR');
			return;
		}
		if (target.type !== 'directory') throw new Refused('ENOTDIR');
		if (target.children.size > 0) throw new Refused('ENOTEMPTY');
	}

	#exchange(from: Place, to: Place, one: Child, other: Child): void {
		this.#assertProject(from.parent, other.node);
		this.#assertNoLoop(other.node, from.parent);
		this.#set(to, other.name, one.node);
		this.#set(from, one.name, other.node);
		one.node.changeTime = other.node.changeTime = this.#time();
	}

	#add(place: Place, node: Node): void {
		this.#set(place, place.name, node);
	}

	#set({parent, name}: Place, shown: string, node: Node): void {
		parent.children.set(this.#keyOf(parent, name), {name: shown, node});
		if (node.type === 'directory') node.parent = parent;
		this.touch(parent);
	}

	#remove({parent, name}: Place): void {
		parent.children.delete(this.#keyOf(parent, name));
		this.touch(parent);
	}

	#dropName(node: Node): void {
		node.links--;
		node.changeTime = this.#time();
		if (node.links === 0) this.held.add(node);
	}
}
