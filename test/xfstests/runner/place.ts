/** An image of a test's own and where it is mounted. */
import {mkdirSync, statSync} from 'node:fs';
import {join} from 'node:path';
import type {ImageOptions} from '../api.ts';
import {mustRun} from './commands.ts';
import {mountOn} from './mount-table.ts';
import type {System} from './systems.ts';

/** Images that the runner checks after the test end so. */
export const imageSuffix = '.xfstests.img';

export class Place {
	/** The file that holds the file system. Nothing but reading while it is mounted. */
	readonly image: string;
	/** Where it is mounted, while it is. */
	readonly dir: string;
	readonly #system: System;
	readonly #options: ImageOptions;

	/** Makes the image, does not mount it. `folder` has a name that no other test's folder has. */
	constructor(system: System, folder: string, name: string, options: ImageOptions) {
		this.#system = system;
		this.#options = options;
		// Processes are found by it, so it is unique.
		this.image = join(folder, `${folder.split('/').at(-1)}-${name}${imageSuffix}`);
		this.dir = join(folder, name);
		mkdirSync(this.dir);
		this.format();
	}

	/** Makes the file system anew; it may not be mounted. */
	format(): void {
		const mkfs = this.#options.mkfs ?? ['-t', 'ext4', '-b', '4096'];
		const owner = `root_owner=${process.getuid?.()}:${process.getgid?.()}`;
		const extended = [owner, 'lazy_itable_init=0', 'lazy_journal_init=0'];
		// mke2fs takes -E once; what the test says of its own comes behind.
		const words = [...mkfs];
		const at = words.indexOf('-E');
		if (at !== -1) extended.push(...words.splice(at, 2).slice(1));
		mustRun('rm', '-f', this.image);
		const size = this.#options.size ?? '128M';
		mustRun('mke2fs', '-q', '-F', '-E', extended.join(','), ...words, this.image, size);
	}

	get isMounted(): boolean {
		return mountOn(this.dir) !== undefined;
	}

	/** `options`: see `ImageOptions.mount`, which are used unless others are given. */
	mount(options = this.#options.mount ?? ''): void {
		this.#assertBare();
		this.#timed('mount', () => this.#system.mount(this.image, this.dir, options));
		const mount = mountOn(this.dir);
		if (mount === undefined || !this.#system.mountTypes.test(mount.type)) {
			throw new Error(`${this.dir} has no ${this.#system.name} on it: ${mount?.type ?? 'nothing'}`);
		}
	}

	unmount(): void {
		this.#timed('unmount', () => this.#system.unmount(this.image, this.dir));
		this.#assertBare();
	}

	/** Unmounts and mounts again; all that can be forgotten is. */
	remount(options?: string): void {
		this.unmount();
		this.mount(options);
	}

	/**
	 * Has the file system lose what it has not written yet: the server is killed, the kernel's ext4 shut
	 * down without its journal being written. Then mounts again.
	 */
	crash(options?: string): void {
		this.#timed('crash', () => this.#system.crash(this.image, this.dir));
		this.#assertBare();
		this.mount(options);
	}

	/** What took long is to be seen in the log. */
	#timed(label: string, action: () => void): void {
		const start = performance.now();
		action();
		process.stdout.write(`(${label}: ${(performance.now() - start).toFixed(0)} ms)\n`);
	}

	/** Nothing may ever be written into the folder below a mount. */
	#assertBare(): void {
		const isBare = statSync(this.dir).dev === statSync(join(this.dir, '..')).dev;
		if (!isBare || this.isMounted) throw new Error(`${this.dir} is mounted already`);
	}
}
