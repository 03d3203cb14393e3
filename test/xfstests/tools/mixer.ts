/**
 * A process of random operations on a tree of its own, which it knows by heart; and on a folder that
 * it shares with others of its kind, where it takes what comes. Afterwards the tree must be as it
 * remembers.
 */
import {createHash} from 'node:crypto';
import {
	chmodSync,
	closeSync,
	fsyncSync,
	ftruncateSync,
	linkSync,
	lstatSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	renameSync,
	rmdirSync,
	symlinkSync,
	unlinkSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {Random} from '../../fuzz/random.ts';
import {errorCode} from '../calls.ts';
import {bytesOf} from './files.ts';

type Node =
	| {readonly kind: 'file'; content: Buffer; mode: number}
	| {readonly kind: 'symlink'; readonly target: string}
	| {readonly kind: 'directory'};

/** What others may do to a name between two calls of ours. */
const tolerated = new Set([
	'ENOENT',
	'EEXIST',
	'ENOTEMPTY',
	'EISDIR',
	'ENOTDIR',
	'EINVAL',
	'EMLINK',
	'EPERM', // A second name for a directory.
]);
/** How often each operation is drawn. */
const weights = {
	create: 14,
	write: 20,
	append: 10,
	truncate: 8,
	read: 8,
	mkdir: 5,
	symlink: 3,
	link: 4,
	rename: 10,
	unlink: 8,
	rmdir: 2,
	chmod: 2,
	fsync: 2,
	list: 2,
	shared: 12,
};
const fileBytesMax = 300_000;

export class Mixer {
	readonly #root: string;
	readonly #shared: string;
	readonly #random: Random;
	/** By path below the root; hard links share their node. */
	readonly #nodes = new Map<string, Node>([['', {kind: 'directory'}]]);
	readonly #actions: {readonly [name in keyof typeof weights]: () => void} = {
		create: () => this.#create(),
		write: () => this.#write(false),
		append: () => this.#write(true),
		truncate: () => this.#truncate(),
		read: () => this.#read(),
		mkdir: () => this.#add({kind: 'directory'}, path => mkdirSync(path)),
		symlink: () => this.#symlink(),
		link: () => this.#link(),
		rename: () => this.#rename(),
		unlink: () => this.#unlink(),
		rmdir: () => this.#rmdir(),
		chmod: () => this.#chmod(),
		fsync: () => this.#fsync(),
		list: () => this.#list(),
		shared: () => this.#disturb(),
	};
	#count = 0;

	/** `root` is made, `shared` is there. */
	constructor(root: string, shared: string, seed: number) {
		this.#root = root;
		this.#shared = shared;
		this.#random = new Random(seed);
		mkdirSync(root);
	}

	run(operations: number): void {
		for (; this.#count < operations; this.#count++) this.#step();
	}

	/** A line a name, sorted: what must be found below the root. */
	get expected(): string[] {
		const lines = [...this.#nodes].map(([path, node]) => `${path} ${this.#describe(node)}`);
		return lines.sort();
	}

	/** The same without what only fsync of each file would promise: contents, lengths, modes. */
	get shape(): string[] {
		const lines = [...this.#nodes].map(([path, node]) => {
			const word = node.kind === 'file' ? `file ${this.#linksOf(node)}` : this.#describe(node);
			return `${path} ${word}`;
		});
		return lines.sort();
	}

	#linksOf(node: Node): number {
		return [...this.#nodes.values()].filter(one => one === node).length;
	}

	#describe(node: Node): string {
		switch (node.kind) {
			case 'directory':
				return 'directory';
			case 'symlink':
				return `symlink ${node.target}`;
			case 'file':
				return describeFile(node.content, node.mode, this.#linksOf(node));
		}
	}

	#step(): void {
		this.#actions[this.#random.weighted(weights)]();
	}

	/** A second name for a file. */
	#link(): void {
		const [from, node] = this.#any('file') ?? [];
		if (from === undefined || node === undefined) return;
		this.#add(node, path => linkSync(this.#at(from), path));
	}

	#symlink(): void {
		const target = 't'.repeat(1 + this.#random.below(120));
		this.#add({kind: 'symlink', target}, path => symlinkSync(target, path));
	}

	#at(path: string): string {
		return join(this.#root, path);
	}

	#any<K extends Node['kind']>(kind: K): [string, Extract<Node, {kind: K}>] | undefined {
		const found = [...this.#nodes].filter(
			(entry): entry is [string, Extract<Node, {kind: K}>] => entry[1].kind === kind,
		);
		return found.length === 0 ? undefined : this.#random.pick(found);
	}

	#newPath(): string {
		const [parent] = this.#any('directory') ?? [''];
		const name = `${this.#count}-${'n'.repeat(this.#random.below(40))}`;
		return parent === '' ? name : `${parent}/${name}`;
	}

	#add(node: Node, make: (path: string) => void): void {
		const path = this.#newPath();
		make(this.#at(path));
		this.#nodes.set(path, node);
	}

	#create(): void {
		const content = bytesOf(this.#random.u32(), this.#random.below(20_000));
		this.#add({kind: 'file', content, mode: 0o644}, path =>
			writeFileSync(path, content, {flag: 'wx'}),
		);
	}

	#write(isAtEnd: boolean): void {
		const [path, node] = this.#any('file') ?? [];
		if (path === undefined || node === undefined) return;
		const bytes = bytesOf(this.#random.u32(), 1 + this.#random.below(16_000));
		const position = isAtEnd
			? node.content.length
			: this.#random.below(fileBytesMax - bytes.length);
		const file = openSync(this.#at(path), 'r+');
		writeSync(file, bytes, 0, bytes.length, position);
		closeSync(file);
		const next = Buffer.alloc(Math.max(node.content.length, position + bytes.length));
		node.content.copy(next);
		bytes.copy(next, position);
		node.content = next;
	}

	#truncate(): void {
		const [path, node] = this.#any('file') ?? [];
		if (path === undefined || node === undefined) return;
		const length = this.#random.below(Math.min(fileBytesMax, node.content.length * 2 + 1000));
		const file = openSync(this.#at(path), 'r+');
		ftruncateSync(file, length);
		closeSync(file);
		const next = Buffer.alloc(length);
		node.content.copy(next);
		node.content = next;
	}

	#read(): void {
		const [path, node] = this.#any('file') ?? [];
		if (path === undefined || node === undefined) return;
		if (readFileSync(this.#at(path)).equals(node.content)) return;
		throw new Error(`operation ${this.#count}: ${path} reads as something else`);
	}

	#rename(): void {
		const movable = [...this.#nodes.keys()].filter(path => path !== '');
		if (movable.length === 0) return;
		const from = this.#random.pick(movable);
		const node = this.#nodes.get(from);
		const target = this.#random.chance(0.3) ? this.#any('file')?.[0] : undefined;
		const to = target !== undefined && node?.kind !== 'directory' ? target : this.#newPath();
		if (node === undefined || to === from || to.startsWith(`${from}/`)) return;
		renameSync(this.#at(from), this.#at(to));
		// Two names of one file: rename leaves both.
		if (this.#nodes.get(to) === node) return;
		for (const [path, one] of [...this.#nodes]) {
			if (path !== from && !path.startsWith(`${from}/`)) continue;
			this.#nodes.delete(path);
			this.#nodes.set(to + path.slice(from.length), one);
		}
	}

	#unlink(): void {
		const [path] = this.#any(this.#random.chance(0.8) ? 'file' : 'symlink') ?? [];
		if (path === undefined) return;
		unlinkSync(this.#at(path));
		this.#nodes.delete(path);
	}

	#rmdir(): void {
		const [path] = this.#any('directory') ?? [];
		if (path === undefined || path === '') return;
		const isEmpty = ![...this.#nodes.keys()].some(other => other.startsWith(`${path}/`));
		try {
			rmdirSync(this.#at(path));
			if (!isEmpty)
				throw new Error(`operation ${this.#count}: rmdir of ${path}, which is not empty`);
			this.#nodes.delete(path);
		} catch (error) {
			if (isEmpty || errorCode(error) !== 'ENOTEMPTY') throw error;
		}
	}

	#chmod(): void {
		const [path, node] = this.#any('file') ?? [];
		if (path === undefined || node === undefined) return;
		node.mode = 0o600 | this.#random.below(0o100);
		chmodSync(this.#at(path), node.mode);
	}

	#fsync(): void {
		const [path] = this.#any(this.#random.chance(0.5) ? 'file' : 'directory') ?? [];
		if (path === undefined) return;
		const file = openSync(this.#at(path), 'r');
		fsyncSync(file);
		closeSync(file);
	}

	#list(): void {
		const [path = ''] = this.#any('directory') ?? [];
		const prefix = path === '' ? '' : `${path}/`;
		const wanted = [...this.#nodes.keys()]
			.filter(other => other !== '' && other.startsWith(prefix))
			.map(other => other.slice(prefix.length))
			.filter(name => name !== '' && !name.includes('/'));
		const found = readdirSync(this.#at(path)).sort().join('\n');
		if (found === wanted.sort().join('\n')) return;
		throw new Error(`operation ${this.#count}: ${path} lists ${found}`);
	}

	/** In the folder that all share. */
	#disturb(): void {
		const name = () => join(this.#shared, `s${this.#random.below(12)}`);
		const actions = [
			() => writeFileSync(name(), 's'.repeat(this.#random.below(9000))),
			() => renameSync(name(), name()),
			() => linkSync(name(), name()),
			() => unlinkSync(name()),
			() => mkdirSync(name()),
			() => rmdirSync(name()),
			() => readFileSync(name()),
		];
		try {
			this.#random.pick(actions)();
		} catch (error) {
			if (!tolerated.has(errorCode(error))) throw error;
		}
	}
}

function describeFile(content: Uint8Array, mode: number, links: number): string {
	const hash = createHash('sha256').update(content).digest('hex').slice(0, 16);
	return `file ${content.length} ${hash} ${mode.toString(8)} ${links}`;
}

/** What is below a folder, as `Mixer.expected` has it. */
export function foundBelow(root: string): string[] {
	const lines: string[] = [' directory'];
	const waiting = [''];
	for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
		for (const name of readdirSync(join(root, folder))) {
			const path = folder === '' ? name : `${folder}/${name}`;
			const stat = lstatSync(join(root, path));
			if (stat.isDirectory()) waiting.push(path);
			lines.push(`${path} ${describeFound(join(root, path), stat)}`);
		}
	}
	return lines.sort();
}

function describeFound(path: string, stat: ReturnType<typeof lstatSync> & object): string {
	if (stat.isDirectory()) return 'directory';
	if (stat.isSymbolicLink()) return `symlink ${readlinkSync(path)}`;
	return describeFile(readFileSync(path), Number(stat.mode) & 0o777, Number(stat.nlink));
}

/** The lines that only one of them has; at most six. */
export function differences(expected: readonly string[], found: readonly string[]): string[] {
	const missing = expected.filter(line => !found.includes(line)).map(line => `missing: ${line}`);
	const extra = found.filter(line => !expected.includes(line)).map(line => `too much: ${line}`);
	return [...missing, ...extra].slice(0, 6);
}
