/** BEGIN: where a range lies, and what of an answer the kernel refuses. */
import {errno} from '../../../../src/errno.ts';
import type {Node} from '../../../support/iomap-kernel/kernel.ts';
import type {IomapMount} from '../../../support/iomap-kernel/mounted.ts';
import {
	beginOps,
	ioendFlags,
	noAddress,
	readRecord,
	types,
	type WireRecord,
} from '../../../support/iomap-kernel/wire.ts';
import type {RuleName} from '../rules.ts';
import {
	blockSize,
	caseList,
	errnoOf,
	fileBytes,
	filled,
	image,
	layout,
	mounted,
	plain,
	Subject,
	scripted,
	spoilt,
	typeOf,
} from './kit.ts';

const {cases, rule} = caseList();
export const beginCases = cases;

// 5.2 BEGIN: what each purpose is told of each kind of block.

const purposes: readonly (readonly [
	name: RuleName,
	title: string,
	flags: number,
	isWriting: boolean,
])[] = [
	['5.2.7', 'a read', 0, false],
	['5.2.7', 'a direct read', beginOps.direct, false],
	['5.2.7', 'a read fault', beginOps.fault, false],
	['5.2.7', 'a report', beginOps.report, false],
	['5.2.6', 'zeros', beginOps.zero, false],
	['5.2.5', 'a write', beginOps.write, true],
	['5.2.5', 'a direct write', beginOps.write | beginOps.direct, true],
	['5.2.5', 'a store', beginOps.write | beginOps.fault, true],
	['5.2.12', 'writing out', beginOps.writeback, true],
];

for (const [name, title, flags, isWriting] of purposes) {
	for (const [index, kind] of layout.entries()) {
		rule(name, `${title} of block ${index}, ${kind}`, t => {
			const mount = mounted(t);
			const file = mount.patchwork();
			const record = mount.kernel.begin(file, index * blockSize + 100, 50, flags);
			// What is to be written to is given space, and reads as zeros until it is written to.
			t.is(typeOf(record), isWriting && kind === 'hole' ? 'unwritten' : kind);
			mount.endsClean();
		});
	}
	rule('5.2.4', `${title} behind the end`, t => {
		const mount = mounted(t);
		const file = mount.patchwork();
		const record = mount.kernel.begin(file, fileBytes + 5000, 100, flags);
		t.is(typeOf(record), isWriting ? 'unwritten' : 'hole');
		t.is(file.size, fileBytes);
		mount.kernel.open(file);
		mount.kernel.close(file);
		mount.endsClean();
	});
}

for (const [name, title, flags] of [
	['5.2.8', 'without waiting', beginOps.write | beginOps.noWait],
	['5.2.9', 'over what is there alone', beginOps.write | beginOps.overwriteOnly],
] as const) {
	rule(name, `a write ${title} is not given space`, t => {
		const mount = mounted(t);
		const file = mount.patchwork();
		t.is(
			errnoOf(() => mount.kernel.begin(file, 2 * blockSize, 10, flags)),
			errno.EAGAIN,
		);
		t.is(typeOf(mount.kernel.begin(file, 0, 10, flags)), 'mapped');
		mount.endsClean();
	});
}

rule('5.2.10', 'a write that must be torn by nothing is refused', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	const flags = beginOps.write | beginOps.direct | beginOps.atomic;
	t.is(
		errnoOf(() => mount.kernel.begin(file, 0, blockSize, flags)),
		errno.EOPNOTSUPP,
	);
	mount.endsClean();
});

rule('5.2.3', 'the answer is a whole extent, however little was asked for', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.fallocate(file, 0, 0, 500 * blockSize);
	const record = kernel.begin(file, 250 * blockSize, 1, 0);
	t.true(record.offset <= 250n * BigInt(blockSize));
	t.true(record.length >= 100n * BigInt(blockSize), `${record.length}`);
	kernel.close(file);
	mount.endsClean();
});

