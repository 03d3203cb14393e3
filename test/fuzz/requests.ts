/**
 * A conversation with the server, in which some of the messages are not what a kernel sends: their
 * lengths, opcodes, node ids, names and fields are wrong. Each is answered at most once, in a form
 * that the kernel takes, and the server goes on.
 */
import {closeVolume, isExpectedError, openForWriting, Volume} from '../../ext4/index.ts';
import {nodeHashes} from '../../images/hashes.ts';
import {errnoOf} from '../../src/errno.ts';
import {FileSystem, initFlags} from '../../src/filesystem.ts';
import {Connection} from '../../src/fuse/connection.ts';
import {inHeader, outHeader} from '../../src/fuse/layout.ts';
import {operations} from '../../src/fuse/operations.ts';
import {ioctls} from '../../src/ioctl.ts';
import {FakeKernel, type OperationName} from '../support/fake-kernel.ts';
import {defaultConfig} from '../support/server-config.ts';
import {GuardedDevice} from './guarded-device.ts';
import type {Patch} from './patch.ts';
import {Random} from './random.ts';

const requestsPerSeed = 24;
const transferBytes = 1 << 16;
const now = {seconds: 1_750_000_000, nanoseconds: 0};
const commands = Object.values(ioctls);
const names = ['small', 'dir', '.', '..', 'link', 'user.tiny', 'system.posix_acl_access', 'many'];
/** Named by the bytes that the kernel refuses to send, or that mean something elsewhere. */
const badNames = ['', '/', 'a/b', 'x'.repeat(255), 'x'.repeat(256), 'x'.repeat(5000), '\xff\xfe'];

type Peer = {readonly kernel: FakeKernel; readonly bugs: unknown[]; readonly volume: Volume};

function open(patch: Patch, isReadOnly: boolean): Volume {
	const device = new GuardedDevice(patch, isReadOnly);
	const options = {hashes: nodeHashes, cacheBytes: 1 << 18};
	if (isReadOnly) return Volume.open(device, options);
	const mmp = {sleep: () => {}, nodeName: 'fuzz', deviceName: 'memory'};
	return openForWriting(device, {...options, mmp, clock: () => now, randomUint32: () => 4});
}

function connect(volume: Volume, readOnly: boolean, isTraced: boolean): Peer {
	const kernel = new FakeKernel();
	const bugs: unknown[] = [];
	const config = {...defaultConfig, readOnly};
	const fileSystem = new FileSystem(volume, {config, status: () => new Uint8Array(100)});
	const wishes = {
		flags: initFlags(config),
		minor: 46,
		maxTransferBytes: transferBytes,
		pageBytes: 4096,
		maxBackground: 16,
	};
	kernel.connection = new Connection(kernel, fileSystem.handlers, wishes, {
		failed: error => {
			if (!isExpectedError(error)) bugs.push(error);
			return errnoOf(error);
		},
		malformed: () => {},
		trace: isTraced ? () => {} : undefined,
	});
	return {kernel, bugs, volume};
}

/** A number as a field may have it: small, at an edge, or anything. */
function anyNumber(random: Random): number {
	const edges = [0, 1, 2, 11, 4095, 4096, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 40];
	return random.chance(0.7) ? random.pick(edges) : random.below(2 ** 32);
}

function anyRequest(kernel: FakeKernel, random: Random): Uint8Array {
	const row = random.pick(operations);
	const layout = 'request' in row ? row.request : undefined;
	const fields: {[name: string]: number} = {};
	for (const [name, [, kind]] of Object.entries(layout?.fields ?? {})) {
		if ((kind === 'u32' || kind === 'u64') && random.chance(0.6)) {
			fields[name] = anyNumber(random);
		}
	}
	if (layout !== undefined && 'size' in layout.fields && random.chance(0.7)) {
		fields['size'] = random.below(transferBytes + 1);
	}
	if (row.name === 'IOCTL' && random.chance(0.8)) {
		fields['cmd'] = random.pick(commands);
		fields['out_size'] = random.pick([0, 4, 8, 28, 256, 4096]);
	}
	const name = () => random.pick(random.chance(0.8) ? names : badNames);
	const count = 'names' in row ? row.names : 0;
	const dataBytes = random.pick([0, 4, 8, 40, 256, 5000]);
	return kernel.build(row.name, {
		nodeId: random.chance(0.9) ? random.below(40) : anyNumber(random),
		uid: random.pick([0, 1000]),
		fields,
		names: Array.from({length: count}, name),
		data: new Uint8Array('hasData' in row || random.chance(0.05) ? dataBytes : 0).fill(65),
	});
}

