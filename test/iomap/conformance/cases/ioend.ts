/** END and IOEND: what the kernel says when it is done. */
import {errno} from '../../../../src/errno.ts';
import type {Node} from '../../../support/iomap-kernel/kernel.ts';
import type {IomapMount} from '../../../support/iomap-kernel/mounted.ts';
import {beginOps, ioendFlags, recordFlags} from '../../../support/iomap-kernel/wire.ts';
import {
	blockSize,
	caseList,
	errnoOf,
	fileBytes,
	filled,
	mounted,
	plain,
	scripted,
	spoilt,
	typeOf,
} from './kit.ts';

const {cases, rule} = caseList();
export const ioendCases = cases;

rule('5.3.2', 'END is refused once', t => {
	const mount = mounted(t);
	const file = mount.newFile();
	mount.kernel.write(file, 0, new Uint8Array(10));
	mount.kernel.write(file, 10, new Uint8Array(10));
	t.is(mount.kernel.counts['IOMAP_END'], 1);
	mount.kernel.close(file);
	mount.endsClean();
});

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
	rule(
		(expected as readonly number[]).length > 0 ? '5.4.1' : '5.4.2',
		`IOEND converts ${title}`,
		t => {
			const mount = mounted(t);
			const file = mount.patchwork();
			t.is(mount.kernel.ioend(file, position, written, flags), fileBytes);
			for (const block of [3, 4]) {
				const wanted = (expected as readonly number[]).includes(block) ? 'mapped' : 'unwritten';
				t.is(typeOf(mount.kernel.begin(file, block * blockSize, 1, 0)), wanted, `block ${block}`);
			}
			mount.endsClean();
		},
	);
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
	['without append it does, too', fileBytes, 100, ioendFlags.unwritten, fileBytes + 100],
] as const) {
	rule('5.4.3', title, t => {
		const mount = mounted(t);
		const file = mount.patchwork();
		// The blocks first: nobody says that they were written to where none are.
		mount.kernel.begin(file, fileBytes, 1000, beginOps.write);
		t.is(mount.kernel.ioend(file, position, written, flags), size);
		t.is(mount.volume.readInode(file.inode).sizeBytes, size);
		mount.kernel.open(file);
		mount.kernel.close(file);
		mount.endsClean();
	});
}

rule('5.4.5', 'an error of the device changes nothing', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	const flags = ioendFlags.unwritten | ioendFlags.append;
	t.is(mount.kernel.ioend(file, 3 * blockSize, 9000, flags, errno.EIO), fileBytes);
	t.is(typeOf(mount.kernel.begin(file, 3 * blockSize, 1, 0)), 'unwritten');
	mount.endsClean();
});

for (const [title, learn] of [
	['stat', (mount: IomapMount, file: Node) => mount.kernel.stat(file)],
	[
		'link',
		(mount: IomapMount, file: Node) => mount.kernel.link(file, mount.kernel.root(), 'other'),
	],
	['lookup', (mount: IomapMount) => mount.kernel.lookup(mount.kernel.root(), 'file')],
] as const) {
	for (const [before, after] of [
		[100, 300],
		[100, 5000],
		[blockSize, blockSize + 1],
		[0, 10],
	] as const) {
		rule('5.4.6', `from ${before} to ${after} bytes, ${title}, then written out`, t => {
			const mount = mounted(t);
			const {kernel} = mount;
			const file = mount.newFile();
			kernel.write(file, 0, new Uint8Array(before));
			kernel.fsync(file);
			kernel.write(file, before, new Uint8Array(after - before).fill(1));
			learn(mount, file);
			kernel.close(file);
			t.is(mount.volume.readInode(file.inode).sizeBytes, after);
			mount.endsClean();
		});
	}
}

rule('5.4.6', 'a file that was only read may grow later', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, new Uint8Array(100));
	kernel.close(file);
	kernel.openToRead(file);
	kernel.read(file, 0, 100);
	kernel.open(file);
	kernel.write(file, 100, new Uint8Array(50));
	kernel.stat(file);
	kernel.close(file);
	t.is(mount.volume.readInode(file.inode).sizeBytes, 150);
	kernel.close(file);
	mount.endsClean();
});

