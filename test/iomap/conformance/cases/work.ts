/** Ordinary work on files. */
import {errno} from '../../../../src/errno.ts';
import {beginOps, ioendFlags} from '../../../support/iomap-kernel/wire.ts';
import {
	blockSize,
	caseList,
	errnoOf,
	fileBytes,
	filled,
	mounted,
	mountedAgain,
	scripted,
	spoilt,
	typeOf,
} from './kit.ts';

const {cases, rule} = caseList();
export const workCases = cases;

rule('7.2.1', 'the page cache outlives an open', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, new Uint8Array(2000).fill(1));
	kernel.close(file);
	kernel.open(file);
	const before = kernel.trace.length;
	kernel.read(file, 0, 2000);
	t.is(kernel.trace.length, before);
	kernel.close(file);
	mount.endsClean();
});

for (const mode of [0, 1, 3, 16, 17]) {
	rule('7.5.1', `fallocate of mode ${mode} asks for no zeros on the disk but at the edges`, t => {
		const mount = mounted(t);
		const {kernel} = mount;
		const file = mount.patchwork();
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
		mount.endsClean();
	});
}

rule('7.4.2', 'a file is cut where the kernel has written the zeros', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, new Uint8Array(5000).fill(3));
	kernel.fsync(file);
	kernel.truncate(file, 2500);
	kernel.truncate(file, 5000);
	const found = kernel.readDirect(file, 0, 5120);
	t.is(Buffer.compare(found, new Uint8Array(5000).fill(3, 0, 2500)), 0);
	kernel.close(file);
	mount.endsClean();
});

rule('7.1.2', 'copying between files is left to the kernel', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	const {error} = mount.kernel.wire.ask('COPY_FILE_RANGE', {
		nodeId: file.id,
		fields: {nodeid_out: file.id, len: 10, off_out: 3000},
	});
	t.is(error, errno.ENOSYS);
	mount.endsClean();
});

rule('7.1.1', 'through all kinds of work not a byte of data passes through the server', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(50_000));
	kernel.writeDirect(file, 8192, filled(4096));
	kernel.dropPages(file);
	kernel.read(file, 0, 50_000);
	kernel.readDirect(file, 0, 4096);
	kernel.store(file, 100, filled(3));
	kernel.seekData(file, 0);
	kernel.truncate(file, 30_001);
	kernel.fallocate(file, 3, 5000, 9000);
	kernel.close(file);
	for (const name of ['READ', 'WRITE', 'LSEEK', 'BMAP']) t.is(kernel.counts[name], undefined);
	mount.endsClean();
});

rule('7.2.1', 'OPEN and CREATE are answered with KEEP_CACHE alone', t => {
	const mount = mounted(t);
	const file = mount.newFile();
	const {view} = mount.kernel.wire.ask('OPEN', {nodeId: file.id, fields: {flags: 2}});
	t.is(view.getUint32(8, true), 2);
	const created = mount.kernel.wire.ask('CREATE', {names: ['other'], fields: {mode: 0o100644}});
	t.is(created.view.getUint32(128 + 8, true), 2);
	for (const nodeId of [file.id, Number(created.view.getBigUint64(0, true))]) {
		mount.kernel.wire.ask('RELEASE', {nodeId});
	}
	mount.endsClean();
});

rule('7.3.1', 'times that the kernel has kept are what a new look finds', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(100));
	const {modificationTime} = file;
	kernel.clock.now = {seconds: 1_800_000_000, nanoseconds: 123_456_789};
	kernel.clock.isHeld = true;
	kernel.read(file, 0, 10);
	kernel.close(file);
	kernel.evict(file);
	const found = mount.lookedUp();
	t.deepEqual(found.modificationTime, modificationTime);
	t.deepEqual(found.accessTime, {seconds: 1_800_000_000, nanoseconds: 123_456_789});
	mount.endsClean();
});

rule('7.3.2', 'BEGIN, IOEND and FALLOCATE leave the times as they are', t => {
	const mount = mounted(t);
	const {kernel, volume} = mount;
	const file = mount.newFile();
	const {modificationTime, changeTime} = volume.readInode(file.inode);
	kernel.clock.tick();
	kernel.begin(file, 0, 5000, beginOps.write);
	kernel.ioend(file, 0, 5000, ioendFlags.unwritten | ioendFlags.append);
	kernel.wire.ask('FALLOCATE', {nodeId: file.id, fields: {mode: 1, offset: 0, length: 9000}});
	const after = volume.readInode(file.inode);
	t.deepEqual(after.modificationTime, modificationTime);
	t.deepEqual(after.changeTime, changeTime);
	kernel.close(file);
	mount.endsClean();
});

for (const [title, size] of [
	['within the last block', 2500],
	['to the end of a block', 3072],
	['by many blocks', 100_000],
] as const) {
	rule(
		'7.4.1',
		`a file that is made longer ${title} reads as zeros, none written but in the last block`,
		t => {
			const mount = mounted(t);
			const {kernel} = mount;
			const file = mount.newFile();
			kernel.write(file, 0, filled(2100, 1));
			kernel.close(file);
			const found = mount.kernel.requestsOf(() => kernel.truncate(file, size));
			const writes = found.filter(each => each === 'device write').length;
			t.true(writes <= 1, found.join(', '));
			const ioends = found.filter(each => each.startsWith('IOEND'));
			t.true(
				ioends.every(each => Number(each.split('+')[1]) <= blockSize),
				found.join(', '),
			);
			const expected = new Uint8Array(size);
			expected.fill(1, 0, 2100);
			t.deepEqual(kernel.read(file, 0, size + 1), expected);
			mount.endsClean();
		},
	);
}

