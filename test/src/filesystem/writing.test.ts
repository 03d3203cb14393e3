/** Requests that change something, answered without a kernel. Oracle at the end of each: e2fsck. */
import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import {closeVolume, openForWriting, type Volume} from '../../../ext4/index.ts';
import {openImage} from '../../../images/index.ts';
import {errno, errnoOf} from '../../../src/errno.ts';
import {FileSystem, initFlags, transferBytesMax} from '../../../src/filesystem.ts';
import {Connection} from '../../../src/fuse/connection.ts';
import * as layouts from '../../../src/fuse/layout.ts';
import {ioctls} from '../../../src/ioctl.ts';
import type {ServerConfig} from '../../../src/mount/server-config.ts';
import {remountIoctl, remountRequest} from '../../../src/status.ts';
import {type Answer, FakeKernel, readField} from '../../support/fake-kernel.ts';
import {temporary} from '../../support/program.ts';
import {defaultConfig} from '../../support/server-config.ts';
import {missing, testUnless} from '../../support/skip.ts';

const {attr, attrOut, entryOut, initFlagBits, writeOut} = layouts;
const allFlags = Object.keys(initFlagBits) as layouts.InitFlag[];

type Mounted = {
	readonly kernel: FakeKernel;
	readonly volume: Volume;
	readonly fileSystem: FileSystem;
	/** Nodes whose attributes the kernel was told to forget. */
	readonly invalidated: number[];
};

/** An image of 8 MiB, mounted; unmounted and judged by e2fsck when the test ends. */
function mount(
	t: ExecutionContext,
	overrides: Partial<ServerConfig> = {},
	flags: readonly layouts.InitFlag[] = allFlags,
): Mounted {
	const image = join(temporary(t), 'disk.img');
	fs.writeFileSync(image, '');
	fs.truncateSync(image, 8 << 20);
	execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', '1024', image]);
	const config = {...defaultConfig, readOnly: false, ...overrides};
	const opened = openImage(image, {isWritable: true});
	let seconds = 1_800_000_000;
	const volume = openForWriting(opened.device, {
		clock: () => ({seconds: seconds++, nanoseconds: 500}),
		randomUint32: () => 77,
	});
	const invalidated: number[] = [];
	const fileSystem = new FileSystem(volume, {
		config,
		status: () => new Uint8Array(0),
		invalidateAttributes: nodeId => invalidated.push(nodeId),
	});
	const kernel = new FakeKernel();
	kernel.connection = new Connection(
		kernel,
		fileSystem.handlers,
		{
			flags: initFlags(config),
			minor: 46,
			maxTransferBytes: transferBytesMax,
			pageBytes: 4096,
			maxBackground: 16,
		},
		{failed: errnoOf, malformed: problem => t.fail(problem)},
	);
	kernel.initialise(flags);
	t.teardown(() => {
		fileSystem.reapAll();
		closeVolume(volume);
		opened[Symbol.dispose]();
		execFileSync('e2fsck', ['-fn', image], {stdio: 'pipe'});
	});
	return {kernel, volume, fileSystem, invalidated};
}

function writes(title: string, body: (t: ExecutionContext) => void): void {
	testUnless(missing('mke2fs') ?? missing('e2fsck'), title, body);
}

const umask = 0o022;

function create(kernel: FakeKernel, name: string, nodeId = 1, mode = 0o100666): number {
	const answer = kernel.ask('MKNOD', {nodeId, names: [name], fields: {mode, umask}});
	if (answer.error !== 0) throw new Error(`MKNOD ${name}: ${answer.error}`);
	return answer.field(entryOut, 'nodeid');
}

function write(kernel: FakeKernel, nodeId: number, text: string, offset = 0, write_flags = 0) {
	const data = Buffer.from(text);
	return kernel.ask('WRITE', {nodeId, data, fields: {offset, size: data.length, write_flags}});
}

function attributeOf(kernel: FakeKernel, nodeId: number, name: string): number {
	const answer = kernel.ask('GETATTR', {nodeId});
	if (answer.error !== 0) throw new Error(`GETATTR: ${answer.error}`);
	return readField(attr, name, answer.view, attrOut.at.attr);
}

