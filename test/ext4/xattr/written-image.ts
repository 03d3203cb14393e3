/** An image made by mke2fs, changed through our own code in memory, and judged by e2fsprogs. */
import {execFileSync, spawnSync} from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {lookup} from '../../../ext4/directory/lookup.ts';
import type {Handle} from '../../../ext4/journal/handle.ts';
import type {Inode} from '../../../ext4/layout/inode.ts';
import {closeVolume, openForWriting} from '../../../ext4/open-for-writing.ts';
import type {Volume} from '../../../ext4/volume.ts';
import {MemoryDevice} from '../../support/memory-device.ts';

const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};
const rootInode = 2;

/** A link, a file of some bytes, and those asked for by name. */
function populate(folder: string, files: readonly string[]): void {
	fs.symlinkSync('./folder/../file', path.join(folder, 'link'));
	fs.mkdirSync(path.join(folder, 'folder'));
	for (const file of ['file', ...files]) fs.writeFileSync(path.join(folder, file), 'contents\n');
}

export type ImageOptions = {
	/** For mke2fs. */
	readonly make?: readonly string[];
	readonly size?: string;
	/** The image itself, in place of one that is made. */
	readonly bytes?: Uint8Array;
	/** Files in the root beside `file`, `folder` and `link`. */
	readonly files?: readonly string[];
};

function makeImage({make = ['-t', 'ext4'], size = '8M', files = []}: ImageOptions): Uint8Array {
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-xattr-'));
	try {
		const source = path.join(folder, 'source');
		const image = path.join(folder, 'image');
		fs.mkdirSync(source);
		populate(source, files);
		const all = ['-q', '-F', ...make, '-d', source, image, size];
		execFileSync('mke2fs', all, {env, stdio: 'pipe'});
		// mke2fs does not count in the quotas what it has copied.
		spawnSync('e2fsck', ['-fy', image], {env});
		return fs.readFileSync(image);
	} finally {
		fs.rmSync(folder, {recursive: true});
	}
}

const made = new Map<string, Uint8Array>();

export class WrittenImage {
	readonly device: MemoryDevice;
	volume: Volume;
	#seconds = 1_700_000_000;

	constructor(options: ImageOptions = {}) {
		const key = JSON.stringify({...options, bytes: undefined});
		const bytes = options.bytes ?? made.get(key) ?? makeImage(options);
		if (options.bytes === undefined) made.set(key, bytes);
		this.device = new MemoryDevice(new Uint8Array(bytes));
		this.volume = this.#open();
	}

	#open(): Volume {
		let random = 1;
		return openForWriting(this.device, {
			clock: () => ({seconds: this.#seconds++, nanoseconds: 123_456_789}),
			randomUint32: () => random++,
		});
	}

	/** The number of an inode in the root. */
	number(name: string): number {
		if (name === '/') return rootInode;
		const found = lookup(this.volume, this.volume.readInode(rootInode), Buffer.from(name));
		if (found === undefined) throw new Error(`no ${name}`);
		return found.inode;
	}

	inode(name: string): Inode {
		return this.volume.readInode(this.number(name));
	}

	change<T>(name: string, action: (handle: Handle, inode: Inode) => T): T {
		const number = this.number(name);
		return this.volume.transact(handle => action(handle, this.volume.readInode(number)), {
			credits: 256,
		});
	}

	/** Unmounts and mounts again. */
	reopen(): void {
		closeVolume(this.volume);
		this.volume = this.#open();
	}

	/** Unmounts; gives `use` the path of a file with what is on the device then. */
	finish<T>(use: (image: string) => T): T {
		closeVolume(this.volume);
		const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-xattr-'));
		try {
			const image = path.join(folder, 'image');
			fs.writeFileSync(image, this.device.bytes);
			return use(image);
		} finally {
			fs.rmSync(folder, {recursive: true});
		}
	}

	/** Unmounts; what e2fsck finds, or undefined for nothing. */
	check(): string | undefined {
		return this.finish(e2fsck);
	}
}

/** What e2fsck finds on an image; undefined for nothing. */
export function e2fsck(image: string): string | undefined {
	const result = spawnSync('e2fsck', ['-fn', image], {env, encoding: 'utf8'});
	return result.status === 0 ? undefined : `${result.status}\n${result.stdout}${result.stderr}`;
}
