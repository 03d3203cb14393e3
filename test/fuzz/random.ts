/** Random numbers that a seed gives back: the same seed, the same image, on every machine. */
export class Random {
	#state: number;

	constructor(seed: number) {
		// Neighbouring seeds must not begin alike.
		this.#state = (Math.imul(seed, 0x9e3779b1) ^ Math.floor(seed / 2 ** 32)) >>> 0;
		for (let round = 0; round < 3; round++) this.u32();
	}

	/** Any 32-bit number. Mulberry32. */
	u32(): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let value = this.#state;
		value = Math.imul(value ^ (value >>> 15), value | 1);
		value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
		return (value ^ (value >>> 14)) >>> 0;
	}

	/** 0 to `end` - 1. */
	below(end: number): number {
		return Math.floor((this.u32() / 2 ** 32) * end);
	}

	chance(probability: number): boolean {
		return this.u32() < probability * 2 ** 32;
	}

	pick<T>(items: readonly T[]): T {
		const item = items[this.below(items.length)];
		if (item === undefined) throw new RangeError('nothing to pick from');
		return item;
	}

	/** Picks a key in proportion to its weight. */
	weighted<K extends string>(weights: {readonly [key in K]: number}): K {
		const entries = Object.entries<number>(weights) as [K, number][];
		let left = this.below(entries.reduce((sum, [, weight]) => sum + weight, 0));
		for (const [key, weight] of entries) {
			if (left < weight) return key;
			left -= weight;
		}
		throw new RangeError('nothing to pick from');
	}
}
