/** The file system as a whole, and what is durable when. */
import {errno} from '../../../../src/errno.ts';
import {beginOps} from '../../../support/iomap-kernel/wire.ts';
import {blockSize, caseList, errnoOf, filled, mounted, mountedAgain, typeOf} from './kit.ts';

const {cases, rule} = caseList();
export const wholeCases = cases;

rule('5.6.2', 'freezing brings all to the medium', t => {
	const mount = mounted(t);
	const file = mount.newFile();
	mount.kernel.write(file, 0, new Uint8Array(3000).fill(5));
	mount.kernel.freeze();
	t.false(mount.volume.transactions?.isOpen ?? true);
	mount.kernel.close(file);
	mount.endsClean();
});

rule('5.6.2', 'what is closed or forgotten while frozen changes nothing before the thaw', t => {
	const mount = mounted(t);
	const {kernel, device} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(600 * blockSize));
	const gone = mount.newFile('gone');
	kernel.write(gone, 0, filled(600 * blockSize));
	kernel.unlink(kernel.root(), 'gone');
	kernel.freeze();
	const frozen = device.bytes.slice();
	for (const each of [file, gone]) {
		kernel.wire.ask('RELEASE', {nodeId: each.id});
		kernel.evict(each);
	}
	t.false(mount.volume.transactions?.isOpen ?? true);
	t.deepEqual(device.bytes, frozen);
	kernel.thaw();
	t.true(mount.volume.transactions?.isOpen ?? false);
	mount.endsClean();
});

rule('5.6.4', 'after a shutdown nothing is changed any more', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.patchwork();
	kernel.wire.ask('SHUTDOWN_FS', {nodeId: 1});
	t.is(
		errnoOf(() => kernel.begin(file, 2 * blockSize, 1, beginOps.write)),
		errno.EROFS,
	);
	t.is(typeOf(kernel.begin(file, 0, 1, 0)), 'mapped');
});

for (const isDataOnly of [false, true]) {
	rule(
		'8.1',
		`${isDataOnly ? 'fdatasync' : 'fsync'} of what was only overwritten flushes the device`,
		t => {
			const mount = mounted(t);
			const {kernel, device} = mount;
			const file = mount.newFile();
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
			mount.endsClean();
		},
	);
}

rule('5.6.1', 'sync brings all to the medium, without an FSYNC', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(3000));
	const found = mount.kernel.requestsOf(() => kernel.sync());
	t.is(found.at(-1), 'SYNCFS');
	t.false(mount.volume.transactions?.isOpen ?? true);
	t.is(mount.volume.readInode(file.inode).sizeBytes, 3000);
	kernel.close(file);
	mount.endsClean();
});

rule('5.6.2', 'freezing tells of files without a name that are open', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.unlink(kernel.root(), 'file');
	t.is(
		errnoOf(() => kernel.freeze()),
		0,
	);
	kernel.thaw();
	kernel.close(file);
	mount.endsClean();
});

rule('5.6.3', 'after a thaw work goes on', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.freeze();
	kernel.thaw();
	kernel.write(file, 0, filled(3000));
	kernel.close(file);
	mount.endsClean();
});

rule('5.6.5', 'with DESTROY all is at home: a look at the device finds it', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(3000));
	const found = mount.kernel.requestsOf(() => kernel.unmount());
	t.is(found.at(-1), 'DESTROY');
	t.false(found.includes('SYNCFS'));
	const again = mountedAgain(t, mount);
	t.is(again.lookedUp().size, 3000);
	again.endsClean();
});

rule('8.2', 'a crash after an IOEND keeps the old size, after the FSYNC the new one', t => {
	for (const isSynced of [false, true]) {
		const mount = mounted(t);
		const {kernel} = mount;
		const file = mount.newFile();
		kernel.fsync(file);
		kernel.write(file, 0, filled(3000));
		kernel.writeBack(file);
		if (isSynced) kernel.fsync(file);
		const after = mountedAgain(t, mount);
		const found = after.lookedUp();
		t.is(found.size, isSynced ? 3000 : 0);
		if (isSynced) t.deepEqual(after.kernel.read(found, 0, 3000), filled(3000));
		after.endsClean();
	}
});

rule('8.3', 'data, IOEND, times, FSYNC', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	kernel.write(file, 0, filled(3000));
	const kinds = mount.kernel
		.requestsOf(() => kernel.fsync(file))
		.map(each => each.replace(/\(.*/, ''));
	t.deepEqual(kinds, ['device write', 'IOEND', 'SETATTR', 'FSYNC']);
	kernel.close(file);
	mount.endsClean();
});

rule('8.4', 'FSYNC and SYNCFS are done again and again', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	for (let round = 0; round < 3; round++) {
		t.is(kernel.wire.ask('FSYNC', {nodeId: file.id}).error, 0);
		t.is(kernel.wire.ask('SYNCFS', {nodeId: 1}).error, 0);
	}
	mount.endsClean();
});
