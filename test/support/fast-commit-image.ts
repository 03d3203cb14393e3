/**
 * A file system made by mke2fs, into whose journal a test writes fast commits; and what its replay
 * leaves behind, written home, for e2fsck to judge.
 */
import {spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {crc32cOf} from '../../ext4/checksum.ts';
import {lookup} from '../../ext4/directory/lookup.ts';
import {forEachEntry} from '../../ext4/directory/read.ts';
import {journalFileOf} from '../../ext4/journal/recover.ts';
import {Volume} from '../../ext4/volume.ts';
import {e2fsprogs} from './e2fsprogs.ts';
import {FastCommitBuilder} from './fast-commit-builder.ts';
import {MemoryDevice} from './memory-device.ts';

/** The transaction that the log, which is empty, would have had first. */
export const transaction = 7;
const journalIncompatFastCommit = 0x20;
const needsRecovery = 0x4;

function inTemporaryFolder<T>(act: (folder: string) => T): T {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-fast-commit-'));
	try {
		return act(folder);
	} finally {
		fs.rmSync(folder, {recursive: true});
	}
}

/** Makes the superblock's checksum right, if it has one. */
function sealSuperblock(bytes: Uint8Array): void {
	const view = new DataView(bytes.buffer);
	if ((view.getUint32(1024 + 0x64, true) & 0x400) === 0) return;
	const sum = crc32cOf(0xffff_ffff, bytes.subarray(1024, 1024 + 0x3fc));
	view.setUint32(1024 + 0x3fc, sum, true);
}

/**
 * Writes what the replay of `volume` laid over onto its image, as a replay on disk would have, and
 * returns what e2fsck -fn says: its exit status and its lines.
 */
export function checkWrittenHome(
	bytes: Uint8Array,
	volume: Volume,
): {status: number | null; output: string} {
	const home = bytes.slice();
	const {overlay} = volume.recovery ?? {};
	const {blockSize} = volume.geometry;
	for (const block of overlay?.blocks() ?? []) {
		home.set(overlay?.get(block) ?? [], block * blockSize);
	}
	const view = new DataView(home.buffer);
	view.setUint32(1024 + 0x60, view.getUint32(1024 + 0x60, true) & ~needsRecovery, true);
	sealSuperblock(home);
	const journal = journalFileOf(volume);
	const at = (journal.journalBlocks(0) ?? 0) * blockSize;
	view.setUint32(at + 0x1c, 0, false);
	if (volume.recovery?.journal.hasBlockChecksums === true) {
		view.setUint32(at + 0xfc, 0, false);
		view.setUint32(at + 0xfc, crc32cOf(0xffff_ffff, home.subarray(at, at + 1024)), false);
	}
	return inTemporaryFolder(folder => {
		const image = path.join(folder, 'home');
		fs.writeFileSync(image, home);
		const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};
		const {status, stdout} = spawnSync('e2fsck', ['-fn', image], {env, encoding: 'utf8'});
		return {status, output: stdout};
	});
}

/** Blocks from `start` up to, not including, `end`. */
type Stretch = {readonly start: number; readonly end: number};

/** What dumpe2fs prints of free blocks, group by group. */
function freeStretches(output: string): Stretch[] {
	const lists = [...output.matchAll(/^ {2}Free blocks: (.+)$/gm)].map(([, list]) => list ?? '');
	return lists
		.flatMap(list => [...list.matchAll(/(\d+)(?:-(\d+))?/g)])
		.map(([, first, last]) => ({start: Number(first), end: Number(last ?? first) + 1}));
}

export class FastCommitImage {
	readonly bytes: Uint8Array;
	readonly #before: Volume;
	#free: readonly Stretch[] = [];

	/** `populate` fills the folder that it begins with; `commands` are debugfs's. */
	constructor(
		options: readonly string[],
		populate: (folder: string) => void,
		commands: readonly string[] = [],
	) {
		this.bytes = inTemporaryFolder(folder => {
			const source = path.join(folder, 'source');
			const image = path.join(folder, 'image');
			fs.mkdirSync(source);
			populate(source);
			const journal = 'size=4,fast_commit_size=512';
			const make = ['-q', '-t', 'ext4', '-O', 'fast_commit', '-J', journal, '-b', '1024'];
			e2fsprogs('mke2fs', [...make, '-d', source, ...options, image, '16M']);
			for (const command of commands) e2fsprogs('debugfs', ['-w', '-R', command, image]);
			this.#free = freeStretches(e2fsprogs('dumpe2fs', [image]));
			return new Uint8Array(fs.readFileSync(image));
		});
		this.#before = Volume.open(new MemoryDevice(this.bytes.slice()));
	}

