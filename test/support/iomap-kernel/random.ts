/**
 * Random work on files through the kernel in memory, and on arrays of bytes beside it. Some of those who
 * wait are interrupted by signals.
 */
import {Random} from '../../fuzz/random.ts';
import type {InterruptMoment} from '../fake-kernel.ts';
import type {Node} from './kernel.ts';
import type {ServedMount} from './mounted.ts';
import {errnos, KernelError} from './wire.ts';

const fileBytesMax = 400_000;
const sector = 512;
const filesMax = 6;
/** One of so many requests is interrupted. */
const interruptedOneOf = 6;
const interruptMoments: readonly InterruptMoment[] = ['before', 'during', 'after'];

type File = {name: string; node: Node; bytes: Uint8Array; openCount: number};

export class RandomWork {
	readonly mount: ServedMount;
	readonly log: string[] = [];
	readonly #random: Random;
	readonly #files: File[] = [];
	#nextName = 0;

	constructor(mount: ServedMount, seed: number) {
		this.mount = mount;
		if (!mount.kernel.mount()) throw new Error('the server does not take part');
		this.#random = new Random(seed);
		// With numbers of their own, so that a seed goes on standing for the same operations.
		const random = new Random(seed + 0x1000_0000);
		mount.kernel.wire.interruptions = () =>
			random.below(interruptedOneOf) === 0
				? interruptMoments.filter(() => random.below(2) === 0)
				: [];
	}

	/** What the files must hold, by name. */
	contents(): Map<string, Uint8Array> {
		return new Map(this.#files.map(({name, bytes}) => [name, bytes]));
	}

	/** One operation. Throws `Error` where what is read differs. */
	step(): void {
		if (this.#files.length === 0) {
			this.#create();
			return;
		}
		const file = this.#files[this.#random.below(this.#files.length)];
		if (file === undefined) throw new Error('no file');
		try {
			this.#pick()(file);
		} catch (error) {
			// A full disk refuses, and leaves what was there.
			if (!(error instanceof KernelError) || error.errno !== errnos.ENOSPC) throw error;
			this.log.push('  ENOSPC');
			this.#reread(file);
		}
	}

	#pick(): (file: File) => void {
		const choices: readonly (readonly [weight: number, (file: File) => void])[] = [
			[3, () => this.#create()],
			[20, file => this.#write(file)],
			[12, file => this.#read(file)],
			[6, file => this.#store(file)],
			[8, file => this.#writeDirect(file)],
			[6, file => this.#readDirect(file)],
			[8, file => this.#truncate(file)],
			[8, file => this.#fallocate(file)],
			[6, file => this.#fsync(file)],
			[4, file => this.#writeBack(file)],
			[8, file => this.#startWriteBack(file)],
			[5, file => this.#reopen(file)],
			[4, file => this.#forget(file)],
			[2, file => this.#unlink(file)],
			[2, file => this.#rename(file)],
			[2, file => this.#report(file)],
			[4, file => this.#stat(file)],
		];
		let left = this.#random.below(choices.reduce((sum, [weight]) => sum + weight, 0));
		for (const [weight, action] of choices) {
			left -= weight;
			if (left < 0) return action;
		}
		throw new Error('no choice');
	}

	#bytes(length: number): Uint8Array {
		const start = this.#random.below(251);
		return Uint8Array.from({length}, (_, index) => (start + index * 7 + (index >>> 9)) & 0xff);
	}

	#note(text: string): void {
		this.log.push(text);
	}

	#create(): void {
		if (this.#files.length >= filesMax) return;
		const name = `f${this.#nextName++}`;
		this.#note(`create ${name}`);
		const {kernel} = this.mount;
		const node = kernel.create(kernel.root(), name);
		this.#files.push({name, node, bytes: new Uint8Array(0), openCount: 1});
	}

	#stat(file: File): void {
		this.#note(`stat ${file.name}`);
		const size = this.mount.kernel.stat(file.node);
		if (size !== file.bytes.length) throw new Error(`${file.name} has ${size} bytes`);
	}

	#write(file: File): void {
		const position = this.#random.below(Math.min(file.bytes.length + 20_000, fileBytesMax));
		const bytes = this.#bytes(1 + this.#random.below(30_000));
		this.#note(`write ${file.name} ${position}+${bytes.length}`);
		this.mount.kernel.write(file.node, position, bytes);
		this.#put(file, position, bytes);
	}

	#writeDirect(file: File): void {
		const position = this.#random.below(Math.ceil((file.bytes.length + 10_000) / sector)) * sector;
		const bytes = this.#bytes((1 + this.#random.below(40)) * sector);
		this.#note(`write direct ${file.name} ${position}+${bytes.length}`);
		this.mount.kernel.writeDirect(file.node, position, bytes);
		this.#put(file, position, bytes);
	}

	#put(file: File, position: number, bytes: Uint8Array): void {
		const length = Math.max(file.bytes.length, position + bytes.length);
		const grown = new Uint8Array(length);
		grown.set(file.bytes);
		grown.set(bytes, position);
		file.bytes = grown;
	}

	#read(file: File): void {
		const position = this.#random.below(file.bytes.length + 1000);
		const length = this.#random.below(50_000);
		this.#note(`read ${file.name} ${position}+${length}`);
		this.#compare(file, position, this.mount.kernel.read(file.node, position, length), length);
	}

	#readDirect(file: File): void {
		const position = this.#random.below(Math.ceil(file.bytes.length / sector) + 1) * sector;
		const length = (1 + this.#random.below(60)) * sector;
		this.#note(`read direct ${file.name} ${position}+${length}`);
		this.#compare(
			file,
			position,
			this.mount.kernel.readDirect(file.node, position, length),
			length,
		);
	}

	#compare(file: File, position: number, actual: Uint8Array, length: number): void {
		const expected = file.bytes.subarray(position, position + length);
		if (Buffer.compare(actual, expected) === 0) return;
		const at = expected.findIndex((byte, index) => byte !== actual[index]);
		throw new Error(
			`${file.name}: ${actual.length} bytes from ${position}, not ${expected.length}; ` +
				`the first that differs is ${position + at}`,
		);
	}

	#reread(file: File): void {
		// How much of what was refused was taken the kernel knows.
		const {kernel} = this.mount;
		file.bytes = kernel.read(file.node, 0, file.node.size).slice();
	}

	#store(file: File): void {
		if (file.bytes.length === 0) return;
		const position = this.#random.below(file.bytes.length);
		this.#note(`store ${file.name} ${position}`);
		this.mount.kernel.store(file.node, position, Uint8Array.of(0xa5));
		file.bytes[position] = 0xa5;
	}

	#truncate(file: File): void {
		const size = this.#random.below(Math.min(file.bytes.length * 2 + 5000, fileBytesMax));
		this.#note(`truncate ${file.name} ${size}`);
		this.mount.kernel.truncate(file.node, size);
		this.#resize(file, size);
	}

	#resize(file: File, size: number): void {
		const resized = new Uint8Array(size);
		resized.set(file.bytes.subarray(0, size));
		file.bytes = resized;
	}

	#fallocate(file: File): void {
		const mode = [0, 1, 3, 16, 17][this.#random.below(5)] ?? 0;
		const position = this.#random.below(file.bytes.length + 5000);
		const length = 1 + this.#random.below(60_000);
		this.#note(`fallocate ${mode} ${file.name} ${position}+${length}`);
		this.mount.kernel.fallocate(file.node, mode, position, length);
		const end = position + length;
		if ((mode & 1) === 0 && end > file.bytes.length) this.#resize(file, end);
		if ((mode & 0x12) !== 0) file.bytes.fill(0, position, Math.min(end, file.bytes.length));
	}

	#writeBack({name, node}: File): void {
		this.#note(`write back ${name}`);
		this.mount.kernel.writeBack(node);
	}

	#startWriteBack({name, node}: File): void {
		this.#note(`start to write back ${name}`);
		this.mount.kernel.startWriteBack(node);
	}

	#fsync(file: File): void {
		this.#note(`fsync ${file.name}`);
		this.mount.kernel.fsync(file.node, this.#random.below(2) === 0);
	}

	#reopen(file: File): void {
		const {kernel} = this.mount;
		if (file.openCount > 1 || this.#random.below(2) === 0) {
			this.#note(`close ${file.name}`);
			kernel.close(file.node);
			file.openCount--;
		}
		if (file.openCount === 0 || this.#random.below(3) === 0) {
			this.#note(`open ${file.name}`);
			kernel.open(file.node);
			file.openCount++;
		}
	}

	#forget(file: File): void {
		const {kernel} = this.mount;
		this.#note(`forget ${file.name}`);
		for (; file.openCount > 0; file.openCount--) kernel.close(file.node);
		kernel.evict(file.node);
		const node = kernel.lookup(kernel.root(), file.name);
		if (node === undefined) throw new Error(`${file.name} is gone`);
		if (node.size !== file.bytes.length) {
			throw new Error(`${file.name} has ${node.size} bytes, not ${file.bytes.length}`);
		}
		file.node = node;
		kernel.open(node);
		file.openCount = 1;
	}

