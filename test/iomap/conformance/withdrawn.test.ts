/** A file system on which nothing may be written any more, where the kernel could do so by itself. */
import {DeviceError} from '../../../ext4/errors.ts';
import {errno} from '../../../src/errno.ts';
import {shutDownIoctl} from '../../../src/ioctl.ts';
import {remountIoctl} from '../../../src/status.ts';
import {findProblems, type IomapMount, mountIomap} from '../../support/iomap-kernel/mounted.ts';
import {KernelError} from '../../support/iomap-kernel/wire.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {missing, testUnless} from '../../support/skip.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const bytes = new Uint8Array(8192).fill(7);
const later = new Uint8Array(4096).fill(9);

function ask({kernel}: IomapMount, command: number, data: Uint8Array): void {
	const fields = {cmd: command, in_size: data.length, out_size: 0};
	const {error} = kernel.wire.ask('IOCTL', {nodeId: kernel.root().id, fields, data});
	if (error !== 0) throw new Error(`ioctl: ${error}`);
}

const remount = (mount: IomapMount, isReadOnly: boolean): void =>
	ask(mount, remountIoctl, Uint8Array.of(Number(isReadOnly), 0, 0, 0));

/** Whose writes fail for a while. */
class FailingDevice extends MemoryDevice {
	isFailing = false;

	override write(position: number, from: Uint8Array): void {
		if (this.isFailing) throw new DeviceError('the medium fails', position, from.length);
		super.write(position, from);
	}
}

/** A file that is there to be written to in place, its mappings known to the kernel. */
function withFile(device = new FailingDevice(mke2fs(['-t', 'ext4'], '16M'))) {
	const mount = mountIomap(device.bytes, {device});
	const {kernel} = mount;
	kernel.mount();
	const file = kernel.create(kernel.root(), 'file');
	kernel.write(file, 0, bytes);
	kernel.fsync(file);
	kernel.close(file);
	kernel.open(file);
	// It is told more than it asks for.
	kernel.readDirect(file, 0, 4096);
	return {mount, kernel, file};
}

testUnless(
	why,
	'what was made read-only is not written to in place, until it is writable again',
	t => {
		const {mount, kernel, file} = withFile();
		remount(mount, true);
		const before = mount.device.bytes.slice();
		const refused = () => kernel.writeDirect(file, 0, later);
		t.is(t.throws(refused, {instanceOf: KernelError})?.errno, errno.EROFS);
		// Opened anew it is told nothing in advance either.
		kernel.open(file);
		t.is(t.throws(refused, {instanceOf: KernelError})?.errno, errno.EROFS);
		t.deepEqual(kernel.readDirect(file, 0, 4096), bytes.subarray(0, 4096));
		t.is(Buffer.compare(mount.device.bytes, before), 0);
		remount(mount, false);
		kernel.writeDirect(file, 0, later);
		kernel.fsync(file);
		t.deepEqual(kernel.readDirect(file, 0, 4096), later);
		kernel.close(file);
		kernel.close(file);
		t.is(mount.end(), undefined);
		t.deepEqual(mount.problems, []);
	},
);

testUnless(why, 'space given ahead to files that are open is given back before', t => {
	const {mount, kernel} = withFile();
	const {superblock} = mount.volume;
	const grown = kernel.create(kernel.root(), 'grown');
	kernel.close(grown);
	const before = superblock.freeBlockCount;
	kernel.open(grown);
	for (let piece = 0; piece < 8; piece++) {
		kernel.writeDirect(grown, piece * bytes.length, bytes);
	}
	const blocks = (8 * bytes.length) / mount.volume.geometry.blockSize;
	t.true(superblock.freeBlockCount < before - blocks, 'more was given than was asked for');
	remount(mount, true);
	t.is(superblock.freeBlockCount, before - blocks);
	// As it would be after a power cut.
	t.is(findProblems(mount.device.bytes), undefined);
	remount(mount, false);
	kernel.writeDirect(grown, 8 * bytes.length, bytes);
	t.deepEqual(kernel.readDirect(grown, 0, bytes.length), bytes);
	kernel.close(grown);
	t.is(superblock.freeBlockCount, before - blocks - bytes.length / mount.volume.geometry.blockSize);
	t.is(mount.end(), undefined);
	t.deepEqual(mount.problems, []);
});

testUnless(why, 'after an error of the device nothing is written to in place', t => {
	const device = new FailingDevice(mke2fs(['-t', 'ext4'], '16M'));
	const {mount, kernel, file} = withFile(device);
	kernel.create(kernel.root(), 'lost');
	device.isFailing = true;
	t.is(t.throws(() => kernel.fsync(file), {instanceOf: KernelError})?.errno, errno.EIO);
	device.isFailing = false;
	const before = device.bytes.slice();
	const refused = () => kernel.writeDirect(file, 0, later);
	t.is(t.throws(refused, {instanceOf: KernelError})?.errno, errno.EROFS);
	t.is(Buffer.compare(device.bytes, before), 0);
	t.regex(mount.problems.join('\n'), /^FSYNC: .*the medium fails$/);
});

testUnless(why, 'nor after damage was met, where the superblock asks for that', t => {
	const options = ['-t', 'ext4', '-e', 'remount-ro', '-O', '^metadata_csum'];
	const first = mountIomap(mke2fs(options, '16M'));
	first.kernel.mount();
	const other = first.kernel.create(first.kernel.root(), 'other');
	const {block, at} = first.volume.locateInode(other.inode);
	first.kernel.close(other);
	t.is(first.end(), undefined);
	const device = new FailingDevice(first.device.bytes);
	const modeAt = block.number * first.volume.geometry.blockSize + at;
	new DataView(device.bytes.buffer).setUint16(modeAt, 0xf1a4, true);
	const {kernel, file} = withFile(device);
	const find = () => kernel.lookup(kernel.root(), 'other');
	t.is(t.throws(find, {instanceOf: KernelError})?.errno, errno.EUCLEAN);
	const refused = () => kernel.writeDirect(file, 0, later);
	t.is(t.throws(refused, {instanceOf: KernelError})?.errno, errno.EROFS);
	t.deepEqual(kernel.readDirect(file, 0, 4096), bytes.subarray(0, 4096));
});

testUnless(why, 'what was shut down by ioctl is not written to in place', t => {
	const {mount, kernel, file} = withFile();
	ask(mount, shutDownIoctl, new Uint8Array(4));
	const before = mount.device.bytes.slice();
	const refused = () => kernel.writeDirect(file, 0, later);
	t.is(t.throws(refused, {instanceOf: KernelError})?.errno, errno.EIO);
	t.is(Buffer.compare(mount.device.bytes, before), 0);
});
