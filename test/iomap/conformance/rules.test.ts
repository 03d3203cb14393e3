/**
 * The rules of the protocol one by one, as a kernel that carries it was seen to follow them. Each title
 * begins with the section that it belongs to.
 */
import * as fs from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {errno} from '../../../src/errno.ts';
import type {Node} from '../../support/iomap-kernel/kernel.ts';
import {
	type IomapMount,
	type IomapMountOptions,
	mountIomap,
} from '../../support/iomap-kernel/mounted.ts';
import {
	beginOps,
	ioendFlags,
	KernelError,
	types,
	type WireRecord,
} from '../../support/iomap-kernel/wire.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const blockSize = 1024;
const images = new Map<string, Uint8Array>();

/** A copy of a file system that is made once. */
function image(options: readonly string[], size = '8M'): Uint8Array {
	const key = [...options, size].join(' ');
	const made = images.get(key) ?? mke2fs(options, size);
	images.set(key, made);
	return made.slice();
}

const plain = ['-t', 'ext4', '-b', String(blockSize)];

function mounted(
	t: ExecutionContext,
	options: readonly string[] = plain,
	how: IomapMountOptions = {},
): IomapMount {
	const mount = mountIomap(image(options), how);
	t.true(mount.kernel.mount());
	return mount;
}

function rule(section: string, title: string, check: (t: ExecutionContext) => void): void {
	testUnless(why, `${section} ${title}`, check);
}

function endsClean(t: ExecutionContext, mount: IomapMount): void {
	t.is(mount.end(), undefined);
	t.deepEqual(mount.problems, []);
}

function newFile({kernel}: IomapMount, name = 'file'): Node {
	return kernel.create(kernel.root(), name);
}

function errnoOf(action: () => unknown): number {
	try {
		action();
		return 0;
	} catch (error) {
		if (error instanceof KernelError) return error.errno;
		throw error;
	}
}

const typeNames = new Map<number, string>(
	Object.entries(types).map(([name, type]) => [type, name]),
);

function typeOf(record: WireRecord): string {
	return typeNames.get(record.type) ?? String(record.type);
}

/** What each block of the file below is. */
const layout = ['mapped', 'mapped', 'hole', 'unwritten', 'unwritten', 'hole'] as const;
const fileBytes = layout.length * blockSize;

/** A file of one block of each kind, closed, so that nothing is given ahead. */
function patchwork(mount: IomapMount): Node {
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.write(file, 0, new Uint8Array(2 * blockSize).fill(1));
	kernel.truncate(file, fileBytes);
	kernel.fsync(file);
	kernel.fallocate(file, 1, 3 * blockSize, 2 * blockSize);
	kernel.close(file);
	return file;
}

// 2. Negotiation.

for (const [title, offer, isAgreed] of [
	['offered, it is accepted', {bit: true, minor: 99}, true],
	['not offered, it is not asked for', {bit: false, minor: 99}, false],
	['offered by an older protocol, it is not accepted', {bit: true, minor: 46}, false],
] as const) {
	rule('2', title, t => {
		const {kernel} = mountIomap(image(plain));
		const high = offer.bit ? 1 << 11 : 0;
		const {view, payload} = kernel.wire.ask('INIT', {
			fields: {major: 7, minor: offer.minor, flags: 2 ** 32 - 1, flags2: high},
		});
		t.is(payload.length, 64);
		t.is((view.getUint32(32, true) & (1 << 11)) !== 0, isAgreed);
		t.is(view.getUint32(4, true) >= 99, isAgreed);
		// Without it nothing is asked when files are opened.
		const {error} = kernel.wire.ask('OPEN', {nodeId: 1});
		t.is(error, isAgreed ? 0 : errno.ENOSYS);
	});
}

rule('2', 'HANDLE_KILLPRIV_V2 and INIT_EXT are accepted with it', t => {
	const {kernel} = mountIomap(image(plain));
	const {view} = kernel.wire.ask('INIT', {
		fields: {major: 7, minor: 99, flags: 2 ** 32 - 1, flags2: 2 ** 32 - 1},
	});
	const flags = view.getUint32(12, true);
	t.true((flags & (1 << 28)) !== 0);
	t.true((flags & (1 << 30)) !== 0);
});

// 5.5 CONFIG.

for (const size of [1024, 2048, 4096]) {
	rule('5.5', `the unit of mappings is the file system's block of ${size} bytes`, t => {
		const mount = mounted(t, ['-t', 'ext4', '-b', String(size)]);
		t.is(mount.kernel.blockSize, size);
		endsClean(t, mount);
	});
}