function contents(kernel: FakeKernel, nodeId: number): string {
	const answer = kernel.ask('READ', {nodeId, fields: {size: 65_536}});
	return Buffer.from(answer.payload).toString();
}

function setattr(kernel: FakeKernel, nodeId: number, fields: {[name: string]: number}): Answer {
	return kernel.ask('SETATTR', {nodeId, fields});
}

const valid = layouts.setattrValid;

writes('a file is made, written, read and removed', t => {
	const {kernel, fileSystem} = mount(t);
	const creation = {names: ['file'], fields: {mode: 0o100666, umask}};
	t.is(kernel.ask('CREATE', creation).error, errno.ENOSYS, 'MKNOD does, without an OPEN');
	const made = kernel.ask('MKNOD', creation);
	t.is(made.payload.length, entryOut.sizeBytes);
	t.is(readField(attr, 'mode', made.view, entryOut.at.attr), 0o100644);
	const node = made.field(entryOut, 'nodeid');
	t.is(write(kernel, node, 'hello, world').field(writeOut, 'size'), 12);
	t.is(contents(kernel, node), 'hello, world');
	t.is(attributeOf(kernel, node, 'size'), 12);
	t.is(kernel.ask('UNLINK', {names: ['file']}).error, 0);
	t.is(contents(kernel, node), 'hello, world', 'it may be open');
	t.deepEqual(fileSystem.counts(), {knownInodes: 1, linklessInodes: 1});
	kernel.tell('FORGET', {nodeId: node, fields: {nlookup: 1}});
	t.deepEqual(fileSystem.counts(), {knownInodes: 0, linklessInodes: 0});
	t.not(kernel.ask('GETATTR', {nodeId: node}).error, 0);
});

writes('a file that was looked up more often is freed at the last FORGET', t => {
	const {kernel, volume} = mount(t);
	const free = volume.superblock.freeInodeCount;
	const node = create(kernel, 'file');
	kernel.ask('LOOKUP', {names: ['file']});
	kernel.ask('LINK', {names: ['other'], fields: {oldnodeid: node}});
	kernel.ask('UNLINK', {names: ['file']});
	kernel.tell('FORGET', {nodeId: node, fields: {nlookup: 2}});
	t.is(kernel.ask('UNLINK', {names: ['other']}).error, 0);
	t.is(volume.superblock.freeInodeCount, free - 1);
	kernel.tell('FORGET', {nodeId: node, fields: {nlookup: 1}});
	t.is(volume.superblock.freeInodeCount, free);
});

writes('entries of READDIRPLUS count as lookups, those of READDIR do not', t => {
	const {kernel, fileSystem} = mount(t);
	const node = create(kernel, 'file');
	kernel.tell('FORGET', {nodeId: node, fields: {nlookup: 1}});
	t.is(fileSystem.counts().knownInodes, 0);
	kernel.ask('READDIR', {fields: {size: 4096}});
	t.is(fileSystem.counts().knownInodes, 0);
	kernel.ask('READDIRPLUS', {fields: {size: 4096}});
	t.is(fileSystem.counts().knownInodes, 2, 'lost+found, too');
});

writes('BATCH_FORGET forgets each of them', t => {
	const {kernel, fileSystem} = mount(t);
	const nodes = ['a', 'b', 'c'].map(name => create(kernel, name));
	for (const name of ['a', 'b', 'c']) kernel.ask('UNLINK', {names: [name]});
	const data = new Uint8Array(nodes.length * 16);
	const view = new DataView(data.buffer);
	for (const [index, node] of nodes.entries()) {
		view.setUint32(index * 16, node, true);
		view.setUint32(index * 16 + 8, 1, true);
	}
	kernel.tell('BATCH_FORGET', {fields: {count: nodes.length}, data});
	t.deepEqual(fileSystem.counts(), {knownInodes: 0, linklessInodes: 0});
});