/** Breaks a request, but leaves `unique`, by which the answer is known again. */
function damage(request: Uint8Array, random: Random): Uint8Array {
	const view = new DataView(request.buffer);
	switch (random.weighted({nothing: 40, cut: 15, length: 10, opcode: 8, bytes: 20, extension: 7})) {
		case 'nothing':
			return request;
		case 'cut': {
			const cut = request.slice(0, 1 + random.below(request.length));
			const isTrue = cut.length >= 4 && random.chance(0.8);
			if (isTrue) new DataView(cut.buffer).setUint32(inHeader.at.len, cut.length, true);
			return cut;
		}
		case 'length':
			view.setUint32(inHeader.at.len, anyNumber(random) % 2 ** 32, true);
			return request;
		case 'opcode':
			view.setUint32(inHeader.at.opcode, anyNumber(random) % 2 ** 32, true);
			return request;
		case 'bytes':
			for (let count = 1 + random.below(6); count > 0; count--) {
				const at = random.below(request.length);
				if (at < 8 || at >= 16) request[at] = random.pick([0, 255, random.below(256)]);
			}
			return request;
		case 'extension':
			view.setUint16(inHeader.at.total_extlen, random.below(2 ** 16), true);
			return request;
	}
}

function assertSound(sent: readonly Uint8Array[]): void {
	for (const message of sent) {
		const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
		const error = view.getInt32(outHeader.at.error, true);
		const isNotice = view.getUint32(outHeader.at.unique, true) === 0 && error > 0;
		const isSound =
			view.getUint32(outHeader.at.len, true) === message.length &&
			(isNotice || (error <= 0 && error > -512)) &&
			(error >= 0 || message.length === outHeader.sizeBytes);
		if (!isSound) throw new Error(`an answer that the kernel refuses: ${message.slice(0, 16)}`);
	}
}

/** What `serve` is to throw: with a kernel that old no conversation is possible. */
function isOldKernel(error: unknown): boolean {
	return error instanceof Error && error.message.startsWith('the kernel speaks FUSE ');
}

function converse({kernel, bugs}: Peer, random: Random, count: number): number {
	let succeeded = 0;
	const send = (request: Uint8Array) => {
		let sent: Uint8Array[];
		try {
			sent = kernel.exchange(request);
		} catch (error) {
			if (isOldKernel(error)) return;
			throw error;
		}
		assertSound(sent);
		if (bugs.length > 0) throw bugs[0];
		if (sent.some(message => message[4] === 0 && message.length > outHeader.sizeBytes)) succeeded++;
	};
	// Some kernels never say INIT, or say it twice.
	if (random.chance(0.97)) kernel.initialise();
	for (let index = 0; index < count; index++) {
		send(damage(anyRequest(kernel, random), random));
		if (random.chance(0.1)) {
			const name = random.pick(names);
			send(kernel.build('LOOKUP' satisfies OperationName, {nodeId: 1, names: [name]}));
		}
	}
	return succeeded;
}

/** One conversation for each seed, all with the same image. */
export function driveRequests(
	patch: Patch,
	seeds: readonly number[],
): {codes: Set<string>; wasBelieved: boolean} {
	const codes = new Set<string>();
	let succeeded = 0;
	for (const seed of seeds) {
		const random = new Random(seed);
		const isReadOnly = random.chance(0.5);
		try {
			const volume = open(patch, isReadOnly);
			const peer = connect(volume, isReadOnly, random.chance(0.3));
			succeeded += converse(peer, random, requestsPerSeed);
			if (!isReadOnly) closeVolume(volume);
		} catch (error) {
			if (!isExpectedError(error)) throw error;
			codes.add(error.code);
		}
	}
	return {codes, wasBelieved: succeeded > 0};
}