for (const [inodeSize, granularity, last] of [
	[128, 1e9, 2 ** 31 - 1],
	[256, 1, 2 ** 34 - 2 ** 31 - 1],
] as const) {
	rule('5.5', `times are those that inodes of ${inodeSize} bytes hold`, t => {
		const mount = mountIomap(image(['-t', 'ext4', '-b', '1024', '-I', String(inodeSize)]));
		mount.kernel.wire.ask('INIT', {
			fields: {major: 7, minor: 99, flags: 2 ** 32 - 1, flags2: 2 ** 32 - 1},
		});
		const {view, error, payload} = mount.kernel.wire.ask('IOMAP_CONFIG', {nodeId: 0});
		t.is(error, 0);
		t.is(payload.length, 104);
		t.is(view.getBigUint64(0, true), 0x7fn);
		t.is(view.getUint32(68, true), granularity);
		t.is(Number(view.getBigInt64(72, true)), -(2 ** 31));
		t.is(Number(view.getBigInt64(80, true)), last);
		t.is(view.getUint8(56), 16);
		t.deepEqual(payload.slice(40, 56), new Uint8Array(mount.volume.superblock.uuid));
		t.deepEqual([...payload.slice(57, 60)], [0, 0, 0]);
		t.true(view.getUint32(96, true) <= 2 * 1024 * 1024);
		t.true(view.getBigUint64(88, true) > 0n);
		t.is(view.getUint32(64, true), 65_000);
	});
}

// 5.2 BEGIN: what each purpose is told of each kind of block.

const purposes: readonly (readonly [title: string, flags: number, isWriting: boolean])[] = [
	['a read', 0, false],
	['a direct read', beginOps.direct, false],
	['a read fault', beginOps.fault, false],
	['a report', beginOps.report, false],
	['zeros', beginOps.zero, false],
	['a write', beginOps.write, true],
	['a direct write', beginOps.write | beginOps.direct, true],
	['a store', beginOps.write | beginOps.fault, true],
	['writing out', beginOps.writeback, true],
];

for (const [title, flags, isWriting] of purposes) {
	for (const [index, kind] of layout.entries()) {
		rule('5.2', `${title} of block ${index}, ${kind}`, t => {
			const mount = mounted(t);
			const file = patchwork(mount);
			const record = mount.kernel.begin(file, index * blockSize + 100, 50, flags);
			// What is to be written to is given space, and reads as zeros until it is written to.
			t.is(typeOf(record), isWriting && kind === 'hole' ? 'unwritten' : kind);
			endsClean(t, mount);
		});
	}
	rule('5.2', `${title} behind the end`, t => {
		const mount = mounted(t);
		const file = patchwork(mount);
		const record = mount.kernel.begin(file, fileBytes + 5000, 100, flags);
		t.is(typeOf(record), isWriting ? 'unwritten' : 'hole');
		t.is(file.size, fileBytes);
		mount.kernel.open(file);
		mount.kernel.close(file);
		endsClean(t, mount);
	});
}

for (const [title, flags] of [
	['without waiting', beginOps.write | beginOps.noWait],
	['over what is there alone', beginOps.write | beginOps.overwriteOnly],
] as const) {
	rule('5.2', `a write ${title} is not given space`, t => {
		const mount = mounted(t);
		const file = patchwork(mount);
		t.is(
			errnoOf(() => mount.kernel.begin(file, 2 * blockSize, 10, flags)),
			errno.EAGAIN,
		);
		t.is(typeOf(mount.kernel.begin(file, 0, 10, flags)), 'mapped');
		endsClean(t, mount);
	});
}

rule('5.2', 'a write that must be torn by nothing is refused', t => {
	const mount = mounted(t);
	const file = patchwork(mount);
	const flags = beginOps.write | beginOps.direct | beginOps.atomic;
	t.is(
		errnoOf(() => mount.kernel.begin(file, 0, blockSize, flags)),
		errno.EOPNOTSUPP,
	);
	endsClean(t, mount);
});

rule('5.2', 'the answer is a whole extent, however little was asked for', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.fallocate(file, 0, 0, 500 * blockSize);
	const record = kernel.begin(file, 250 * blockSize, 1, 0);
	t.true(record.offset <= 250n * BigInt(blockSize));
	t.true(record.length >= 100n * BigInt(blockSize), `${record.length}`);
	kernel.close(file);
	endsClean(t, mount);
});

