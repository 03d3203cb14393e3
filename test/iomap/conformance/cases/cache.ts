/** The kernel's cache of mappings. */
import {errno} from '../../../../src/errno.ts';
import type {IomapKernel, Node} from '../../../support/iomap-kernel/kernel.ts';
import {deviceNumber} from '../../../support/iomap-kernel/server.ts';
import {
	noAddress,
	types,
	type WireRecord,
	writeRecord,
} from '../../../support/iomap-kernel/wire.ts';
import {blockSize, caseList, errnoOf, fileBytes, filled, mounted, scripted, spoilt} from './kit.ts';

const {cases, rule} = caseList();
export const cacheCases = cases;

rule('9.1', "a file's mappings are told when it is opened", t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.patchwork();
	kernel.evict(file);
	const again = mount.lookedUp();
	t.is(again.readCache.size, 0);
	kernel.open(again);
	t.true(again.readCache.size > 0);
	const before = kernel.counts['IOMAP_BEGIN'] ?? 0;
	kernel.read(again, 0, fileBytes);
	t.is(kernel.counts['IOMAP_BEGIN'] ?? 0, before);
	kernel.close(again);
	mount.endsClean();
});

rule('9.9', 'what is given ahead is told, and taken out when it is given back', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, new Uint8Array(512 * 1024).fill(1));
	const ahead = (node: Node) =>
		node.readCache.all.some(({offset, length}) => offset + length > BigInt(node.size));
	t.true(ahead(file));
	kernel.close(file);
	t.false(ahead(file));
	t.true((kernel.notifications[101] ?? 0) > 0);
	const blocks = mount.volume.readInode(file.inode).sectors / 2;
	t.true(blocks <= 512 + 8, `${blocks} blocks`);
	mount.endsClean();
});

rule('9.9', 'while somebody else has the file open nothing is given back', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, new Uint8Array(512 * 1024).fill(1));
	kernel.open(file);
	kernel.close(file);
	t.is(kernel.notifications[101] ?? 0, 0);
	kernel.close(file);
	t.is(kernel.notifications[101], 1);
	mount.endsClean();
});

rule('9.10', 'a hole that was told and then given space is told anew', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.patchwork();
	kernel.open(file);
	kernel.evict(file);
	const again = mount.lookedUp();
	kernel.open(again);
	kernel.write(again, 2 * blockSize, new Uint8Array(blockSize).fill(8));
	kernel.writeBack(again);
	again.pages.clear();
	t.is(kernel.read(again, 2 * blockSize, 1)[0], 8);
	kernel.close(again);
	mount.endsClean();
});

rule('9.13', 'no notification is refused in the course of all kinds of work', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	for (let round = 0; round < 4; round++) {
		const file = mount.newFile(`file${round}`);
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
	mount.endsClean();
});

/** A message as it comes over the wire. */
function notification(code: number, payload: DataView): Uint8Array {
	const message = new Uint8Array(16 + payload.byteLength);
	const view = new DataView(message.buffer);
	view.setUint32(0, message.length, true);
	view.setInt32(4, code, true);
	message.set(new Uint8Array(payload.buffer), 16);
	return message;
}

/** Sends it, and returns the errno of the write(2). */
function notify(kernel: IomapKernel, code: number, payload: DataView): number {
	return kernel.wire.onNotification?.(notification(code, payload)) ?? -1;
}

const nothing: WireRecord = {
	offset: 0n,
	length: 4096n,
	address: noAddress,
	type: types.noCache,
	flags: 0,
	device: 0,
};

function upsert(file: Node, read: WireRecord, write: WireRecord = nothing): DataView {
	const view = new DataView(new ArrayBuffer(80));
	view.setBigUint64(0, BigInt(file.id), true);
	view.setBigUint64(8, BigInt(file.inode), true);
	writeRecord(view, 16, read);
	writeRecord(view, 48, write);
	return view;
}

function invalidate(file: Node, offset: bigint, length: bigint): DataView {
	const view = new DataView(new ArrayBuffer(48));
	view.setBigUint64(0, BigInt(file.id), true);
	view.setBigUint64(8, BigInt(file.inode), true);
	view.setBigUint64(16, offset, true);
	view.setBigUint64(24, length, true);
	return view;
}

