/**
 * Requests that no kernel would send: random bytes, and good requests with some of their bytes
 * changed. The server must answer each at most once, in a form that the kernel takes, and go on.
 */
import test from 'ava';
import {Volume} from '../../../ext4/index.ts';
import {openImage} from '../../../images/index.ts';
import {errno, errnoOf} from '../../../src/errno.ts';
import {FileSystem, initFlags, transferBytesMax} from '../../../src/filesystem.ts';
import {Connection} from '../../../src/fuse/connection.ts';
import {inHeader, outHeader} from '../../../src/fuse/layout.ts';
import {operations} from '../../../src/fuse/operations.ts';
import {Random} from '../../fuzz/random.ts';
import {FakeKernel} from '../../support/fake-kernel.ts';
import {makeImage} from '../../support/made-image.ts';
import {defaultConfig} from '../../support/server-config.ts';

const seed = 20_261_121;
const rounds = 30_000;

const names = [
	'hello',
	'text',
	'indexed',
	'link',
	'folder',
	'.',
	'..',
	'user.comment',
	'x',
] as const;

function goodRequest(kernel: FakeKernel, random: Random): Uint8Array {
	const row = operations[random.below(operations.length)];
	if (row === undefined) throw new RangeError('no such row');
	const name = names[random.below(names.length)] ?? 'x';
	const count = 'names' in row ? row.names : 0;
	const fields = 'limitAt' in row ? {size: random.below(2 ** 21)} : {};
	return kernel.build(row.name, {
		nodeId: random.below(400),
		names: Array.from({length: count}, () => name),
		fields: 'request' in row && 'size' in row.request.at ? fields : {},
		data: 'hasData' in row ? new Uint8Array(random.below(64)) : new Uint8Array(0),
	});
}

function mutate(bytes: Uint8Array, random: Random): Uint8Array {
	const changed = bytes.slice(
		0,
		random.below(4) === 0 ? random.below(bytes.length + 1) : bytes.length,
	);
	for (let count = random.below(4); count > 0 && changed.length > 0; count--) {
		// `unique` is left alone, by which the answer is known again.
		const at = random.below(changed.length);
		if (at < 8 || at >= 16) changed[at] = random.below(256);
	}
	const isLengthTrue = random.below(8) !== 0;
	if (isLengthTrue && changed.length >= 4) {
		new DataView(changed.buffer).setUint32(inHeader.at.len, changed.length, true);
	}
	return changed;
}

test(`${rounds} hostile requests (seed ${seed}) are answered or dropped, each at most once`, t => {
	const image = makeImage();
	t.teardown(image.remove);
	const volume = Volume.open(openImage(image.path).device);
	const status = () => new TextEncoder().encode('{}');
	const fileSystem = new FileSystem(volume, {config: defaultConfig, status});
	const kernel = new FakeKernel();
	const wishes = {
		flags: initFlags(defaultConfig),
		minor: 46,
		maxTransferBytes: transferBytesMax,
		pageBytes: 4096,
		maxBackground: 16,
	};
	const faults: string[] = [];
	const failed = (error: unknown) => {
		const value = errnoOf(error);
		if (value === errno.EIO) faults.push(String(error instanceof Error ? error.stack : error));
		return value;
	};
	kernel.connection = new Connection(kernel, fileSystem.handlers, wishes, {
		failed,
		malformed: () => {},
	});
	kernel.initialise();
	const random = new Random(seed);
	let answered = 0;
	let succeeded = 0;
	for (let round = 0; round < rounds; round++) {
		const request = mutate(goodRequest(kernel, random), random);
		if (request.length === 0) continue; // What the transport takes for the end.
		const sent = kernel.exchange(request);
		if (sent.length > 1) return t.fail(`round ${round}: ${sent.length} answers`);
		for (const message of sent) {
			const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
			const error = view.getInt32(outHeader.at.error, true);
			const isSound =
				view.getUint32(outHeader.at.len, true) === message.length &&
				error <= 0 &&
				error > -512 &&
				(error === 0 || message.length === outHeader.sizeBytes);
			if (!isSound) return t.fail(`round ${round}: an answer that the kernel refuses`);
			answered++;
			if (error === 0) succeeded++;
		}
	}
	t.deepEqual(faults, [], 'faults of this program');
	// Else the mutations never got past the first checks, and nothing was tested.
	t.true(answered > rounds / 2, `${answered} answered`);
	t.true(succeeded > rounds / 20, `${succeeded} succeeded`);
	t.is(kernel.ask('GETATTR').error, 0);
});
