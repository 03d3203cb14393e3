/** An image that is changed and then put back as it was: copy-on-write over one scratch buffer. */
export class Patch {
	readonly bytes: Uint8Array;
	readonly view: DataView;
	readonly #saved: {readonly at: number; readonly bytes: Uint8Array}[] = [];

	/** `bytes` is written to, and restored by `undo`. */
	constructor(bytes: Uint8Array) {
		this.bytes = bytes;
		this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	}

	/** To be called before `length` bytes from `at` on are written. */
	touch(at: number, length: number): void {
		this.#saved.push({at, bytes: this.bytes.slice(at, at + length)});
	}

	set16(at: number, value: number, isLittle = true): void {
		this.touch(at, 2);
		this.view.setUint16(at, value, isLittle);
	}

	set32(at: number, value: number, isLittle = true): void {
		this.touch(at, 4);
		this.view.setUint32(at, value, isLittle);
	}

	/** Whether anything that was touched differs from what it was just before. */
	get isChanged(): boolean {
		return this.#saved.some(({at, bytes}) =>
			bytes.some((byte, index) => this.bytes[at + index] !== byte),
		);
	}

	undo(): void {
		for (let saved = this.#saved.pop(); saved !== undefined; saved = this.#saved.pop()) {
			this.bytes.set(saved.bytes, saved.at);
		}
	}
}
