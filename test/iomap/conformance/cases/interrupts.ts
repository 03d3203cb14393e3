/** Signals to those who wait for an answer. */
import {inHeader, outHeader, readU64, writeU64} from '../../../../src/fuse/layout.ts';
import type {InterruptMoment} from '../../../support/fake-kernel.ts';
import type {IomapKernel} from '../../../support/iomap-kernel/kernel.ts';
import {beginOps, errnos} from '../../../support/iomap-kernel/wire.ts';
import {blockSize, type Check, caseList, errnoOf, filled, mounted, served} from './kit.ts';

const {cases, rule} = caseList();
export const interruptCases = cases;

const length = 10_000;

/** A life of a file, by requests that are all interrupted as `moments` say. Returns those. */
function live(t: Check, moments: readonly InterruptMoment[]): string[] {
	const mount = mounted(t);
	const {kernel} = mount;
	const interrupted = new Set<string>();
	kernel.wire.interruptions = name => {
		interrupted.add(name);
		return moments;
	};
	const file = mount.newFile();
	kernel.write(file, 0, filled(length));
	kernel.writeDirect(file, 12 * blockSize, filled(blockSize, 8));
	kernel.fsync(file);
	kernel.fallocate(file, 3, 2 * blockSize, blockSize);
	kernel.truncate(file, length);
	kernel.close(file);
	kernel.stat(file);
	kernel.evict(file);
	const again = mount.lookedUp();
	kernel.openToRead(again);
	const expected = filled(length);
	expected.fill(0, 2 * blockSize, 3 * blockSize);
	t.deepEqual(kernel.read(again, 0, length), expected);
	kernel.unlink(kernel.root(), 'file');
	kernel.close(again);
	kernel.evict(again);
	kernel.sync();
	mount.endsClean();
	return [...interrupted];
}

const moments: readonly (readonly InterruptMoment[])[] = [
	['before'],
	['during'],
	['after'],
	['before', 'during', 'after'],
];

for (const each of moments) {
	rule('7.8.1', `every request interrupted ${each.join(', ')}`, t => {
		const names = live(t, each);
		for (const name of ['CREATE', 'IOMAP_BEGIN', 'IOMAP_IOEND', 'SETATTR', 'FSYNC', 'DESTROY']) {
			t.true(names.includes(name), name);
		}
	});
}

rule('7.8.1', 'interrupted before, while and after it is agreed on what is spoken', t => {
	const mount = served(t);
	mount.kernel.wire.interruptions = () => ['before', 'during', 'after'];
	t.true(mount.kernel.mount());
	mount.endsClean();
});

rule('7.8.2', 'of a request that there never was', t => {
	const mount = mounted(t);
	const {wire} = mount.kernel;
	for (const unique of [0, 7, 2 ** 52]) {
		const interrupt = wire.buildInterrupt();
		writeU64(new DataView(interrupt.buffer), inHeader.sizeBytes, unique);
		t.deepEqual(wire.exchange(interrupt), []);
	}
	mount.endsClean();
});

/** Has no space left but what an unlinked file has that the kernel still knows. */
function fillUp(kernel: IomapKernel): {readonly forgetting: () => Uint8Array} {
	const kept = kernel.create(kernel.root(), 'kept');
	kernel.fallocate(kept, 0, 0, 64 * blockSize);
	const all = kernel.create(kernel.root(), 'all');
	let at = 0;
	for (let size = 1024; size >= 1; ) {
		if (errnoOf(() => kernel.fallocate(all, 0, at * blockSize, size * blockSize)) === 0) at += size;
		else size = Math.floor(size / 2);
	}
	kernel.close(kept);
	kernel.unlink(kernel.root(), 'kept');
	return {
		forgetting: () =>
			kernel.wire.build('FORGET', {nodeId: kept.id, fields: {nlookup: kept.lookups}}),
	};
}

rule('7.8.3', 'a full disk hears of what is forgotten behind INTERRUPTs of all who wait', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const {wire} = kernel;
	const file = mount.newFile();
	const {forgetting} = fillUp(kernel);
	t.is(
		errnoOf(() => kernel.begin(file, 0, 32 * blockSize, beginOps.write)),
		errnos.ENOSPC,
	);
	// Each who waits has been sent a signal as soon as the server had read his request.
	for (let waiting = 0; waiting < 12; waiting++) {
		const request = wire.build('STATFS');
		wire.ready.push(request, wire.buildInterrupt());
	}
	wire.ready.push(forgetting());
	wire.interruptions = () => ['during'];
	t.is(
		errnoOf(() => kernel.begin(file, 0, 32 * blockSize, beginOps.write)),
		0,
	);
	t.is(wire.ready.length, 0);
});

rule('7.8.4', 'kernel: an INTERRUPT names its request, and has another number', t => {
	const {wire} = mounted(t).kernel;
	const asked = new DataView(wire.build('STATFS').buffer);
	const unique = readU64(asked, inHeader.at.unique);
	const interrupt = new DataView(wire.buildInterrupt().buffer);
	t.is(interrupt.byteLength, 48);
	t.is(interrupt.getUint32(inHeader.at.opcode, true), 36);
	t.is(readU64(interrupt, inHeader.sizeBytes), unique);
	t.is(readU64(interrupt, inHeader.at.unique), unique + 1);
	t.is(readU64(interrupt, inHeader.at.nodeid), 0);
});

const answers: readonly {errno: number; sent: number; isRefused?: true}[] = [
	{errno: errnos.EAGAIN, sent: 2},
	{errno: errnos.ENOSYS, sent: 1},
	{errno: errnos.EIO, sent: 1, isRefused: true},
];

for (const {errno, sent, isRefused = false} of answers) {
	rule('7.8.4', `kernel: what is done where an INTERRUPT is answered with errno ${errno}`, t => {
		const {kernel} = mounted(t);
		const {wire} = kernel;
		const exchange = wire.exchange.bind(wire);
		let count = 0;
		wire.exchange = (request, interrupt) => {
			const view = new DataView(request.buffer);
			if (view.getUint32(inHeader.at.opcode, true) !== 36) return exchange(request, interrupt);
			count++;
			const answer = new DataView(new ArrayBuffer(outHeader.sizeBytes));
			answer.setUint32(outHeader.at.len, outHeader.sizeBytes, true);
			answer.setInt32(outHeader.at.error, -errno, true);
			writeU64(answer, outHeader.at.unique, readU64(view, inHeader.at.unique));
			return [new Uint8Array(answer.buffer)];
		};
		wire.interruptions = () => ['before'];
		let problem: unknown;
		try {
			kernel.stat(kernel.root());
			kernel.stat(kernel.root());
		} catch (error) {
			problem = error;
		}
		t.is(count, sent);
		t.is(problem !== undefined, isRefused);
	});
}
