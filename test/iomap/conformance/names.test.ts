/**
 * What POSIX demands of names, through the kernel in memory: what is refused and why, what is left, and
 * that files whose data the kernel holds keep it whatever happens to their names.
 */
import type {ExecutionContext} from 'ava';
import {errno} from '../../../src/errno.ts';
import type {IomapKernel, Node} from '../../support/iomap-kernel/kernel.ts';
import {type IomapMount, mountIomap} from '../../support/iomap-kernel/mounted.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {errnoOf} from './cases/kit.ts';

const why = missing('mke2fs') ?? missing('e2fsck');
const image = why === undefined ? mke2fs(['-t', 'ext4', '-b', '1024'], '8M') : new Uint8Array(0);
const noReplace = 1;
const exchange = 2;

type Tree = {
	readonly kernel: IomapKernel;
	readonly root: Node;
	/** Holds `inner`, a file. */
	readonly full: Node;
	readonly empty: Node;
	readonly file: Node;
};

function makeTree({kernel}: IomapMount): Tree {
	kernel.mount();
	const root = kernel.root();
	const full = kernel.mkdir(root, 'full');
	kernel.close(kernel.create(full, 'inner'));
	const empty = kernel.mkdir(root, 'empty');
	const file = kernel.create(root, 'file');
	kernel.write(file, 0, content);
	kernel.close(file);
	kernel.symlink(root, 'link', 'file');
	return {kernel, root, full, empty, file};
}

const content = new Uint8Array(3000).fill(7);

function ends(t: ExecutionContext, mount: IomapMount): void {
	t.is(mount.end(), undefined);
	t.deepEqual(mount.problems, []);
}

const long = 'n'.repeat(255);

const refusals: readonly (readonly [
	title: string,
	number: number,
	action: (tree: Tree) => unknown,
])[] = [
	['a directory over a file', errno.EEXIST, ({kernel, root}) => kernel.mkdir(root, 'file')],
	['a directory over one', errno.EEXIST, ({kernel, root}) => kernel.mkdir(root, 'empty')],
	['a link over a file', errno.EEXIST, ({kernel, root}) => kernel.symlink(root, 'file', 'x')],
	[
		'a node over a link',
		errno.EEXIST,
		({kernel, root}) => kernel.mknod(root, 'link', {mode: 0o010644}),
	],
	[
		'a second name that is taken',
		errno.EEXIST,
		({kernel, root, file}) => kernel.link(file, root, 'link'),
	],
	[
		'a second name of a directory',
		errno.EPERM,
		({kernel, root, empty}) => kernel.link(empty, root, 'again'),
	],
	['a name of 256 bytes', errno.ENAMETOOLONG, ({kernel, root}) => kernel.mkdir(root, `${long}n`)],
	[
		'a file of 256 bytes',
		errno.ENAMETOOLONG,
		({kernel, root}) => kernel.mknod(root, `${long}n`, {mode: 0o100644}),
	],
	['a name in a file', errno.ENOTDIR, ({kernel, file}) => kernel.mkdir(file, 'x')],
	['a look into a file', errno.ENOTDIR, ({kernel, file}) => kernel.lookup(file, 'x')],
	['unlinking a directory', errno.EISDIR, ({kernel, root}) => kernel.unlink(root, 'empty')],
	['unlinking nothing', errno.ENOENT, ({kernel, root}) => kernel.unlink(root, 'absent')],
	['rmdir of a file', errno.ENOTDIR, ({kernel, root}) => kernel.rmdir(root, 'file')],
	['rmdir of nothing', errno.ENOENT, ({kernel, root}) => kernel.rmdir(root, 'absent')],
	['rmdir of what is full', errno.ENOTEMPTY, ({kernel, root}) => kernel.rmdir(root, 'full')],
	[
		'renaming nothing',
		errno.ENOENT,
		({kernel, root}) => kernel.rename({parent: root, name: 'absent'}, {parent: root, name: 'x'}),
	],
	[
		'a file onto a directory',
		errno.EISDIR,
		({kernel, root}) => kernel.rename({parent: root, name: 'file'}, {parent: root, name: 'empty'}),
	],
	[
		'a directory onto a file',
		errno.ENOTDIR,
		({kernel, root}) => kernel.rename({parent: root, name: 'empty'}, {parent: root, name: 'file'}),
	],
	[
		'a directory onto a full one',
		errno.ENOTEMPTY,
		({kernel, root}) => kernel.rename({parent: root, name: 'empty'}, {parent: root, name: 'full'}),
	],
	[
		'a directory into itself',
		errno.EINVAL,
		({kernel, root, full}) =>
			kernel.rename({parent: root, name: 'full'}, {parent: full, name: 'deeper'}),
	],
	[
		'onto what is there, not to replace it',
		errno.EEXIST,
		({kernel, root}) =>
			kernel.rename({parent: root, name: 'file'}, {parent: root, name: 'link'}, noReplace),
	],
	[
		'exchanging with nothing',
		errno.ENOENT,
		({kernel, root}) =>
			kernel.rename({parent: root, name: 'file'}, {parent: root, name: 'absent'}, exchange),
	],
	[
		'renaming to a name of 256 bytes',
		errno.ENAMETOOLONG,
		({kernel, root}) =>
			kernel.rename({parent: root, name: 'file'}, {parent: root, name: `${long}n`}),
	],
];