rule('5.2.1', 'an inode that is not the node is refused', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	const {error} = mount.kernel.wire.ask('IOMAP_BEGIN', {
		nodeId: file.id,
		fields: {attr_ino: file.inode + 1, pos: 0, count: 1},
	});
	t.is(error, errno.EINVAL);
	mount.endsClean();
});

rule('5.2.17', 'a full disk refuses space and keeps what is there', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	const error = errnoOf(() => {
		for (let at = 0; at < 16; at++) {
			kernel.write(file, at * 1024 * 1024, new Uint8Array(1024 * 1024).fill(at));
			kernel.writeBack(file);
		}
	});
	t.is(error, errno.ENOSPC);
	t.is(kernel.read(file, 1024 * 1024, 1)[0], 1);
	kernel.close(file);
	mount.endsClean();
});

rule('4.4', 'where the file system begins within the device, so do all addresses', t => {
	const startBytes = 64 * 1024;
	const whole = new Uint8Array(startBytes + image(plain).length).fill(0xee);
	whole.set(image(plain), startBytes);
	const mount = new Subject(t, whole, {startBytes});
	t.true(mount.kernel.mount());
	const file = mount.newFile();
	mount.kernel.write(file, 0, new Uint8Array(5000).fill(9));
	mount.kernel.fsync(file);
	const record = mount.kernel.begin(file, 0, 1, 0);
	t.true(record.address >= BigInt(startBytes));
	mount.kernel.close(file);
	t.true(whole.subarray(0, startBytes).every(byte => byte === 0xee));
	mount.endsClean();
});

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
	rule('5.2.13', `the kernel refuses ${title}`, t => {
		const mount = mounted(t);
		const file = mount.patchwork();
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

/** The halves as they come over the wire. */
function halvesOf(mount: IomapMount, file: Node, flags: number, position = 0): WireRecord[] {
	const {view, error} = mount.kernel.wire.ask('IOMAP_BEGIN', {
		nodeId: file.id,
		fields: {opflags: flags >>> 0, attr_ino: file.inode, pos: position, count: 10},
	});
	if (error !== 0) throw new Error(`BEGIN: ${error}`);
	return [readRecord(view, 0), readRecord(view, 32)];
}

for (const [, title, flags] of purposes) {
	rule('5.2.2', `${title} is answered with two halves of the same range`, t => {
		const mount = mounted(t);
		const file = mount.patchwork();
		for (const index of layout.keys()) {
			const [read, write] = halvesOf(mount, file, flags, index * blockSize);
			t.is(write?.offset, read?.offset);
			t.is(write?.length, read?.length);
			t.is(write?.type, types.pureOverwrite);
			t.is(write?.address, noAddress);
			t.is(write?.device, 0);
		}
		mount.endsClean();
	});
}

rule('5.1.1', 'a hole has neither address nor device', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	const [read] = halvesOf(mount, file, 0, 2 * blockSize);
	t.is(read?.type, types.hole);
	t.is(read?.address, noAddress);
	t.is(read?.device, 0);
	mount.endsClean();
});

for (const block of [0, 3]) {
	rule('5.1.2', `block ${block}, ${layout[block]}, has an address on the device`, t => {
		const mount = mounted(t);
		const file = mount.patchwork();
		const [read] = halvesOf(mount, file, 0, block * blockSize);
		t.is(read?.device, mount.kernel.deviceNumber);
		const address = Number(read?.address);
		t.true(address > 0 && address + Number(read?.length) <= mount.device.sizeBytes);
		t.is(address % blockSize, 0);
		mount.endsClean();
	});
}

rule('5.1.3', 'no answer sets a flag', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	for (const [, , flags] of purposes) {
		for (const index of layout.keys()) {
			const found = halvesOf(mount, file, flags, index * blockSize).map(each => each.flags);
			t.deepEqual(found, [0, 0]);
		}
	}
	mount.endsClean();
});