rule('5.2', 'an inode that is not the node is refused', t => {
	const mount = mounted(t);
	const file = patchwork(mount);
	const {error} = mount.kernel.wire.ask('IOMAP_BEGIN', {
		nodeId: file.id,
		fields: {attr_ino: file.inode + 1, pos: 0, count: 1},
	});
	t.is(error, errno.EINVAL);
	endsClean(t, mount);
});

rule('5.2', 'a full disk refuses space and keeps what is there', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	const error = errnoOf(() => {
		for (let at = 0; at < 16; at++) {
			kernel.write(file, at * 1024 * 1024, new Uint8Array(1024 * 1024).fill(at));
			kernel.writeBack(file);
		}
	});
	t.is(error, errno.ENOSPC);
	t.is(kernel.read(file, 1024 * 1024, 1)[0], 1);
	kernel.close(file);
	endsClean(t, mount);
});

rule('5.2', 'where the file system begins within the device, so do all addresses', t => {
	const startBytes = 64 * 1024;
	const whole = new Uint8Array(startBytes + image(plain).length).fill(0xee);
	whole.set(image(plain), startBytes);
	const mount = mountIomap(whole, {startBytes});
	t.true(mount.kernel.mount());
	const file = newFile(mount);
	mount.kernel.write(file, 0, new Uint8Array(5000).fill(9));
	mount.kernel.fsync(file);
	const record = mount.kernel.begin(file, 0, 1, 0);
	t.true(record.address >= BigInt(startBytes));
	mount.kernel.close(file);
	t.true(whole.subarray(0, startBytes).every(byte => byte === 0xee));
	endsClean(t, mount);
});

// 5.3 END.

rule('5.3', 'END is refused once', t => {
	const mount = mounted(t);
	const file = newFile(mount);
	mount.kernel.write(file, 0, new Uint8Array(10));
	mount.kernel.write(file, 10, new Uint8Array(10));
	t.is(mount.kernel.counts['IOMAP_END'], 1);
	mount.kernel.close(file);
	endsClean(t, mount);
});

// 5.4 IOEND.

const half = blockSize / 2;

for (const [title, position, written, flags, expected] of [
	['a whole block', 3 * blockSize, blockSize, ioendFlags.unwritten, [3]],
	['one sector: the whole block', 3 * blockSize + half, half, ioendFlags.unwritten, [3]],
	['parts of two blocks: both', 3 * blockSize + half, blockSize, ioendFlags.unwritten, [3, 4]],
	[
		'what came by direct I/O',
		4 * blockSize,
		blockSize,
		ioendFlags.unwritten | ioendFlags.direct,
		[4],
	],
	['what the page cache wrote out', 3 * blockSize, 2 * blockSize, 0x22, [3, 4]],
	['nothing, where it is not said to be unwritten', 3 * blockSize, blockSize, 0x20, []],
	['nothing, where nothing was written', 3 * blockSize, 0, ioendFlags.unwritten, []],
] as const) {
	rule('5.4', `IOEND converts ${title}`, t => {
		const mount = mounted(t);
		const file = patchwork(mount);
		t.is(mount.kernel.ioend(file, position, written, flags), fileBytes);
		for (const block of [3, 4]) {
			const wanted = (expected as readonly number[]).includes(block) ? 'mapped' : 'unwritten';
			t.is(typeOf(mount.kernel.begin(file, block * blockSize, 1, 0)), wanted, `block ${block}`);
		}
		endsClean(t, mount);
	});
}

for (const [title, position, written, flags, size] of [
	['append records the new size', fileBytes, 100, ioendFlags.append, fileBytes + 100],
	[
		'append by direct I/O, too',
		fileBytes,
		512,
		ioendFlags.append | ioendFlags.direct,
		fileBytes + 512,
	],
	['append never makes a file shorter', 0, 100, ioendFlags.append, fileBytes],
	['without append the size stays', fileBytes, 100, 0, fileBytes],
] as const) {
	rule('5.4', title, t => {
		const mount = mounted(t);
		const file = patchwork(mount);
		// The blocks first: nobody says that they were written to where none are.
		mount.kernel.begin(file, fileBytes, 1000, beginOps.write);
		t.is(mount.kernel.ioend(file, position, written, flags), size);
		t.is(mount.volume.readInode(file.inode).sizeBytes, size);
		mount.kernel.open(file);
		mount.kernel.close(file);
		endsClean(t, mount);
	});
}

