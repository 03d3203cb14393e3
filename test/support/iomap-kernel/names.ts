/** Names and attributes, and the inodes that the kernel learns of by them. */
import type {Ask} from '../fake-kernel.ts';
import {heardAgain, type Node, nodeFrom} from './node.ts';
import type {Requests} from './requests.ts';
import {errnos, KernelError} from './wire.ts';

const entryAttributesAt = 40;

/** Whose system calls these are. */
export type Caller = {readonly uid: number; readonly gid: number};

export type Mode = {readonly mode: number; readonly umask?: number};

export class Names {
	caller: Caller = {uid: 0, gid: 0};
	readonly #requests: Requests;
	readonly #nodes: Map<number, Node>;
	/** Of each directory, by name, as far as it was looked up. */
	readonly #entries = new Map<string, Node>();

	constructor(requests: Requests, nodes: Map<number, Node>) {
		this.#requests = requests;
		this.#nodes = nodes;
	}

	lookup(parent: Node, name: string): Node | undefined {
		const {error, view} = this.#requests.send('LOOKUP', this.#of(parent, [name]));
		if (error === errnos.ENOENT) return undefined;
		if (error !== 0) throw new KernelError(error, `lookup ${name}`);
		// A node of 0: there is none, and the kernel may go by that for a while.
		return Number(view.getBigUint64(0, true)) === 0 ? undefined : this.#learn(parent, name, view);
	}

	/** open(2) with O_CREAT | O_EXCL. */
	create(parent: Node, name: string, {mode, umask = 0}: Mode): Node {
		if (this.lookup(parent, name) !== undefined) throw new KernelError(errnos.EEXIST, name);
		const fields = {flags: 0o301, mode, umask};
		return this.#learn(
			parent,
			name,
			this.#requests.ask('CREATE', this.#of(parent, [name], fields)),
		);
	}

	mknod(parent: Node, name: string, {mode, umask = 0}: Mode, device = 0): Node {
		const fields = {mode, umask, rdev: device};
		return this.#learn(parent, name, this.#requests.ask('MKNOD', this.#of(parent, [name], fields)));
	}

	mkdir(parent: Node, name: string, {mode, umask = 0}: Mode): Node {
		const fields = {mode, umask};
		return this.#learn(parent, name, this.#requests.ask('MKDIR', this.#of(parent, [name], fields)));
	}

	symlink(parent: Node, name: string, target: string): Node {
		const names = [name, Buffer.from(target, 'latin1')];
		return this.#learn(parent, name, this.#requests.ask('SYMLINK', this.#of(parent, names)));
	}

	tmpfile(parent: Node, {mode, umask = 0}: Mode): Node {
		const fields = {flags: 0o20200002, mode, umask};
		const view = this.#requests.ask('TMPFILE', this.#of(parent, ['tmpfile'], fields));
		return this.#nodeOf(view);
	}

	link(node: Node, parent: Node, name: string): void {
		const fields = {oldnodeid: node.id};
		const view = this.#requests.ask('LINK', this.#of(parent, [name], fields));
		this.#learn(parent, name, view).links++;
	}

	/** Returns what has lost the name, where the kernel knows it. */
	unlink(parent: Node, name: string): Node | undefined {
		this.#requests.ask('UNLINK', this.#of(parent, [name]));
		return this.#dropName(parent, name);
	}

	rmdir(parent: Node, name: string): void {
		this.#requests.ask('RMDIR', this.#of(parent, [name]));
		this.#dropName(parent, name);
	}

	/** renameat2(2). Returns what has got another name, or lost it, as far as the kernel knows it. */
	rename(from: Place, to: Place, flags = 0): Node[] {
		const names = [from.name, to.name];
		const fields = {newdir: to.parent.id, ...(flags === 0 ? {} : {flags})};
		this.#requests.ask(flags === 0 ? 'RENAME' : 'RENAME2', this.#of(from.parent, names, fields));
		const moved = this.#entries.get(keyOf(from.parent, from.name));
		const replaced = this.#entries.get(keyOf(to.parent, to.name));
		const isExchange = (flags & 2) !== 0;
		if (moved === replaced && moved !== undefined) return [];
		this.#set(to, moved);
		this.#set(from, isExchange ? replaced : undefined);
		if (replaced !== undefined && !isExchange) replaced.links--;
		return [moved, replaced].filter(node => node !== undefined);
	}

	setXattr(node: Node, name: string, value: Uint8Array, flags = 0): void {
		const fields = {size: value.length, flags};
		const ask = {nodeId: node.id, ...this.caller, fields, names: [name], data: value};
		this.#requests.ask('SETXATTR', ask);
	}

	removeXattr(node: Node, name: string): void {
		this.#requests.ask('REMOVEXATTR', {nodeId: node.id, ...this.caller, names: [name]});
	}

	/** The kernel forgets that it has heard of the inode, by any name. */
	forget(node: Node): void {
		this.#nodes.delete(node.id);
		for (const [key, each] of this.#entries) if (each === node) this.#entries.delete(key);
		this.#requests.tell('FORGET', {nodeId: node.id, fields: {nlookup: node.lookups}});
	}

	#dropName(parent: Node, name: string): Node | undefined {
		const node = this.#entries.get(keyOf(parent, name));
		if (node !== undefined) node.links--;
		this.#entries.delete(keyOf(parent, name));
		return node;
	}

	#set({parent, name}: Place, node: Node | undefined): void {
		if (node === undefined) this.#entries.delete(keyOf(parent, name));
		else this.#entries.set(keyOf(parent, name), node);
	}

	#of(parent: Node, names: readonly (string | Uint8Array)[], fields = {}): Ask {
		const bytes = names.map(name =>
			typeof name === 'string' ? Buffer.from(name, 'latin1') : name,
		);
		return {nodeId: parent.id, ...this.caller, names: bytes, fields};
	}

	/** Of a structure that begins with an entry. */
	#learn(parent: Node, name: string, view: DataView): Node {
		const node = this.#nodeOf(view);
		this.#entries.set(keyOf(parent, name), node);
		return node;
	}

	#nodeOf(view: DataView): Node {
		const id = Number(view.getBigUint64(0, true));
		const known = this.#nodes.get(id);
		if (known !== undefined) {
			known.lookups++;
			heardAgain(known);
			return known;
		}
		const node = nodeFrom(id, view, entryAttributesAt);
		this.#nodes.set(id, node);
		return node;
	}
}

export type Place = {readonly parent: Node; readonly name: string};

function keyOf(parent: Node, name: string): string {
	return `${parent.id}/${name}`;
}