rule('5.2.11', 'a swap file of one extent is one mapping, which reaches no further', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(64 * blockSize));
	kernel.close(file);
	const records = kernel.swapOn(file);
	t.deepEqual(records.map(typeOf), ['mapped']);
	kernel.swapOff(file);
	mount.endsClean();
});

rule(
	'5.2.12',
	'what the page cache holds over a hole is given a place when it is written out',
	t => {
		const mount = mounted(t);
		const file = mount.patchwork();
		const record = mount.kernel.begin(file, 2 * blockSize, blockSize, beginOps.writeback);
		t.is(typeOf(record), 'unwritten');
		mount.endsClean();
	},
);

for (const [title, spoil] of [
	['NOCACHE', (view: DataView) => view.setUint16(24, 253, true)],
	['RETRY_CACHE to write to', (view: DataView) => view.setUint16(56, 254, true)],
	['SIZE_CHANGED', (view: DataView) => view.setUint16(26, 0x100, true)],
	['STALE', (view: DataView) => view.setUint16(26, 0x200, true)],
	['a mapping that ends before', (view: DataView) => view.setBigUint64(8, 1024n, true)],
	['beyond the largest file', (view: DataView) => view.setBigUint64(0, 2n ** 63n, true)],
	[
		'an address that wraps round',
		(view: DataView) => view.setBigUint64(16, 2n ** 64n - 1024n, true),
	],
] as const) {
	rule('5.2.13', `the kernel refuses ${title}, whatever it was asked for`, t => {
		for (const flags of [0, beginOps.write, beginOps.zero, beginOps.report]) {
			const mount = mounted(t);
			const file = mount.patchwork();
			mount.kernel.evict(file);
			const again = mount.lookedUp();
			spoilt(mount.kernel, 'IOMAP_BEGIN', ({view}) => {
				spoil(view);
				return undefined;
			});
			t.is(
				errnoOf(() => mount.kernel.begin(again, blockSize, 100, flags)),
				errno.EUCLEAN,
			);
		}
	});
}

rule('5.2.13', 'the kernel refuses RETRY_CACHE where nothing was ever cached', t => {
	const {kernel, file} = scripted({}, 8192);
	spoilt(kernel, 'IOMAP_BEGIN', ({view}) => {
		view.setUint16(24, types.retryCache, true);
		return undefined;
	});
	t.is(
		errnoOf(() => kernel.begin(file, 0, 100, 0)),
		errno.EUCLEAN,
	);
});

rule('5.2.14', 'a buffered read fails with EIO, a direct one as the server says', t => {
	const {kernel, file, lookedUp} = scripted({}, 8192);
	kernel.evict(file);
	const again = lookedUp();
	spoilt(kernel, 'IOMAP_BEGIN', answer => ({...answer, error: errno.ENOSPC}));
	t.is(
		errnoOf(() => kernel.read(again, 0, 100)),
		errno.EIO,
	);
	t.is(
		errnoOf(() => kernel.readDirect(again, 0, 512)),
		errno.ENOSPC,
	);
	t.is(
		errnoOf(() => kernel.write(again, 0, filled(10))),
		errno.ENOSPC,
	);
});

rule('5.2.15', 'an answer that is too short fails with EIO', t => {
	const {kernel, file} = scripted();
	spoilt(kernel, 'IOMAP_BEGIN', answer => ({...answer, payload: answer.payload.subarray(0, 32)}));
	t.is(
		errnoOf(() => kernel.write(file, 0, filled(10))),
		errno.EIO,
	);
});

rule('5.2.16', 'a direct write that is refused with ENOSYS goes through the page cache', t => {
	const {kernel, file} = scripted({refusesDirect: true}, 8192);
	kernel.writeDirect(file, 4096, filled(4096, 9));
	t.deepEqual([...kernel.read(file, 4095, 2)], [7, 9]);
	t.true(kernel.trace.includes('FSYNC(datasync=1)'));
});

