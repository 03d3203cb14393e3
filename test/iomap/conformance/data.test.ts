/** What the kernel sends for ordinary work on a file, and that the bytes arrive. */
import type {ExecutionContext} from 'ava';
import type {Node} from '../../support/iomap-kernel/kernel.ts';
import {type IomapMount, mountIomap} from '../../support/iomap-kernel/mounted.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const mebibyte = 1024 ** 2;

function pattern(length: number, seed = 1): Uint8Array {
	return Uint8Array.from({length}, (_, index) => (index * 31 + seed * 17 + (index >>> 8)) & 0xff);
}

function mounted(t: ExecutionContext, size = '64M', options: readonly string[] = []): IomapMount {
	const mount = mountIomap(mke2fs(['-t', 'ext4', ...options], size));
	t.true(mount.kernel.mount());
	return mount;
}

function newFile({kernel}: IomapMount, name = 'file'): Node {
	return kernel.create(kernel.root(), name);
}

/** Said in a line: comparing arrays one element after another takes longer than the test. */
function sameBytes(t: ExecutionContext, actual: Uint8Array, expected: Uint8Array): void {
	t.is(actual.length, expected.length);
	t.is(
		actual.findIndex((byte, index) => byte !== expected[index]),
		-1,
		'the first byte that differs',
	);
}

function endsClean(t: ExecutionContext, mount: IomapMount): void {
	t.is(mount.end(), undefined);
	t.deepEqual(mount.problems, []);
}

/** The requests that `action` causes. */
function requestsOf({kernel}: IomapMount, action: () => void): string[] {
	const before = kernel.trace.length;
	action();
	return kernel.trace.slice(before);
}

testUnless(why, 'a file that is written, synced and read again', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	const bytes = pattern(6000);
	t.deepEqual(
		requestsOf(mount, () => kernel.write(file, 0, bytes)),
		['GETXATTR(security.capability)', '(B,1) 0+6000', 'END(SIZE_CHANGED) 0+6000'],
	);
	t.deepEqual(
		requestsOf(mount, () => kernel.fsync(file)),
		['device write', 'IOEND(WRITEBACK|UNWRITTEN|APPEND) 0+6000', 'SETATTR(times)', 'FSYNC'],
	);
	kernel.close(file);
	sameBytes(t, kernel.read(file, 0, 10_000), bytes);
	kernel.evict(file);
	const again = kernel.lookup(kernel.root(), 'file');
	if (again === undefined) return t.fail();
	t.is(again.size, 6000);
	kernel.open(again);
	sameBytes(t, kernel.read(again, 0, 10_000), bytes);
	kernel.close(again);
	endsClean(t, mount);
});

testUnless(why, 'overwriting asks for no END, no IOEND and no new space', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.write(file, 0, pattern(20_000));
	kernel.fsync(file);
	const requests = requestsOf(mount, () => {
		kernel.write(file, 4096, pattern(4096, 2));
		kernel.fsync(file);
	});
	t.false(requests.some(request => /^(IOEND|END)/.test(request)));
	const expected = pattern(20_000);
	expected.set(pattern(4096, 2), 4096);
	sameBytes(t, kernel.read(file, 0, 20_000), expected);
	kernel.close(file);
	endsClean(t, mount);
});

testUnless(why, 'END is refused once and never sent again', t => {
	const mount = mounted(t);
	const file = newFile(mount);
	for (let piece = 0; piece < 5; piece++) mount.kernel.write(file, piece * 5000, pattern(5000));
	t.is(mount.kernel.counts['IOMAP_END'], 1);
	mount.kernel.close(file);
	endsClean(t, mount);
});

testUnless(why, 'a gap before what is written reads as zeros', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.write(file, 0, pattern(1000));
	kernel.write(file, 50_000, pattern(1000, 3));
	kernel.close(file);
	kernel.evict(file);
	const again = kernel.lookup(kernel.root(), 'file');
	if (again === undefined) return t.fail();
	const expected = new Uint8Array(51_000);
	expected.set(pattern(1000));
	expected.set(pattern(1000, 3), 50_000);
	sameBytes(t, kernel.read(again, 0, 60_000), expected);
	endsClean(t, mount);
});

testUnless(why, 'direct writes into unwritten space, in sectors, and direct reads', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.fallocate(file, 0, 0, 64 * 1024);
	const requests = requestsOf(mount, () => kernel.writeDirect(file, 1024, pattern(512)));
	t.true(requests.includes('IOEND(DIRECT|UNWRITTEN) 1024+512'), requests.join('\n'));
	const expected = new Uint8Array(64 * 1024);
	expected.set(pattern(512), 1024);
	sameBytes(t, kernel.readDirect(file, 0, 64 * 1024), expected);
	kernel.writeDirect(file, 64 * 1024, pattern(8192));
	t.is(file.recordedSize, 72 * 1024);
	kernel.close(file);
	endsClean(t, mount);
});

