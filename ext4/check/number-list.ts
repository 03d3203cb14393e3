/** A list of numbers that grows, eight bytes each; for lists that may hold millions. */
export class NumberList {
	#numbers = new Float64Array(lengthFirst);
	length = 0;

	push(value: number): void {
		if (this.length === this.#numbers.length) this.#resize(this.length * 2);
		this.#numbers[this.length++] = value;
	}

	/** All of them; not a copy, so good until the next `push`. */
	view(): Float64Array {
		return this.#numbers.subarray(0, this.length);
	}

	/** Gives all of them away, in an array of just their size; the list is empty then. */
	take(): Float64Array<ArrayBuffer> {
		this.#resize(this.length);
		const numbers = this.#numbers;
		this.#numbers = new Float64Array(lengthFirst);
		this.length = 0;
		return numbers;
	}

	/** The memory of what it had before is free at once; see `release`. */
	#resize(length: number): void {
		const {buffer, BYTES_PER_ELEMENT} = this.#numbers;
		this.#numbers = new Float64Array(buffer.transfer(length * BYTES_PER_ELEMENT));
	}
}

const lengthFirst = 64;

/**
 * Gives the memory of an array back, which has no elements from then on. V8 collects garbage by what
 * fills its heap: megabytes that hang on a few small objects there would wait for long.
 */
export function release(array: {readonly buffer: ArrayBuffer}): void {
	array.buffer.transfer(0);
}