rule('5.4.7', 'the end of a swap file is heard', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	t.is(mount.kernel.ioend(file, 0, 0, ioendFlags.swapOff), fileBytes);
	mount.endsClean();
});

rule('5.4.8', 'what could not be recorded is told by the next fsync, once', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.patchwork();
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
	mount.endsClean();
});

rule('5.4.8', 'or by the next sync of the file system', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.patchwork();
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
	mount.endsClean();
});

rule('5.4.8', 'one fsync does not tell what another file has met', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.patchwork();
	const other = mount.newFile('other');
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
	mount.endsClean();
});

rule('5.3.1', 'END comes for what makes a file longer, and for nothing else', t => {
	const {kernel, file} = scripted({}, 8192);
	const ends = () => kernel.counts['IOMAP_END'] ?? 0;
	const before = ends();
	kernel.write(file, 100, filled(100));
	kernel.read(file, 0, 8192);
	kernel.writeDirect(file, 8192, filled(4096));
	t.is(ends(), before);
	kernel.write(file, 12_000, filled(1000));
	t.is(ends(), before + 1);
});

rule('5.3.1', 'END says what was used and that the size has changed', t => {
	const {kernel, file} = scripted();
	let flags = 0;
	const ask = kernel.wire.ask.bind(kernel.wire);
	kernel.wire.ask = (name, question) => {
		if (name === 'IOMAP_END') {
			const body = new DataView(new ArrayBuffer(72));
			question?.fill?.(body);
			flags = body.getUint16(40 + 26, true);
			t.is(body.getBigUint64(40 + 8, true), 8192n);
		}
		return ask(name, question);
	};
	kernel.write(file, 0, filled(6000));
	t.is(flags, 0x100 | recordFlags.new);
});

rule('5.3.3', 'an error of END does not undo the write', t => {
	const {kernel, file} = scripted();
	spoilt(kernel, 'IOMAP_END', answer => ({...answer, error: errno.EIO}));
	t.is(kernel.write(file, 0, filled(100)), 100);
	t.is(file.size, 100);
});

rule('5.4.4', 'the size in the answer is the one that a new look finds', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(12_345));
	kernel.writeBack(file);
	t.is(file.recordedSize, 12_345);
	kernel.close(file);
	kernel.evict(file);
	t.is(mount.lookedUp().size, 12_345);
	mount.endsClean();
});

rule('5.4.9', 'over written blocks within the size there is none', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(20 * blockSize));
	kernel.fsync(file);
	const before = kernel.counts['IOMAP_IOEND'];
	kernel.write(file, 5000, filled(5000, 9));
	kernel.writeBack(file);
	kernel.writeDirect(file, 1024, filled(2048, 8));
	kernel.store(file, 17, filled(1, 3));
	kernel.fsync(file);
	t.is(kernel.counts['IOMAP_IOEND'], before);
	kernel.close(file);
	mount.endsClean();
});

rule('5.4.10', 'a file that was written in pieces is told of once', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	for (let piece = 0; piece < 10; piece++) kernel.write(file, piece * 1000, filled(1000));
	const found = mount.kernel.requestsOf(() => kernel.writeBack(file));
	const ioends = found.filter(each => each.startsWith('IOEND'));
	t.deepEqual(ioends, ['IOEND(WRITEBACK|UNWRITTEN|APPEND) 0+10000']);
	kernel.close(file);
	mount.endsClean();
});

rule('5.4.11', 'any address and any device do', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	for (const [address, device] of [
		[0, 0],
		[-1, 0],
		[0x800, 77],
	] as const) {
		const {error} = mount.kernel.wire.ask('IOMAP_IOEND', {
			nodeId: file.id,
			fields: {
				flags: ioendFlags.unwritten,
				attr_ino: file.inode,
				pos: 3 * blockSize,
				new_addr: address,
				written: 10,
				dev: device,
			},
		});
		t.is(error, 0);
	}
	t.is(typeOf(mount.kernel.begin(file, 3 * blockSize, 1, 0)), 'mapped');
	mount.endsClean();
});