writes('what has no name when the kernel goes is freed', t => {
	const {kernel, fileSystem, volume} = mount(t);
	const free = volume.superblock.freeInodeCount;
	const node = create(kernel, 'file');
	kernel.ask('UNLINK', {names: ['file']});
	const temporaryFile = kernel.ask('TMPFILE', {names: ['x'], fields: {mode: 0o100600}});
	t.is(temporaryFile.error, 0);
	t.is(attributeOf(kernel, node, 'nlink'), 0);
	t.is(fileSystem.counts().linklessInodes, 2);
	fileSystem.reapAll();
	t.is(volume.superblock.freeInodeCount, free);
});

writes('a TMPFILE that is linked has a name like any other', t => {
	const {kernel, fileSystem} = mount(t);
	const node = kernel
		.ask('TMPFILE', {names: ['x'], fields: {mode: 0o100600}})
		.field(entryOut, 'nodeid');
	t.is(kernel.ask('LINK', {names: ['named'], fields: {oldnodeid: node}}).error, 0);
	t.is(fileSystem.counts().linklessInodes, 0);
	t.is(attributeOf(kernel, node, 'nlink'), 1);
});

writes('RENAME2 knows its flags, and which go together', t => {
	const {kernel} = mount(t);
	const a = create(kernel, 'a');
	const b = create(kernel, 'b');
	const rename = (flags: number, from = 'a', to = 'b') =>
		kernel.ask('RENAME2', {names: [from, to], fields: {newdir: 1, flags}}).error;
	t.is(rename(1), errno.EEXIST);
	t.is(rename(8), errno.EINVAL);
	t.is(rename(3), errno.EINVAL);
	t.is(rename(2), 0);
	t.is(kernel.ask('LOOKUP', {names: ['a']}).field(entryOut, 'nodeid'), b);
	t.is(kernel.ask('LOOKUP', {names: ['b']}).field(entryOut, 'nodeid'), a);
	t.is(rename(4, 'b', 'c'), 0);
	const whiteout = kernel.ask('LOOKUP', {names: ['b']});
	t.is(readField(attr, 'mode', whiteout.view, entryOut.at.attr), 0o20000);
	t.is(rename(0, 'c', 'a'), 0);
	t.is(attributeOf(kernel, b, 'nlink'), 0);
});

writes('names that are too long are refused by all operations alike', t => {
	const {kernel} = mount(t);
	const name = 'x'.repeat(256);
	t.is(kernel.ask('MKDIR', {names: [name], fields: {mode: 0o755}}).error, errno.ENAMETOOLONG);
	t.is(kernel.ask('UNLINK', {names: [name]}).error, errno.ENAMETOOLONG);
	t.is(
		kernel.ask('RENAME', {names: ['lost+found', name], fields: {newdir: 1}}).error,
		errno.ENAMETOOLONG,
	);
});

writes('MKNOD makes what its mode says, with the device’s numbers', t => {
	const {kernel} = mount(t);
	const rdev = 0x123 | (0x45 << 8) | (0x1 << 20);
	const made = kernel.ask('MKNOD', {names: ['d'], fields: {mode: 0o60600, rdev, umask: 0}});
	t.is(readField(attr, 'mode', made.view, entryOut.at.attr), 0o60600);
	t.is(readField(attr, 'rdev', made.view, entryOut.at.attr), rdev);
	const link = kernel.ask('SYMLINK', {names: ['s', 'some/where']});
	const answer = kernel.ask('READLINK', {nodeId: link.field(entryOut, 'nodeid')});
	t.is(Buffer.from(answer.payload).toString(), 'some/where');
});

