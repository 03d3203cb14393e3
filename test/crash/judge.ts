/** One state that a crash has left: does it recover, by everybody, to what it may be? */
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {closeVolume, openForWriting} from '../../ext4/open-for-writing.ts';
import {Volume} from '../../ext4/volume.ts';
import {run} from '../stress/program.ts';
import {recoverByE2fsck} from '../support/e2fsck-recovery.ts';
import {MemoryDevice} from '../support/memory-device.ts';
import {observe} from '../support/observe.ts';
import type {History, Window} from './history.ts';

export class Judge implements Disposable {
	readonly #history: History;
	readonly #folder: string;

	constructor(history: History) {
		this.#history = history;
		this.#folder = mkdtempSync(join(tmpdir(), 'ext4box-crash-'));
	}

	/** What is wrong; undefined where nothing is. `withKernel` has the kernel recover it as well. */
	problemOf(image: Uint8Array, window: Window, withKernel: boolean): unknown {
		try {
			this.#judge(image, window, withKernel);
			return undefined;
		} catch (error) {
			return error;
		}
	}

	[Symbol.dispose](): void {
		rmSync(this.#folder, {recursive: true});
	}

	/** Throws with what is wrong. */
	#judge(image: Uint8Array, window: Window, withKernel: boolean): void {
		this.#assertAllowed('our replay in memory', image, window);
		this.#assertAllowed('our recovery', this.#recoverBySelf(image), window);
		this.#assertAllowed("e2fsck's recovery", this.#recoverByE2fsck(image), window);
		if (withKernel)
			this.#assertAllowed("the kernel's recovery", this.#recoverByKernel(image), window);
	}

	#assertAllowed(how: string, image: Uint8Array, window: Window): void {
		const found = observe(Volume.open(new MemoryDevice(image, true)));
		const problem = this.#history.problemOf(found, window);
		if (problem !== undefined) throw new Error(`after ${how}: ${problem}`);
	}

	#recoverBySelf(image: Uint8Array): Uint8Array {
		const device = new MemoryDevice(image.slice());
		const volume = openForWriting(device, {
			clock: () => ({seconds: 1_750_000_000, nanoseconds: 0}),
			randomUint32: () => 4,
		});
		closeVolume(volume);
		const path = this.#put(device.bytes);
		this.#assertClean('our recovery', path);
		return device.bytes;
	}

	#recoverByE2fsck(image: Uint8Array): Uint8Array {
		const path = this.#put(image);
		recoverByE2fsck(path);
		this.#assertClean("e2fsck's recovery", path);
		return new Uint8Array(readFileSync(path));
	}

	#recoverByKernel(image: Uint8Array): Uint8Array {
		const path = this.#put(image);
		const directory = join(this.#folder, 'mnt');
		mkdirSync(directory, {recursive: true});
		const mounted = run('mount', '-o', 'loop', path, directory);
		if (mounted.status !== 0) throw new Error(`the kernel does not mount it: ${mounted.err}`);
		const unmounted = run('umount', directory);
		if (unmounted.status !== 0) throw new Error(`umount: ${unmounted.err}`);
		this.#assertClean("the kernel's recovery", path);
		return new Uint8Array(readFileSync(path));
	}

	#put(image: Uint8Array): string {
		const path = join(this.#folder, 'image');
		// Another file each time. A state once failed because somebody wrote the image anew while e2fsck
		// stood between its replay and its check; what could do so, a mount that lives on in another
		// namespace say, has the file before.
		rmSync(path, {force: true});
		writeFileSync(path, image);
		return path;
	}

	#assertClean(after: string, path: string): void {
		const {status, out, err} = run('e2fsck', '-fn', path);
		if (status !== 0) throw new Error(`e2fsck -fn after ${after}: status ${status}\n${out}${err}`);
	}
}