function dropOfDevice(device: number, offset: bigint): DataView {
	const view = new DataView(new ArrayBuffer(24));
	view.setUint32(0, device, true);
	view.setBigUint64(8, offset, true);
	view.setBigUint64(16, 4096n, true);
	return view;
}

/** Blocks of the scripted server's file, from the first up to the end. */
function record(type: keyof typeof types, first: number, end: number): WireRecord {
	const isPlaced = type === 'mapped' || type === 'unwritten';
	return {
		offset: BigInt(first * 4096),
		length: BigInt((end - first) * 4096),
		address: isPlaced ? BigInt(1024 * 1024 + first * 4096) : noAddress,
		type: types[type],
		flags: 0,
		device: isPlaced ? deviceNumber : 0,
	};
}

rule('9.2', 'with a record to read from alone, writes go there', t => {
	const {kernel, file} = scripted({}, 8192);
	t.is(notify(kernel, 100, upsert(file, record('mapped', 0, 2))), 0);
	t.deepEqual(
		kernel.requestsOf(() => kernel.write(file, 100, filled(100, 9))),
		[],
	);
});

rule('9.2', 'after a record to write to, a write that it does not cover asks', t => {
	const {kernel, file} = scripted({}, 16_384);
	t.is(notify(kernel, 100, upsert(file, record('mapped', 0, 4), record('mapped', 0, 1))), 0);
	t.deepEqual(
		kernel.requestsOf(() => kernel.write(file, 0, filled(100, 9))),
		[],
	);
	t.deepEqual(
		kernel.requestsOf(() => kernel.write(file, 8192, filled(100, 9))),
		['(B,1) 8192+100'],
	);
});

rule('9.2', 'PURE_OVERWRITE as the first record to write to changes nothing', t => {
	const {kernel, file} = scripted({}, 16_384);
	const overwrite = {...nothing, type: types.pureOverwrite};
	t.is(notify(kernel, 100, upsert(file, record('mapped', 0, 4), overwrite)), 0);
	t.is(file.writeCache.size, 0);
	t.deepEqual(
		kernel.requestsOf(() => kernel.write(file, 8192, filled(100, 9))),
		[],
	);
});

rule('9.3', 'a cached hole serves reads and zeros, and no write', t => {
	const {kernel, file} = scripted();
	kernel.truncate(file, 16_384);
	t.is(notify(kernel, 100, upsert(file, record('hole', 0, 4))), 0);
	t.deepEqual(
		kernel.requestsOf(() => {
			kernel.read(file, 0, 4096);
			kernel.truncate(file, 20_000);
		}),
		['(B,2) 16384+3616', 'SETATTR(0x628)'],
	);
	t.deepEqual(
		kernel.requestsOf(() => kernel.write(file, 0, filled(100))),
		['(B,1) 0+100'],
	);
});

rule('9.4', 'cached unwritten space serves writes; the server hears of it by IOEND', t => {
	const {kernel, file} = scripted({space: 'unwritten'});
	kernel.fallocate(file, 0, 0, 16_384);
	t.is(notify(kernel, 100, upsert(file, record('unwritten', 0, 4))), 0);
	const found = kernel.requestsOf(() => {
		kernel.write(file, 0, filled(4096));
		kernel.writeBack(file);
	});
	t.deepEqual(found, ['device write', 'IOEND(WRITEBACK|UNWRITTEN) 0+4096']);
});

rule('9.5', 'promised space that is cached serves buffered writes, not direct ones', t => {
	const {kernel, file} = scripted({space: 'delalloc'});
	kernel.truncate(file, 16_384);
	t.is(notify(kernel, 100, upsert(file, record('delalloc', 0, 4))), 0);
	t.deepEqual(
		kernel.requestsOf(() => kernel.write(file, 0, filled(100))),
		[],
	);
	const [asked] = kernel.requestsOf(() => {
		const error = errnoOf(() => kernel.writeDirect(file, 8192, filled(4096)));
		t.is(error, 0);
	});
	t.is(asked, '(B,11) 8192+4096');
});

