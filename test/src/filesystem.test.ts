import * as fs from 'node:fs';
import test from 'ava';
import {Volume} from '../../ext4/index.ts';
import {openImage} from '../../images/index.ts';
import {errno, errnoOf} from '../../src/errno.ts';
import {FileSystem, initFlags, transferBytesMax} from '../../src/filesystem.ts';
import {Connection} from '../../src/fuse/connection.ts';
import * as layouts from '../../src/fuse/layout.ts';
import {ioctls} from '../../src/ioctl.ts';
import type {ServerConfig} from '../../src/mount/server-config.ts';
import {statusIoctl} from '../../src/status.ts';
import {type Answer, FakeKernel, readEntries, readField} from '../support/fake-kernel.ts';
import {contents, indexedNames, makeImage, sparse} from '../support/made-image.ts';
import {defaultConfig} from '../support/server-config.ts';

const {attr, attrOut, entryOut, getxattrOut, lseekOut, statfsOut, statx, statxOut} = layouts;

let imagePath: string;
let removeImage: () => void;

test.before(() => {
	({path: imagePath, remove: removeImage} = makeImage());
});

test.after.always(() => removeImage());

function mount(overrides: Partial<ServerConfig> = {}, image = imagePath): FakeKernel {
	const config = {...defaultConfig, ...overrides};
	const volume = Volume.open(openImage(image).device);
	const fileSystem = new FileSystem(volume, {
		config,
		status: () => new TextEncoder().encode('{"is":"status"}'),
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
		{failed: errnoOf, malformed: problem => problem},
	);
	kernel.initialise();
	return kernel;
}

function lookup(kernel: FakeKernel, path: string): Answer {
	let nodeId = 1;
	let answer: Answer | undefined;
	for (const name of path.split('/')) {
		answer = kernel.ask('LOOKUP', {nodeId, names: [name]});
		nodeId = answer.error === 0 ? answer.field(entryOut, 'nodeid') : 0;
	}
	if (answer === undefined) throw new RangeError('an empty path');
	return answer;
}

function nodeOf(kernel: FakeKernel, path: string): number {
	const nodeId = lookup(kernel, path).field(entryOut, 'nodeid');
	if (nodeId === 0) throw new RangeError(`there is no ${path}`);
	return nodeId;
}

function attribute(answer: Answer, name: string): number {
	return readField(attr, name, answer.view, entryOut.at.attr);
}

test('a name leads to its inode, its attributes and validity for ever', t => {
	const found = lookup(mount(), 'hello');
	t.is(found.field(entryOut, 'nodeid'), attribute(found, 'ino'));
	t.is(found.field(entryOut, 'generation'), 77);
	t.true(found.field(entryOut, 'entry_valid') > 1e9);
	t.true(found.field(entryOut, 'attr_valid') > 1e9);
	t.is(attribute(found, 'mode'), 0o100644);
	t.is(attribute(found, 'size'), contents.hello.length);
	t.is(attribute(found, 'nlink'), 2);
	t.is(attribute(found, 'uid'), 1000);
	t.is(attribute(found, 'gid'), 100_000);
	t.is(attribute(found, 'blksize'), 1024);
	t.is(attribute(found, 'mtime'), 2 ** 32 + 2 ** 30);
	t.is(attribute(found, 'mtimensec'), 123_456_789);
});

test('two names of one file lead to one node', t => {
	const kernel = mount();
	t.is(nodeOf(kernel, 'hello'), nodeOf(kernel, 'hello again'));
});

test('that a name is missing may be remembered', t => {
	const found = lookup(mount(), 'nowhere');
	t.is(found.error, 0);
	t.is(found.field(entryOut, 'nodeid'), 0);
	t.true(found.field(entryOut, 'entry_valid') > 1e9);
});

test('a name that is too long is refused, and so is a file taken for a directory', t => {
	const kernel = mount();
	t.is(kernel.ask('LOOKUP', {names: ['x'.repeat(256)]}).error, errno.ENAMETOOLONG);
	t.is(kernel.ask('LOOKUP', {names: ['x'.repeat(255)]}).error, 0);
	t.is(lookup(kernel, 'hello/x').error, errno.ENOTDIR);
	t.is(kernel.ask('READDIR', {nodeId: nodeOf(kernel, 'hello')}).error, errno.ENOTDIR);
});

test('the root is node 1 and inode 2', t => {
	const root = mount().ask('GETATTR', {nodeId: 1});
	t.is(readField(attr, 'ino', root.view, attrOut.at.attr), 2);
	t.is(readField(attr, 'mode', root.view, attrOut.at.attr), 0o40755);
});

test('a file handle finds its file again, its parent too, and is stale when there is none', t => {
	const kernel = mount();
	const deep = nodeOf(kernel, 'folder/inner/deep');
	const self = kernel.ask('LOOKUP', {nodeId: deep, names: ['.']});
	t.is(self.field(entryOut, 'nodeid'), deep);
	const inner = nodeOf(kernel, 'folder/inner');
	const parent = kernel.ask('LOOKUP', {nodeId: inner, names: ['..']});
	t.is(parent.field(entryOut, 'nodeid'), nodeOf(kernel, 'folder'));
	const top = kernel.ask('LOOKUP', {nodeId: nodeOf(kernel, 'folder'), names: ['..']});
	t.is(top.field(entryOut, 'nodeid'), 1);
	for (const nodeId of [8, 2000, 2 ** 31, 2 ** 60]) {
		t.is(kernel.ask('LOOKUP', {nodeId, names: ['.']}).error, errno.ESTALE);
	}
});

test('a node that is no inode in use is an error of the image', t => {
	t.is(mount().ask('GETATTR', {nodeId: 2000}).error, errno.EUCLEAN);
});

test('devices show their numbers', t => {
	const kernel = mount();
	const device = lookup(kernel, 'block');
	t.is(attribute(device, 'mode') & 0o170000, 0o60000);
	t.is(attribute(device, 'rdev'), (7 << 8) | 200);
	t.is(attribute(lookup(kernel, 'character'), 'rdev'), (1 << 8) | 3);
});

test('STATX brings the birth time and the flags', t => {
	const kernel = mount();
	const answer = kernel.ask('STATX', {nodeId: nodeOf(kernel, 'text')});
	const field = (name: string) => readField(statx, name, answer.view, statxOut.at.stat);
	t.is(field('mask'), 0xfff);
	t.is(field('size'), contents.text.length);
	t.is(field('attributes'), 0x50);
	const birth = readField(layouts.sxTime, 'tv_sec', answer.view, statxOut.at.stat + statx.at.btime);
	t.true(Math.abs(birth - Date.now() / 1000) < 600);
});

test('STATX is refused for good where inodes have no room for a birth time', t => {
	const small = makeImage(['-I', '128', '-O', '^metadata_csum']);
	t.teardown(small.remove);
	const kernel = mount({}, small.path);
	t.is(kernel.ask('STATX').error, errno.ENOSYS);
	t.is(kernel.ask('GETATTR').error, 0);
});

test('links are read, short and long, and nothing else is a link', t => {
	const kernel = mount();
	const target = (name: string) =>
		new TextDecoder().decode(kernel.ask('READLINK', {nodeId: nodeOf(kernel, name)}).payload);
	t.is(target('link'), 'hello');
	t.is(target('long link'), `${'long/'.repeat(30)}way`);
	t.is(kernel.ask('READLINK', {nodeId: nodeOf(kernel, 'hello')}).error, errno.EINVAL);
});

test('opening, closing and asking for access are refused once and for all', t => {
	const kernel = mount();
	for (const name of ['OPEN', 'OPENDIR', 'FLUSH', 'ACCESS'] as const) {
		t.is(kernel.ask(name).error, errno.ENOSYS, name);
	}
	t.is(kernel.ask('RELEASE').error, 0);
	t.is(kernel.ask('FSYNC').error, 0);
});

test('with "direct" files are opened past the page cache', t => {
	const answer = mount({direct: true}).ask('OPEN');
	t.is(answer.error, 0);
	t.is(answer.field(layouts.openOut, 'open_flags'), 1);
});

test('a file is read from anywhere, and ends where it ends', t => {
	const kernel = mount();
	const nodeId = nodeOf(kernel, 'text');
	const read = (offset: number, size: number) =>
		new TextDecoder().decode(kernel.ask('READ', {nodeId, fields: {offset, size}}).payload);
	t.is(read(0, 1 << 20), contents.text);
	t.is(read(1000, 3000), contents.text.slice(1000, 4000));
	t.is(read(contents.text.length - 5, 4096), contents.text.slice(-5));
	t.is(read(contents.text.length, 4096), '');
	t.is(read(2 ** 60, 4096), '');
	t.is(read(0, 0), '');
	// More than was agreed on: cut short, the kernel would take the rest for zeros.
	const beyond = kernel.ask('READ', {nodeId, fields: {size: transferBytesMax + 1}});
	t.is(beyond.error, errno.EIO);
});

test('a directory is not read as a file', t => {
	const kernel = mount();
	t.is(kernel.ask('READ', {nodeId: 1, fields: {size: 10}}).error, errno.EISDIR);
	t.is(
		kernel.ask('READ', {nodeId: nodeOf(kernel, 'pipe'), fields: {size: 10}}).error,
		errno.EINVAL,
	);
});

test('data and holes are found', t => {
	const kernel = mount();
	const nodeId = nodeOf(kernel, 'sparse');
	const {blockSize, sizeBytes} = sparse;
	const seek = (offset: number, whence: number) =>
		kernel.ask('LSEEK', {nodeId, fields: {offset, whence}});
	const at = (offset: number, whence: number) => seek(offset, whence).field(lseekOut, 'offset');
	const {data, hole} = layouts.seekWhence;
	t.is(at(0, data), 0);
	t.is(at(0, hole), blockSize);
	t.is(at(blockSize, data), 3 * blockSize);
	t.is(at(3 * blockSize, hole), 4 * blockSize);
	t.is(seek(4 * blockSize, data).error, errno.ENXIO);
	t.is(seek(sizeBytes, hole).error, errno.ENXIO);
	t.is(seek(0, 0).error, errno.EINVAL);
});

/** Reads a directory with replies of at most `size` bytes, as the kernel does. */
function list(kernel: FakeKernel, nodeId: number, name: 'READDIR' | 'READDIRPLUS', size: number) {
	const all: ReturnType<typeof readEntries> = [];
	for (let offset = 0; ; ) {
		const answer = kernel.ask(name, {nodeId, fields: {offset, size}});
		if (answer.error !== 0) throw new Error(`errno ${answer.error}`);
		if (answer.payload.length > size) throw new Error('more than was asked for');
		const entries = readEntries(answer.payload, name === 'READDIRPLUS');
		const last = entries.at(-1);
		if (last === undefined) return all;
		all.push(...entries);
		offset = last.off;
	}
}

for (const name of ['READDIR', 'READDIRPLUS'] as const) {
	for (const size of [512, 4096, 131_072]) {
		test(`${name} by ${size} bytes gives every name once`, t => {
			const kernel = mount();
			const entries = list(kernel, nodeOf(kernel, 'indexed'), name, size);
			t.deepEqual(entries.map(entry => entry.name).sort(), ['.', '..', ...indexedNames].sort());
			t.true(entries.every(entry => entry.type === (entry.name.startsWith('.') ? 4 : 8)));
		});
	}
}

test('READDIRPLUS brings each entry as LOOKUP would, but for . and ..', t => {
	const kernel = mount();
	const {payload} = kernel.ask('READDIRPLUS', {fields: {size: 4096}});
	const entries = readEntries(payload, true);
	t.true(entries.length > 10);
	let at = 0;
	for (const {name, nodeId, ino} of entries) {
		const entry = payload.subarray(at, at + entryOut.sizeBytes);
		if (name === '.' || name === '..') t.is(nodeId, 0);
		else {
			t.is(nodeId, ino);
			t.deepEqual([...entry], [...lookup(kernel, name).payload], name);
		}
		at += (layouts.direntplus.sizeBytes + new TextEncoder().encode(name).length + 7) & ~7;
	}
});

test('an entry that does not fit is not begun', t => {
	const kernel = mount();
	t.is(kernel.ask('READDIR', {fields: {size: 16}}).payload.length, 0);
	t.is(kernel.ask('READDIR', {fields: {size: 0}}).payload.length, 0);
});

test('attributes are listed, read and measured', t => {
	const kernel = mount();
	const nodeId = nodeOf(kernel, 'hello');
	const text = (answer: Answer) => new TextDecoder().decode(answer.payload);
	const get = (name: string, size: number) =>
		kernel.ask('GETXATTR', {nodeId, fields: {size}, names: [name]});
	t.is(text(get('user.comment', 100)), 'greeting');
	t.is(get('user.comment', 0).field(getxattrOut, 'size'), 8);
	t.is(get('user.comment', 7).error, errno.ERANGE);
	t.is(get('user.nothing', 100).error, errno.ENODATA);
	const names = (uid: number) => text(kernel.ask('LISTXATTR', {nodeId, uid, fields: {size: 100}}));
	t.is(names(0), 'user.comment\0trusted.secret\0');
	t.is(names(1000), 'user.comment\0');
	t.is(kernel.ask('LISTXATTR', {nodeId, fields: {size: 0}}).field(getxattrOut, 'size'), 28);
	t.is(kernel.ask('LISTXATTR', {nodeId, fields: {size: 5}}).error, errno.ERANGE);
});

test('statfs counts as the image does', t => {
	const answer = mount().ask('STATFS');
	t.is(answer.field(statfsOut, 'bsize'), 1024);
	t.is(answer.field(statfsOut, 'files'), 2048);
	t.is(answer.field(statfsOut, 'namelen'), 255);
	t.true(answer.field(statfsOut, 'blocks') < 8192);
	t.is(mount({minixDf: true}).ask('STATFS').field(statfsOut, 'blocks'), 8192);
});

test('ioctls tell flags, generation, label and project', t => {
	const kernel = mount();
	const ask = (path: string, cmd: number, outSize: number) =>
		kernel.ask('IOCTL', {nodeId: nodeOf(kernel, path), fields: {cmd, out_size: outSize}});
	const data = (answer: Answer) =>
		new DataView(answer.payload.buffer, answer.payload.byteOffset + layouts.ioctlOut.sizeBytes);
	t.is(data(ask('text', ioctls.FS_IOC_GETFLAGS, 4)).getUint32(0, true), 0x8_0050);
	t.is(data(ask('hello', ioctls.FS_IOC_GETVERSION, 8)).getUint32(0, true), 77);
	t.is(data(ask('text', ioctls.FS_IOC_FSGETXATTR, 28)).getUint32(0, true), 0x88);
	const label = ask('hello', ioctls.FS_IOC_GETFSLABEL, 256).payload.subarray(16, 21);
	t.is(new TextDecoder().decode(label), 'made\0');
	t.is(ask('hello', ioctls.FS_IOC_GETFLAGS, 2).error, errno.EINVAL);
	t.is(ask('hello', 0x1234, 100).error, errno.ENOTTY);
});

test('the status is told to root and the mounter, and to no one else', t => {
	const kernel = mount({mounterUid: 1000});
	const ask = (uid: number) =>
		kernel.ask('IOCTL', {uid, fields: {cmd: statusIoctl, out_size: 16_376}});
	for (const uid of [0, 1000]) {
		const answer = ask(uid);
		t.is(answer.field(layouts.ioctlOut, 'result'), answer.payload.length - 16);
		t.is(new TextDecoder().decode(answer.payload.subarray(16)), '{"is":"status"}');
	}
	t.is(ask(1001).error, errno.EPERM);
});

test('what would write is refused', t => {
	const kernel = mount();
	t.is(kernel.ask('UNLINK', {names: ['hello']}).error, errno.EROFS);
	t.is(kernel.ask('SETATTR').error, errno.EROFS);
	t.is(kernel.ask('CREATE', {names: ['new']}).error, errno.EROFS);
	t.is(kernel.ask('BMAP').error, errno.ENOSYS);
	t.is(kernel.ask('POLL').error, errno.ENOSYS);
});

test('owners are mapped wherever they are told', t => {
	const kernel = mount({map: {kind: 'owner', uid: 7, gid: 8}});
	const found = lookup(kernel, 'hello');
	t.is(attribute(found, 'uid'), 7);
	t.is(attribute(found, 'gid'), 8);
	const answer = kernel.ask('STATX', {nodeId: nodeOf(kernel, 'hello')});
	t.is(readField(statx, 'uid', answer.view, statxOut.at.stat), 7);
});

test('the kernel checks permissions only where others may enter', t => {
	t.false(initFlags({...defaultConfig, allowOther: false}).includes('POSIX_ACL'));
	t.false(initFlags({...defaultConfig, allowOther: true, acl: false}).includes('POSIX_ACL'));
	t.true(initFlags({...defaultConfig, allowOther: true, acl: true}).includes('POSIX_ACL'));
	t.false(initFlags(defaultConfig).includes('ATOMIC_O_TRUNC'));
});

test('serving changes no byte of the image', t => {
	const before = fs.readFileSync(imagePath);
	const kernel = mount();
	list(kernel, 1, 'READDIRPLUS', 4096);
	kernel.ask('READ', {nodeId: nodeOf(kernel, 'text'), fields: {size: 4096}});
	t.true(before.equals(fs.readFileSync(imagePath)));
});