	#unlink(file: File): void {
		const {kernel} = this.mount;
		this.#note(`unlink ${file.name}`);
		kernel.unlink(kernel.root(), file.name);
		this.#files.splice(this.#files.indexOf(file), 1);
		// It lives on until it is closed.
		this.#compare(file, 0, kernel.read(file.node, 0, file.bytes.length), file.bytes.length);
		for (; file.openCount > 0; file.openCount--) kernel.close(file.node);
		kernel.evict(file.node);
	}

	#rename(file: File): void {
		const {kernel} = this.mount;
		const name = `f${this.#nextName++}`;
		this.#note(`rename ${file.name} ${name}`);
		const parent = kernel.root();
		kernel.rename({parent, name: file.name}, {parent, name});
		file.name = name;
	}

	#report(file: File): void {
		const {kernel} = this.mount;
		this.#note(`report ${file.name}`);
		kernel.report(file.node, 0, Math.max(1, file.bytes.length));
	}
}

/** Throws where what `mount` serves is not what `work` has left. */
export function assertContents({kernel}: ServedMount, work: RandomWork): void {
	if (!kernel.mount()) throw new Error('the server does not take part');
	for (const [name, bytes] of work.contents()) {
		const node = kernel.lookup(kernel.root(), name);
		if (node === undefined) throw new Error(`${name} is gone`);
		const found = kernel.read(node, 0, bytes.length + 1);
		if (Buffer.compare(found, bytes) !== 0) throw new Error(`${name} differs after a new mount`);
	}
}