rule('7.4.3', 'the size in the answer is the one that was set', t => {
	const mount = mounted(t);
	const file = mount.newFile();
	for (const size of [10_000, 5000, 5001, 0]) {
		const {view} = mount.kernel.wire.ask('SETATTR', {nodeId: file.id, fields: {valid: 8, size}});
		t.is(view.getBigUint64(16 + 8, true), BigInt(size));
	}
	mount.endsClean();
});

rule('7.4.4', 'an open that truncates leaves no space behind', t => {
	const mount = mounted(t);
	const {kernel, volume} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(100_000));
	kernel.close(file);
	kernel.open(file, {truncates: true});
	t.is(file.size, 0);
	t.is(volume.readInode(file.inode).sectors, 0);
	kernel.write(file, 0, filled(10));
	kernel.close(file);
	mount.endsClean();
});

rule(
	'7.5.2',
	'whole blocks that are punched out are holes at once, parts of blocks are zeros',
	t => {
		const mount = mounted(t);
		const {kernel} = mount;
		const file = mount.newFile();
		kernel.write(file, 0, filled(10 * blockSize));
		kernel.fsync(file);
		kernel.fallocate(file, 3, 1500, 4000);
		const types = kernel.report(file, 0, 10 * blockSize).map(typeOf);
		// A mapping may come in parts.
		const kinds = types.filter((type, index) => type !== types[index - 1]);
		t.deepEqual(kinds, ['mapped', 'hole', 'mapped']);
		const expected = filled(10 * blockSize);
		expected.fill(0, 1500, 5500);
		t.deepEqual(kernel.read(file, 0, 10 * blockSize), expected);
		kernel.close(file);
		mount.endsClean();
	},
);

rule('7.5.3', 'COLLAPSE, INSERT and what nobody knows are refused without a request', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	for (const mode of [8, 32, 64, 128]) {
		t.is(
			errnoOf(() => mount.kernel.fallocate(file, mode, 0, blockSize)),
			errno.EOPNOTSUPP,
		);
	}
	t.is(mount.kernel.counts['FALLOCATE'], 1, 'that of the file itself');
	mount.endsClean();
});

rule('7.6.1', 'inline data is written and read by requests, and stays in the page cache', t => {
	const {kernel, file} = scripted({space: 'inline'});
	kernel.write(file, 0, filled(100));
	t.deepEqual(kernel.read(file, 0, 200), filled(100));
	const before = kernel.trace.length;
	t.deepEqual(kernel.read(file, 10, 20), filled(20));
	t.is(kernel.trace.length, before);
	kernel.fsync(file);
	t.false(kernel.trace.some(each => each.startsWith('IOEND')));
});

rule('7.6.2', 'an append with both halves inline reads at the end, and fails', t => {
	const {kernel, file} = scripted({space: 'inline both'});
	t.is(
		errnoOf(() => kernel.write(file, 0, filled(100))),
		errno.EIO,
	);
});

rule('7.6.2', 'inline data of which not all is taken is EIO', t => {
	const {kernel, file} = scripted({space: 'inline'});
	spoilt(kernel, 'WRITE', ({view}) => {
		view.setUint32(0, 99, true);
		return undefined;
	});
	t.is(
		errnoOf(() => kernel.write(file, 0, filled(100))),
		errno.EIO,
	);
});

rule('7.7.1', 'a file with holes is no swap file', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	t.is(
		errnoOf(() => mount.kernel.swapOn(file)),
		errno.EINVAL,
	);
	mount.endsClean();
});

rule('7.7.1', 'the layout of a swap file is asked for past the cache', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.fallocate(file, 0, 0, 100 * blockSize);
	kernel.open(file);
	const found = mount.kernel.requestsOf(() => kernel.swapOn(file));
	t.true(found.length > 0 && found.every(each => each.startsWith('(B,40000000)')));
	kernel.close(file);
	kernel.close(file);
	mount.endsClean();
});

for (const [title, mode, position, length] of [
	['a punched hole', 3, 0, 4 * blockSize],
	['zeros', 16, 0, 4 * blockSize],
	['space', 1, 0, 4 * blockSize],
	['space behind what is being written', 1, 700 * blockSize, 4 * blockSize],
] as const) {
	rule('7.5.4', `${title}, while what was given ahead is being written to`, t => {
		const mount = mounted(t);
		const {kernel} = mount;
		const file = mount.newFile();
		const piece = 300 * blockSize;
		const [first, second] = [filled(piece, 1), filled(piece, 2)];
		kernel.write(file, 0, first);
		kernel.fsync(file);
		kernel.write(file, piece, second);
		kernel.startWriteBack(file);
		kernel.fallocate(file, mode, position, length);
		kernel.waitForWriteBack(file);
		kernel.wire.ask('RELEASE', {nodeId: file.id});
		kernel.wire.ask('SYNCFS', {nodeId: 1});
		const again = mountedAgain(t, mount);
		t.is(Buffer.compare(again.kernel.read(again.lookedUp(), piece, piece), second), 0);
		again.endsClean();
	});
}

rule('7.5.4', 'space asked for where some was given ahead stays after the close', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(300 * blockSize));
	kernel.fallocate(file, 1, 400 * blockSize, 4 * blockSize);
	kernel.close(file);
	const kinds = kernel
		.report(file, 0, 500 * blockSize)
		.map(each => [typeOf(each), Number(each.offset) / blockSize]);
	t.deepEqual(kinds, [
		['mapped', 0],
		['hole', 300],
		['unwritten', 400],
		['hole', 404],
	]);
	mount.endsClean();
});
