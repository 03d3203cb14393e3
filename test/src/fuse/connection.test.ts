import test from 'ava';
import {CorruptError, DeviceError, FileError, UnsupportedError} from '../../../ext4/errors.ts';
import {errno, errnoName, errnoOf} from '../../../src/errno.ts';
import {Connection, type Handlers, type Observer} from '../../../src/fuse/connection.ts';
import type {InitWishes} from '../../../src/fuse/init.ts';
import {
	attr,
	attrOut,
	entryOut,
	type InitFlag,
	inHeader,
	initFlagBits,
	initOut,
	readIn,
} from '../../../src/fuse/layout.ts';
import {payloadAt} from '../../../src/fuse/message.ts';
import {FakeKernel} from '../../support/fake-kernel.ts';

const wishes = {
	flags: ['ASYNC_READ', 'MAX_PAGES', 'INIT_EXT', 'BIG_WRITES', 'DO_READDIRPLUS'] as InitFlag[],
	minor: 46,
	maxTransferBytes: 1 << 20,
	pageBytes: 4096,
	maxBackground: 16,
};

type Watched = Observer & {readonly problems: string[]; readonly lines: string[]};

function watch(): Watched {
	const problems: string[] = [];
	const lines: string[] = [];
	return {
		problems,
		lines,
		failed(error, operation) {
			problems.push(`${operation}: ${String(error)}`);
			return errnoOf(error);
		},
		malformed: problem => problems.push(problem),
		trace: line => lines.push(line),
	};
}

function connect(
	handlers: Handlers,
	changes: Partial<InitWishes> = {},
): {
	kernel: FakeKernel;
	observer: Watched;
	connection: Connection;
} {
	const kernel = new FakeKernel();
	const observer = watch();
	const connection = new Connection(kernel, handlers, {...wishes, ...changes}, observer);
	kernel.connection = connection;
	return {kernel, observer, connection};
}

function connected(handlers: Handlers) {
	const all = connect(handlers);
	all.kernel.initialise();
	return all;
}

test('INIT agrees on what both sides have and nothing else', t => {
	const {kernel, connection} = connect({});
	const answer = kernel.initialise(['ASYNC_READ', 'MAX_PAGES', 'INIT_EXT', 'POSIX_ACL']);
	t.is(answer.error, 0);
	t.is(answer.payload.length, initOut.sizeBytes);
	t.is(answer.field(initOut, 'major'), 7);
	t.is(answer.field(initOut, 'minor'), 46);
	const expected = ['ASYNC_READ', 'MAX_PAGES', 'INIT_EXT'] as const;
	t.is(
		answer.field(initOut, 'flags'),
		expected.reduce((sum, flag) => sum + 2 ** initFlagBits[flag], 0),
	);
	t.is(answer.field(initOut, 'max_write'), 1 << 20);
	t.is(answer.field(initOut, 'max_pages'), 256);
	t.is(answer.field(initOut, 'max_readahead'), 131_072);
	t.is(answer.field(initOut, 'time_gran'), 1);
	t.deepEqual([...(connection.agreement?.flags ?? [])], [...expected]);
});

for (const pageBytes of [4096, 16_384, 65_536]) {
	test(`INIT bounds a READ alike where a page is ${pageBytes} bytes`, t => {
		const {kernel} = connect({}, {pageBytes});
		const answer = kernel.initialise(['MAX_PAGES']);
		t.is(answer.field(initOut, 'max_write'), 1 << 20);
		t.is(answer.field(initOut, 'max_pages') * pageBytes, 1 << 20);
	});
}

test('INIT answers an older kernel with its own minor and without pages it lacks', t => {
	const {kernel} = connect({});
	const answer = kernel.initialise(['ASYNC_READ'], 31);
	t.is(answer.error, 0);
	t.is(answer.field(initOut, 'minor'), 31);
	t.is(answer.field(initOut, 'max_write'), 32 * 4096);
	t.is(answer.field(initOut, 'max_pages'), 32);
});

test('a kernel before 7.31 is refused in words', t => {
	const {kernel} = connect({});
	t.throws(() => kernel.initialise(['ASYNC_READ'], 30), {message: /speaks FUSE 7\.30.*7\.31/});
});

