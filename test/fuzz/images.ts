/** Base images, ready to be mutated and put back, again and again. */
import {type Atlas, mapImage} from './atlas.ts';
import {type Base, loadBases} from './bases.ts';
import {Mutator} from './mutate.ts';
import {Patch} from './patch.ts';
import {Sealer} from './seal.ts';

export class PreparedImage {
	readonly name: string;
	readonly patch: Patch;
	readonly #mutator: Mutator;

	constructor({name, bytes}: Base) {
		this.name = name;
		this.patch = new Patch(bytes.slice());
		const atlas: Atlas = mapImage(this.patch.bytes);
		this.#mutator = new Mutator(this.patch, atlas, new Sealer(this.patch, atlas));
	}

	/** Has `act` work on the image as the seeds make it, and puts everything back. */
	with<T>(seeds: readonly number[], act: (story: readonly string[]) => T): T {
		try {
			return act(this.#mutator.mutate(seeds));
		} finally {
			this.patch.undo();
		}
	}
}

export class Images {
	readonly #bases = new Map(loadBases().map(base => [base.name, base]));
	readonly #prepared = new Map<string, PreparedImage>();

	get names(): string[] {
		return [...this.#bases.keys()];
	}

	/** Throws `RangeError` where there is no such base. */
	get(name: string): PreparedImage {
		const known = this.#prepared.get(name);
		if (known !== undefined) return known;
		const base = this.#bases.get(name);
		if (base === undefined) throw new RangeError(`there is no base image "${name}"`);
		const prepared = new PreparedImage(base);
		this.#prepared.set(name, prepared);
		return prepared;
	}
}