rule(
	'5.4.12',
	'a direct write whose end can not be recorded fails, and the file is as long as before',
	t => {
		const mount = mounted(t);
		const {kernel} = mount;
		const file = mount.patchwork();
		spoilt(kernel, 'IOMAP_IOEND', answer => ({...answer, error: errno.ENOSPC}));
		t.is(
			errnoOf(() => kernel.writeDirect(file, 8 * blockSize, filled(blockSize))),
			errno.ENOSPC,
		);
		t.is(file.size, fileBytes);
	},
);

rule('5.4.1', 'what was converted before is converted again without harm', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	for (let round = 0; round < 3; round++) {
		t.is(mount.kernel.ioend(file, 3 * blockSize, 2 * blockSize, ioendFlags.unwritten), fileBytes);
	}
	mount.endsClean();
});

rule('5.4.3', 'an append within a block that has the size already leaves it', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	t.is(mount.kernel.ioend(file, 0, fileBytes - 1, ioendFlags.append), fileBytes);
	mount.endsClean();
});

for (const [title, position, written, flags, refusal] of [
	['far beyond the largest file', 2 ** 52, 4096, ioendFlags.append, errno.EFBIG],
	['more than the largest file has', 0, 2 ** 52, ioendFlags.append, errno.EFBIG],
	['where no number reaches', 2 ** 63, 2 ** 62, ioendFlags.append, errno.EFBIG],
	['unwritten space of a TiB', 0, 2 ** 40, ioendFlags.unwritten, errno.EINVAL],
	['unwritten space beyond all', 2 ** 62, 2 ** 40, ioendFlags.unwritten, errno.EFBIG],
] as const) {
	rule('5.4.13', `written, it is said: ${title}`, t => {
		const mount = mounted(t);
		const {kernel} = mount;
		const file = mount.patchwork();
		t.is(
			errnoOf(() => kernel.ioend(file, position, written, flags)),
			refusal,
		);
		kernel.evict(file);
		t.is(mount.lookedUp().size, fileBytes);
		mount.endsClean();
	});
}

rule('5.4.8', 'what a file that was forgotten has lost is told by sync', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.patchwork();
	const nowhere = 2 * blockSize;
	t.is(
		errnoOf(() => kernel.ioend(file, nowhere, blockSize, ioendFlags.unwritten)),
		errno.EINVAL,
	);
	kernel.evict(file);
	t.is(
		errnoOf(() => kernel.sync()),
		errno.EINVAL,
	);
	kernel.sync();
	mount.endsClean();
});

rule('5.4.1', 'a full disk has room for what the tree grows by', t => {
	const mount = mounted(t, {options: [...plain, '-m', '0']});
	const {kernel} = mount;
	const file = mount.newFile();
	const blocks = 1000;
	kernel.fallocate(file, 0, 0, blocks * blockSize);
	const all = mount.newFile('all');
	for (let size = 4096, at = 0; size >= 1; ) {
		if (errnoOf(() => kernel.fallocate(all, 0, at * blockSize, size * blockSize)) === 0) at += size;
		else size = Math.floor(size / 2);
	}
	// Every other block: as many extents as there are blocks.
	for (let block = 0; block < blocks; block += 2) {
		kernel.writeDirect(file, block * blockSize, filled(blockSize));
	}
	kernel.evict(file);
	const found = kernel.read(mount.lookedUp(), 0, blocks * blockSize);
	t.true(found.every((byte, at) => byte === (Math.floor(at / blockSize) % 2 === 0 ? 7 : 0)));
	mount.endsClean();
});

rule('5.4.1', 'at once, what lies in a thousand pieces, with a small journal', t => {
	const mount = mounted(t, {options: [...plain, '-J', 'size=1']});
	const {kernel} = mount;
	const [file, other] = [mount.newFile(), mount.newFile('other')];
	const blocks = 1200;
	for (let block = 0; block < blocks; block++) {
		for (const each of [file, other]) kernel.fallocate(each, 1, block * blockSize, blockSize);
	}
	const length = blocks * blockSize - 100;
	kernel.write(file, 0, filled(length));
	kernel.fsync(file);
	kernel.evict(file);
	const again = mount.lookedUp();
	t.is(again.size, length);
	t.deepEqual(kernel.read(again, 0, length), filled(length));
	mount.endsClean();
});