	/** The inode that a path leads to before the replay. */
	inodeOf(filePath: string): number {
		let number = 2;
		for (const name of filePath.split('/').filter(part => part !== '')) {
			const found = lookup(this.#before, this.#before.readInode(number), Buffer.from(name));
			if (found === undefined) throw new Error(`no ${filePath}`);
			number = found.inode;
		}
		return number;
	}

	/** The fields of an inode as they are before the replay: what a fast commit holds of it. */
	fieldsOf(number: number, sizeBytes = 160): Uint8Array {
		const {block, at} = this.#before.locateInode(number);
		return block.bytes.slice(at, at + sizeBytes);
	}

	/** All of a new inode of 256 bytes, for a directory whose entries lie in it. */
	newInlineDirectory(links: number): Uint8Array {
		const bytes = new Uint8Array(256);
		bytes.set(this.newFields({mode: 0o40750, links, size: 60, flags: 0x1000_0000}));
		const view = new DataView(bytes.buffer);
		view.setUint32(160, 0xea02_0000, true);
		view.setUint8(164, 4);
		view.setUint8(165, 7);
		bytes.set(Buffer.from('data'), 180);
		return bytes;
	}

	/** Fields for a new inode, of a file or of a directory, with an empty extent tree. */
	newFields(values: {mode: number; links: number; size?: number; flags?: number}): Uint8Array {
		const bytes = new Uint8Array(160);
		const view = new DataView(bytes.buffer);
		view.setUint16(0, values.mode, true);
		view.setUint32(4, values.size ?? 0, true);
		view.setUint32(0xc, 1_700_000_000, true);
		view.setUint16(0x1a, values.links, true);
		view.setUint32(0x20, values.flags ?? 0x80000, true);
		view.setUint32(0x64, 99, true);
		view.setUint16(0x80, 32, true);
		return bytes;
	}

	/**
	 * The first of `count` blocks that are free before the replay, one after another: the last ones
	 * of the volume, in groups that may never have been used. Begins a cluster.
	 */
	freeBlocks(count: number): number {
		const step = 2 ** this.#before.geometry.clusterBits;
		const whole = Math.ceil(count / step) * step;
		for (const {start, end} of this.#free.toReversed()) {
			const from = Math.floor((end - whole) / step) * step;
			if (from >= start) return from;
		}
		throw new Error(`no ${count} free blocks`);
	}

	/** Has an inode's block map lead nowhere but to `pointers`; no checksums here. */
	setMap(number: number, pointers: {readonly [index: number]: number}, sizeBytes: number): void {
		const {block, at} = this.#before.locateInode(number);
		const view = new DataView(this.bytes.buffer, block.number * 1024 + at, 128);
		view.setUint32(4, sizeBytes, true);
		for (let index = 0; index < 15; index++) {
			view.setUint32(0x28 + index * 4, pointers[index] ?? 0, true);
		}
	}

	/** Gives `other` a share in the block of attributes that `owner` has; no checksums here. */
	shareAttributes(owner: number, other: number): number {
		const inodes = [owner, other].map(number => {
			const {block, at} = this.#before.locateInode(number);
			return new DataView(this.bytes.buffer, block.number * 1024 + at, 128);
		});
		const block = inodes[0]?.getUint32(0x68, true) ?? 0;
		inodes[1]?.setUint32(0x68, block, true);
		inodes[1]?.setUint32(0x1c, (inodes[1]?.getUint32(0x1c, true) ?? 0) + 2, true);
		new DataView(this.bytes.buffer).setUint32(block * 1024 + 4, 2, true);
		return block;
	}

	/** Writes fast commits into the journal and opens the volume as it is after their replay. */
	replay(write: (commits: FastCommitBuilder) => void): Volume {
		const commits = new FastCommitBuilder(1024);
		commits.head(transaction);
		write(commits);
		const journal = journalFileOf(this.#before);
		const view = new DataView(this.bytes.buffer);
		const at = (journal.journalBlocks(0) ?? 0) * 1024;
		view.setUint32(at + 0x18, transaction, false);
		view.setUint32(at + 0x1c, 1, false);
		view.setUint32(at + 0x28, view.getUint32(at + 0x28, false) | journalIncompatFastCommit, false);
		const first = journal.lengthBlocks - view.getUint32(at + 0x54, false) + 1;
		for (const [index, block] of commits.blocks.entries()) {
			this.bytes.set(block, (journal.journalBlocks(first + index) ?? 0) * 1024);
		}
		view.setUint32(1024 + 0x60, view.getUint32(1024 + 0x60, true) | needsRecovery, true);
		sealSuperblock(this.bytes);
		return Volume.open(new MemoryDevice(this.bytes, true));
	}
}

/** Every path of a volume with the number of its inode. */
export function treeOf(volume: Volume): {[path: string]: number} {
	const tree: {[path: string]: number} = {};
	const todo = [{path: '', number: 2}];
	for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
		const directory = volume.readInode(next.number);
		const {path: parent} = next;
		forEachEntry(volume, directory, 0, (bytes, start, length, inode) => {
			const name = Buffer.from(bytes.subarray(start, start + length)).toString();
			if (name === '.' || name === '..' || name === 'lost+found') return true;
			tree[`${parent}/${name}`] = inode;
			if (volume.readInode(inode).type === 'directory') {
				todo.push({path: `${parent}/${name}`, number: inode});
			}
			return true;
		});
	}
	return tree;
}
