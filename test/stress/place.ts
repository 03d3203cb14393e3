/** A file system that was just made, mounted by one of the systems; gone when disposed of. */
import {mkdirSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {must, run} from './program.ts';

const ext4box = resolve(import.meta.dirname, '../../bin/ext4box');

const systems = {
	ext4box: (image: string, directory: string) =>
		must(ext4box, 'mount', image, directory, '-o', 'rw'),
	kernel: (image: string, directory: string) => must('mount', '-o', 'loop', image, directory),
	fuse2fs: (image: string, directory: string) => must('fuse2fs', image, directory),
} as const;

export type SystemName = keyof typeof systems;

export function systemNamed(name: string): SystemName {
	if (name in systems) return name as SystemName; // Just seen to be one.
	throw new Error(`no system is called ${name}: ${Object.keys(systems).join(', ')}`);
}

export class StressPlace implements Disposable {
	readonly folder: string;
	readonly image: string;
	readonly root: string;
	readonly #system: SystemName;

	/** `mkfs` are the arguments of mke2fs before the image, and `size` the one behind it. */
	constructor(system: SystemName, mkfs: readonly string[], size: string) {
		this.#system = system;
		this.folder = mkdtempSync(join(tmpdir(), 'ext4box-stress-'));
		this.image = join(this.folder, 'disk.img');
		this.root = join(this.folder, 'mnt');
		mkdirSync(this.root);
		must('mke2fs', '-q', '-F', ...mkfs, this.image, size);
	}

	mount(): void {
		systems[this.#system](this.image, this.root);
		if (!this.isMounted()) throw new Error(`${this.root} is not mounted`);
	}

	isMounted(): boolean {
		return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${this.root} `);
	}

	unmount(): void {
		if (this.#system === 'ext4box') must(ext4box, 'umount', this.root);
		else must('umount', this.root);
	}

	/** Throws with what e2fsck says, where it has anything to say. */
	assertClean(): void {
		const {status, out, err} = run('e2fsck', '-fn', this.image);
		if (status !== 0) throw new Error(`e2fsck -fn: status ${status}\n${out}${err}`);
	}

	[Symbol.dispose](): void {
		if (this.isMounted()) run('umount', '-l', this.root);
		if (this.isMounted()) throw new Error(`${this.root} can't be unmounted`);
		rmSync(this.folder, {recursive: true});
	}
}