test('a kernel of a later major hears ours and may ask again', t => {
	const {kernel} = connect({});
	t.is(kernel.initialise([], 0, 8).field(initOut, 'major'), 7);
	t.is(kernel.initialise([], 46).field(initOut, 'minor'), 46);
});

test('nothing but INIT is answered before INIT, and INIT only once', t => {
	const {kernel, observer} = connect({getattr: () => 0});
	t.is(kernel.ask('GETATTR').error, errno.EIO);
	t.is(kernel.initialise().error, 0);
	t.is(kernel.initialise().error, errno.EIO);
	t.deepEqual(observer.problems, ['a second INIT']);
});

test('a handler finds node, names and fields, and its payload arrives', t => {
	let seen = '';
	const {kernel} = connected({
		lookup(request, reply) {
			seen = `${request.nodeId} ${request.uid} ${new TextDecoder().decode(request.name())}`;
			reply.view.setUint32(payloadAt + entryOut.at.attr + attr.at.mode, 0o100644, true);
			return entryOut.sizeBytes;
		},
		read(request, reply) {
			const size = request.u32(readIn.at.size);
			reply.bytes.fill(request.u64(readIn.at.offset) % 256, payloadAt, payloadAt + size);
			return size;
		},
	});
	const nodeId = 2 ** 40 + 5;
	const looked = kernel.ask('LOOKUP', {nodeId, uid: 1000, names: ['größe']});
	t.is(looked.error, 0);
	t.is(seen, `${nodeId} 1000 größe`);
	t.is(looked.view.getUint32(entryOut.at.attr + attr.at.mode, true), 0o100644);
	const read = kernel.ask('READ', {fields: {offset: 2 ** 45 + 7, size: 5}});
	t.deepEqual([...read.payload], [7, 7, 7, 7, 7]);
});

test('a fixed reply holds nothing of the reply before it', t => {
	const {kernel} = connected({
		read(request, reply) {
			reply.bytes.fill(0xff);
			return request.u32(readIn.at.size);
		},
		getattr: () => attrOut.sizeBytes,
	});
	kernel.ask('READ', {fields: {size: 4096}});
	t.true(kernel.ask('GETATTR').payload.every(byte => byte === 0));
});

test('what nobody handles is ENOSYS, what would write EROFS, what is unknown ENOSYS', t => {
	const {kernel} = connected({});
	t.is(kernel.ask('POLL').error, errno.ENOSYS);
	t.is(kernel.ask('MKDIR', {names: ['x']}).error, errno.EROFS);
	t.is(kernel.ask('RENAME2', {names: ['x', 'y']}).error, errno.EROFS);
	t.is(kernel.ask('SETXATTR', {names: ['user.x'], data: new Uint8Array(3)}).error, errno.EROFS);
	const strange = kernel.build('STATFS');
	new DataView(strange.buffer).setUint32(inHeader.at.opcode, 4094, true);
	t.is(kernel.exchange(strange).map(message => kernel.read(message).error)[0], errno.ENOSYS);
	new DataView(strange.buffer).setUint32(inHeader.at.opcode, 0xffff_ffff, true);
	t.is(kernel.exchange(strange).map(message => kernel.read(message).error)[0], errno.ENOSYS);
});

test('INTERRUPT and FORGET are read and not answered', t => {
	const forgotten: string[] = [];
	const {kernel} = connected({
		forget: (nodeId, count) => forgotten.push(`${nodeId}*${count}`),
	});
	kernel.tell('INTERRUPT', {fields: {unique: 4}});
	kernel.tell('FORGET', {nodeId: 12, fields: {nlookup: 3}});
	const data = new Uint8Array(32);
	const view = new DataView(data.buffer);
	view.setUint32(0, 13, true);
	view.setUint32(8, 1, true);
	view.setUint32(16, 14, true);
	view.setUint32(24, 2, true);
	kernel.tell('BATCH_FORGET', {fields: {count: 2}, data});
	t.deepEqual(forgotten, ['12*3', '13*1', '14*2']);
});

test('a BATCH_FORGET that counts more than it holds is dropped', t => {
	const {kernel, observer} = connected({forget: () => t.fail()});
	kernel.tell('BATCH_FORGET', {fields: {count: 0xffff_ffff}, data: new Uint8Array(16)});
	t.is(observer.problems.length, 1);
});