rule('5.2.16', 'no purpose is ever answered with ENOSYS', t => {
	const mount = mounted(t);
	const file = mount.patchwork();
	for (let bit = 0; bit < 32; bit++) {
		const {error} = mount.kernel.wire.ask('IOMAP_BEGIN', {
			nodeId: file.id,
			fields: {opflags: 2 ** bit, attr_ino: file.inode, pos: 0, count: 10},
		});
		t.true(error !== errno.ENOSYS, `bit ${bit}`);
	}
	mount.endsClean();
});

rule('5.2.18', 'what was punched out meanwhile is not written', t => {
	const {kernel, file} = scripted({}, 8192);
	kernel.write(file, 0, filled(4096, 9));
	// Behind the kernel's back, which real servers must not do.
	kernel.wire.ask('FALLOCATE', {nodeId: file.id, fields: {mode: 3, offset: 0, length: 4096}});
	spoilt(kernel, 'IOMAP_BEGIN', ({view}) => {
		view.setUint16(24, types.hole, true);
		view.setBigUint64(16, noAddress, true);
		view.setUint32(28, 0, true);
		return undefined;
	});
	const found = kernel.requestsOf(() => kernel.writeBack(file));
	t.deepEqual(found, ['(B,80000000) 0+4096']);
});

rule('5.2.19', 'a part of a shared block keeps the rest of what was there', t => {
	const {kernel, file} = scripted({space: 'shared'}, 8192);
	kernel.dropPages(file);
	kernel.write(file, 100, filled(10, 9));
	kernel.dropPages(file);
	const expected = filled(4096);
	expected.fill(9, 100, 110);
	t.deepEqual(kernel.read(file, 0, 4096), expected);
	t.true(kernel.trace.includes('IOEND(SHARED|WRITEBACK) 0+4096'));
});

for (const [title, position, length, refusal] of [
	['nothing', 2048, 0, errno.EINVAL],
	['the block that no file reaches', (2 ** 32 - 1) * blockSize, blockSize, errno.EFBIG],
	['what lies behind all blocks', 2 ** 52, 1, errno.EFBIG],
	['what is no number of a byte', 2 ** 63, 1, errno.EFBIG],
] as const) {
	rule('5.2.20', `asked for ${title}`, t => {
		const mount = mounted(t);
		const {kernel} = mount;
		const file = mount.patchwork();
		const {atomic: _refused, ...ops} = beginOps;
		for (const [name, flags] of Object.entries({read: 0, ...ops})) {
			t.is(
				errnoOf(() => kernel.begin(file, position, length, flags)),
				refusal,
				name,
			);
		}
		mount.endsClean();
	});
}

rule('5.2.20', 'asked for more than a file can have, it is not given', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.patchwork();
	t.is(typeOf(kernel.begin(file, 2 * blockSize, 2 ** 62, 0)), 'hole');
	t.is(
		errnoOf(() => kernel.begin(file, 2 * blockSize, 2 ** 62, beginOps.write)),
		errno.EFBIG,
	);
	mount.endsClean();
});

rule('5.2.20', 'asked of a file that was forgotten', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.patchwork();
	kernel.unlink(kernel.root(), 'file');
	kernel.evict(file);
	for (const flags of [0, beginOps.write, beginOps.writeback]) {
		t.is(
			errnoOf(() => kernel.begin(file, 0, blockSize, flags)),
			errno.ESTALE,
		);
	}
	t.is(
		errnoOf(() => kernel.ioend(file, 0, blockSize, ioendFlags.unwritten)),
		errno.ESTALE,
	);
	mount.endsClean();
});

rule('5.5.4', 'a file that grows up to the last byte is given no more than that ahead', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	const piece = 300 * blockSize;
	const largest = (2 ** 32 - 1) * blockSize;
	for (const position of [largest - 2 * piece, largest - piece]) {
		t.is(
			errnoOf(() => kernel.write(file, position, filled(piece))),
			0,
		);
	}
	kernel.close(file);
	t.is(mount.lookedUp().size, largest);
	mount.endsClean();
});
