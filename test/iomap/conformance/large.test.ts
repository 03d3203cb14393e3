/** How many requests it takes to stream a file of a GiB, to read it again, and to remove it. */
import {execFileSync, spawnSync} from 'node:child_process';
import {closeSync, ftruncateSync, openSync} from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {closeVolume, type Volume} from '../../../ext4/index.ts';
import {FakeKernel} from '../../support/fake-kernel.ts';
import {IomapKernel, type Node} from '../../support/iomap-kernel/kernel.ts';
import {deviceNumber, iomapTable, makeServer} from '../../support/iomap-kernel/server.ts';
import {temporary} from '../../support/program.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {SparseDevice} from '../../support/sparse-device.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const mebibyte = 1024 ** 2;
const fileMebibytes = 1024;
/** What is given ahead is a share of what is free: no more than a sixteenth. */
const diskMebibytes = 4096;
/**
 * After so many MiB of dirty pages they are written out, as a kernel does with a tenth of its memory;
 * here of one with few.
 */
const dirtyMebibytes = 64;
const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};
// What is written does not matter here, and zeros need no memory.
const piece = new Uint8Array(mebibyte);

type Counts = {readonly asked: number; readonly notified: number};

class Large {
	readonly kernel: IomapKernel;
	readonly problems: readonly string[];
	readonly #path: string;
	readonly #device: SparseDevice;
	readonly #volume: Volume;

	constructor(t: ExecutionContext) {
		this.#path = join(temporary(t), 'image');
		const file = openSync(this.#path, 'w');
		ftruncateSync(file, diskMebibytes * mebibyte);
		closeSync(file);
		execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '4096', this.#path], {env});
		this.#device = SparseDevice.load(this.#path);
		const wire = new FakeKernel(iomapTable);
		this.kernel = new IomapKernel({wire, device: this.#device, deviceNumber});
		const {connection, volume, problems} = makeServer({
			transport: wire,
			device: this.#device,
			clock: this.kernel.clock,
		});
		wire.connection = connection;
		this.#volume = volume;
		this.problems = problems;
		if (!this.kernel.mount()) throw new Error('the server does not take part');
	}

	/** BEGINs and IOENDs, and notifications, that `action` causes. */
	count(action: () => void): Counts {
		const sums = () => {
			const {counts, notifications} = this.kernel;
			return {
				asked: (counts['IOMAP_BEGIN'] ?? 0) + (counts['IOMAP_IOEND'] ?? 0),
				notified: Object.values(notifications).reduce((sum, each) => sum + each, 0),
			};
		};
		const before = sums();
		action();
		const after = sums();
		return {asked: after.asked - before.asked, notified: after.notified - before.notified};
	}

	stream(file: Node): void {
		for (let at = 0; at < fileMebibytes; at++) {
			this.kernel.write(file, at * mebibyte, piece);
			if (at % dirtyMebibytes === dirtyMebibytes - 1) this.kernel.dropPages(file);
		}
		this.kernel.close(file);
	}

	readAll(file: Node): void {
		for (let at = 0; at < fileMebibytes; at++) {
			if (this.kernel.read(file, at * mebibyte, mebibyte).length !== mebibyte) {
				throw new Error(`MiB ${at} is short`);
			}
			if (at % dirtyMebibytes === dirtyMebibytes - 1) this.kernel.dropPages(file);
		}
	}

	/** What e2fsck finds at the end. */
	end(): string {
		this.kernel.unmount();
		closeVolume(this.#volume);
		this.#device.save(this.#path);
		const {status, stdout} = spawnSync('e2fsck', ['-fn', this.#path], {env, encoding: 'utf8'});
		return status === 0 ? '' : stdout;
	}
}

testUnless(why, 'a GiB is written, read, written over and removed with few requests', t => {
	const large = new Large(t);
	const {kernel} = large;
	const root = kernel.root();
	const made = kernel.create(root, 'large');
	const writing = large.count(() => large.stream(made));
	t.log(`streaming write: ${writing.asked} BEGINs and IOENDs, ${writing.notified} notifications`);
	t.true(writing.asked <= 40, `${writing.asked}`);

	kernel.evict(made);
	const file = kernel.lookup(root, 'large');
	if (file === undefined) throw new Error('the file is gone');
	const cold = large.count(() => {
		kernel.open(file);
		large.readAll(file);
	});
	t.log(`cold read: ${cold.asked} BEGINs, ${cold.notified} notifications`);
	t.true(cold.asked <= 10, `${cold.asked}`);

	const from = kernel.trace.length;
	large.readAll(file);
	t.deepEqual(kernel.trace.slice(from), [], 'a warm read');

	const over = large.count(() => {
		for (let at = 0; at < 100; at++) kernel.write(file, at * 9 * mebibyte, piece.subarray(0, 5000));
		kernel.fsync(file);
	});
	t.deepEqual(over, {asked: 0, notified: 0}, 'what was written is written over');

	kernel.close(file);
	const removing = large.count(() => {
		kernel.unlink(root, 'large');
		kernel.evict(file);
	});
	t.log(`removal: ${removing.notified} notifications`);
	t.true(removing.notified <= 4, `${removing.notified}`);
	t.is(large.end(), '');
	t.deepEqual(large.problems, []);
});