/** Each breaks a well-formed request in one way; the server must refuse it and go on. */
const malformed: {what: string; expected: number; bytes: (kernel: FakeKernel) => Uint8Array}[] = [
	{
		what: 'too short for its structure',
		expected: errno.EINVAL,
		bytes: kernel => shorten(kernel.build('READ', {fields: {size: 1}}), 1),
	},
	{
		what: 'without a body',
		expected: errno.EINVAL,
		bytes: kernel => shorten(kernel.build('READ'), readIn.sizeBytes),
	},
	{
		what: 'with bytes too many',
		expected: errno.EINVAL,
		bytes: kernel => kernel.build('READ', {data: new Uint8Array(8)}),
	},
	{
		what: 'with a name that never ends',
		expected: errno.EINVAL,
		bytes: kernel => shorten(kernel.build('LOOKUP', {names: ['abc']}), 1),
	},
	{
		what: 'with an empty name',
		expected: errno.EINVAL,
		bytes: kernel => kernel.build('LOOKUP', {names: ['']}),
	},
	{
		what: 'with one name where two belong',
		expected: errno.EINVAL,
		bytes: kernel => kernel.build('RENAME', {names: ['a']}),
	},
	{
		what: 'whose header tells another length',
		expected: errno.EIO,
		bytes(kernel) {
			const bytes = kernel.build('LOOKUP', {names: ['abc']});
			new DataView(bytes.buffer).setUint32(inHeader.at.len, bytes.length + 1, true);
			return bytes;
		},
	},
	{
		what: 'whose extensions are longer than itself',
		expected: errno.EIO,
		bytes(kernel) {
			const bytes = kernel.build('LOOKUP', {names: ['abc']});
			new DataView(bytes.buffer).setUint16(inHeader.at.total_extlen, 0xffff, true);
			return bytes;
		},
	},
];

function shorten(bytes: Uint8Array, by: number): Uint8Array {
	const short = bytes.slice(0, bytes.length - by);
	new DataView(short.buffer).setUint32(inHeader.at.len, short.length, true);
	return short;
}

for (const {what, expected, bytes} of malformed) {
	test(`a request ${what} is refused and serving goes on`, t => {
		const {kernel, observer} = connected({lookup: () => 0, read: () => 0, statfs: () => 0});
		const sent = kernel.exchange(bytes(kernel));
		t.is(sent.length, 1);
		t.is(sent[0] === undefined ? -1 : kernel.read(sent[0]).error, expected);
		t.is(observer.problems.length, 1);
		t.is(kernel.ask('STATFS').error, 0);
	});
}

test('extensions behind the body are not taken for names', t => {
	let seen = '';
	const {kernel} = connected({
		mkdir(request) {
			seen = new TextDecoder().decode(request.name());
			return -errno.EROFS;
		},
	});
	const bytes = kernel.build('MKDIR', {names: ['abcdefg'], data: new Uint8Array(16)});
	new DataView(bytes.buffer).setUint16(inHeader.at.total_extlen, 2, true);
	kernel.exchange(bytes);
	t.is(seen, 'abcdefg');
});

test('bytes that are no header are dropped', t => {
	const {kernel, observer} = connected({statfs: () => 0});
	t.deepEqual(kernel.exchange(new Uint8Array(39)), []);
	t.is(observer.problems.length, 1);
	t.is(kernel.ask('STATFS').error, 0);
});

test('what a handler throws becomes its errno, and serving goes on', t => {
	const errors = [
		[new FileError('ENODATA', 'no such attribute'), errno.ENODATA],
		[new CorruptError('EXT4_BAD_INODE', 'broken'), errno.EUCLEAN],
		[new UnsupportedError('EXT4_UNSUPPORTED_FEATURE', 'x', 'y'), errno.EOPNOTSUPP],
		[new DeviceError('gone', 0, 1), errno.EIO],
		[new TypeError('a fault of ours'), errno.EIO],
		['not even an error', errno.EIO],
	] as const;
	let next = 0;
	const {kernel, observer} = connected({
		getattr() {
			throw errors[next++]?.[0];
		},
	});
	for (const [, expected] of errors) t.is(kernel.ask('GETATTR').error, expected);
	t.is(observer.problems.length, errors.length);
});

