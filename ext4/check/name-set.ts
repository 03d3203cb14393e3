/**
 * The names of one block of entries, to find those that are there twice. A table of places, used
 * again for every block without clearing it.
 */

/** Slots for each entry that a block may hold, so that few names share one. */
const slotsPerEntry = 2;
const entryLengthMin = 12;

export class NameSet {
	readonly #mask: number;
	/** By slot: where the name begins in `#bytes`, and in which block that was. */
	readonly #starts: Int32Array;
	readonly #rounds: Uint32Array;
	readonly #lengths: Uint16Array;
	#round = 0;
	#bytes: Uint8Array = new Uint8Array(0);

	constructor(blockSize: number) {
		const wanted = (blockSize / entryLengthMin) * slotsPerEntry;
		const size = 2 ** Math.ceil(Math.log2(wanted));
		this.#mask = size - 1;
		this.#starts = new Int32Array(size);
		this.#rounds = new Uint32Array(size);
		this.#lengths = new Uint16Array(size);
	}

	/** Forgets all names; those added from now on lie in `bytes`. */
	begin(bytes: Uint8Array): void {
		this.#bytes = bytes;
		if (++this.#round === 2 ** 32) {
			this.#rounds.fill(0);
			this.#round = 1;
		}
	}

	/** What the names lie in was copied to `bytes`, each to the same place. */
	moveTo(bytes: Uint8Array): void {
		this.#bytes = bytes;
	}

	/** Adds a name; false where it was there. There are never more names than a block has room for. */
	add(start: number, length: number): boolean {
		const bytes = this.#bytes;
		let hash = length;
		for (let at = start; at < start + length; at++)
			hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193);
		for (let slot = (hash ^ (hash >>> 15)) & this.#mask; ; slot = (slot + 1) & this.#mask) {
			if (this.#rounds[slot] !== this.#round) {
				this.#rounds[slot] = this.#round;
				this.#starts[slot] = start;
				this.#lengths[slot] = length;
				return true;
			}
			if (this.#lengths[slot] === length && this.#isSame(this.#starts[slot] ?? 0, start, length)) {
				return false;
			}
		}
	}

	#isSame(first: number, second: number, length: number): boolean {
		const bytes = this.#bytes;
		for (let index = 0; index < length; index++) {
			if (bytes[first + index] !== bytes[second + index]) return false;
		}
		return true;
	}
}
