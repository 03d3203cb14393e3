/**
 * A disk that remembers every write and flush (see recorder.c), and afterwards shows what a power
 * cut could have left on it, whoever it was that wrote: a server, or the kernel's ext4 behind a loop
 * device.
 */
import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {closeSync, mkdirSync, openSync, readFileSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {CrashDevice} from '../../support/crash-device.ts';
import {tool} from './programs.ts';

const headBytes = 16;

export class Recorder<M> implements AsyncDisposable {
	/** The image to mount from. */
	readonly disk: string;
	readonly #base: Uint8Array;
	readonly #folder: string;
	readonly #log: string;
	readonly #program: ChildProcess;
	readonly #ended: Promise<number | null>;
	readonly #marks: number;
	readonly #values: M[] = [];
	#isOpen = true;

	private constructor(base: Uint8Array, folder: string, log: string, program: ChildProcess) {
		this.#base = base;
		this.#folder = folder;
		this.#log = log;
		this.#program = program;
		this.#ended = new Promise(resolve => program.once('exit', resolve));
		this.disk = join(folder, 'disk.img');
		this.#marks = openSync(join(folder, 'mark'), 'w');
	}

	/**
	 * A disk that begins as `image`, a file that it goes on to change. `folder` is an empty folder for
	 * what it needs. Throws the recorder's last words where it does not come up: it takes root.
	 */
	static async open<M>(image: string, folder: string): Promise<Recorder<M>> {
		const base = new Uint8Array(readFileSync(image));
		const directory = join(folder, 'device');
		const log = join(folder, 'log');
		mkdirSync(directory, {recursive: true});
		const program = spawn(tool('recorder'), [image, log, directory], {
			stdio: ['ignore', 'pipe', 'pipe'],
		});
		const said = await new Promise<string>(resolve => {
			let words = '';
			program.stdout.once('data', () => resolve(''));
			program.stderr.on('data', text => {
				words += String(text);
			});
			program.once('close', () => resolve(words));
		});
		if (said !== '') throw new Error(said.trim());
		return new Recorder<M>(base, directory, log, program);
	}

	/** From here on, crashes carry `value`. */
	mark(value: M): void {
		writeSync(this.#marks, String(this.#values.length));
		this.#values.push(value);
	}

	/** Once nobody has it mounted any more: what it went through. */
	async close(): Promise<CrashDevice<M>> {
		await this[Symbol.asyncDispose]();
		if (this.#program.exitCode !== 0) throw new Error('the recorder did not end well');
		return replayed(readFileSync(this.#log), this.#base, this.#values);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (!this.#isOpen) return;
		this.#isOpen = false;
		closeSync(this.#marks);
		// A loop device may be about to let go of it.
		for (let tries = 0; tries < 50; tries++) {
			if (spawnSync('umount', [this.#folder]).status === 0) break;
			await new Promise(resolve => setTimeout(resolve, 20 + tries));
		}
		// Where somebody still has it, what he does from here on fails.
		if (isMounted(this.#folder)) {
			spawnSync('umount', ['-l', this.#folder]);
			this.#program.kill();
		}
		await this.#ended;
	}
}

function isMounted(folder: string): boolean {
	return readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${folder} `);
}

/** The log of recorder.c as events of a device. */
function replayed<M>(log: Buffer, base: Uint8Array, values: readonly M[]): CrashDevice<M> {
	const device = new CrashDevice<M>(base);
	for (let at = 0; at < log.length; ) {
		const kind = log.readUInt32LE(at);
		const length = log.readUInt32LE(at + 4);
		const position = Number(log.readBigUInt64LE(at + 8));
		const bytes = log.subarray(at + headBytes, at + headBytes + length);
		at += headBytes + length;
		if (kind === 1) device.write(position, new Uint8Array(bytes));
		else if (kind === 2) device.flush();
		else device.mark(values[Number(bytes.toString())] as M); // The recorder gives back what it got.
	}
	return device;
}
