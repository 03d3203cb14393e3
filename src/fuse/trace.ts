/** One readable line per request and per reply, made from the table of operations. */
import {errnoName} from '../errno.ts';
import {inHeader, type Layout, readU64} from './layout.ts';
import {payloadAt, type Reply, type Request} from './message.ts';
import type {Operation} from './operations.ts';

const decoder = new TextDecoder();

/** `name=value` for each field; those that are 0 say nothing and are left out. */
function fieldsOf(layout: Layout, view: DataView, base: number, prefix = ''): string[] {
	const parts: string[] = [];
	for (const [name, [start, kind]] of Object.entries(layout.fields)) {
		const at = base + start;
		if (typeof kind !== 'string') {
			parts.push(...fieldsOf(kind, view, at, `${prefix}${name}.`));
			continue;
		}
		const value = scalarAt(view, at, kind);
		if (value === 0) continue;
		parts.push(`${prefix}${name}=${format(name, value)}`);
	}
	return parts;
}

function scalarAt(view: DataView, at: number, kind: string): number {
	switch (kind) {
		case 'u8':
			return view.getUint8(at);
		case 'u16':
			return view.getUint16(at, true);
		case 'u32':
			return view.getUint32(at, true);
		case 'i32':
			return view.getInt32(at, true);
		case 'i64':
			return view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
		default:
			return readU64(view, at);
	}
}

const octalNames: readonly string[] = ['mode', 'umask'];
const hexNames: readonly string[] = [
	'flags',
	'flags2',
	'open_flags',
	'cmd',
	'mask',
	'sx_mask',
	'valid',
];

function format(name: string, value: number): string {
	if (octalNames.includes(name)) return `0${value.toString(8)}`;
	if (hexNames.includes(name)) return `0x${value.toString(16)}`;
	return `${value}`;
}

/** `LOOKUP 12: node 1 uid 0 pid 4711 "etc"`. Call it once the request is parsed. */
export function traceRequest(operation: Operation, request: Request): string {
	const parts = [
		`${operation.name} ${request.unique}: node ${request.nodeId}`,
		`uid ${request.uid} pid ${request.pid}`,
	];
	// A shorter one, of an older kernel, is left to the imagination.
	if (operation.request !== undefined && operation.requestBytesMin === undefined) {
		parts.push(...fieldsOf(operation.request, request.view, inHeader.sizeBytes));
	}
	for (let index = 0; index < (operation.names ?? 0); index++) {
		parts.push(JSON.stringify(decoder.decode(request.name(index === 0 ? 0 : 1))));
	}
	if (operation.hasData === true) parts.push(`and ${request.data().length} bytes`);
	return parts.join(' ');
}

/** `LOOKUP 12 = 128 bytes nodeid=14 …`, or `LOOKUP 12 = ENOENT`, where `result` is negative. */
export function traceReply(
	operation: Operation | undefined,
	request: Request,
	reply: Reply,
	result: number,
): string {
	const what = `${operation?.name ?? `opcode ${request.opcode}`} ${request.unique} =`;
	if (result < 0) return `${what} ${errnoName(-result)}`;
	const parts = [`${what} ${result} bytes`];
	const layout = operation?.reply;
	if (typeof layout === 'object' && result >= layout.sizeBytes) {
		parts.push(...fieldsOf(layout, reply.view, payloadAt));
	}
	return parts.join(' ');
}
