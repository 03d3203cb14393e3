/** Writes fields of on-disk structures by the names of their declarations. */
import type {Field, Fields, Structure} from '../../ext4/layout/structure.ts';

export function viewOf(bytes: Uint8Array): DataView {
	return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Writes one field; what does not fit into it is cut off, as a careless writer would. */
export function writeField(view: DataView, at: number, field: Field, value: number): void {
	const position = at + field.at;
	switch (field.kind) {
		case 'u8':
			view.setUint8(position, value);
			break;
		case 'u16':
		case 'be16':
			view.setUint16(position, value, field.kind === 'u16');
			break;
		case 'u32':
		case 'i32':
		case 'be32':
			view.setUint32(position, value % 2 ** 32, field.kind !== 'be32');
			break;
		case 'u64':
		case 'be64': {
			const isLittle = field.kind === 'u64';
			view.setUint32(position + (isLittle ? 4 : 0), Math.floor(value / 2 ** 32), isLittle);
			view.setUint32(position + (isLittle ? 0 : 4), value % 2 ** 32, isLittle);
			break;
		}
		case 'bytes':
			for (let index = 0; index < field.length; index++) view.setUint8(position + index, value);
			break;
	}
}

/** Writes fields of the structure that starts `at` bytes into `bytes`. */
export function poke<F extends Fields>(
	declared: Structure<F>,
	bytes: Uint8Array,
	at: number,
	values: {readonly [Name in keyof F]?: number},
): void {
	const view = viewOf(bytes);
	for (const [name, value] of Object.entries(values)) {
		const field = declared.fields[name];
		if (field === undefined) throw new RangeError(`${declared.name} has no field ${name}`);
		if (value !== undefined) writeField(view, at, field, value);
	}
}
