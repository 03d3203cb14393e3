/** INIT and CONFIG, the device, and attributes that switch it on. */
import {FileError} from '../../../../ext4/index.ts';
import {v7} from '../../../../iomap/index.ts';
import {errno} from '../../../../src/errno.ts';
import {deviceNumber} from '../../../support/iomap-kernel/server.ts';
import {caseList, errnoOf, filled, mounted, mountedAgain, served, spoilt} from './kit.ts';

const {cases, rule} = caseList();
export const negotiationCases = cases;

for (const [title, offer, isAgreed] of [
	['offered, it is accepted', {bit: true, minor: 99}, true],
	['not offered, it is not asked for', {bit: false, minor: 99}, false],
	['offered by an older protocol, it is not accepted', {bit: true, minor: 46}, false],
] as const) {
	rule('2.1', title, t => {
		const {kernel} = served(t);
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

rule('2.2', 'HANDLE_KILLPRIV_V2 and INIT_EXT are accepted with it', t => {
	const {kernel} = served(t);
	const {view} = kernel.wire.ask('INIT', {
		fields: {major: 7, minor: 99, flags: 2 ** 32 - 1, flags2: 2 ** 32 - 1},
	});
	const flags = view.getUint32(12, true);
	t.true((flags & (1 << 28)) !== 0);
	t.true((flags & (1 << 30)) !== 0);
});

// 5.5 CONFIG.

for (const size of [1024, 2048, 4096]) {
	rule('5.5.1', `the unit of mappings is the file system's block of ${size} bytes`, t => {
		const mount = mounted(t, {options: ['-t', 'ext4', '-b', String(size)]});
		t.is(mount.kernel.blockSize, size);
		mount.endsClean();
	});
}

for (const [inodeSize, granularity, last] of [
	[128, 1e9, 2 ** 31 - 1],
	[256, 1, 2 ** 34 - 2 ** 31 - 1],
] as const) {
	rule('5.5.2', `times are those that inodes of ${inodeSize} bytes hold`, t => {
		const mount = served(t, {options: ['-t', 'ext4', '-b', '1024', '-I', String(inodeSize)]});
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

rule('2.2', 'what is agreed on is minor 99, in an answer with the second word of flags', t => {
	const {kernel} = served(t);
	const {view} = kernel.wire.ask('INIT', {
		fields: {major: 7, minor: 120, flags: 2 ** 32 - 1, flags2: 2 ** 32 - 1},
	});
	t.is(view.getUint32(0, true), 7);
	t.is(view.getUint32(4, true), 99);
	t.true((view.getUint32(12, true) & (1 << 30)) !== 0);
	t.true((view.getUint32(32, true) & (1 << 11)) !== 0);
});

rule('2.3', 'the answer to INIT has 64 bytes, with iomap and without', t => {
	for (const flags2 of [0, 2 ** 32 - 1]) {
		const {kernel} = served(t);
		const fields = {major: 7, minor: 99, flags: 2 ** 32 - 1, flags2};
		t.is(kernel.wire.ask('INIT', {fields}).payload.length, 64);
	}
});

rule('2.4', 'capabilities are asked for once of an inode, however often it is written to', t => {
	const mount = mounted(t);
	const file = mount.newFile();
	for (let round = 0; round < 5; round++) mount.kernel.write(file, round * 100, filled(100));
	t.is(mount.kernel.counts['GETXATTR'], 1);
	mount.kernel.close(file);
	mount.endsClean();
});

rule('2.5', 'without agreement CONFIG and BEGIN are not understood, and no file is marked', t => {
	const {kernel} = served(t);
	kernel.wire.ask('INIT', {fields: {major: 7, minor: 46, flags: 2 ** 32 - 1, flags2: 0}});
	const answer = kernel.wire.ask('MKNOD', {names: ['file'], fields: {mode: 0o100644}});
	t.is(answer.error, 0);
	t.is(answer.view.getUint32(40 + 84, true), 0);
	const nodeId = Number(answer.view.getBigUint64(0, true));
	const data = filled(100);
	t.is(kernel.wire.ask('WRITE', {nodeId, fields: {size: 100}, data}).error, 0);
	t.is(kernel.wire.ask('READ', {nodeId, fields: {size: 4096}}).payload.length, 100);
});

rule('2.6', 'CONFIG is answered at once', t => {
	const {kernel} = served(t);
	kernel.wire.ask('INIT', {
		fields: {major: 7, minor: 99, flags: 2 ** 32 - 1, flags2: 2 ** 32 - 1},
	});
	t.is(kernel.wire.ask('IOMAP_CONFIG', {nodeId: 0, fields: {flags: 0x7f}}).error, 0);
});

rule('2.6', 'on a read-only mount, too, and files are read by the kernel', t => {
	const bytes = Uint8Array.from({length: 5000}, (_, index) => index & 0xff);
	const first = mounted(t);
	const made = first.newFile();
	first.kernel.write(made, 0, bytes);
	first.kernel.close(made);
	first.endsClean();
	const second = mountedAgain(t, first, {config: {readOnly: true}});
	const {kernel} = second;
	const file = second.lookedUp();
	kernel.openToRead(file);
	t.deepEqual(kernel.read(file, 0, bytes.length), bytes);
	// No access times are kept of a read-only mount.
	file.timesAreDirty = false;
	kernel.close(file);
	kernel.evict(file);
	t.is(kernel.counts['READ'], undefined);
	second.endsClean();
});

for (const [title, spoil] of [
	['flags that are not known', (view: DataView) => view.setUint8(1, 1)],
	['a long uuid', (view: DataView) => view.setUint8(56, 17)],
	['padding behind the uuid', (view: DataView) => view.setUint8(58, 1)],
	['padding at the end', (view: DataView) => view.setUint8(103, 1)],
	['blocks larger than a page', (view: DataView) => view.setUint32(60, 16_384, true)],
] as const) {
	rule('2.7', `CONFIG with ${title} is refused`, t => {
		const {kernel} = served(t);
		spoilt(kernel, 'IOMAP_CONFIG', ({view}) => {
			spoil(view);
			return undefined;
		});
		t.is(
			errnoOf(() => kernel.mount()),
			errno.EINVAL,
		);
	});
}

rule('3.1', 'SET_NOFS has its number and turns on', t => {
	t.is(v7.ioctls.setNoFs, 0x4004_e564);
	t.deepEqual([...v7.setNoFs(true)], [1, 0, 0, 0]);
	t.deepEqual([...v7.setNoFs(false)], [0, 0, 0, 0]);
});

rule('4.1', 'a device is registered by its descriptor', t => {
	t.is(v7.ioctls.openDevice, 0x4010_e501);
	t.deepEqual([...v7.openDevice(0x0102)], [2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
});

rule('4.2', 'the device is registered with CONFIG, once', t => {
	let registered = 0;
	const registerDevice = () => {
		registered++;
		return deviceNumber;
	};
	const {kernel} = served(t, {registerDevice});
	kernel.wire.ask('INIT', {
		fields: {major: 7, minor: 99, flags: 2 ** 32 - 1, flags2: 2 ** 32 - 1},
	});
	t.is(registered, 0);
	kernel.wire.ask('IOMAP_CONFIG', {nodeId: 0, fields: {flags: 0x7f}});
	t.is(registered, 1);
});

rule('4.3', 'where the device is refused so is CONFIG', t => {
	const registerDevice = () => {
		throw new FileError('EPERM', 'the kernel does not want it');
	};
	const {kernel} = served(t, {registerDevice});
	t.is(
		errnoOf(() => kernel.mount()),
		errno.EPERM,
	);
});

rule('5.5.3', 'CONFIG has no bytes that do not count', t => {
	const {kernel} = served(t);
	kernel.wire.ask('INIT', {
		fields: {major: 7, minor: 99, flags: 2 ** 32 - 1, flags2: 2 ** 32 - 1},
	});
	const {payload, view} = kernel.wire.ask('IOMAP_CONFIG', {nodeId: 0, fields: {flags: 0x7f}});
	t.is(payload.length, 104);
	t.is(view.getUint32(100, true), 0);
	t.deepEqual([...payload.subarray(57, 60)], [0, 0, 0]);
});

rule('5.5.4', 'a write is cut where no file can be longer, and a longer file is EFBIG', t => {
	const mount = mounted(t, {options: ['-t', 'ext4', '-b', '4096']});
	const {kernel} = mount;
	const file = mount.newFile();
	const max = Number(kernel.agreement.geometry.maxBytes);
	t.is(max, 2 ** 44 - 4096);
	t.is(
		errnoOf(() => kernel.truncate(file, max + 1)),
		errno.EFBIG,
	);
	kernel.truncate(file, max);
	t.is(kernel.write(file, max - 50, filled(100)), 50);
	t.is(
		errnoOf(() => kernel.write(file, max, filled(1))),
		errno.EFBIG,
	);
	kernel.close(file);
	mount.endsClean();
});

rule('5.5.5', 'the bound of the cache is within what the kernel takes', t => {
	const mount = mounted(t);
	t.is(mount.kernel.agreement.cachedMax, (2 * 1024 * 1024) / 64);
	mount.endsClean();
});
