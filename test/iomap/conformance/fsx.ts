/** `test/stress/fsx.c` on a file whose data the kernel in memory moves. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync} from 'node:fs';
import {compileFsx} from '../../stress/fsx.ts';
import type {IomapKernel, Node} from '../../support/iomap-kernel/kernel.ts';
import {KernelError} from '../../support/iomap-kernel/wire.ts';
import {makePair, receive, send} from '../../support/socket-pair.ts';

const messageBytesMax = 1 << 18;
const questionBytes = 32;
const fileName = 'fsx';

/** A message: three numbers, and what follows them. */
type Question = {
	readonly a: number;
	readonly b: number;
	readonly c: number;
	readonly data: Uint8Array;
};

/** In the order of `enum call` in fsx-socket.c. They return a number, or bytes to count and to send. */
function callsOn(kernel: IomapKernel): readonly ((question: Question) => number | Uint8Array)[] {
	let file: Node | undefined;
	const theFile = () => {
		if (file === undefined) throw new Error('no file was made');
		return file;
	};
	const done = (action: () => void): number => {
		action();
		return 0;
	};
	return [
		() => {
			file = kernel.create(kernel.root(), fileName);
			return kernel.blockSize;
		},
		() => theFile().size,
		({a, b}) => kernel.read(theFile(), a, b),
		({a, data}) => kernel.write(theFile(), a, data),
		({a, b}) => kernel.read(theFile(), a, b),
		({a, b, data}) =>
			done(() => {
				kernel.store(theFile(), a, data);
				if (b !== 0) kernel.fsync(theFile());
			}),
		({a}) => done(() => kernel.truncate(theFile(), a)),
		({a, b, c}) => done(() => kernel.fallocate(theFile(), a, b, c)),
		({a, b, c}) => kernel.copy(theFile(), a, theFile(), b, c),
		({a}) => done(() => kernel.fsync(theFile(), a !== 0)),
		() =>
			done(() => {
				// The kernel forgets it in between: what is read next comes from the device.
				kernel.close(theFile());
				kernel.evict(theFile());
				file = kernel.lookup(kernel.root(), fileName);
				kernel.open(theFile());
			}),
		() => done(() => kernel.dropPages(theFile())),
	];
}

function answer(calls: ReturnType<typeof callsOn>, message: Uint8Array): Uint8Array {
	const view = new DataView(message.buffer);
	const [which, a, b, c] = [0, 8, 16, 24].map(at => Number(view.getBigUint64(at, true)));
	if (which === undefined || a === undefined || b === undefined || c === undefined) {
		throw new Error('a short message');
	}
	const call = calls[which];
	if (call === undefined) throw new Error(`call ${which}`);
	let result: number | Uint8Array;
	try {
		result = call({a, b, c, data: message.subarray(questionBytes)});
	} catch (error) {
		if (!(error instanceof KernelError)) throw error;
		result = -error.errno;
	}
	const bytes = typeof result === 'number' ? new Uint8Array(0) : result;
	const sent = new Uint8Array(8 + bytes.length);
	const number = typeof result === 'number' ? result : result.length;
	new DataView(sent.buffer).setBigInt64(0, BigInt(number), true);
	sent.set(bytes, 8);
	return sent;
}

/**
 * So many operations, the same for the same seed, on a kernel that is mounted. `program` is where the
 * compiled one goes. Returns what it says; throws where it has found a mismatch.
 */
export async function runFsxOn(
	kernel: IomapKernel,
	{program, seed, operations}: {program: string; seed: number; operations: number},
): Promise<string> {
	compileFsx(program, 'socket');
	const [ours, theirs] = makePair();
	const args = [fileName, String(seed), '3600', String(operations)];
	const child = spawn(program, args, {stdio: ['ignore', 'pipe', 'pipe', theirs]});
	closeSync(theirs);
	let said = '';
	child.stdout?.on('data', bytes => {
		said += String(bytes);
	});
	child.stderr?.on('data', bytes => {
		said += String(bytes);
	});
	const ended = once(child, 'close');
	try {
		const calls = callsOn(kernel);
		const buffer = new Uint8Array(messageBytesMax);
		for (;;) {
			const message = receive(ours, buffer);
			if (message === undefined) break;
			send(ours, answer(calls, message));
		}
	} finally {
		closeSync(ours);
	}
	const [status] = await ended;
	if (status !== 0) throw new Error(`fsx, seed ${seed}: status ${status}\n${said}`);
	return said.trim();
}
