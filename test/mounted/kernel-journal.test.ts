/**
 * The kernel's ext4 writes, its image is copied while it is mounted, as a crash would leave it, and
 * what the replay makes of the copy is compared with what the kernel showed at that moment.
 */
import {execFileSync, spawnSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import {Volume} from '../../ext4/volume.ts';
import {e2fsprogs, hasDebugfs} from '../support/e2fsprogs.ts';
import {checkWrittenHome} from '../support/fast-commit-image.ts';
import {listVolume} from '../support/listing.ts';
import {MemoryDevice} from '../support/memory-device.ts';

type Kept = {readonly type: string; readonly links: number; readonly contents?: string};
type Tree = {[path: string]: Kept};

const fastCommit = ['-O', 'fast_commit', '-J', 'size=8,fast_commit_size=1024'];

/** Forms of file systems by mke2fs's options and the kernel's. */
const forms: readonly {
	readonly name: string;
	readonly make: readonly string[];
	readonly mount?: string;
	readonly type?: string;
}[] = [
	{name: 'ext3', make: ['-t', 'ext3', '-b', '1024'], type: 'ext3'},
	{name: 'ext4, checksums', make: ['-t', 'ext4', '-b', '4096']},
	{
		name: 'ext4, no checksums, 32 bits',
		make: ['-t', 'ext4', '-b', '1024', '-O', '^metadata_csum,^64bit'],
	},
	{
		name: 'ext4, asynchronous commits',
		make: ['-t', 'ext4', '-b', '1024'],
		mount: 'journal_async_commit,data=writeback',
	},
	{name: 'ext4, data in the journal', make: ['-t', 'ext4', '-b', '2048'], mount: 'data=journal'},
	{name: 'fast commits', make: ['-t', 'ext4', '-b', '1024', ...fastCommit]},
	{name: 'fast commits, 4 KiB', make: ['-t', 'ext4', '-b', '4096', ...fastCommit]},
	{
		name: 'fast commits, bigalloc',
		make: ['-t', 'ext4', ...fastCommit, '-O', 'bigalloc', '-C', '16384'],
	},
	{
		name: 'fast commits, inline data',
		make: ['-t', 'ext4', '-b', '1024', ...fastCommit, '-O', 'inline_data', '-I', '256'],
	},
	{
		name: 'fast commits, small groups',
		make: ['-t', 'ext4', '-b', '1024', ...fastCommit, '-g', '1024', '-O', '^flex_bg,^64bit'],
	},
];

/** Numbers below 1 that are the same in every run. */
function seeded(seed: number): () => number {
	let state = seed;
	return () => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return state / 2 ** 32;
	};
}

function sync(file: string): void {
	const descriptor = fs.openSync(file, 'r');
	fs.fsyncSync(descriptor);
	fs.closeSync(descriptor);
}

/** A user of the file system who syncs whatever is written, as fast commits are made for. */
class Workload {
	readonly #random: () => number;
	readonly #files: string[] = [];
	readonly #folders: string[];
	#count = 0;

	constructor(root: string, seed: number) {
		this.#random = seeded(seed);
		this.#folders = [root];
	}

	step(): void {
		this.#count++;
		const kind = this.#below(20);
		if (kind < 6 || this.#files.length < 4) this.#create();
		else if (kind < 10) this.#write();
		else if (kind < 11) this.#truncate();
		else if (kind < 13) this.#link();
		else if (kind < 15) this.#rename();
		else if (kind < 18) this.#remove();
		else this.#folder();
	}

	/** The last change, synced; everything before it is committed with it. */
	finish(): void {
		this.#create();
	}

	#below(limit: number): number {
		return Math.floor(this.#random() * limit);
	}

	#pick(from: readonly string[]): string {
		return from[this.#below(from.length)] ?? '';
	}

	#newPath(): string {
		const name = `${this.#count}-${'n'.repeat(this.#below(50))}`;
		return path.join(this.#pick(this.#folders), name);
	}

	#bytes(lengthMax: number): Buffer {
		return Buffer.alloc(this.#below(lengthMax), `contents ${this.#count} `);
	}

	#create(): void {
		const file = this.#newPath();
		fs.writeFileSync(file, this.#bytes(9000));
		sync(file);
		this.#files.push(file);
	}

	#write(): void {
		const file = this.#pick(this.#files);
		const descriptor = fs.openSync(file, 'r+');
		fs.writeSync(descriptor, this.#bytes(6000), 0, undefined, this.#below(150_000));
		fs.fsyncSync(descriptor);
		fs.closeSync(descriptor);
	}

	#truncate(): void {
		const file = this.#pick(this.#files);
		fs.truncateSync(file, this.#below(fs.statSync(file).size + 1));
		sync(file);
	}

	#link(): void {
		const target = this.#newPath();
		fs.linkSync(this.#pick(this.#files), target);
		this.#files.push(target);
		sync(target);
	}

	#rename(): void {
		const [from] = this.#files.splice(this.#below(this.#files.length), 1);
		if (from === undefined) return;
		const isOver = this.#random() < 0.3 && this.#files.length > 0;
		const to = isOver ? this.#pick(this.#files) : this.#newPath();
		fs.renameSync(from, to);
		// Between two names of one file nothing is renamed.
		if (fs.existsSync(from)) this.#files.push(from);
		if (!isOver) this.#files.push(to);
		sync(to);
	}

