/**
 * How often the kernel was told of each node: a table of numbers, because a kernel may know
 * millions of inodes, and each would cost an object.
 */

const slotsMin = 1024;
const empty = 0;

/**
 * Counts by node, 1 to 2^32 - 1. Open addressing with linear probing; a slot that is freed is
 * filled from those behind it, so that no marks pile up.
 */
export class LookupCounts {
	#nodes = new Uint32Array(slotsMin);
	#counts = new Float64Array(slotsMin);
	#size = 0;

	/** Nodes that are counted. */
	get size(): number {
		return this.#size;
	}

	/** 0 for a node that the kernel does not know. */
	get(node: number): number {
		const slot = this.#find(node);
		return this.#nodes[slot] === empty ? 0 : (this.#counts[slot] ?? 0);
	}

	/** The kernel hears of `node` once more. */
	increment(node: number): void {
		let slot = this.#find(node);
		if (this.#nodes[slot] === empty) {
			// Half full at most: then a search takes two steps or three.
			if ((this.#size + 1) * 2 > this.#nodes.length) {
				this.#resize(this.#nodes.length * 2);
				slot = this.#find(node);
			}
			this.#nodes[slot] = node;
			this.#counts[slot] = 0;
			this.#size++;
		}
		this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
	}

	/** The kernel forgets `count` times; returns whether it knows the node no more. */
	decrease(node: number, count: number): boolean {
		const slot = this.#find(node);
		if (this.#nodes[slot] === empty) return true;
		const left = (this.#counts[slot] ?? 0) - count;
		if (left > 0) {
			this.#counts[slot] = left;
			return false;
		}
		this.#remove(slot);
		return true;
	}

	#home(node: number): number {
		// Fibonacci hashing, the upper bits of the product: inode numbers come in runs, and in strides.
		return Math.imul(node, 0x9e37_79b1) >>> (Math.clz32(this.#nodes.length) + 1);
	}

	/** The slot of `node`, or the empty one where it would be. */
	#find(node: number): number {
		const mask = this.#nodes.length - 1;
		let slot = this.#home(node);
		while (this.#nodes[slot] !== empty && this.#nodes[slot] !== node) slot = (slot + 1) & mask;
		return slot;
	}

	#remove(slot: number): void {
		const mask = this.#nodes.length - 1;
		let hole = slot;
		for (let next = (hole + 1) & mask; ; next = (next + 1) & mask) {
			const node = this.#nodes[next] ?? empty;
			if (node === empty) break;
			// A node may move to the hole unless its home lies behind the hole.
			const distance = (next - this.#home(node)) & mask;
			if (distance < ((next - hole) & mask)) continue;
			this.#nodes[hole] = node;
			this.#counts[hole] = this.#counts[next] ?? 0;
			hole = next;
		}
		this.#nodes[hole] = empty;
		this.#size--;
		if (this.#nodes.length > slotsMin && this.#size * 8 < this.#nodes.length) {
			this.#resize(this.#nodes.length / 2);
		}
	}

	#resize(slots: number): void {
		const nodes = this.#nodes;
		const counts = this.#counts;
		this.#nodes = new Uint32Array(slots);
		this.#counts = new Float64Array(slots);
		for (const [index, node] of nodes.entries()) {
			if (node === empty) continue;
			const slot = this.#find(node);
			this.#nodes[slot] = node;
			this.#counts[slot] = counts[index] ?? 0;
		}
	}
}