writes('SETATTR sets mode, owners and times, by the clock or as given', t => {
	const {kernel} = mount(t);
	const node = create(kernel, 'file');
	setattr(kernel, node, {valid: valid.mode | valid.uid | valid.gid, mode: 0o6755, uid: 5, gid: 6});
	t.is(attributeOf(kernel, node, 'mode'), 0o106755);
	t.is(attributeOf(kernel, node, 'uid'), 5);
	t.is(attributeOf(kernel, node, 'gid'), 6);
	setattr(kernel, node, {
		valid: valid.atime | valid.mtime | valid.ctime,
		atime: -5,
		mtime: 2 ** 33,
		mtimensec: 999_999_999,
		ctime: 12,
	});
	t.is(attributeOf(kernel, node, 'atime'), -5);
	t.is(attributeOf(kernel, node, 'mtime'), 2 ** 33);
	t.is(attributeOf(kernel, node, 'mtimensec'), 999_999_999);
	t.is(attributeOf(kernel, node, 'ctime'), 12);
	setattr(kernel, node, {valid: valid.mtime | valid.mtimeNow, mtime: 5});
	t.true(attributeOf(kernel, node, 'mtime') >= 1_800_000_000);
	setattr(kernel, node, {valid: valid.uid | valid.killSuidGid, uid: 7});
	t.is(attributeOf(kernel, node, 'mode'), 0o100755);
});

writes(
	'SETATTR of the size: shorter, longer, and the times where the kernel leaves them to us',
	t => {
		const {kernel} = mount(t, {isSync: true});
		const node = create(kernel, 'file');
		write(kernel, node, 'x'.repeat(5000));
		const before = attributeOf(kernel, node, 'mtime');
		const answer = setattr(kernel, node, {valid: valid.size, size: 10});
		t.is(readField(attr, 'size', answer.view, attrOut.at.attr), 10);
		t.true(attributeOf(kernel, node, 'mtime') > before);
		setattr(kernel, node, {valid: valid.size, size: 20});
		t.is(contents(kernel, node), `${'x'.repeat(10)}${'\0'.repeat(10)}`);
		t.is(setattr(kernel, node, {valid: valid.size, size: 2 ** 50}).error, errno.EFBIG);
		t.is(setattr(kernel, 1, {valid: valid.size, size: 0}).error, errno.EISDIR);
	},
);

writes('a write of somebody else’s takes setuid away, and the kernel hears of it', t => {
	const {kernel, invalidated} = mount(t);
	const node = create(kernel, 'program', 1, 0o104755);
	write(kernel, node, 'text', 0, layouts.writeFlags.killSuidGid);
	t.is(attributeOf(kernel, node, 'mode'), 0o100755);
	t.deepEqual(invalidated, [node]);
});

writes('so does what is allocated, zeroed or copied into the file, but by root', t => {
	const {kernel, invalidated} = mount(t);
	const source = create(kernel, 'source');
	write(kernel, source, 'text');
	const changes: Record<string, (node: number, uid: number, gid?: number) => Answer> = {
		FALLOCATE: (nodeId, uid, gid = 0) =>
			kernel.ask('FALLOCATE', {nodeId, uid, gid, fields: {length: 4096}}),
		COPY_FILE_RANGE: (node, uid, gid = 0) =>
			kernel.ask('COPY_FILE_RANGE', {
				nodeId: source,
				uid,
				gid,
				fields: {nodeid_out: node, len: 4},
			}),
	};
	for (const [name, change] of Object.entries(changes)) {
		const node = create(kernel, `program of ${name}`, 1, 0o106755);
		t.is(change(node, 0).error, 0, name);
		t.is(attributeOf(kernel, node, 'mode'), 0o106755, name);
		t.is(change(node, 1000).error, 0, name);
		t.is(attributeOf(kernel, node, 'mode'), 0o100755, name);
		t.true(invalidated.includes(node), name);
		// Which no group may execute: it stays where the caller is of the file's group.
		const locked = create(kernel, `locked by ${name}`, 1, 0o106644);
		t.is(change(locked, 1000).error, 0, name);
		t.is(attributeOf(kernel, locked, 'mode'), 0o102644, name);
		t.is(change(locked, 1000, 1000).error, 0, name);
		t.is(attributeOf(kernel, locked, 'mode'), 0o100644, name);
	}
});

writes('without the write-back cache a write sets the times of the file', t => {
	const {kernel} = mount(
		t,
		{},
		allFlags.filter(flag => flag !== 'WRITEBACK_CACHE'),
	);
	const node = create(kernel, 'file');
	const before = attributeOf(kernel, node, 'mtime');
	write(kernel, node, 'text');
	t.true(attributeOf(kernel, node, 'mtime') > before);
	t.is(kernel.ask('LSEEK', {nodeId: node, fields: {whence: 4}}).error, 0);
});

