/**
 * A power failure at any moment of work that the kernel does by itself: what was synced is there, what
 * was appended is there as far as the file says it is, and nothing of what lay on the disk before shows.
 */
import type {ExecutionContext} from 'ava';
import {Random} from '../../fuzz/random.ts';
import {CrashDevice, crashesOf} from '../../support/crash-device.ts';
import type {Node} from '../../support/iomap-kernel/kernel.ts';
import {findProblems, mountIomap} from '../../support/iomap-kernel/mounted.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const sizeBytes = 4 * 1024 * 1024;
/** What lay on the disk before; nothing that is written here holds it. */
const stale = 0xee;
const names = ['log', 'direct', 'mapped'] as const;
type Name = (typeof names)[number];
/** For each file how many bytes were synced, and how many were written at most. */
type Promise = {readonly [name in Name]: {readonly synced: number; readonly written: number}};

function byteAt(position: number): number {
	return (position * 7 + (position >>> 8)) & 0x7f;
}

function bytesAt(position: number, length: number): Uint8Array {
	return Uint8Array.from({length}, (_, index) => byteAt(position + index));
}

/** Appends to files in three ways, syncs now and then, cuts and punches another in between. */
function work(device: CrashDevice<Promise>, seed: number): void {
	const {kernel} = mountIomap(device.base, {device});
	kernel.mount();
	const random = new Random(seed);
	const promise = {
		log: {synced: 0, written: 0},
		direct: {synced: 0, written: 0},
		mapped: {synced: 0, written: 0},
	};
	const mark = () => device.mark(structuredClone(promise));
	const files = new Map<Name, Node>();
	for (const name of names) files.set(name, kernel.create(kernel.root(), name));
	const scratch = kernel.create(kernel.root(), 'scratch');
	kernel.write(scratch, 0, bytesAt(0, 60_000));
	mark();
	for (let step = 0; step < 25; step++) {
		const name = names[random.below(names.length)] ?? 'log';
		const file = files.get(name);
		if (file === undefined) throw new Error(name);
		const position = promise[name].written;
		const length = name === 'direct' ? (1 + random.below(20)) * 512 : 1 + random.below(12_000);
		promise[name].written = position + length;
		mark();
		append(kernel, file, name, position, length);
		if (random.below(3) === 0) kernel.writeBack(file);
		if (random.below(4) === 0) {
			kernel.fsync(file);
			promise[name].synced = promise[name].written;
			mark();
		}
		if (random.below(5) === 0)
			kernel.fallocate(scratch, 3, random.below(40_000), 1 + random.below(20_000));
		if (random.below(6) === 0) kernel.truncate(scratch, random.below(80_000));
	}
}

function append(
	kernel: ReturnType<typeof mountIomap>['kernel'],
	file: Node,
	name: Name,
	position: number,
	length: number,
): void {
	const bytes = bytesAt(position, length);
	if (name === 'log') {
		kernel.write(file, position, bytes);
	} else if (name === 'direct') {
		kernel.writeDirect(file, position, bytes);
	} else {
		kernel.truncate(file, position + length);
		kernel.store(file, position, bytes);
	}
}

function judge(t: ExecutionContext, image: Uint8Array, promise: Promise): void {
	const mount = mountIomap(image);
	const {kernel} = mount;
	if (!kernel.mount()) throw new Error('the server does not take part');
	for (const name of names) {
		const {synced, written} = promise[name];
		const node = kernel.lookup(kernel.root(), name);
		if (node === undefined) {
			if (synced > 0) t.fail(`${name} is gone`);
			continue;
		}
		if (node.size < synced || node.size > written) {
			t.fail(`${name} has ${node.size} bytes; ${synced} to ${written} may be`);
		}
		const found = kernel.read(node, 0, node.size);
		// What is mapped is as long as it is cut to at once; its bytes come when they are written out.
		const isWhole = name !== 'mapped';
		const wrong = found.findIndex((byte, at) => {
			if (byte === byteAt(at)) return false;
			return byte !== 0 || isWhole || at < synced;
		});
		if (wrong >= 0) t.fail(`${name}: byte ${wrong} is ${found[wrong]}; ${synced} were synced`);
	}
	const scratch = kernel.lookup(kernel.root(), 'scratch');
	if (scratch !== undefined) {
		const at = kernel.read(scratch, 0, scratch.size).indexOf(stale);
		if (at >= 0) t.fail(`scratch shows at byte ${at} what lay there before`);
	}
	t.is(mount.end(), undefined);
	t.is(findProblems(mount.device.bytes), undefined);
}

for (const [title, options] of [
	['blocks of 1 KiB', ['-t', 'ext4', '-b', '1024', '-J', 'size=1']],
	['blocks of 4 KiB', ['-t', 'ext4', '-b', '4096', '-J', 'size=4', '-N', '64']],
] as const) {
	testUnless(why, `a crash at any moment, ${title}`, t => {
		const seed = Number(process.env['EXT4BOX_SEED'] ?? 1);
		const statesMax = Number(process.env['EXT4BOX_STATES'] ?? 60);
		const size = title.includes('4 KiB') ? 3 * sizeBytes : sizeBytes;
		const before = new Uint8Array(size).fill(stale);
		const image = mke2fs([...options, '-E', 'nodiscard'], `${size / 1024}k`, before);
		const device = new CrashDevice<Promise>(image);
		work(device, seed);
		const random = new Random(seed);
		// Some of all that there are, spread over the whole of the work.
		const oneIn = Math.max(1, Math.floor((3 * device.events.length) / statesMax));
		const seen = new Set<string>();
		let judged = 0;
		for (const crash of crashesOf(device, {seed, lossesPerEpoch: 3})) {
			if (crash.mark === undefined || random.below(oneIn) !== 0 || seen.has(crash.key)) continue;
			seen.add(crash.key);
			judged++;
			judge(t, crash.image(), crash.mark);
		}
		t.true(judged > 10, `${judged} states`);
	});
}