rule(
	'9.6',
	'an answer that says so is taken from the cache; without one there BEGIN comes again',
	t => {
		const {kernel, file} = scripted({}, 16_384);
		t.is(notify(kernel, 100, upsert(file, record('mapped', 3, 4))), 0);
		let asked = 0;
		spoilt(kernel, 'IOMAP_BEGIN', ({view}) => {
			view.setUint16(24, types.retryCache, true);
			asked++;
			if (asked === 2) notify(kernel, 100, upsert(file, record('mapped', 0, 4)));
			return undefined;
		});
		kernel.dropPages(file);
		t.deepEqual(kernel.read(file, 0, 100), filled(100));
		t.is(asked, 2);
	},
);

for (const [title, act] of [
	[
		'what was written out',
		(kernel: IomapKernel, file: Node) => {
			kernel.write(file, 4096, filled(4096));
			kernel.writeBack(file);
		},
	],
	[
		'what was written directly',
		(kernel: IomapKernel, file: Node) => kernel.writeDirect(file, 4096, filled(4096)),
	],
	[
		'what was punched out',
		(kernel: IomapKernel, file: Node) => kernel.fallocate(file, 3, 4096, 4096),
	],
] as const) {
	rule('9.7', `${title} is dropped, and what lies beside it stays`, t => {
		const {kernel, file} = scripted({}, 16_384);
		t.is(notify(kernel, 100, upsert(file, record('mapped', 0, 4))), 0);
		act(kernel, file);
		t.is(file.readCache.find(4096), undefined);
		t.true(file.readCache.find(0) !== undefined && file.readCache.find(8192) !== undefined);
		t.is(Number(file.readCache.find(8192)?.address), 1024 * 1024 + 8192);
	});
}

rule('9.7', 'what was cut off is dropped, closing drops nothing, eviction all', t => {
	const {kernel, file, lookedUp} = scripted({}, 16_384);
	t.is(notify(kernel, 100, upsert(file, record('mapped', 0, 4))), 0);
	kernel.truncate(file, 8192);
	t.is(file.readCache.find(8192), undefined);
	kernel.close(file);
	t.true(file.readCache.find(0) !== undefined);
	kernel.evict(file);
	t.is(lookedUp().readCache.size, 0);
});

rule('9.8', 'neighbours that fit are merged', t => {
	const {kernel, file} = scripted({}, 16_384);
	for (const block of [0, 1, 3, 2]) {
		t.is(notify(kernel, 100, upsert(file, record('mapped', block, block + 1))), 0);
	}
	t.is(file.readCache.size, 1);
	t.is(notify(kernel, 100, upsert(file, record('unwritten', 4, 5))), 0);
	t.is(file.readCache.size, 2);
});

rule('9.8', 'a cache that is full is emptied by the next record', t => {
	const {kernel, file} = scripted();
	const {cachedMax} = kernel.agreement;
	for (let index = 0; index < cachedMax; index++) {
		file.readCache.upsert(record('mapped', index * 2, index * 2 + 1));
	}
	t.is(notify(kernel, 100, upsert(file, record('mapped', 1000, 1001))), 0);
	t.is(file.readCache.size, 1);
});

rule('9.11', 'a mapping from the cache that is taken out meanwhile is asked for again', t => {
	const {kernel, file} = scripted({}, 16_384);
	t.is(notify(kernel, 100, upsert(file, record('mapped', 0, 4))), 0);
	let pages = 0;
	kernel.beforePage(() => {
		if (++pages === 3) notify(kernel, 101, invalidate(file, 8192n, 4096n));
	});
	const found = kernel.requestsOf(() => kernel.write(file, 0, filled(16_384, 9)));
	t.deepEqual(found, ['END 0+16384', '(B,1) 8192+8192']);
	t.deepEqual(kernel.read(file, 0, 16_384), filled(16_384, 9));
});

rule('9.11', 'an answer holds, whatever is taken out meanwhile', t => {
	const {kernel, file} = scripted({}, 16_384);
	let pages = 0;
	kernel.beforePage(() => {
		if (++pages === 3) notify(kernel, 101, invalidate(file, 8192n, 4096n));
	});
	const found = kernel.requestsOf(() => kernel.write(file, 0, filled(16_384, 9)));
	t.deepEqual(found, ['(B,1) 0+16384']);
});