writes('with it, the kernel is not told of holes where it may hold data', t => {
	const {kernel} = mount(t);
	const node = create(kernel, 'file');
	t.is(kernel.ask('LSEEK', {nodeId: node, fields: {whence: 3}}).error, errno.ENOSYS);
});

writes('attributes are set and removed; an ACL changes the mode, and the kernel hears of it', t => {
	const {kernel, invalidated} = mount(t, {allowOther: false});
	const node = create(kernel, 'file');
	const set = (name: string, data: Uint8Array, flags = 0) =>
		kernel.ask('SETXATTR', {nodeId: node, names: [name], data, fields: {size: data.length, flags}})
			.error;
	t.is(set('user.a', Buffer.from('value')), 0);
	t.is(set('user.a', Buffer.from('value'), 1), errno.EEXIST);
	t.is(set('user.b', Buffer.from('value'), 2), errno.ENODATA);
	t.is(set('user.a', Buffer.from('v'), 3), errno.EINVAL);
	const got = kernel.ask('GETXATTR', {nodeId: node, names: ['user.a'], fields: {size: 100}});
	t.is(Buffer.from(got.payload).toString(), 'value');
	t.is(kernel.ask('REMOVEXATTR', {nodeId: node, names: ['user.a']}).error, 0);
	t.is(kernel.ask('REMOVEXATTR', {nodeId: node, names: ['user.a']}).error, errno.ENODATA);
	t.deepEqual(invalidated, []);
	const acl = new Uint8Array(4 + 3 * 8);
	const view = new DataView(acl.buffer);
	view.setUint32(0, 2, true);
	for (const [index, [tag, permissions]] of [
		[0x01, 6],
		[0x04, 4],
		[0x20, 0],
	].entries()) {
		view.setUint16(4 + index * 8, tag ?? 0, true);
		view.setUint16(6 + index * 8, permissions ?? 0, true);
		view.setUint32(8 + index * 8, 0xffff_ffff, true);
	}
	t.is(set('system.posix_acl_access', acl), 0);
	t.is(attributeOf(kernel, node, 'mode'), 0o100640);
	t.deepEqual(invalidated, [node]);
});

writes('immutable and append-only bind', t => {
	const {kernel, invalidated} = mount(t);
	const node = create(kernel, 'file');
	write(kernel, node, 'text');
	const setFlags = (bits: number) => {
		const data = new Uint8Array(8);
		new DataView(data.buffer).setUint32(0, bits, true);
		const fields = {cmd: ioctls.FS_IOC_SETFLAGS, in_size: 8};
		return kernel.ask('IOCTL', {nodeId: node, fields, data}).error;
	};
	t.is(setFlags(0x8_0020), 0); // Append-only, and extents, which it has.
	t.deepEqual(invalidated, [node], 'the ctime that the kernel kept');
	t.is(write(kernel, node, 'over').error, errno.EPERM);
	t.is(write(kernel, node, 'more', 4).error, 0);
	t.is(write(kernel, node, 'textmore!', 0, layouts.writeFlags.cache).error, 0);
	t.is(setattr(kernel, node, {valid: valid.size, size: 0}).error, errno.EPERM);
	t.is(setattr(kernel, node, {valid: valid.mode, mode: 0o600}).error, errno.EPERM);
	t.is(setattr(kernel, node, {valid: valid.mtime | valid.ctime, mtime: 1, ctime: 1}).error, 0);
	t.is(setFlags(0x8_0010), 0);
	t.is(write(kernel, node, 'more', 9, layouts.writeFlags.cache).error, errno.EPERM);
	t.is(kernel.ask('UNLINK', {names: ['file']}).error, errno.EPERM);
	t.is(setFlags(0x8_0000), 0);
	t.is(kernel.ask('UNLINK', {names: ['file']}).error, 0);
});

