import type {ExecutionContext} from 'ava';
import {ext4_xattr_header} from '../../../ext4/layout/xattr.ts';
import {getXattr} from '../../../ext4/xattr/read.ts';
import {freeXattrs, removeXattr, setXattr} from '../../../ext4/xattr/write.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {WrittenImage} from './written-image.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const files = ['a', 'b', 'c'];
const long = (fill: number) => new Uint8Array(500).fill(fill);

function image(): WrittenImage {
	return new WrittenImage({make: ['-t', 'ext4', '-b', '1024'], files});
}

function set(on: WrittenImage, file: string, name: string, value: Uint8Array): void {
	on.change(file, (handle, inode) => setXattr(handle, inode, name, value, 'any'));
}

function refcount(on: WrittenImage, file: string): number {
	const {bytes, view} = on.volume.cache.read(on.inode(file).xattrBlock);
	return bytes.length === 0 ? 0 : ext4_xattr_header.at(view, 0).h_refcount;
}

function isSound(t: ExecutionContext, on: WrittenImage): void {
	t.is(on.check(), undefined);
}

testUnless(why, 'inodes with the same attributes share a block, and each is charged', t => {
	const on = image();
	const before = on.inode('a').sectors;
	for (const file of files) set(on, file, 'user.x', long(1));
	t.is(on.inode('a').xattrBlock, on.inode('c').xattrBlock);
	t.is(refcount(on, 'b'), 3);
	for (const file of files) t.is(on.inode(file).sectors, before + 2);
	isSound(t, on);
});

testUnless(why, 'a shared block is copied before one of its inodes changes it', t => {
	const on = image();
	for (const file of files) set(on, file, 'user.x', long(1));
	set(on, 'b', 'user.x', long(2));
	t.is(refcount(on, 'a'), 2);
	t.is(refcount(on, 'b'), 1);
	t.deepEqual(getXattr(on.volume, on.inode('a'), 'user.x'), long(1));
	t.deepEqual(getXattr(on.volume, on.inode('b'), 'user.x'), long(2));
	set(on, 'b', 'user.x', long(1));
	t.is(refcount(on, 'b'), 3);
	on.change('a', (handle, inode) => removeXattr(handle, inode, 'user.x'));
	on.change('b', (handle, inode) => freeXattrs(handle, inode));
	t.is(refcount(on, 'c'), 1);
	isSound(t, on);
});

testUnless(why, 'a block that was freed is not shared, whatever still lies there', t => {
	const on = image();
	set(on, 'a', 'user.x', long(1));
	on.reopen();
	set(on, 'a', 'user.x', long(1).fill(3)); // So that the block is known again.
	set(on, 'a', 'user.x', long(1));
	const freed = on.inode('a').xattrBlock;
	on.change('a', (handle, inode) => removeXattr(handle, inode, 'user.x'));
	on.volume.transactions?.commit();
	set(on, 'b', 'user.x', long(1));
	t.is(refcount(on, 'b'), 1);
	t.is(getXattr(on.volume, on.inode('a'), 'user.x'), undefined);
	t.true(on.inode('b').xattrBlock === freed || on.inode('a').xattrBlock === 0);
	isSound(t, on);
});

testUnless(why, 'a block whose making was rolled back is not shared', t => {
	const on = image();
	t.throws(() =>
		on.change('a', (handle, inode) => {
			setXattr(handle, inode, 'user.x', long(1), 'any');
			throw new Error('stop');
		}),
	);
	set(on, 'b', 'user.x', long(1));
	t.is(refcount(on, 'b'), 1);
	t.is(on.inode('a').xattrBlock, 0);
	isSound(t, on);
});

testUnless(why, 'a rolled back change of a shared block leaves it shared', t => {
	const on = image();
	for (const file of files) set(on, file, 'user.x', long(1));
	t.throws(() =>
		on.change('a', (handle, inode) => {
			setXattr(handle, inode, 'user.x', long(2), 'any');
			throw new Error('stop');
		}),
	);
	t.is(refcount(on, 'a'), 3);
	isSound(t, on);
});

testUnless(why, 'no more than 1,024 inodes share a block', t => {
	const many = Array.from({length: 1030}, (_, index) => `n${index}`);
	const on = new WrittenImage({
		make: ['-t', 'ext4', '-b', '1024', '-N', '2048'],
		size: '16M',
		files: many,
	});
	for (const file of many) set(on, file, 'user.x', long(1));
	t.is(refcount(on, 'n0'), 1024);
	t.is(refcount(on, 'n1029'), 6);
	isSound(t, on);
});