for (const [title, number, action] of refusals) {
	testUnless(why, `refused: ${title}`, t => {
		const mount = mountIomap(image.slice());
		const tree = makeTree(mount);
		t.is(
			errnoOf(() => action(tree)),
			number,
		);
		// And nothing has changed by it.
		t.is(tree.kernel.lookup(tree.root, 'file')?.inode, tree.file.inode);
		t.is(tree.kernel.lookup(tree.root, 'empty')?.inode, tree.empty.inode);
		t.truthy(tree.kernel.lookup(tree.full, 'inner'));
		ends(t, mount);
	});
}

type Kept = (tree: Tree) => {readonly parent: Node; readonly name: string} | undefined;

/** Where the file is afterwards; undefined: nowhere. Its data was not written out before. */
const moves: readonly (readonly [title: string, move: Kept])[] = [
	[
		'to another name',
		({kernel, root}) => {
			kernel.rename({parent: root, name: 'file'}, {parent: root, name: 'moved'});
			return {parent: root, name: 'moved'};
		},
	],
	[
		'to another directory',
		({kernel, root, empty}) => {
			kernel.rename({parent: root, name: 'file'}, {parent: empty, name: long});
			return {parent: empty, name: long};
		},
	],
	[
		'over another file',
		({kernel, root, full}) => {
			kernel.lookup(full, 'inner');
			kernel.rename({parent: root, name: 'file'}, {parent: full, name: 'inner'});
			return {parent: full, name: 'inner'};
		},
	],
	[
		'in exchange with a directory',
		({kernel, root}) => {
			kernel.rename({parent: root, name: 'file'}, {parent: root, name: 'empty'}, exchange);
			return {parent: root, name: 'empty'};
		},
	],
	[
		'to a second name, the first taken away',
		({kernel, root, full, file}) => {
			kernel.link(file, full, 'second');
			kernel.unlink(root, 'file');
			return {parent: full, name: 'second'};
		},
	],
	[
		'to no name',
		({kernel, root}) => {
			kernel.unlink(root, 'file');
			return undefined;
		},
	],
];

for (const [title, move] of moves) {
	testUnless(why, `dirty data goes with the file ${title}`, t => {
		const mount = mountIomap(image.slice());
		const tree = makeTree(mount);
		const {kernel, file} = tree;
		const grown = new Uint8Array(50_000).fill(9);
		kernel.open(file);
		kernel.write(file, 0, grown);
		const place = move(tree);
		t.is(Buffer.compare(kernel.read(file, 0, 60_000), grown), 0);
		kernel.close(file);
		kernel.evict(file);
		if (place === undefined) {
			t.is(kernel.lookup(tree.root, 'file'), undefined);
			t.throws(() => mount.volume.readInode(file.inode));
		} else {
			const found = kernel.lookup(place.parent, place.name);
			if (found === undefined) throw new Error(`${place.name} is not there`);
			t.is(Buffer.compare(kernel.read(found, 0, 60_000), grown), 0);
		}
		ends(t, mount);
	});
}
