/** One mutated image from its seed: which base it is made of, what was done to it, what came of it. */
import {readFileSync} from 'node:fs';
import {MemoryDevice} from '../support/memory-device.ts';
import {type Atlas, mapImage} from './atlas.ts';
import {type Base, isKernelBase} from './bases.ts';
import {Mutator} from './mutate.ts';
import {Patch} from './patch.ts';
import {Random} from './random.ts';
import {Sealer} from './seal.ts';
import {type WalkResult, walkImage} from './walk.ts';

type Prepared = {
	readonly name: string;
	readonly patch: Patch;
	readonly atlas: Atlas;
	readonly sealer: Sealer;
};

export type SeedRun = {
	readonly seed: number;
	readonly base: string;
	readonly story: readonly string[];
	/** Of the processor. */
	readonly milliseconds: number;
	readonly result: WalkResult | undefined;
	/** The stack of an error that no image may provoke. */
	readonly crash: string | undefined;
};

export class SeedRunner {
	readonly #own: readonly Prepared[];
	readonly #kernel: readonly Prepared[];

	constructor(bases: readonly Base[]) {
		const prepared = bases.map(prepare);
		this.#own = prepared.filter(base => !isKernelBase(base.name));
		this.#kernel = prepared.filter(base => isKernelBase(base.name));
	}

	/** Which base a seed takes: the same with the kernel's bases and without, where it takes no such. */
	#mutate(seed: number): {base: Prepared; story: string[]} {
		const random = new Random(seed);
		const isKernel = random.chance(0.25);
		const own = random.pick(this.#own);
		const base = isKernel && this.#kernel.length > 0 ? random.pick(this.#kernel) : own;
		const story = new Mutator(base.patch, base.atlas, base.sealer, random).mutate();
		return {base, story};
	}

	run(seed: number): SeedRun {
		const {base, story} = this.#mutate(seed);
		const started = process.cpuUsage();
		let result: WalkResult | undefined;
		let crash: string | undefined;
		try {
			result = walkImage(new MemoryDevice(base.patch.bytes, true));
		} catch (error) {
			crash = error instanceof Error ? (error.stack ?? String(error)) : String(error);
		}
		const {user, system} = process.cpuUsage(started);
		const milliseconds = (user + system) / 1000;
		base.patch.undo();
		return {seed, base: base.name, story, milliseconds, result, crash};
	}

	/** The mutated image itself, and what was done to it. */
	image(seed: number): {base: string; story: readonly string[]; bytes: Uint8Array} {
		const {base, story} = this.#mutate(seed);
		const bytes = base.patch.bytes.slice();
		base.patch.undo();
		return {base: base.name, story, bytes};
	}
}

function prepare({name, path}: Base): Prepared {
	const bytes = new Uint8Array(readFileSync(path));
	const atlas = mapImage(bytes);
	const patch = new Patch(bytes);
	return {name, patch, atlas, sealer: new Sealer(patch, atlas)};
}
