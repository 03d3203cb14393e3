import type {ExecutionContext} from 'ava';
import {type Errno, FileError, forEachEntry, inodeFlags, readSymlink} from '../../../ext4/index.ts';
import {hasDebugfs} from '../../support/e2fsprogs.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {testUnless} from '../../support/skip.ts';
import {findProblems, Subject} from '../../support/subject.ts';

const why = hasDebugfs ? undefined : 'e2fsprogs is not installed';
const file = {mode: 0o644, uid: 1000, gid: 1000, umask: 0};
const folder = {...file, mode: 0o755};
const root = 2;

function at(name: string, parent = root) {
	return {parent, name};
}

function open(...options: string[]): Subject {
	return new Subject(mke2fs(['-t', 'ext4', '-b', '1024', ...options], '8M'));
}

/** Closes the volume; e2fsck has nothing to say. */
function close(t: ExecutionContext, subject: Subject): void {
	subject.close();
	t.is(findProblems(subject), undefined);
}

function refuses(t: ExecutionContext, code: Errno, action: () => void): void {
	const error = t.throws(action, {instanceOf: FileError});
	t.is(error?.code, code);
}

function namesIn(subject: Subject, number: number): string[] {
	const names: string[] = [];
	const {volume} = subject;
	forEachEntry(volume, volume.readInode(number), 0, (bytes, start, length) => {
		names.push(Buffer.from(bytes.subarray(start, start + length)).toString('latin1'));
		return true;
	});
	return names.sort();
}

testUnless(why, 'names that no file can have are refused', t => {
	const subject = open();
	const made = subject.makeFile(at('x'.repeat(255)), file);
	t.is(subject.lookup(at('x'.repeat(255))), made);
	refuses(t, 'ENAMETOOLONG', () => subject.makeFile(at('x'.repeat(256)), file));
	for (const name of ['a/b', 'a\0b', '.', '..']) {
		refuses(t, 'EINVAL', () => subject.makeFile(at(name), file));
		refuses(t, 'EINVAL', () => subject.unlink(at(name)));
	}
	refuses(t, 'ENOENT', () => subject.makeFile(at(''), file));
	refuses(t, 'EEXIST', () => subject.makeDirectory(at('x'.repeat(255)), folder));
	refuses(t, 'ENOTDIR', () => subject.makeFile(at('child', made), file));
	close(t, subject);
});

testUnless(why, 'a new file has its owners, mode, times and what its directory hands on', t => {
	const subject = open('-O', 'project', '-I', '256');
	const parent = subject.makeDirectory(at('parent'), {...folder, gid: 77, mode: 0o2777});
	subject.setProject(parent, inodeFlags.projectInherit | inodeFlags.noDump, 5);
	subject.now = {seconds: 2 ** 31 + 5, nanoseconds: 123_456_789};
	const made = subject.makeFile(at('made', parent), {...file, mode: 0o777, umask: 0o027});
	const inode = subject.inode(made);
	t.is(inode.mode, 0o100750);
	t.is(inode.uid, 1000);
	t.is(inode.gid, 77);
	t.is(inode.projectId, 5);
	t.is(inode.flags, inodeFlags.noDump | inodeFlags.extents);
	t.is(inode.extraSizeBytes, 32);
	for (const time of [inode.accessTime, inode.modificationTime, inode.creationTime]) {
		t.deepEqual(time, subject.now);
	}
	t.deepEqual(subject.inode(parent).modificationTime, subject.now);
	const inner = subject.inode(subject.makeDirectory(at('inner', parent), folder));
	t.is(inner.mode, 0o042755);
	t.is(inner.flags & inodeFlags.projectInherit, inodeFlags.projectInherit);
	const pipe = subject.makeNode(at('pipe', parent), {...file, mode: 0o010644});
	t.is(subject.inode(pipe).flags, inodeFlags.noDump);
	const outside = subject.makeFile(at('outside'), file);
	refuses(t, 'EXDEV', () => subject.link(outside, at('linked', parent)));
	refuses(t, 'EXDEV', () => subject.rename(at('outside'), at('moved', parent), {}));
	refuses(t, 'EXDEV', () => subject.rename(at('made', parent), at('outside'), {kind: 'exchange'}));
	subject.rename(at('made', parent), at('moved'), {});
	close(t, subject);
});

