/** The kernel reads back what we wrote, and writes on where we left off. */
import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {formatWireAcl} from '../../../ext4/xattr/acl.ts';
import {getXattr} from '../../../ext4/xattr/read.ts';
import {freeXattrs, removeXattr, setXattr} from '../../../ext4/xattr/write.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {e2fsck, WrittenImage} from './written-image.ts';

const why =
	(process.getuid?.() === 0 ? undefined : 'only root mounts') ??
	missing('mke2fs') ??
	missing('setfattr') ??
	missing('getfacl');

function mounted<T>(image: string, use: (directory: string) => T): T {
	const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-kernel-'));
	execFileSync('mount', ['-o', 'loop', image, directory], {stdio: 'pipe'});
	try {
		return use(directory);
	} finally {
		execFileSync('umount', [directory], {stdio: 'pipe'});
		fs.rmdirSync(directory);
	}
}

function getfattr(file: string): Map<string, string> {
	const output = execFileSync('getfattr', ['-h', '-m', '-', '-d', '-e', 'hex', file], {
		encoding: 'utf8',
		stdio: ['ignore', 'pipe', 'ignore'],
	});
	const lines = output.split('\n').filter(line => line.includes('='));
	return new Map(lines.map(line => line.split('=', 2) as [string, string]));
}

const layouts = {
	'1k blocks': ['-t', 'ext4', '-b', '1024'],
	'4k blocks': ['-t', 'ext4', '-b', '4096'],
	'ea_inode, 1k blocks': ['-t', 'ext4', '-b', '1024', '-O', 'ea_inode'],
	'ea_inode, inline_data': ['-t', 'ext4', '-b', '4096', '-O', 'ea_inode,inline_data'],
	'inodes of 128 bytes': ['-t', 'ext3', '-b', '1024', '-I', '128'],
};

for (const [layout, make] of Object.entries(layouts)) {
	testUnless(why, `${layout}: the kernel reads our attributes and changes them`, t => {
		const on = new WrittenImage({make, files: ['other']});
		const lengths = layout.startsWith('ea_inode') ? [0, 5, 60, 700, 5000, 60_000] : [0, 5, 60, 400];
		for (const file of ['file', 'other', 'folder']) {
			for (const [index, length] of lengths.entries()) {
				const value = new Uint8Array(length).fill(index + 1);
				on.change(file, (handle, inode) =>
					setXattr(handle, inode, `user.n${length}`, value, 'any'),
				);
			}
		}
		on.finish(image => {
			t.is(e2fsck(image), undefined);
			mounted(image, directory => {
				for (const file of ['file', 'other', 'folder']) {
					const read = getfattr(path.join(directory, file));
					t.is(read.size, lengths.length);
					for (const [index, length] of lengths.entries()) {
						const hex = `0x${(index + 1).toString(16).padStart(2, '0').repeat(length)}`;
						t.is(read.get(`user.n${length}`), length === 0 ? '0x' : hex);
					}
				}
				const file = path.join(directory, 'file');
				execFileSync('setfattr', ['-n', 'user.n60', '-v', 'new', file]);
				for (const length of lengths) {
					execFileSync('setfattr', ['-x', `user.n${length}`, path.join(directory, 'other')]);
				}
				fs.rmSync(path.join(directory, 'folder'), {recursive: true});
			});
			t.is(e2fsck(image), undefined);
		});
	});
}

testUnless(why, 'the kernel reads our access control lists', t => {
	const on = new WrittenImage({make: ['-t', 'ext4', '-b', '4096']});
	const acl = formatWireAcl([
		{kind: 'owner', permissions: 6, id: undefined},
		{kind: 'user', permissions: 5, id: 1000},
		{kind: 'group', permissions: 4, id: undefined},
		{kind: 'namedGroup', permissions: 7, id: 100_001},
		{kind: 'mask', permissions: 5, id: undefined},
		{kind: 'other', permissions: 1, id: undefined},
	]);
	for (const file of ['file', 'folder']) {
		on.change(file, (handle, inode) =>
			setXattr(handle, inode, 'system.posix_acl_access', acl, 'any'),
		);
	}
	on.change('folder', (handle, inode) =>
		setXattr(handle, inode, 'system.posix_acl_default', acl, 'any'),
	);
	on.finish(image => {
		t.is(e2fsck(image), undefined);
		mounted(image, directory => {
			const read = (file: string) =>
				execFileSync('getfacl', ['-nEcp', path.join(directory, file)], {encoding: 'utf8'});
			const access = [
				'user::rw-',
				'user:1000:r-x',
				'group::r--',
				'group:100001:rwx',
				'mask::r-x',
				'other::--x',
			];
			t.deepEqual(read('file').trim().split('\n'), access);
			const all = [...access, ...access.map(line => `default:${line}`)];
			t.deepEqual(read('folder').trim().split('\n'), all);
		});
	});
});

/** Three files whose block the kernel shares; a value in it lies in an inode that it shares, too. */
function sharedByKernel(): Uint8Array {
	const on = new WrittenImage({
		make: ['-t', 'ext4', '-b', '1024', '-I', '128', '-O', 'ea_inode'],
		files: ['a', 'b', 'c'],
	});
	return on.finish(image => {
		mounted(image, directory => {
			for (const file of ['a', 'b', 'c']) {
				const at = path.join(directory, file);
				for (const name of ['one', 'two']) {
					execFileSync('setfattr', ['-n', `user.${name}`, '-v', 'v'.repeat(3000), at]);
				}
				execFileSync('setfattr', ['-n', 'user.small', '-v', 'v', at]);
			}
		});
		return fs.readFileSync(image);
	});
}

testUnless(why, 'values and blocks that the kernel shares are taken apart', t => {
	const on = new WrittenImage({bytes: new Uint8Array(sharedByKernel())});
	const block = on.inode('a').xattrBlock;
	t.deepEqual([on.inode('b').xattrBlock, on.inode('c').xattrBlock], [block, block]);
	const value = Buffer.alloc(3000, 'v');
	on.change('a', (handle, inode) => removeXattr(handle, inode, 'user.one'));
	on.change('b', (handle, inode) =>
		setXattr(handle, inode, 'user.two', new Uint8Array(2000), 'any'),
	);
	on.reopen();
	t.deepEqual(Buffer.from(getXattr(on.volume, on.inode('a'), 'user.two') ?? []), value);
	t.deepEqual(Buffer.from(getXattr(on.volume, on.inode('b'), 'user.one') ?? []), value);
	on.finish(image => {
		t.is(e2fsck(image), undefined);
		const after = new WrittenImage({bytes: new Uint8Array(fs.readFileSync(image))});
		for (const file of ['a', 'b', 'c']) {
			after.change(file, (handle, inode) => freeXattrs(handle, inode));
		}
		t.is(after.check(), undefined);
	});
});