rule('5.4', 'an error of the device changes nothing', t => {
	const mount = mounted(t);
	const file = patchwork(mount);
	const flags = ioendFlags.unwritten | ioendFlags.append;
	t.is(mount.kernel.ioend(file, 3 * blockSize, 9000, flags, errno.EIO), fileBytes);
	t.is(typeOf(mount.kernel.begin(file, 3 * blockSize, 1, 0)), 'unwritten');
	endsClean(t, mount);
});

rule('5.4', 'shared blocks are not ours', t => {
	const mount = mounted(t);
	const file = patchwork(mount);
	const shared = () => mount.kernel.ioend(file, 0, blockSize, ioendFlags.shared);
	t.is(errnoOf(shared), errno.EOPNOTSUPP);
	endsClean(t, mount);
});

rule('5.4', 'the end of a swap file is heard', t => {
	const mount = mounted(t);
	const file = patchwork(mount);
	t.is(mount.kernel.ioend(file, 0, 0, ioendFlags.swapOff), fileBytes);
	endsClean(t, mount);
});

rule('5.4', 'what could not be recorded is told by the next fsync, once', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = patchwork(mount);
	const missed = () => kernel.ioend(file, 2 * blockSize, blockSize, ioendFlags.unwritten);
	t.is(errnoOf(missed), errno.EINVAL);
	t.is(
		errnoOf(() => kernel.fsync(file)),
		errno.EINVAL,
	);
	t.is(
		errnoOf(() => kernel.fsync(file)),
		0,
	);
	endsClean(t, mount);
});

rule('5.4', 'or by the next sync of the file system', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = patchwork(mount);
	t.is(
		errnoOf(() => kernel.ioend(file, 2 * blockSize, 1, ioendFlags.unwritten)),
		errno.EINVAL,
	);
	t.is(
		errnoOf(() => kernel.freeze()),
		errno.EINVAL,
	);
	t.is(
		errnoOf(() => kernel.freeze()),
		0,
	);
	endsClean(t, mount);
});

rule('5.4', 'one fsync does not tell what another file has met', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = patchwork(mount);
	const other = newFile(mount, 'other');
	t.is(
		errnoOf(() => kernel.ioend(file, 2 * blockSize, 1, ioendFlags.unwritten)),
		errno.EINVAL,
	);
	t.is(
		errnoOf(() => kernel.fsync(other)),
		0,
	);
	t.is(
		errnoOf(() => kernel.fsync(file)),
		errno.EINVAL,
	);
	kernel.close(other);
	endsClean(t, mount);
});

// 5.6

rule('5.6', 'freezing brings all to the medium', t => {
	const mount = mounted(t);
	const file = newFile(mount);
	mount.kernel.write(file, 0, new Uint8Array(3000).fill(5));
	mount.kernel.freeze();
	t.false(mount.volume.transactions?.isOpen ?? true);
	mount.kernel.close(file);
	endsClean(t, mount);
});

rule('5.6', 'after a shutdown nothing is changed any more', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = patchwork(mount);
	kernel.wire.ask('SHUTDOWN_FS', {nodeId: 1});
	t.is(
		errnoOf(() => kernel.begin(file, 2 * blockSize, 1, beginOps.write)),
		errno.EROFS,
	);
	t.is(typeOf(kernel.begin(file, 0, 1, 0)), 'mapped');
});

// 6. Attributes.

rule('6', 'regular files in extents are moved by the kernel; directories and links are not', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	t.true(newFile(mount).isIomap);
	t.false(kernel.mkdir(kernel.root(), 'directory').isIomap);
	endsClean(t, mount);
});

function passesThrough(t: ExecutionContext, mount: IomapMount, file: Node): void {
	const {kernel} = mount;
	t.false(file.isIomap);
	const refused = () => kernel.begin(file, 0, 1, 0);
	t.is(errnoOf(refused), errno.EINVAL);
	const data = new Uint8Array(3000).fill(7);
	const {error} = kernel.wire.ask('WRITE', {
		nodeId: file.id,
		fields: {offset: 0, size: data.length},
		data,
	});
	t.is(error, 0);
	// Also once it has grown out of the inode: the kernel goes by what it heard first.
	t.is(errnoOf(refused), errno.EINVAL);
	kernel.truncate(file, 1500);
	const read = kernel.wire.ask('READ', {nodeId: file.id, fields: {offset: 0, size: 4096}});
	t.is(Buffer.compare(read.payload, new Uint8Array(1500).fill(7)), 0);
	kernel.evict(file);
}

