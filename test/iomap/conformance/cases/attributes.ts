/** Which files the kernel moves, what else it goes by, and who may do what. */
import * as fs from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {inodeFlags} from '../../../../ext4/index.ts';
import {errno} from '../../../../src/errno.ts';
import {ioctls} from '../../../../src/ioctl.ts';
import type {Node} from '../../../support/iomap-kernel/kernel.ts';
import type {IomapMount} from '../../../support/iomap-kernel/mounted.ts';
import {mke2fs} from '../../../support/made-volume.ts';
import {type Check, caseList, errnoOf, mounted, Subject, served} from './kit.ts';

const {cases, rule} = caseList();
export const attributeCases = cases;

rule(
	'6.1',
	'regular files in extents are moved by the kernel; directories and links are not',
	t => {
		const mount = mounted(t);
		const {kernel} = mount;
		t.true(mount.newFile().isIomap);
		t.false(kernel.mkdir(kernel.root(), 'directory').isIomap);
		mount.endsClean();
	},
);

function passesThrough(t: Check, mount: IomapMount, file: Node): void {
	const {kernel} = mount;
	t.false(file.isIomap);
	const refused = () => kernel.begin(file, 0, 1, 0);
	t.is(errnoOf(refused), errno.EINVAL);
	const data = new Uint8Array(3000).fill(7);
	const {error} = kernel.wire.ask('WRITE', {
		nodeId: file.id,
		fields: {offset: 0, size: data.length},
		data,
	});
	t.is(error, 0);
	// Also once it has grown out of the inode: the kernel goes by what it heard first.
	t.is(errnoOf(refused), errno.EINVAL);
	kernel.truncate(file, 1500);
	const read = kernel.wire.ask('READ', {nodeId: file.id, fields: {offset: 0, size: 4096}});
	t.is(Buffer.compare(read.payload, new Uint8Array(1500).fill(7)), 0);
	kernel.evict(file);
}

rule('6.2', 'files mapped by blocks pass through the server', t => {
	const mount = mounted(t, {options: ['-t', 'ext3', '-b', '1024']});
	passesThrough(t, mount, mount.newFile());
	t.false(mount.kernel.lookup(mount.kernel.root(), 'file')?.isIomap);
	mount.endsClean();
});

rule(
	'6.3',
	'files that lie in the inode pass through the server, until the kernel forgets them',
	t => {
		const folder = fs.mkdtempSync(join(tmpdir(), 'ext4box-inline-'));
		try {
			fs.writeFileSync(join(folder, 'file'), 'short');
			const options = ['-t', 'ext4', '-b', '1024', '-I', '256', '-O', 'inline_data', '-d', folder];
			const mount = new Subject(t, mke2fs(options, '8M'));
			const {kernel} = mount;
			t.true(kernel.mount());
			const file = mount.lookedUp();
			passesThrough(t, mount, file);
			t.true(kernel.lookup(kernel.root(), 'file')?.isIomap);
			mount.endsClean();
		} finally {
			fs.rmSync(folder, {recursive: true});
		}
	},
);

/** `fuse_attr.flags` of a name in the root. */
function flagsOf({kernel}: IomapMount, name: string): number {
	const {view} = kernel.wire.ask('LOOKUP', {names: [name]});
	return view.getUint32(40 + 84, true);
}

function setFlags({kernel}: IomapMount, node: Node, flags: number): void {
	const data = new Uint8Array(8);
	new DataView(data.buffer).setUint32(0, flags, true);
	const fields = {cmd: ioctls.FS_IOC_SETFLAGS, in_size: 8};
	const {error} = kernel.wire.ask('IOCTL', {nodeId: node.id, fields, data});
	if (error !== 0) throw new Error(`SETFLAGS: ${error}`);
}

const {synchronous, immutable, appendOnly, extents} = inodeFlags;

for (const [name, title, inodeFlag, told] of [
	['6.4', 'S_SYNC', synchronous, 0x20],
	['6.5', 'immutable', immutable, 0x40],
	['6.6', 'append-only', appendOnly, 0x80],
] as const) {
	rule(name, `a file that is ${title} is told so, beside EXCLUSIVE and IOMAP`, t => {
		const mount = mounted(t);
		const file = mount.newFile();
		setFlags(mount, file, extents | inodeFlag);
		t.is(flagsOf(mount, 'file'), 0xc | told);
		setFlags(mount, file, extents);
		t.is(flagsOf(mount, 'file'), 0xc);
		mount.endsClean();
	});
}

rule('6.4', 'every write to a synchronous file is followed by an FSYNC', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const made = mount.newFile();
	setFlags(mount, made, extents | synchronous);
	kernel.evict(made);
	const file = mount.lookedUp();
	const before = kernel.trace.length;
	kernel.write(file, 0, new Uint8Array(100));
	t.is(kernel.trace.slice(before).at(-1), 'FSYNC(datasync=1)');
	t.false(mount.volume.transactions?.isOpen ?? true);
	mount.endsClean();
});

for (const [title, inodeFlag] of [
	['append-only', appendOnly],
	['immutable', immutable],
] as const) {
	rule(
		'7.3.1',
		`times that the kernel has kept are taken of a file that has become ${title}`,
		t => {
			const mount = mounted(t);
			const {kernel} = mount;
			const file = mount.newFile();
			kernel.write(file, 0, new Uint8Array(100));
			kernel.read(file, 0, 10);
			setFlags(mount, file, extents | inodeFlag);
			const {modificationTime} = file;
			kernel.fsync(file);
			t.deepEqual(mount.volume.readInode(file.inode).modificationTime, modificationTime);
			kernel.close(file);
			mount.endsClean();
		},
	);
}