rule('9.11', 'of a whole tree that is dropped nobody hears who uses a mapping of it', t => {
	const {kernel, file} = scripted({}, 16_384);
	t.is(notify(kernel, 100, upsert(file, record('mapped', 0, 4))), 0);
	let pages = 0;
	kernel.beforePage(() => {
		if (++pages === 3) notify(kernel, 101, invalidate(file, 0n, noAddress));
	});
	t.deepEqual(
		kernel.requestsOf(() => kernel.write(file, 0, filled(16_384, 9))),
		[],
	);
	t.is(file.readCache.size, 0);
});

const wrongMessages: readonly (readonly [
	title: string,
	code: number,
	payload: (file: Node) => DataView,
	errno: number,
])[] = [
	['a message that nobody knows', 102, () => new DataView(new ArrayBuffer(8)), errno.EINVAL],
	['an upsert of another size', 100, () => new DataView(new ArrayBuffer(72)), errno.EINVAL],
	[
		'an upsert of another inode',
		100,
		file => upsert({...file, inode: file.inode + 1}, record('mapped', 0, 1)),
		errno.EINVAL,
	],
	[
		'an upsert of an unknown node',
		100,
		file => upsert({...file, id: 99}, record('mapped', 0, 1)),
		errno.ESTALE,
	],
	['RETRY_CACHE', 100, file => upsert(file, {...nothing, type: types.retryCache}), errno.EUCLEAN],
	[
		'a mapping beyond the end of the device',
		100,
		file => upsert(file, {...record('mapped', 0, 1), address: BigInt(8 * 1024 * 1024)}),
		errno.EUCLEAN,
	],
	[
		'an unknown device',
		100,
		file => upsert(file, {...record('mapped', 0, 1), device: 9}),
		errno.EUCLEAN,
	],
	['a range of parts of blocks', 101, file => invalidate(file, 100n, 4096n), errno.EUCLEAN],
	['a length of parts of blocks', 101, file => invalidate(file, 0n, 100n), errno.EUCLEAN],
	['no device', 99, () => dropOfDevice(0, 0n), errno.EINVAL],
	['a device that is not there', 99, () => dropOfDevice(9, 0n), errno.ENODEV],
	[
		'a place beyond the device',
		99,
		() => dropOfDevice(deviceNumber, BigInt(8 * 1024 * 1024)),
		errno.EINVAL,
	],
];
for (const [title, code, payload, expected] of wrongMessages) {
	rule('9.12', `${title} is refused`, t => {
		const {kernel, file} = scripted();
		t.is(notify(kernel, code, payload(file)), expected);
		t.is(file.readCache.size, 0);
	});
}

rule('9.1', 'what was given for a write is told, so that writing it out asks nothing', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(4096));
	const found = mount.kernel.requestsOf(() => kernel.writeBack(file));
	t.false(found.some(each => each.startsWith('(B,')));
	kernel.close(file);
	mount.endsClean();
});

rule('9.14', 'a file of a thousand extents is removed with few messages', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.truncate(file, 2000 * blockSize);
	for (let block = 0; block < 2000; block += 2) {
		kernel.fallocate(file, 1, block * blockSize, blockSize);
	}
	kernel.close(file);
	const count = () => Object.values(kernel.notifications).reduce((sum, each) => sum + each, 0);
	const before = count();
	kernel.unlink(kernel.root(), 'file');
	kernel.evict(file);
	t.true(count() - before <= 4);
	mount.endsClean();
});

rule('9.15', 'an untorn write asks, whatever is cached', t => {
	const {kernel, file} = scripted({}, 8192);
	t.is(notify(kernel, 100, upsert(file, record('mapped', 0, 2))), 0);
	const found = kernel.requestsOf(() =>
		kernel.writeDirect(file, 0, filled(4096), {isAtomic: true}),
	);
	t.deepEqual(found, ['(B,211) 0+4096', 'device write']);
});