testUnless(why, 'devices keep their numbers, in the old form and the new', t => {
	const subject = open();
	for (const [mode, major, minor] of [
		[0o020600, 1, 3],
		[0o060600, 7, 255],
		[0o060600, 8, 256],
		[0o020600, 4095, 2 ** 20 - 1],
	] as const) {
		const name = `${major} ${minor}`;
		const number = subject.makeNode(at(name), {...file, mode, device: {major, minor}});
		t.deepEqual(subject.inode(number).device, {major, minor});
	}
	const tooLarge = {major: 4096, minor: 0};
	refuses(t, 'EINVAL', () =>
		subject.makeNode(at('x'), {...file, mode: 0o020600, device: tooLarge}),
	);
	refuses(t, 'EPERM', () => subject.makeNode(at('x'), {...file, mode: 0o040755}));
	refuses(t, 'EINVAL', () => subject.makeNode(at('x'), {...file, mode: 0o120777}));
	subject.close();
	subject.reopen();
	const number = subject.lookup(at('8 256')) ?? 0;
	t.deepEqual(subject.inode(number).device, {major: 8, minor: 256});
	close(t, subject);
});

testUnless(
	why,
	'a target lies in the inode up to 59 bytes, then in a block, and fits into it',
	t => {
		const subject = open();
		for (const length of [1, 59, 60, 1023]) {
			const target = 'x'.repeat(length);
			const number = subject.symlink(at(`${length}`), target, file);
			const inode = subject.inode(number);
			t.is(Buffer.from(readSymlink(subject.volume, inode)).toString(), target);
			t.is(inode.sectors, length > 59 ? 2 : 0);
			t.is(inode.mode, 0o120777);
		}
		refuses(t, 'ENAMETOOLONG', () => subject.symlink(at('x'), 'x'.repeat(1024), file));
		refuses(t, 'ENOENT', () => subject.symlink(at('x'), '', file));
		refuses(t, 'EINVAL', () => subject.symlink(at('x'), 'a\0b', file));
		const free = subject.volume.superblock.freeBlockCount;
		const {number} = subject.inode(subject.lookup(at('1023')) ?? 0);
		subject.unlink(at('1023'));
		subject.reap(number);
		t.is(subject.volume.superblock.freeBlockCount, free + 1);
		close(t, subject);
	},
);

testUnless(why, 'a directory with 65,000 links says 1 where it has an index, else is full', t => {
	const setLinks = (subject: Subject, number: number, linkCount: number) =>
		subject.volume.transact(handle => {
			handle.edit(subject.inode(number)).linkCount = linkCount;
		});
	const subject = open();
	const parent = subject.makeDirectory(at('parent'), folder);
	for (let index = 0; index < 60; index++) subject.makeFile(at(`long name ${index}`, parent), file);
	t.not(subject.inode(parent).flags & inodeFlags.hashIndexed, 0);
	setLinks(subject, parent, 65_000);
	subject.makeDirectory(at('one more', parent), folder);
	t.is(subject.inode(parent).linkCount, 1);
	subject.makeDirectory(at('and another', parent), folder);
	subject.rmdir(at('one more', parent));
	t.is(subject.inode(parent).linkCount, 1);
	// Linear yet.
	const full = subject.makeDirectory(at('full'), folder);
	setLinks(subject, full, 65_000);
	refuses(t, 'EMLINK', () => subject.makeDirectory(at('one more', full), folder));
	subject.makeDirectory(at('outside'), folder);
	refuses(t, 'EMLINK', () => subject.rename(at('outside'), at('inside', full), {}));
	subject.makeFile(at('file', full), file);
	refuses(t, 'EMLINK', () => subject.rename(at('outside'), at('file', full), {kind: 'exchange'}));
	setLinks(subject, full, 2);
	setLinks(subject, parent, 3);
	const popular = subject.makeFile(at('popular'), file);
	setLinks(subject, popular, 65_000);
	refuses(t, 'EMLINK', () => subject.link(popular, at('another name')));
	setLinks(subject, popular, 1);
	close(t, subject);
});