rule('6', 'files mapped by blocks pass through the server', t => {
	const mount = mounted(t, ['-t', 'ext3', '-b', '1024']);
	passesThrough(t, mount, newFile(mount));
	t.false(mount.kernel.lookup(mount.kernel.root(), 'file')?.isIomap);
	endsClean(t, mount);
});

rule(
	'6',
	'files that lie in the inode pass through the server, until the kernel forgets them',
	t => {
		const folder = fs.mkdtempSync(join(tmpdir(), 'ext4box-inline-'));
		try {
			fs.writeFileSync(join(folder, 'file'), 'short');
			const options = ['-t', 'ext4', '-b', '1024', '-I', '256', '-O', 'inline_data', '-d', folder];
			const mount = mountIomap(mke2fs(options, '8M'));
			const {kernel} = mount;
			t.true(kernel.mount());
			const file = kernel.lookup(kernel.root(), 'file');
			if (file === undefined) return t.fail();
			passesThrough(t, mount, file);
			t.true(kernel.lookup(kernel.root(), 'file')?.isIomap);
			endsClean(t, mount);
		} finally {
			fs.rmSync(folder, {recursive: true});
		}
	},
);

// 7. Ordinary work.

rule('7.2', 'the page cache outlives an open', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.write(file, 0, new Uint8Array(2000).fill(1));
	kernel.close(file);
	kernel.open(file);
	const before = kernel.trace.length;
	kernel.read(file, 0, 2000);
	t.is(kernel.trace.length, before);
	kernel.close(file);
	endsClean(t, mount);
});

for (const mode of [0, 1, 3, 16, 17]) {
	rule('7.5', `fallocate of mode ${mode} asks for no zeros on the disk but at the edges`, t => {
		const mount = mounted(t);
		const {kernel} = mount;
		const file = patchwork(mount);
		const before = kernel.trace.length;
		kernel.fallocate(file, mode, 0, 2 * fileBytes);
		kernel.writeBack(file);
		const requests = kernel.trace.slice(before);
		t.false(
			requests.some(each => each.startsWith('IOEND')),
			requests.join('\n'),
		);
		const expected = mode === 0 || mode === 16 ? 2 * fileBytes : fileBytes;
		t.is(file.size, expected);
		t.is(mount.volume.readInode(file.inode).sizeBytes, expected);
		endsClean(t, mount);
	});
}

rule('7.4', 'a file is cut where the kernel has written the zeros', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.write(file, 0, new Uint8Array(5000).fill(3));
	kernel.fsync(file);
	kernel.truncate(file, 2500);
	kernel.truncate(file, 5000);
	const found = kernel.readDirect(file, 0, 5120);
	t.is(Buffer.compare(found, new Uint8Array(5000).fill(3, 0, 2500)), 0);
	kernel.close(file);
	endsClean(t, mount);
});

rule('7.1', 'copying between files is left to the kernel', t => {
	const mount = mounted(t);
	const file = patchwork(mount);
	const {error} = mount.kernel.wire.ask('COPY_FILE_RANGE', {
		nodeId: file.id,
		fields: {nodeid_out: file.id, len: 10, off_out: 3000},
	});
	t.is(error, errno.ENOSYS);
	endsClean(t, mount);
});

// 8. Durability.

for (const isDataOnly of [false, true]) {
	rule(
		'8',
		`${isDataOnly ? 'fdatasync' : 'fsync'} of what was only overwritten flushes the device`,
		t => {
			const mount = mounted(t);
			const {kernel, device} = mount;
			const file = newFile(mount);
			kernel.write(file, 0, new Uint8Array(2048).fill(1));
			kernel.fsync(file);
			kernel.write(file, 0, new Uint8Array(1024).fill(2));
			kernel.writeBack(file);
			let flushes = 0;
			device.flush = () => {
				flushes++;
			};
			kernel.fsync(file, isDataOnly);
			t.true(flushes > 0);
			kernel.close(file);
			endsClean(t, mount);
		},
	);
}

// 9. The cache of mappings.

rule('9', "a file's mappings are told when it is opened", t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = patchwork(mount);
	kernel.evict(file);
	const again = kernel.lookup(kernel.root(), 'file');
	if (again === undefined) return t.fail();
	t.is(again.readCache.size, 0);
	kernel.open(again);
	t.true(again.readCache.size > 0);
	const before = kernel.counts['IOMAP_BEGIN'] ?? 0;
	kernel.read(again, 0, fileBytes);
	t.is(kernel.counts['IOMAP_BEGIN'] ?? 0, before);
	kernel.close(again);
	endsClean(t, mount);
});

