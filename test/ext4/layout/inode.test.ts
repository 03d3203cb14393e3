import test from 'ava';
import {CorruptError} from '../../../ext4/errors.ts';
import {
	decodeInode,
	decodeTimestamp,
	ext4_inode,
	type Inode,
	type InodeContext,
	inodeFlags,
} from '../../../ext4/layout/inode.ts';
import {poke, viewOf} from '../../support/poke.ts';
import type {InodeFields} from '../../support/tiny-image.ts';

const context: InodeContext = {
	inodeSize: 256,
	blockSize: 4096,
	isHurd: false,
	hasHugeFile: true,
	hasLargeDirectory: false,
	has64bit: true,
};

function decode(fields: InodeFields, changes: Partial<InodeContext> = {}): Inode {
	const bytes = new Uint8Array(512);
	poke(ext4_inode, bytes, 64, {i_mode: 0o100644, i_links_count: 1, i_extra_isize: 32, ...fields});
	return decodeInode(12, viewOf(bytes), 64, 0x1234, {...context, ...changes});
}

// Kernel documentation, "Index Nodes", "Inode Timestamps": the two extra bits, the highest bit of
// the 32-bit seconds, and the range of time that they give together, its ends counted in.
const timestampTable = [
	{epoch: 0, isHigh: true, from: '1901-12-13T20:45:52Z', to: '1969-12-31T23:59:59Z'},
	{epoch: 0, isHigh: false, from: '1970-01-01T00:00:00Z', to: '2038-01-19T03:14:07Z'},
	{epoch: 1, isHigh: true, from: '2038-01-19T03:14:08Z', to: '2106-02-07T06:28:15Z'},
	{epoch: 1, isHigh: false, from: '2106-02-07T06:28:16Z', to: '2174-02-25T09:42:23Z'},
	{epoch: 2, isHigh: true, from: '2174-02-25T09:42:24Z', to: '2242-03-16T12:56:31Z'},
	{epoch: 2, isHigh: false, from: '2242-03-16T12:56:32Z', to: '2310-04-04T16:10:39Z'},
	{epoch: 3, isHigh: true, from: '2310-04-04T16:10:40Z', to: '2378-04-22T19:24:47Z'},
	{epoch: 3, isHigh: false, from: '2378-04-22T19:24:48Z', to: '2446-05-10T22:38:55Z'},
];

for (const {epoch, isHigh, from, to} of timestampTable) {
	test(`a timestamp of epoch ${epoch}, highest bit ${isHigh ? 1 : 0}, lies in ${from} to ${to}`, t => {
		const [first, last] = isHigh ? [-0x80000000, -1] : [0, 0x7fffffff];
		const lowest = decodeTimestamp(first, epoch);
		const highest = decodeTimestamp(last, (999_999_999 << 2) | epoch);
		t.is(lowest.seconds * 1000, Date.parse(from));
		t.is(lowest.nanoseconds, 0);
		t.is(highest.seconds * 1000, Date.parse(to));
		t.is(highest.nanoseconds, 999_999_999);
	});
}

test('each time of an inode is made of its own two fields', t => {
	const inode = decode({
		i_atime: 1,
		i_atime_extra: 10 << 2,
		i_ctime: 2,
		i_ctime_extra: (20 << 2) | 1,
		i_mtime: -3,
		i_mtime_extra: 30 << 2,
		i_crtime: 4,
		i_crtime_extra: (40 << 2) | 3,
	});
	t.deepEqual(inode.accessTime, {seconds: 1, nanoseconds: 10});
	t.deepEqual(inode.changeTime, {seconds: 2 + 2 ** 32, nanoseconds: 20});
	t.deepEqual(inode.modificationTime, {seconds: -3, nanoseconds: 30});
	t.deepEqual(inode.creationTime, {seconds: 4 + 3 * 2 ** 32, nanoseconds: 40});
});

test('a field beyond i_extra_isize is not there, whatever stands in its place', t => {
	const all: InodeFields = {
		i_atime_extra: 0xffffffff,
		i_ctime_extra: 0xffffffff,
		i_mtime_extra: 0xffffffff,
		i_crtime: 5,
		i_crtime_extra: 0xffffffff,
		i_projid: 9,
	};
	const nothing = decode({...all, i_extra_isize: 0});
	t.is(nothing.accessTime.nanoseconds, 0);
	t.is(nothing.creationTime, undefined);
	t.is(nothing.projectId, 0);
	const changeOnly = decode({...all, i_extra_isize: 8});
	t.not(changeOnly.changeTime.nanoseconds, 0);
	t.is(changeOnly.modificationTime.nanoseconds, 0);
	const creationSeconds = decode({...all, i_extra_isize: 0x14});
	t.deepEqual(creationSeconds.creationTime, {seconds: 5, nanoseconds: 0});
	t.is(decode({...all, i_extra_isize: 28}).projectId, 0);
	t.is(decode({...all, i_extra_isize: 32}).projectId, 9);
});