testUnless(why, 'a directory is removed when it is empty, and takes no names afterwards', t => {
	const subject = open();
	const parent = subject.makeDirectory(at('parent'), folder);
	const child = subject.makeFile(at('child', parent), file);
	t.is(subject.inode(root).linkCount, 4); // lost+found is there.
	refuses(t, 'ENOTEMPTY', () => subject.rmdir(at('parent')));
	refuses(t, 'EISDIR', () => subject.unlink(at('parent')));
	refuses(t, 'ENOTDIR', () => subject.rmdir(at('child', parent)));
	refuses(t, 'EPERM', () => subject.link(parent, at('another')));
	subject.unlink(at('child', parent));
	subject.reap(child);
	const {volume} = subject;
	volume.transact(handle => {
		const inode = volume.readInode(parent);
		subject.rmdirIn(handle, at('parent'));
		const error = t.throws(() => subject.makeFileIn(handle, inode, 'late', file), {
			instanceOf: FileError,
		});
		t.is(error?.code, 'ENOENT');
	});
	t.is(volume.readInode(root).linkCount, 3);
	close(t, subject);
});

testUnless(why, 'a directory that moves has another parent, which counts it', t => {
	const subject = open();
	const one = subject.makeDirectory(at('one'), folder);
	const other = subject.makeDirectory(at('other'), folder);
	const moved = subject.makeDirectory(at('moved', one), folder);
	const inside = subject.makeDirectory(at('inside', moved), folder);
	subject.rename(at('moved', one), at('new name', other), {});
	t.is(subject.lookup(at('..', moved)), other);
	t.is(subject.inode(one).linkCount, 2);
	t.is(subject.inode(other).linkCount, 3);
	refuses(t, 'EINVAL', () => subject.rename(at('other'), at('x', inside), {}));
	refuses(t, 'EINVAL', () => subject.rename(at('other'), at('x', other), {}));
	refuses(t, 'EINVAL', () => subject.rename(at('other'), at('inside', moved), {kind: 'exchange'}));
	refuses(t, 'EINVAL', () => subject.rename(at('inside', moved), at('other'), {kind: 'exchange'}));
	refuses(t, 'ENOTEMPTY', () => subject.rename(at('inside', moved), at('other'), {}));
	subject.makeFile(at('file', one), file);
	subject.rename(at('new name', other), at('file', one), {kind: 'exchange'});
	t.is(subject.lookup(at('..', moved)), one);
	t.is(subject.inode(one).linkCount, 3);
	t.is(subject.inode(other).linkCount, 2);
	t.deepEqual(namesIn(subject, other), ['.', '..', 'new name']);
	close(t, subject);
});

testUnless(why, 'renaming replaces what is there, unless it is told not to', t => {
	const subject = open();
	const one = subject.makeFile(at('one'), file);
	const two = subject.makeFile(at('two'), file);
	const full = subject.makeDirectory(at('full'), folder);
	subject.makeFile(at('child', full), file);
	const empty = subject.makeDirectory(at('empty'), folder);
	refuses(t, 'EEXIST', () => subject.rename(at('one'), at('two'), {kind: 'noreplace'}));
	refuses(t, 'EISDIR', () => subject.rename(at('one'), at('empty'), {}));
	refuses(t, 'ENOTDIR', () => subject.rename(at('empty'), at('one'), {}));
	refuses(t, 'ENOTEMPTY', () => subject.rename(at('empty'), at('full'), {}));
	refuses(t, 'ENOENT', () => subject.rename(at('none'), at('one'), {}));
	refuses(t, 'ENOENT', () => subject.rename(at('one'), at('none'), {kind: 'exchange'}));
	refuses(t, 'EINVAL', () =>
		subject.rename(at('one'), at('two'), {kind: 'exchange', whiteout: {uid: 0, gid: 0}}),
	);
	subject.rename(at('one'), at('two'), {});
	t.is(subject.lookup(at('two')), one);
	t.is(subject.inode(two).linkCount, 0);
	subject.reap(two);
	subject.link(one, at('same'));
	subject.rename(at('same'), at('two'), {});
	t.is(subject.lookup(at('same')), one); // Two names of one file stay.
	subject.rename(at('full'), at('empty'), {});
	t.is(subject.lookup(at('empty')), full);
	t.is(subject.lookup(at('full')), undefined);
	t.throws(() => subject.volume.readInode(empty));
	t.is(subject.inode(root).linkCount, 4);
	subject.rename(at('two'), at('three'), {kind: 'noreplace', whiteout: {uid: 3, gid: 4}});
	const whiteout = subject.inode(subject.lookup(at('two')) ?? 0);
	t.deepEqual(whiteout.device, {major: 0, minor: 0});
	t.is(whiteout.mode, 0o020000);
	t.deepEqual([whiteout.uid, whiteout.gid], [3, 4]);
	close(t, subject);
});