writes('a label is seen on the device as soon as it is set', t => {
	const {kernel, volume} = mount(t);
	const data = new Uint8Array(256);
	data.set(new TextEncoder().encode('seen'));
	const fields = {cmd: ioctls.FS_IOC_SETFSLABEL, in_size: data.length};
	t.is(kernel.ask('IOCTL', {nodeId: 1, fields, data}).error, 0);
	const label = new Uint8Array(16);
	volume.device.read(1024 + 120, label);
	t.is(new TextDecoder().decode(label).replaceAll('\0', ''), 'seen');
});

writes('space is reserved and given back; bytes are copied', t => {
	const {kernel} = mount(t);
	const node = create(kernel, 'file');
	write(kernel, node, 'abc'.repeat(2000));
	const allocate = (mode: number, offset: number, length: number) =>
		kernel.ask('FALLOCATE', {nodeId: node, fields: {mode, offset, length}}).error;
	t.is(allocate(0, 0, 10_000), 0);
	t.is(attributeOf(kernel, node, 'size'), 10_000);
	t.is(allocate(3, 0, 3000), 0);
	t.is(contents(kernel, node).slice(2997, 3003), '\0\0\0abc');
	t.is(allocate(2, 0, 3000), errno.EOPNOTSUPP);
	const target = create(kernel, 'target');
	const fields = {nodeid_out: target, off_in: 3000, len: 3};
	t.is(kernel.ask('COPY_FILE_RANGE', {nodeId: node, fields}).field(writeOut, 'size'), 3);
	t.is(contents(kernel, target), 'abc');
});

writes('fsync commits; a mount that is sync does so after every change', t => {
	const {kernel, volume} = mount(t);
	create(kernel, 'file');
	t.true(volume.transactions?.isOpen);
	t.is(kernel.ask('FSYNC', {}).error, 0);
	t.false(volume.transactions?.isOpen);
	const sync = mount(t, {isSync: true});
	create(sync.kernel, 'file');
	t.false(sync.volume.transactions?.isOpen);
	const dirSync = mount(t, {isDirSync: true});
	const node = create(dirSync.kernel, 'file');
	t.false(dirSync.volume.transactions?.isOpen);
	write(dirSync.kernel, node, 'x');
	t.true(dirSync.volume.transactions?.isOpen);
});

writes('under a mapping owners are mapped back, or refused', t => {
	const {kernel} = mount(t, {map: {kind: 'owner', uid: 1000, gid: 1000}});
	const node = create(kernel, 'file');
	t.is(setattr(kernel, node, {valid: valid.uid, uid: 1000}).error, 0);
	t.is(setattr(kernel, node, {valid: valid.uid, uid: 7}).error, errno.EPERM);
	const ranged = mount(t, {map: {kind: 'ranges', ranges: [{image: 0, host: 500, count: 10}]}});
	const other = create(ranged.kernel, 'file');
	t.is(setattr(ranged.kernel, other, {valid: valid.uid, uid: 503}).error, 0);
	t.is(ranged.volume.readInode(other).uid, 3);
	t.is(setattr(ranged.kernel, other, {valid: valid.gid, gid: 3}).error, errno.EPERM);
});

writes('made read-only, it refuses what writes, until it is made writable again', t => {
	const {kernel, volume} = mount(t);
	const node = create(kernel, 'file');
	const remount = (isReadOnly: boolean, uid = 0) => {
		const data = remountRequest(isReadOnly);
		return kernel.ask('IOCTL', {uid, fields: {cmd: remountIoctl, in_size: 4}, data}).error;
	};
	t.is(remount(true, 4711), errno.EPERM);
	t.is(remount(true), 0);
	t.true(volume.superblock.isClean);
	t.is(kernel.ask('UNLINK', {names: ['file']}).error, errno.EROFS);
	t.is(write(kernel, node, 'x').error, errno.EROFS);
	t.is(kernel.ask('FSYNC', {nodeId: node}).error, 0);
	t.is(remount(false), 0);
	t.is(kernel.ask('UNLINK', {names: ['file']}).error, 0);
	t.is(remount(true), errno.EBUSY, 'a file without a name is open');
});