	#remove(): void {
		const [file] = this.#files.splice(this.#below(this.#files.length), 1);
		if (file !== undefined) fs.unlinkSync(file);
		sync(this.#pick(this.#files));
	}

	#folder(): void {
		const empty = this.#folders.slice(1).find(folder => fs.readdirSync(folder).length === 0);
		if (empty !== undefined && this.#random() < 0.5) {
			this.#folders.splice(this.#folders.indexOf(empty), 1);
			fs.rmdirSync(empty);
			return;
		}
		const folder = this.#newPath();
		fs.mkdirSync(folder);
		this.#folders.push(folder);
	}
}

function hashOf(bytes: Uint8Array): string {
	return createHash('sha256').update(bytes).digest('hex');
}

function treeShown(root: string): Tree {
	const tree: Tree = {};
	for (const entry of fs.readdirSync(root, {recursive: true, withFileTypes: true})) {
		const full = path.join(entry.parentPath, entry.name);
		const links = fs.statSync(full).nlink;
		tree[path.relative(root, full)] = entry.isDirectory()
			? {type: 'dir', links}
			: {type: 'file', links, contents: hashOf(fs.readFileSync(full))};
	}
	return tree;
}

function treeRead(volume: Volume): Tree {
	const tree: Tree = {};
	for (const {path: name, type, nlink, sha256} of listVolume(volume).entries) {
		if (name === undefined || name === '' || name === '.') continue;
		tree[name] =
			sha256 === undefined ? {type, links: nlink} : {type, links: nlink, contents: sha256};
	}
	return tree;
}

function whyNot(): string | undefined {
	if (process.getuid?.() !== 0) return 'only root mounts the kernel’s ext4';
	if (!hasDebugfs) return 'e2fsprogs is missing';
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-kernel-'));
	try {
		const image = path.join(folder, 'image');
		e2fsprogs('mke2fs', ['-q', '-t', 'ext4', image, '4M']);
		if (spawnSync('mount', ['-o', 'loop', image, folder]).status !== 0) return 'no loop mounts';
		execFileSync('umount', [folder]);
		return undefined;
	} finally {
		fs.rmSync(folder, {recursive: true});
	}
}

/** Runs a workload on the kernel's ext4 and returns the image as it was at its end. */
function crash(form: (typeof forms)[number], seed: number): {bytes: Uint8Array; shown: Tree} {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-kernel-'));
	const [image, copy, root] = ['image', 'copy', 'root'].map(name => path.join(folder, name)) as [
		string,
		string,
		string,
	];
	fs.mkdirSync(root);
	try {
		e2fsprogs('mke2fs', ['-q', ...form.make, image, '32M']);
		const options = ['loop', 'commit=1000', form.mount].filter(option => option !== undefined);
		execFileSync('mount', ['-t', form.type ?? 'ext4', '-o', options.join(','), image, root]);
		try {
			const workload = new Workload(root, seed);
			for (let count = 0; count < 40; count++) workload.step();
			execFileSync('sync', ['-f', root]);
			for (let count = 0; count < 100; count++) workload.step();
			workload.finish();
			fs.copyFileSync(image, copy);
			return {bytes: new Uint8Array(fs.readFileSync(copy)), shown: treeShown(root)};
		} finally {
			execFileSync('umount', [root]);
		}
	} finally {
		fs.rmSync(folder, {recursive: true});
	}
}

const reason = whyNot();
const ktest = reason === undefined ? test.serial : test.skip;

for (const [index, form] of forms.entries()) {
	ktest(`what the kernel had synced is there after the replay (${form.name})`, t => {
		const {bytes, shown} = crash(form, index + 1);
		const before = hashOf(bytes);
		const volume = Volume.open(new MemoryDevice(bytes, true));
		t.true((volume.recovery?.transactions ?? 0) > 0);
		if (form.name.startsWith('fast')) t.true((volume.recovery?.fastCommits.commits ?? 0) > 0);
		t.deepEqual(treeRead(volume), shown);
		t.is(hashOf(bytes), before);
		const {status, output} = checkWrittenHome(bytes, volume);
		t.is(status, 0, output);
	});
}

if (reason !== undefined) test.skip(`the kernel's journals: ${reason}`, () => undefined);