test('an inode of 128 bytes has no extra fields at all', t => {
	const inode = decode({i_extra_isize: 0xffff, i_crtime: 5}, {inodeSize: 128});
	t.is(inode.creationTime, undefined);
	t.is(inode.extraSizeBytes, 0);
});

const types = [
	['fifo', 0x1000],
	['character', 0x2000],
	['directory', 0x4000],
	['block', 0x6000],
	['file', 0x8000],
	['symlink', 0xa000],
	['socket', 0xc000],
] as const;

for (const [type, bits] of types) {
	test(`mode 0x${bits.toString(16)} is a ${type}`, t => {
		const inode = decode({i_mode: bits | 0o7654});
		t.is(inode.type, type);
		t.is(inode.mode, bits | 0o7654);
	});
}

for (const bits of [0, 0x3000, 0x5000, 0x7000, 0x9000, 0xb000, 0xd000, 0xe000, 0xf000]) {
	test(`mode 0x${bits.toString(16)} is no type of file`, t => {
		const error = t.throws(() => decode({i_mode: bits}), {instanceOf: CorruptError});
		t.is(error.code, 'EXT4_BAD_INODE');
		t.is(error.place.inode, 12);
	});
}

for (const extra of [1, 2, 30, 129, 132, 0xffff]) {
	test(`an i_extra_isize of ${extra} can't be in an inode of 256 bytes`, t => {
		const error = t.throws(() => decode({i_extra_isize: extra}), {instanceOf: CorruptError});
		t.is(error.code, 'EXT4_BAD_INODE');
	});
}

test('owner and group are made of two halves', t => {
	const inode = decode({i_uid: 0x1234, l_i_uid_high: 0xffff, i_gid: 1, l_i_gid_high: 2});
	t.is(inode.uid, 0xffff1234);
	t.is(inode.gid, 0x20001);
});

test('the upper half of the size counts in a file, and in a directory only with large_dir', t => {
	const size: InodeFields = {i_size_lo: 5, i_size_high: 1};
	t.is(decode(size).sizeBytes, 2 ** 32 + 5);
	t.is(decode({...size, i_mode: 0o40755}).sizeBytes, 5);
	t.is(decode({...size, i_mode: 0o40755}, {hasLargeDirectory: true}).sizeBytes, 2 ** 32 + 5);
	t.is(decode({...size, i_mode: 0o120777}).sizeBytes, 5);
});

test('a size above 2^53-1 is an error of the image', t => {
	const error = t.throws(() => decode({i_size_high: 0x200000}), {instanceOf: CorruptError});
	t.is(error.code, 'EXT4_BAD_INODE');
	t.is(decode({i_size_high: 0x1fffff, i_size_lo: 0xffffffff}).sizeBytes, Number.MAX_SAFE_INTEGER);
});

test('space used is counted in sectors, and in blocks only where the inode says so', t => {
	const blocks: InodeFields = {i_blocks_lo: 3, l_i_blocks_high: 1};
	t.is(decode(blocks).sectors, 2 ** 32 + 3);
	t.is(decode({...blocks, i_flags: inodeFlags.hugeFile}).sectors, (2 ** 32 + 3) * 8);
	t.is(decode({...blocks, i_flags: inodeFlags.hugeFile}, {hasHugeFile: false}).sectors, 3);
});

test('a device number is the old form where the first word holds one, else the new form', t => {
	const bytes = new Uint8Array(256);
	const at = ext4_inode.fields.i_block.at;
	poke(ext4_inode, bytes, 0, {i_mode: 0o20644, i_links_count: 1, i_extra_isize: 32});
	const view = viewOf(bytes);
	view.setUint32(at, 0x0801, true);
	t.deepEqual(decodeInode(12, view, 0, 0, context).device, {major: 8, minor: 1});
	view.setUint32(at, 0, true);
	// major 300 (0x12c), minor 70000 (0x11170), as new_encode_dev lays them out.
	view.setUint32(at + 4, 0x70 | (0x12c << 8) | (0x111 << 20), true);
	t.deepEqual(decodeInode(12, view, 0, 0, context).device, {major: 300, minor: 70000});
	t.is(decode({}).device, undefined);
});

test('the upper half of the attribute block counts with 64bit, and not on the Hurd', t => {
	const place: InodeFields = {i_file_acl_lo: 7, l_i_file_acl_high: 1};
	t.is(decode(place).xattrBlock, 2 ** 32 + 7);
	t.is(decode(place, {has64bit: false}).xattrBlock, 7);
	t.is(decode(place, {isHurd: true}).xattrBlock, 7);
});

test('the 60 bytes of i_block are a copy that does not change with the block', t => {
	const bytes = new Uint8Array(256);
	poke(ext4_inode, bytes, 0, {i_mode: 0o100644, i_block: 7, i_extra_isize: 32});
	const inode = decodeInode(12, viewOf(bytes), 0, 0, context);
	bytes.fill(9);
	t.true(inode.blockBytes.every(byte => byte === 7));
	t.is(inode.blockBytes.length, 60);
	t.is(inode.blockView.getUint8(59), 7);
});