testUnless(why, 'a store through a mapping of a hole gets space', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.truncate(file, 40_000);
	kernel.store(file, 20_001, Uint8Array.of(7));
	kernel.close(file);
	const expected = new Uint8Array(40_000);
	expected[20_001] = 7;
	sameBytes(t, kernel.read(file, 0, 40_000), expected);
	endsClean(t, mount);
});

testUnless(why, 'cut within a block and made longer again, the rest reads as zeros', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.write(file, 0, pattern(10_000));
	kernel.fsync(file);
	kernel.truncate(file, 5000);
	kernel.truncate(file, 12_000);
	const expected = new Uint8Array(12_000);
	expected.set(pattern(5000));
	sameBytes(t, kernel.read(file, 0, 12_000), expected);
	kernel.close(file);
	kernel.evict(file);
	const again = kernel.lookup(kernel.root(), 'file');
	if (again === undefined) return t.fail();
	sameBytes(t, kernel.read(again, 0, 12_000), expected);
	endsClean(t, mount);
});

testUnless(why, 'holes are punched and ranges made zeros', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	const expected = pattern(100_000);
	kernel.write(file, 0, expected);
	kernel.fsync(file);
	kernel.fallocate(file, 0x3, 10_000, 30_000);
	expected.fill(0, 10_000, 40_000);
	sameBytes(t, kernel.read(file, 0, 100_000), expected);
	kernel.fallocate(file, 0x10, 50_000, 20_000);
	expected.fill(0, 50_000, 70_000);
	sameBytes(t, kernel.read(file, 0, 100_000), expected);
	kernel.close(file);
	endsClean(t, mount);
});

testUnless(why, 'streaming a new file asks little; what was given ahead is given back', t => {
	const mount = mounted(t, '256M');
	const {kernel, volume} = mount;
	const file = newFile(mount);
	const freeBefore = volume.superblock.freeBlockCount;
	const piece = pattern(mebibyte);
	const before = {...kernel.counts};
	for (let at = 0; at < 100; at++) {
		kernel.write(file, at * mebibyte, piece);
		if (at % 16 === 15) kernel.writeBack(file);
	}
	kernel.fsync(file);
	const asked = (name: string) => (kernel.counts[name] ?? 0) - (before[name] ?? 0);
	t.true(asked('IOMAP_BEGIN') + asked('IOMAP_IOEND') <= 40, JSON.stringify(kernel.counts));
	kernel.close(file);
	const used = freeBefore - volume.superblock.freeBlockCount;
	const {blockSize} = volume.geometry;
	t.true(used * blockSize <= 100 * mebibyte + 8 * blockSize, `${used} blocks for 100 MiB`);
	kernel.evict(file);
	const again = kernel.lookup(kernel.root(), 'file');
	if (again === undefined) return t.fail();
	const cold = requestsOf(mount, () => {
		for (let at = 0; at < 100; at++) {
			if (Buffer.compare(kernel.read(again, at * mebibyte, mebibyte), piece) !== 0) {
				t.fail(`MiB ${at}`);
			}
		}
	});
	t.true(cold.length <= 10, cold.join('\n'));
	const warm = requestsOf(mount, () => kernel.read(again, 0, 10 * mebibyte));
	t.deepEqual(warm, []);
	endsClean(t, mount);
});

testUnless(why, 'a small new file takes five round trips', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const root = kernel.root();
	// All in one tick of the clock, as it is for a program: times do not change between.
	kernel.clock.isHeld = true;
	const makeSmall = (name: string) => {
		const file = kernel.create(root, name);
		kernel.write(file, 0, pattern(4096));
		kernel.close(file);
	};
	// What is refused once is refused with the first.
	makeSmall('first');
	const before = kernel.requests.roundTrips;
	const requests = requestsOf(mount, () => makeSmall('second'));
	t.deepEqual(requests, [
		'LOOKUP',
		'CREATE',
		'GETXATTR(security.capability)',
		'(B,1) 0+4096',
		'device write',
		'IOEND(WRITEBACK|UNWRITTEN|APPEND) 0+4096',
		'RELEASE', // Nobody waits for it.
	]);
	t.is(kernel.requests.roundTrips - before, 5);
	endsClean(t, mount);
});
