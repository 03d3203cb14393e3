/** A list of numbers that grows, eight bytes each; for lists that may hold millions. */
export class NumberList {
	#numbers = new Float64Array(64);
	length = 0;

	push(value: number): void {
		if (this.length === this.#numbers.length) {
			const grown = new Float64Array(this.length * 2);
			grown.set(this.#numbers);
			this.#numbers = grown;
		}
		this.#numbers[this.length++] = value;
	}

	/** All of them; not a copy, so good until the next `push`. */
	view(): Float64Array {
		return this.#numbers.subarray(0, this.length);
	}

	clear(): void {
		this.length = 0;
	}
}
