/** Numbers and text as bytes for the page, which reads them with `page/unpacking.ts`. */

/** Grows as it is written to. */
export class ByteWriter {
	#bytes = new Uint8Array(4096);
	#length = 0;

	get length(): number {
		return this.#length;
	}

	bytes(): Uint8Array {
		return this.#bytes.subarray(0, this.#length);
	}

	#reserve(count: number): void {
		if (this.#length + count <= this.#bytes.length) return;
		const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
		larger.set(this.bytes());
		this.#bytes = larger;
	}

	/** A whole number from 0 to 2^53 - 1 in groups of seven bits, the lowest first. */
	number(value: number): void {
		this.#reserve(8);
		let rest = value;
		while (rest >= 0x80) {
			this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
			rest = Math.floor(rest / 0x80);
		}
		this.#bytes[this.#length++] = rest;
	}

	/** A whole number of either sign, less than 2^52 from 0. */
	signed(value: number): void {
		this.number(value < 0 ? -2 * value - 1 : 2 * value);
	}

	text(text: string): void {
		const encoded = new TextEncoder().encode(text);
		this.number(encoded.length);
		this.#reserve(encoded.length);
		this.#bytes.set(encoded, this.#length);
		this.#length += encoded.length;
	}
}
