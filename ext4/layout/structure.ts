/**
 * On-disk structures are declared once, with the specification's own field names; readers and
 * writers are built from the declaration when the module loads.
 *
 * `structure.at(view, at)` gives a cursor whose fields are read when they are touched, so that
 * looking at one field of a large structure costs one read. `describe` walks the same declaration
 * to print it.
 */
import {CorruptError} from '../errors.ts';

/**
 * How a field is stored. Plain kinds are little-endian, `be` kinds big-endian (the journal).
 * `u64` must be at most 2^53-1, which `CorruptError` enforces; use two `u32` where the format
 * splits a number into halves. `bytes` is a view of `length` bytes, not a copy.
 */
type ScalarKind = 'u8' | 'u16' | 'u32' | 'i32' | 'u64' | 'be16' | 'be32' | 'be64';

export type Field =
	| {
			readonly at: number;
			readonly kind: ScalarKind;
			readonly unit?: string;
			readonly about?: string;
	  }
	| {
			readonly at: number;
			readonly kind: 'bytes';
			readonly length: number;
			readonly unit?: string;
			readonly about?: string;
	  };

export type Fields = {readonly [name: string]: Field};

type ValueOf<F extends Field> = F extends {kind: 'bytes'} ? Uint8Array : number;

export type Cursor<F extends Fields> = {readonly [Name in keyof F]: ValueOf<F[Name]>};

/** As a cursor, and assigning to a field writes it. A `bytes` field takes at most its length. */
export type EditCursor<F extends Fields> = {-readonly [Name in keyof F]: ValueOf<F[Name]>};

export type Structure<F extends Fields> = {
	readonly name: string;
	readonly sizeBytes: number;
	readonly fields: F;
	/** A cursor on the structure that starts `at` bytes into `view`. The caller checks that it fits. */
	at(view: DataView, at: number): Cursor<F>;
	/** The same for writing. Whoever writes to a cached block has a handle's leave for it. */
	edit(view: DataView, at: number): EditCursor<F>;
};

const scalarSizeBytes: {readonly [kind in ScalarKind]: number} = {
	u8: 1,
	u16: 2,
	u32: 4,
	i32: 4,
	u64: 8,
	be16: 2,
	be32: 4,
	be64: 8,
};

export function fieldSizeBytes(field: Field): number {
	return field.kind === 'bytes' ? field.length : scalarSizeBytes[field.kind];
}

/** Reads a 64-bit number at `at`; throws `CorruptError` above 2^53-1, where numbers lose exactness. */
export function readSafeU64(view: DataView, at: number, littleEndian: boolean): number {
	const first = view.getUint32(at, littleEndian);
	const second = view.getUint32(at + 4, littleEndian);
	const high = littleEndian ? second : first;
	const low = littleEndian ? first : second;
	if (high > 0x1fffff) {
		throw new CorruptError('EXT4_NUMBER_TOO_LARGE', `a 64-bit field holds ${high} * 2^32 + ${low}`);
	}
	return high * 0x1_0000_0000 + low;
}

class CursorBase {
	readonly view: DataView;
	readonly base: number;

	constructor(view: DataView, base: number) {
		this.view = view;
		this.base = base;
	}
}

// One closure per field with its offset captured: V8 inlines these getters as it does hand-written
// ones, without generating code from strings, which a hardened process may forbid.
function getterFor(field: Field): (this: CursorBase) => number | Uint8Array {
	const at = field.at;
	switch (field.kind) {
		case 'u8':
			return function (this: CursorBase) {
				return this.view.getUint8(this.base + at);
			};
		case 'u16':
			return function (this: CursorBase) {
				return this.view.getUint16(this.base + at, true);
			};
		case 'u32':
			return function (this: CursorBase) {
				return this.view.getUint32(this.base + at, true);
			};
		case 'i32':
			return function (this: CursorBase) {
				return this.view.getInt32(this.base + at, true);
			};
		case 'u64':
			return function (this: CursorBase) {
				return readSafeU64(this.view, this.base + at, true);
			};
		case 'be16':
			return function (this: CursorBase) {
				return this.view.getUint16(this.base + at, false);
			};
		case 'be32':
			return function (this: CursorBase) {
				return this.view.getUint32(this.base + at, false);
			};
		case 'be64':
			return function (this: CursorBase) {
				return readSafeU64(this.view, this.base + at, false);
			};
		case 'bytes': {
			const length = field.length;
			return function (this: CursorBase) {
				return new Uint8Array(this.view.buffer, this.view.byteOffset + this.base + at, length);
			};
		}
	}
}

type Setter = (this: CursorBase, value: number & Uint8Array) => void;

function writeU64(view: DataView, at: number, value: number, littleEndian: boolean): void {
	const high = Math.floor(value / 0x1_0000_0000);
	view.setUint32(littleEndian ? at + 4 : at, high, littleEndian);
	view.setUint32(littleEndian ? at : at + 4, value % 0x1_0000_0000, littleEndian);
}

function setterFor(field: Field): Setter {
	const at = field.at;
	switch (field.kind) {
		case 'u8':
			return function (value) {
				this.view.setUint8(this.base + at, value);
			};
		case 'u16':
			return function (value) {
				this.view.setUint16(this.base + at, value, true);
			};
		case 'u32':
			return function (value) {
				this.view.setUint32(this.base + at, value, true);
			};
		case 'i32':
			return function (value) {
				this.view.setInt32(this.base + at, value, true);
			};
		case 'u64':
			return function (value) {
				writeU64(this.view, this.base + at, value, true);
			};
		case 'be16':
			return function (value) {
				this.view.setUint16(this.base + at, value, false);
			};
		case 'be32':
			return function (value) {
				this.view.setUint32(this.base + at, value, false);
			};
		case 'be64':
			return function (value) {
				writeU64(this.view, this.base + at, value, false);
			};
		case 'bytes': {
			const length = field.length;
			return function (value) {
				const {buffer, byteOffset} = this.view;
				const into = new Uint8Array(buffer, byteOffset + this.base + at, length);
				into.fill(0);
				into.set(value);
			};
		}
	}
}

/** Declares a structure of `sizeBytes` bytes. Every field must lie inside it. */
export function structure<const F extends Fields>(
	name: string,
	sizeBytes: number,
	fields: F,
): Structure<F> {
	class StructureCursor extends CursorBase {}
	for (const [fieldName, field] of Object.entries(fields)) {
		if (field.at + fieldSizeBytes(field) > sizeBytes) {
			throw new RangeError(`${name}.${fieldName} reaches beyond the structure`);
		}
		Object.defineProperty(StructureCursor.prototype, fieldName, {
			get: getterFor(field),
			set: setterFor(field),
			enumerable: true,
		});
	}
	return {
		name,
		sizeBytes,
		fields,
		// The getters defined above are exactly the fields of F, which the compiler can't see.
		at: (view, at) => new StructureCursor(view, at) as unknown as Cursor<F>,
		edit: (view, at) => new StructureCursor(view, at) as unknown as EditCursor<F>,
	};
}

export type DescribedField = {
	readonly name: string;
	readonly value: number | Uint8Array;
	readonly unit: string | undefined;
	readonly about: string | undefined;
};

/** Every field of the structure at `at`, in order of declaration, for printing. */
export function describe<F extends Fields>(
	declared: Structure<F>,
	view: DataView,
	at: number,
): DescribedField[] {
	const cursor = declared.at(view, at);
	return Object.entries(declared.fields).map(([name, field]) => ({
		name,
		value: cursor[name] as number | Uint8Array, // One of the declared names, so never undefined.
		unit: field.unit,
		about: field.about,
	}));
}
