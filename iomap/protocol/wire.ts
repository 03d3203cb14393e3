/**
 * How a structure of a wire protocol is declared: names and offsets, in the byte order of the
 * machine, which must be little-endian. What is declared so is read and written at the offsets in
 * `at`, without an object in between; traces print from `fields`.
 */

export type ScalarKind = 'u8' | 'u16' | 'u32' | 'i32' | 'u64' | 'i64';
type Field = readonly [at: number, kind: ScalarKind | Layout];
type Fields = {readonly [name: string]: Field};

export type Layout<Names extends string = string> = {
	/** As in the kernel's header. */
	readonly name: string;
	readonly sizeBytes: number;
	/** Where each field starts, in bytes from the start of the structure. */
	readonly at: {readonly [Name in Names]: number};
	readonly fields: Fields;
};

const scalarSizeBytes: {readonly [kind in ScalarKind]: number} = {
	u8: 1,
	u16: 2,
	u32: 4,
	i32: 4,
	u64: 8,
	i64: 8,
};

export function layout<const F extends Fields>(
	name: string,
	sizeBytes: number,
	fields: F,
): Layout<Extract<keyof F, string>> {
	const at: {[name: string]: number} = {};
	for (const [fieldName, [start, kind]] of Object.entries(fields)) {
		const size = typeof kind === 'string' ? scalarSizeBytes[kind] : kind.sizeBytes;
		if (start + size > sizeBytes) {
			throw new RangeError(`${name}.${fieldName} reaches beyond the structure`);
		}
		at[fieldName] = start;
	}
	// The names put in above are exactly those of F, which the compiler can't see.
	return {name, sizeBytes, fields, at: at as {[Name in Extract<keyof F, string>]: number}};
}

/**
 * A 64-bit number as a double: exact up to 2^53, beyond that rounded. What may be larger (lock
 * owners, `unique`) is copied as bytes instead; an offset so large lies beyond every file anyway.
 */
export function readU64(view: DataView, at: number): number {
	return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

/** `value` is an integer of at most 53 bits, negative ones included (they become 64-bit signed). */
export function writeU64(view: DataView, at: number, value: number): void {
	view.setUint32(at, value, true);
	view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true);
}