rule('6.5', 'an immutable file is not opened or changed, and nobody is asked', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const made = mount.newFile();
	setFlags(mount, made, extents | immutable);
	kernel.evict(made);
	const file = mount.lookedUp();
	const before = kernel.trace.length;
	t.is(
		errnoOf(() => kernel.open(file)),
		errno.EPERM,
	);
	t.is(
		errnoOf(() => kernel.chmod(file, 0o600)),
		errno.EPERM,
	);
	t.is(kernel.trace.length, before);
	mount.endsClean();
});

rule('6.6', 'an append-only file is opened to append to it alone, and nobody is asked else', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const made = mount.newFile();
	setFlags(mount, made, extents | appendOnly);
	// The server says it where the kernel does not know.
	t.is(
		errnoOf(() => kernel.open(made)),
		errno.EPERM,
	);
	kernel.evict(made);
	const file = mount.lookedUp();
	const asked = mount.kernel.requestsOf(() => {
		t.is(
			errnoOf(() => kernel.open(file)),
			errno.EPERM,
		);
	});
	t.deepEqual(asked, []);
	kernel.open(file, {appends: true});
	kernel.write(file, 0, new Uint8Array(100));
	kernel.close(file);
	t.is(mount.lookedUp().size, 100);
	mount.endsClean();
});

rule('6.7', 'where the kernel checks ACLs every kind of file is exclusive', t => {
	const mount = served(t, {config: {allowOther: true}});
	const {kernel} = mount;
	t.true(kernel.mount());
	kernel.create(kernel.root(), 'file');
	kernel.mkdir(kernel.root(), 'directory');
	kernel.symlink(kernel.root(), 'link', 'file');
	t.is(flagsOf(mount, 'file'), 0xc);
	t.is(flagsOf(mount, 'directory'), 0x4);
	t.is(flagsOf(mount, 'link'), 0x4);
});

rule('6.7', 'where it does not, only what it moves the data of is', t => {
	const mount = mounted(t);
	mount.kernel.mkdir(mount.kernel.root(), 'directory');
	mount.newFile();
	t.is(flagsOf(mount, 'file'), 0xc);
	t.is(flagsOf(mount, 'directory'), 0);
	mount.endsClean();
});

rule('10.1', 'no name leads to node 1', t => {
	const mount = mounted(t);
	const made = mount.newFile();
	const folder = mount.kernel.mkdir(mount.kernel.root(), 'directory');
	t.true(made.id > 1 && folder.id > 1 && made.id !== folder.id);
	t.is(mount.kernel.wire.ask('GETATTR', {nodeId: 1}).error, 0);
	mount.endsClean();
});

rule('10.2', 'a mode that was masked already stays, under a default ACL, too', t => {
	const mount = served(t, {config: {allowOther: true}});
	const {kernel} = mount;
	t.true(kernel.mount());
	const folder = kernel.mkdir(kernel.root(), 'directory');
	// user::rwx group::r-x other::--x, as the wire has it.
	const acl = Uint8Array.of(
		2,
		0,
		0,
		0,
		1,
		0,
		7,
		0,
		255,
		255,
		255,
		255,
		4,
		0,
		5,
		0,
		255,
		255,
		255,
		255,
		32,
		0,
		1,
		0,
		255,
		255,
		255,
		255,
	);
	const set = (nodeId: number, name: string) =>
		kernel.wire.ask('SETXATTR', {nodeId, names: [name], fields: {size: acl.length}, data: acl})
			.error;
	t.is(set(folder.id, 'system.posix_acl_default'), 0);
	// What the kernel has worked out from the ACL, with the mask that it does not count then.
	const file = kernel.create(folder, 'file', {mode: 0o100640, umask: 0o777});
	t.is(file.mode & 0o777, 0o640);
	const plainFile = kernel.create(kernel.root(), 'plain', {mode: 0o100640, umask: 0o027});
	t.is(plainFile.mode & 0o777, 0o640);
});

rule('10.3', 'names and attributes are valid for long', t => {
	const mount = mounted(t);
	mount.newFile();
	const {view} = mount.kernel.wire.ask('LOOKUP', {names: ['file']});
	t.true(view.getBigUint64(16, true) >= 30n);
	t.true(view.getBigUint64(24, true) >= 30n);
	const absent = mount.kernel.wire.ask('LOOKUP', {names: ['absent']});
	t.is(absent.view.getBigUint64(0, true), 0n);
	t.true(absent.view.getBigUint64(16, true) >= 30n);
	mount.endsClean();
});

rule('10.4', 'while the kernel holds data back the size is the one that is recorded', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = mount.newFile();
	const told = () => kernel.wire.ask('GETATTR', {nodeId: file.id}).view.getBigUint64(16 + 8, true);
	kernel.write(file, 0, new Uint8Array(5000));
	t.is(told(), 0n);
	kernel.writeBack(file);
	t.is(told(), 5000n);
	kernel.close(file);
	mount.endsClean();
});

rule('10.5', 'a user who writes takes the privileges of a file', t => {
	const mount = mounted(t);
	const {kernel} = mount;
	const file = kernel.create(kernel.root(), 'file', {mode: 0o106755});
	kernel.as({uid: 1000, gid: 1000});
	kernel.write(file, 0, new Uint8Array(10));
	kernel.close(file);
	t.is(mount.volume.readInode(file.inode).mode & 0o7777, 0o755);
	mount.endsClean();
});

rule('10.6', 'STATX tells the size and the time of birth', t => {
	const mount = mounted(t);
	const file = mount.newFile();
	const {view, error} = mount.kernel.wire.ask('STATX', {nodeId: file.id});
	t.is(error, 0);
	t.is(view.byteLength, 288);
	mount.endsClean();
});
