/** The kernel's cache of one file's mappings, for one direction. Positions in bytes. */
import type {WireRecord} from './wire.ts';
import {types} from './wire.ts';

export class RecordCache {
	#records: WireRecord[] = [];

	get size(): number {
		return this.#records.length;
	}

	get all(): readonly WireRecord[] {
		return this.#records;
	}

	find(position: number): WireRecord | undefined {
		const at = BigInt(position);
		return this.#records.find(({offset, length}) => offset <= at && offset + length > at);
	}

	clear(): void {
		this.#records = [];
	}

	/** Takes the place of what is there, and goes on what it follows. */
	upsert(record: WireRecord): void {
		this.remove(record.offset, record.offset + record.length);
		this.#records.push(record);
		this.#records.sort((a, b) => (a.offset < b.offset ? -1 : 1));
		this.#merge();
	}

	/** Takes `[from, to)` out; what reaches beyond it stays there. */
	remove(from: bigint, to: bigint): void {
		this.#records = this.#records.flatMap(record => {
			const end = record.offset + record.length;
			if (end <= from || record.offset >= to) return [record];
			const parts: WireRecord[] = [];
			if (record.offset < from) parts.push({...record, length: from - record.offset});
			if (end > to) parts.push(cut(record, to));
			return parts;
		});
	}

	#merge(): void {
		const merged: WireRecord[] = [];
		for (const record of this.#records) {
			const last = merged.at(-1);
			if (last !== undefined && follows(last, record)) {
				merged[merged.length - 1] = {...last, length: last.length + record.length};
			} else {
				merged.push(record);
			}
		}
		this.#records = merged;
	}
}

function isPlaced({type}: WireRecord): boolean {
	return type === types.mapped || type === types.unwritten;
}

function cut(record: WireRecord, from: bigint): WireRecord {
	const skip = from - record.offset;
	return {
		...record,
		offset: from,
		length: record.length - skip,
		address: isPlaced(record) ? record.address + skip : record.address,
	};
}

function follows(a: WireRecord, b: WireRecord): boolean {
	if (a.type !== b.type || a.flags !== b.flags || a.device !== b.device) return false;
	if (a.offset + a.length !== b.offset) return false;
	return !isPlaced(a) || a.address + a.length === b.address;
}