test('a reply that the kernel has no room for is never sent', t => {
	const {kernel, observer} = connected({
		read: (_request, reply) => reply.room + 1,
		getattr: () => attrOut.sizeBytes + 8,
		getxattr: (_request, reply) => reply.room,
	});
	t.is(kernel.ask('READ', {fields: {size: 10}}).error, errno.EIO);
	t.is(kernel.ask('GETATTR').error, errno.EIO);
	t.is(observer.problems.length, 2);
	const asked = (size: number) =>
		kernel.ask('GETXATTR', {fields: {size}, names: ['user.a']}).payload.length;
	t.is(asked(0), 8);
	t.is(asked(100), 100);
	t.is(asked(0xffff_ffff), 1 << 20);
});

test('a reply that the kernel refuses is followed by an error, lest the request wait for ever', t => {
	const {kernel, observer} = connected({statfs: () => 80});
	kernel.sendResult = 'refused';
	const sent = kernel.exchange(kernel.build('STATFS'));
	t.deepEqual(
		sent.map(message => kernel.read(message).error),
		[0, errno.EIO],
	);
	t.is(observer.problems.length, 1);
});

test('requests and errors are counted by name', t => {
	const {kernel, connection} = connected({statfs: () => 80});
	kernel.ask('STATFS');
	kernel.ask('STATFS');
	kernel.ask('POLL');
	const {requests, errors} = connection.counters();
	t.deepEqual(requests, {INIT: 1, STATFS: 2, POLL: 1});
	t.deepEqual(errors, {ENOSYS: 1});
});

test('the trace has one line for each request and one for each reply', t => {
	const {kernel, observer} = connected({
		lookup(_request, reply) {
			reply.view.setUint32(payloadAt + entryOut.at.nodeid, 14, true);
			return entryOut.sizeBytes;
		},
	});
	observer.lines.length = 0;
	kernel.ask('LOOKUP', {nodeId: 12, uid: 5, names: ['a "name"']});
	kernel.ask('MKDIR', {fields: {mode: 0o755}, names: ['d']});
	t.deepEqual(
		observer.lines.map(line => line.replace(/ \d+(?=:| =)/, ' N')),
		[
			'LOOKUP N: node 12 uid 5 pid 4711 "a \\"name\\""',
			'LOOKUP N = 128 bytes nodeid=14',
			'MKDIR N: node 1 uid 0 pid 4711 mode=0755 "d"',
			'MKDIR N = EROFS',
		],
	);
});

test('serving ends when the transport ends', t => {
	const {connection} = connected({});
	connection.serve();
	t.false(connection.serveOne());
});

test('an errno without a name is shown as a number', t => {
	t.is(errnoName(117), 'EUCLEAN');
	t.is(errnoName(9999), 'errno 9999');
});

test('before it says that there is no room it hears what the kernel has forgotten', t => {
	const calls: string[] = [];
	let isFull = true;
	const handlers: Handlers = {
		unlink(request) {
			calls.push(`unlink ${Buffer.from(request.name())}`);
			return isFull ? -errno.ENOSPC : 0;
		},
		rmdir(request) {
			calls.push(`rmdir ${Buffer.from(request.name())}`);
			return 0;
		},
		forget(nodeId, count) {
			calls.push(`forget ${nodeId} ${count}`);
			isFull = false;
		},
	};
	const kernel = new FakeKernel();
	let asked = 0;
	const observer = {
		...watch(),
		mayChange(error: number) {
			asked++;
			return error === errno.ENOSPC;
		},
	};
	kernel.connection = new Connection(kernel, handlers, wishes, observer);
	kernel.initialise();
	kernel.ready.push(
		kernel.build('RMDIR', {names: ['aside']}),
		kernel.build('FORGET', {nodeId: 9, fields: {nlookup: 3}}),
	);
	t.is(kernel.ask('UNLINK', {names: ['name']}).error, 0);
	t.deepEqual(calls, ['unlink name', 'forget 9 3', 'unlink name']);
	// What was put aside comes before what comes then; and with nothing forgotten an answer stands.
	isFull = true;
	const later = kernel.exchange(kernel.build('UNLINK', {names: ['later']}));
	t.is(later.length, 2);
	t.deepEqual(calls.slice(3), ['rmdir aside', 'unlink later']);
	t.deepEqual(observer.problems, []);
	t.is(asked, 2);
});
