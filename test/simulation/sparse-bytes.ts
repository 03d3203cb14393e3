/** The contents of a file in the model: bytes in chunks, none where nothing was ever written. */

const chunkBytes = 4096;

export class SparseBytes {
	readonly #chunks = new Map<number, Uint8Array>();
	#size = 0;

	get size(): number {
		return this.#size;
	}

	/** Positions at which chunks begin that may hold anything but zeros. */
	chunkPositions(): number[] {
		return [...this.#chunks.keys()].map(index => index * chunkBytes).sort((a, b) => a - b);
	}

	/** Zeros where nothing is; what lies behind the end is left out. */
	read(position: number, length: number): Uint8Array {
		const wanted = Math.max(0, Math.min(length, this.#size - position));
		const bytes = new Uint8Array(wanted);
		this.#forChunks(position, wanted, (index, from, to, at) => {
			const chunk = this.#chunks.get(index);
			if (chunk !== undefined) bytes.set(chunk.subarray(from, to), at);
		});
		return bytes;
	}

	write(position: number, bytes: Uint8Array): void {
		this.#forChunks(position, bytes.length, (index, from, to, at) => {
			let chunk = this.#chunks.get(index);
			if (chunk === undefined) {
				chunk = new Uint8Array(chunkBytes);
				this.#chunks.set(index, chunk);
			}
			chunk.set(bytes.subarray(at, at + to - from), from);
		});
		if (bytes.length > 0) this.#size = Math.max(this.#size, position + bytes.length);
	}

	/** Makes `[from, to)` zeros, as far as it lies before the end. */
	clear(from: number, to: number): void {
		const end = Math.min(to, this.#size);
		this.#forChunks(from, end - from, (index, start, stop) => {
			if (start === 0 && stop === chunkBytes) this.#chunks.delete(index);
			else this.#chunks.get(index)?.fill(0, start, stop);
		});
	}

	resize(size: number): void {
		if (size < this.#size) {
			const first = Math.ceil(size / chunkBytes);
			for (const index of this.#chunks.keys()) if (index >= first) this.#chunks.delete(index);
			this.#chunks.get(first - 1)?.fill(0, size - (first - 1) * chunkBytes);
		}
		this.#size = size;
	}

	/** Takes `[from, to)` out; what follows moves there. */
	collapse(from: number, to: number): void {
		this.#move(to, from - to);
	}

	/** What begins at `from` moves on by `length`, and leaves zeros. */
	insert(from: number, length: number): void {
		this.#move(from, length);
	}

	#move(from: number, by: number): void {
		const size = this.#size;
		const moved: {position: number; bytes: Uint8Array}[] = [];
		for (const position of this.chunkPositions()) {
			const start = Math.max(position, from);
			const bytes = this.read(start, position + chunkBytes - start);
			if (start < position + chunkBytes && bytes.length > 0) moved.push({position: start, bytes});
		}
		this.resize(Math.min(from, from + by));
		for (const {position, bytes} of moved) this.write(position + by, bytes);
		this.resize(size + by);
	}

	#forChunks(
		position: number,
		length: number,
		visit: (index: number, from: number, to: number, at: number) => void,
	): void {
		for (let at = 0; at < length; ) {
			const index = Math.floor((position + at) / chunkBytes);
			const from = position + at - index * chunkBytes;
			const to = Math.min(chunkBytes, from + length - at);
			visit(index, from, to, at);
			at += to - from;
		}
	}
}