rule('9', 'what is given ahead is told, and taken out when it is given back', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.write(file, 0, new Uint8Array(512 * 1024).fill(1));
	const ahead = (node: Node) =>
		node.readCache.all.some(({offset, length}) => offset + length > BigInt(node.size));
	t.true(ahead(file));
	kernel.close(file);
	t.false(ahead(file));
	t.true((kernel.notifications[101] ?? 0) > 0);
	const blocks = mount.volume.readInode(file.inode).sectors / 2;
	t.true(blocks <= 512 + 8, `${blocks} blocks`);
	endsClean(t, mount);
});

rule('9', 'while somebody else has the file open nothing is given back', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = newFile(mount);
	kernel.write(file, 0, new Uint8Array(512 * 1024).fill(1));
	kernel.open(file);
	kernel.close(file);
	t.is(kernel.notifications[101] ?? 0, 0);
	kernel.close(file);
	t.is(kernel.notifications[101], 1);
	endsClean(t, mount);
});

rule('9', 'a hole that was told and then given space is told anew', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = patchwork(mount);
	kernel.open(file);
	kernel.evict(file);
	const again = kernel.lookup(kernel.root(), 'file');
	if (again === undefined) return t.fail();
	kernel.open(again);
	kernel.write(again, 2 * blockSize, new Uint8Array(blockSize).fill(8));
	kernel.writeBack(again);
	again.pages.clear();
	t.is(kernel.read(again, 2 * blockSize, 1)[0], 8);
	kernel.close(again);
	endsClean(t, mount);
});

rule('9', 'no notification is refused in the course of all kinds of work', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	for (let round = 0; round < 4; round++) {
		const file = newFile(mount, `file${round}`);
		for (let piece = 0; piece < 6; piece++) {
			kernel.write(file, piece * 200_000, new Uint8Array(200_000).fill(piece));
			if (piece % 2 === 0) kernel.writeBack(file);
		}
		kernel.fallocate(file, 3, 100_000, 300_000);
		kernel.truncate(file, 700_001);
		kernel.write(file, 900_000, new Uint8Array(10));
		kernel.close(file);
		kernel.unlink(kernel.root(), `file${round}`);
		kernel.evict(file);
	}
	t.false(kernel.trace.some(each => each.includes('refused')));
	endsClean(t, mount);
});

// What the harness itself must be able to find.

for (const [title, spoil, expected] of [
	['an empty mapping', (view: DataView) => view.setBigUint64(8, 0n, true), errno.EUCLEAN],
	['a part of a block', (view: DataView) => view.setBigUint64(8, 100n, true), errno.EUCLEAN],
	['one that starts later', (view: DataView) => view.setBigUint64(0, 4096n, true), errno.EUCLEAN],
	['an unknown type', (view: DataView) => view.setUint16(24, 77, true), errno.EUCLEAN],
	['an unknown flag', (view: DataView) => view.setUint16(26, 0x100, true), errno.EUCLEAN],
	['no device', (view: DataView) => view.setUint32(28, 0, true), errno.EUCLEAN],
	['an unknown device', (view: DataView) => view.setUint32(28, 9, true), errno.EUCLEAN],
	['no address', (view: DataView) => view.setBigUint64(16, 2n ** 64n - 1n, true), errno.EUCLEAN],
	['a hole with an address', (view: DataView) => view.setUint16(24, 0, true), errno.EUCLEAN],
	['PURE_OVERWRITE to read from', (view: DataView) => view.setUint16(24, 255, true), errno.EUCLEAN],
	['an empty half to write to', (view: DataView) => view.setBigUint64(40, 0n, true), errno.EUCLEAN],
	['zeros for a half', (view: DataView) => view.setUint16(56, 2, true), errno.EUCLEAN],
] as const) {
	rule('5.2', `the kernel refuses ${title}`, t => {
		const mount = mounted(t);
		const file = patchwork(mount);
		const {wire} = mount.kernel;
		const ask = wire.ask.bind(wire);
		wire.ask = (name, question) => {
			const answer = ask(name, question);
			if (name === 'IOMAP_BEGIN') spoil(answer.view);
			return answer;
		};
		t.is(
			errnoOf(() => mount.kernel.begin(file, 0, 100, 0)),
			expected,
		);
	});
}
