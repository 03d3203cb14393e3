import {closeSync, constants, openSync, readFileSync} from 'node:fs';
import {calls, xfstest} from './api.ts';

const depth = 8;
const stripeBytes = 16_384;
const stripes = 32;
const processes = 3;
const call = {setup: 206, destroy: 207, getEvents: 208, submit: 209} as const; // Of x86-64.
const command = {read: 0, write: 1} as const;

/** A control block of io_submit(2). */
function block(
	file: number,
	opcode: number,
	bytes: Uint8Array,
	offset: number,
	data: number,
): Buffer {
	const made = Buffer.alloc(64);
	made.writeBigUInt64LE(BigInt(data), 0);
	made.writeUInt16LE(opcode, 16);
	made.writeUInt32LE(file, 20);
	made.writeBigUInt64LE(calls.addressOf(bytes), 24);
	made.writeBigUInt64LE(BigInt(bytes.length), 32);
	made.writeBigInt64LE(BigInt(offset), 40);
	return made;
}

/** Submits all at once, and returns what came of each, by its number. */
function together(context: bigint, blocks: readonly Buffer[]): number[] {
	const pointers = new BigUint64Array(blocks.map(calls.addressOf));
	const list = new Uint8Array(pointers.buffer);
	const taken = calls.systemCall(call.submit, context, blocks.length, list);
	if (taken !== blocks.length) throw new Error(`${taken} of ${blocks.length} were taken`);
	const results: number[] = [];
	const events = Buffer.alloc(32 * depth);
	for (let done = 0; done < blocks.length; ) {
		const count = calls.systemCall(call.getEvents, context, 1, depth, events, 0);
		for (let index = 0; index < count; index++) {
			const number = Number(events.readBigUInt64LE(index * 32));
			results[number] = Number(events.readBigInt64LE(index * 32 + 16));
		}
		done += count;
	}
	return results;
}

export const test = xfstest({
	title:
		'Asynchronous direct I/O of several processes, many requests at once, ends where it should',
	groups: ['auto', 'quick', 'rw', 'aio'],
	needs: ['direct'],
	workers: {
		stripes(t, process) {
			const mine = Number(process);
			const word = new BigUint64Array(1);
			calls.systemCall(call.setup, depth, new Uint8Array(word.buffer));
			const context = word[0] ?? 0n;
			const file = openSync(
				t.path('file'),
				constants.O_RDWR | constants.O_CREAT | calls.open.direct,
				0o644,
			);
			const buffers = Array.from({length: depth}, () => calls.alignedBuffer(stripeBytes));
			const at = (stripe: number) => (stripe * processes + mine) * stripeBytes;
			const wrong = new Set<string>();
			for (const opcode of [command.write, command.read]) {
				for (let first = 0; first < stripes; first += depth) {
					const blocks = buffers.map((buffer, index) => {
						buffer.fill(opcode === command.write ? 1 + mine * 80 + first + index : 0);
						return block(file, opcode, buffer, at(first + index), index);
					});
					const results = together(context, blocks);
					for (const [index, buffer] of buffers.entries()) {
						if (results[index] !== stripeBytes) wrong.add(`${results[index]} bytes`);
						const byte = 1 + mine * 80 + first + index;
						if (!buffer.every(each => each === byte)) wrong.add(`stripe ${first + index}`);
					}
				}
			}
			calls.systemCall(call.destroy, context);
			closeSync(file);
			t.print(wrong.size === 0 ? 'ok' : [...wrong].join(', '));
		},
	},
	async run(t) {
		if (process.arch !== 'x64') t.notRun(`system calls by number, of x86-64, not ${process.arch}`);
		const numbers = Array.from({length: processes}, (_, index) => index);
		const said = await Promise.all(numbers.map(number => t.worker('stripes', number)));
		for (const [number, line] of said.entries()) t.print(`process ${number}: ${line.trim()}`);
		t.remount();
		const bytes = readFileSync(t.path('file'));
		t.print(`size: ${bytes.length}`);
		const wrong: string[] = [];
		for (let index = 0; index < stripes * processes; index++) {
			const byte = 1 + (index % processes) * 80 + Math.floor(index / processes);
			const piece = bytes.subarray(index * stripeBytes, (index + 1) * stripeBytes);
			if (!piece.every(each => each === byte)) wrong.push(`stripe ${index}`);
		}
		t.verdict('mounted again', wrong);
	},
});