testUnless(why, 'immutable and append-only bind names, too', t => {
	const subject = open();
	const parent = subject.makeDirectory(at('parent'), folder);
	const child = subject.makeFile(at('child', parent), file);
	const bind = (number: number, flags: number) => {
		const binding = inodeFlags.immutable | inodeFlags.appendOnly;
		subject.setFlags(number, (subject.flags(number) & ~binding) | flags);
	};
	bind(parent, inodeFlags.immutable);
	refuses(t, 'EPERM', () => subject.makeFile(at('new', parent), file));
	refuses(t, 'EPERM', () => subject.unlink(at('child', parent)));
	refuses(t, 'EPERM', () => subject.rename(at('child', parent), at('child'), {}));
	refuses(t, 'EPERM', () => subject.tmpfile(parent, file));
	bind(parent, inodeFlags.appendOnly);
	subject.makeFile(at('new', parent), file);
	refuses(t, 'EPERM', () => subject.unlink(at('new', parent)));
	bind(parent, 0);
	bind(child, inodeFlags.appendOnly);
	refuses(t, 'EPERM', () => subject.link(child, at('link')));
	refuses(t, 'EPERM', () => subject.unlink(at('child', parent)));
	refuses(t, 'EPERM', () => subject.rename(at('new', parent), at('child', parent), {}));
	bind(child, 0);
	close(t, subject);
});

testUnless(why, 'where there is no inode left, nothing is left behind', t => {
	const subject = new Subject(mke2fs(['-t', 'ext4', '-b', '1024', '-N', '32'], '2M'));
	let made = 0;
	const error = t.throws(
		() => {
			for (; made < 100; made++) subject.makeDirectory(at(`${made}`), folder);
		},
		{instanceOf: FileError},
	);
	t.is(error?.code, 'ENOSPC');
	t.is(subject.inode(root).linkCount, made + 3);
	t.is(subject.lookup(at(`${made}`)), undefined);
	close(t, subject);
});

testUnless(why, 'in an encrypted directory names are only removed', t => {
	const subject = open('-O', 'encrypt');
	const {volume} = subject;
	const parent = subject.makeDirectory(at('parent'), folder);
	// At least a block of cipher text each.
	const child = subject.makeFile(at('sixteen bytes it', parent), file);
	subject.makeDirectory(at('a folder so named', parent), folder);
	volume.transact(handle => {
		const inode = handle.edit(subject.inode(parent));
		inode.flags |= inodeFlags.encrypted;
	});
	const names = namesIn(subject, parent).filter(name => !name.startsWith('.'));
	t.is(names.length, 2);
	refuses(t, 'ENOKEY', () => subject.makeFile(at('new', parent), file));
	refuses(t, 'ENOKEY', () => subject.makeDirectory(at('new', parent), folder));
	refuses(t, 'ENOKEY', () => subject.symlink(at('new', parent), 'x', file));
	refuses(t, 'ENOKEY', () => subject.tmpfile(parent, file));
	refuses(t, 'ENOKEY', () => subject.link(child, at('new', parent)));
	for (const name of names) {
		refuses(t, 'ENOKEY', () => subject.rename(at(name, parent), at('new'), {}));
		if (subject.lookup(at(name, parent)) === child) subject.unlink(at(name, parent));
		else subject.rmdir(at(name, parent));
	}
	subject.reap(child);
	t.is(subject.inode(parent).linkCount, 2);
	subject.rmdir(at('parent'));
	close(t, subject);
});
