import * as fs from 'node:fs';
import path from 'node:path';
import test from 'ava';
import {lookup} from '../../../../ext4/directory/lookup.ts';
import {CorruptError} from '../../../../ext4/errors.ts';
import {mapAt} from '../../../../ext4/mapping/index.ts';
import type {Volume} from '../../../../ext4/volume.ts';
import {hasDebugfs} from '../../../support/e2fsprogs.ts';
import type {FastCommitBuilder} from '../../../support/fast-commit-builder.ts';
import {
	checkWrittenHome,
	FastCommitImage,
	transaction,
	treeOf,
} from '../../../support/fast-commit-image.ts';

// mke2fs makes the images and e2fsck judges them; both are set-up dependencies.
const itest = hasDebugfs ? test.serial : test.skip;

function populate(folder: string): void {
	fs.mkdirSync(path.join(folder, 'a'));
	fs.mkdirSync(path.join(folder, 'a', 'empty'));
	fs.writeFileSync(path.join(folder, 'a', 'one'), 'one');
	fs.writeFileSync(path.join(folder, 'a', 'two'), 'x'.repeat(20 * 1024));
	fs.linkSync(path.join(folder, 'a', 'one'), path.join(folder, 'a', 'uno'));
	fs.mkdirSync(path.join(folder, 'many'));
	for (let index = 0; index < 200; index++) {
		fs.writeFileSync(path.join(folder, 'many', `a name with the number ${index}`), '');
	}
}

/** Forms of file systems, by the options of mke2fs. */
const forms: {readonly [name: string]: readonly string[]} = {
	'metadata_csum, 64bit': [],
	'no checksums, 32 bits': ['-O', '^metadata_csum,^64bit'],
	'uninit_bg, small groups': ['-O', '^metadata_csum,uninit_bg', '-g', '1024'],
	'no dir_index, inodes of 128 bytes': ['-O', '^dir_index,^extra_isize', '-I', '128'],
	'meta_bg, small groups': ['-O', 'meta_bg,^resize_inode', '-g', '1024'],
	bigalloc: ['-O', 'bigalloc', '-C', '4096'],
	inline_data: ['-O', 'inline_data', '-I', '256'],
};

const images = new Map<string, FastCommitImage>();

/** A new image of a form; mke2fs runs once for each. */
function makeImage(form: string): FastCommitImage {
	const image = images.get(form) ?? new FastCommitImage(forms[form] ?? [], populate);
	images.set(form, image);
	return image;
}

function replay(image: FastCommitImage, write: (commits: FastCommitBuilder) => void): Volume {
	return image.replay(commits => {
		write(commits);
		commits.tail(transaction);
	});
}

function withNumber(bytes: Uint8Array, at: number, value: number): Uint8Array {
	const copy = bytes.slice();
	new DataView(copy.buffer).setUint16(at, value, true);
	return copy;
}

function withSize(bytes: Uint8Array, sizeBytes: number): Uint8Array {
	const copy = bytes.slice();
	new DataView(copy.buffer).setUint32(4, sizeBytes, true);
	return copy;
}

const linksAt = 0x1a;
const fileMode = 0o100640;
const directoryMode = 0o40750;
const newInode = 300;

for (const form of Object.keys(forms)) {
	const size = form.includes('128') ? 128 : 160;
	const fieldSize = form === 'inline_data' ? 256 : size;

	itest(`a file made, linked, renamed and removed is found as it was left (${form})`, t => {
		const image = makeImage(form);
		const a = image.inodeOf('/a');
		const one = image.inodeOf('/a/one');
		const two = image.inodeOf('/a/two');
		const physical = image.freeBlocks(8);
		const made = image.newFields({mode: fileMode, links: 1, size: 3000}).slice(0, size);
		const volume = replay(image, commits =>
			commits
				.inode(newInode, made)
				.addRange(newInode, {logical: 0, length: 3, physical})
				.entry('create', a, newInode, 'made')
				.inode(newInode, made)
				.tail(transaction)
				.entry('link', 2, newInode, 'moved')
				.entry('unlink', a, newInode, 'made')
				.inode(newInode, made)
				.entry('unlink', a, one, 'one')
				.inode(one, withNumber(image.fieldsOf(one, fieldSize), linksAt, 1))
				.entry('unlink', a, two, 'two'),
		);
		const tree = treeOf(volume);
		t.is(tree['/moved'], newInode);
		t.is(tree['/a/uno'], one);
		t.deepEqual(
			['/a/made', '/a/one', '/a/two'].map(name => tree[name]),
			[undefined, undefined, undefined],
		);
		t.is(Object.keys(tree).filter(name => name.startsWith('/many/')).length, 200);
		const inode = volume.readInode(newInode);
		t.is(inode.sizeBytes, 3000);
		t.is(inode.linkCount, 1);
		t.deepEqual(mapAt(volume, inode, 1), {kind: 'mapped', logical: 0, length: 3, physical});
		t.is(volume.readInode(one).linkCount, 1);
		const {status, output} = checkWrittenHome(image.bytes, volume);
		t.is(status, 0, output);
	});

	itest(`names that a directory has no room for find some (${form})`, t => {
		const image = makeImage(form);
		const many = image.inodeOf('/many');
		const empty = image.inodeOf('/a/empty');
		const made = image.newFields({mode: fileMode, links: 1}).slice(0, size);
		const volume = replay(image, commits => {
			for (let index = 0; index < 150; index++) {
				const parent = index % 3 === 0 ? empty : many;
				commits.inode(newInode + index, made);
				commits.entry('create', parent, newInode + index, `${'n'.repeat(index + 60)}${index}`);
				if (index % 10 === 1) {
					const name = `a name with the number ${index}`;
					commits.entry('unlink', many, image.inodeOf(`/many/${name}`), name);
				}
			}
		});
		const tree = treeOf(volume);
		for (let index = 0; index < 150; index++) {
			const folder = index % 3 === 0 ? '/a/empty' : '/many';
			t.is(tree[`${folder}/${'n'.repeat(index + 60)}${index}`], newInode + index);
		}
		const directory = volume.readInode(many);
		for (const [index, inode] of [
			[1, undefined],
			[2, image.inodeOf('/many/a name with the number 2')],
			[141, undefined],
		] as const) {
			const found = lookup(volume, directory, Buffer.from(`a name with the number ${index}`));
			t.is(found?.inode, inode);
		}
		const {status, output} = checkWrittenHome(image.bytes, volume);
		t.is(status, 0, output);
	});

	itest(`directories made and removed are counted (${form})`, t => {
		const image = makeImage(form);
		const a = image.inodeOf('/a');
		const empty = image.inodeOf('/a/empty');
		const made =
			form === 'inline_data'
				? image.newInlineDirectory(4)
				: image.newFields({mode: directoryMode, links: 4, size: 1024}).slice(0, size);
		const file = image.newFields({mode: fileMode, links: 1}).slice(0, size);
		const volume = replay(image, commits =>
			commits
				.inode(newInode, made)
				.entry('create', a, newInode, 'made')
				.inode(newInode + 1, made)
				.entry('create', newInode, newInode + 1, 'inner')
				.inode(newInode + 2, file)
				.entry('create', newInode + 1, newInode + 2, 'file')
				.entry('unlink', a, empty, 'empty'),
		);
		const tree = treeOf(volume);
		t.is(tree['/a/made/inner/file'], newInode + 2);
		t.is(tree['/a/empty'], undefined);
		const links = [a, newInode, newInode + 1].map(number => volume.readInode(number).linkCount);
		t.deepEqual(links, [3, 3, 2]);
		const dotDot = lookup(volume, volume.readInode(newInode + 1), Buffer.from('..'));
		t.is(dotDot?.inode, newInode);
		const {status, output} = checkWrittenHome(image.bytes, volume);
		t.is(status, 0, output);
	});

	itest(`ranges are added, converted and taken away, into trees of some depth (${form})`, t => {
		const image = makeImage(form);
		const two = image.inodeOf('/a/two');
		const step = form === 'bigalloc' ? 4 : 1;
		const physical = image.freeBlocks(400 * step);
		const before = mapAt(
			image.replay(() => undefined),
			image.replay(() => undefined).readInode(two),
			0,
		);
		const volume = replay(image, commits => {
			for (let index = 0; index < 380; index++) {
				const block = physical + index * step;
				commits.addRange(two, {logical: 400 + index * 2 * step, length: 1, physical: block});
			}
			commits
				.addRange(two, {logical: 400, length: 1, physical, isUnwritten: true})
				.deleteRange(two, {logical: 5, length: 10})
				.deleteRange(two, {logical: 2 ** 31, length: 2 ** 31 - 1})
				.inode(two, withSize(image.fieldsOf(two, fieldSize), (400 + 760 * step) * 1024));
		});
		const inode = volume.readInode(two);
		t.is(before.kind, 'mapped');
		t.like(mapAt(volume, inode, 0), {kind: 'mapped', logical: 0, length: 5});
		t.like(mapAt(volume, inode, 5), {kind: 'hole'});
		t.like(mapAt(volume, inode, 15), {kind: 'mapped', logical: 15, length: 5});
		t.deepEqual(mapAt(volume, inode, 400), {
			kind: 'unwritten',
			logical: 400,
			length: 1,
			physical,
		});
		for (const index of [1, 84, 200, 379]) {
			const logical = 400 + index * 2 * step;
			const block = physical + index * step;
			t.deepEqual(mapAt(volume, inode, logical), {
				kind: 'mapped',
				logical,
				length: 1,
				physical: block,
			});
			t.like(mapAt(volume, inode, logical + 1), {kind: 'hole'});
		}
		const {status, output} = checkWrittenHome(image.bytes, volume);
		t.is(status, 0, output);
	});
}

for (const [problem, length] of [
	['leads nowhere', 0],
	['leads out of its inode', 253 - 44],
	['reaches beyond the end', 4000],
] as const) {
	itest(`an entry in a recorded inode that ${problem} is corruption`, t => {
		const image = makeImage('inline_data');
		const a = image.inodeOf('/a');
		const [one, file] = [
			image.inodeOf('/a/one'),
			image.newFields({mode: fileMode, links: 1}).slice(0, 160),
		];
		const recordLengthAt = 0x28 + 8; // Behind the parent's number, of the first entry.
		const recorded = withNumber(image.fieldsOf(a, 256), recordLengthAt, length);
		const made = withNumber(image.newInlineDirectory(2), recordLengthAt, length);
		for (const write of [
			(commits: FastCommitBuilder) => commits.inode(a, recorded).entry('unlink', a, one, 'one'),
			(commits: FastCommitBuilder) =>
				commits
					.inode(newInode, made)
					.inode(newInode + 1, file)
					.entry('create', newInode, newInode + 1, 'file'),
		]) {
			t.throws(() => replay(image, write), {
				instanceOf: CorruptError,
				code: 'EXT4_BAD_DIRECTORY_ENTRY',
			});
		}
	});
}

itest('the number of a removed file may be another file in the next record', t => {
	const image = makeImage('metadata_csum, 64bit');
	const a = image.inodeOf('/a');
	const two = image.inodeOf('/a/two');
	const physical = image.freeBlocks(2);
	const made = image.newFields({mode: fileMode, links: 1, size: 2000});
	const volume = replay(image, commits =>
		commits
			.entry('unlink', a, two, 'two')
			.inode(two, made)
			.addRange(two, {logical: 1, length: 1, physical})
			.entry('create', a, two, 'other')
			.inode(two, made),
	);
	const inode = volume.readInode(two);
	t.like(mapAt(volume, inode, 0), {kind: 'hole', length: 1});
	t.like(mapAt(volume, inode, 1), {kind: 'mapped', physical, length: 1});
	t.is(treeOf(volume)['/a/two'], undefined);
	const {status, output} = checkWrittenHome(image.bytes, volume);
	t.is(status, 0, output);
});

itest('a file whose last name goes before a record that still counts links keeps its data', t => {
	const image = makeImage('metadata_csum, 64bit');
	const a = image.inodeOf('/a');
	const two = image.inodeOf('/a/two');
	const volume = replay(image, commits =>
		commits
			.entry('unlink', a, two, 'two')
			.entry('link', a, two, 'zwei')
			.inode(two, image.fieldsOf(two)),
	);
	t.like(mapAt(volume, volume.readReservedInode(two), 0), {kind: 'mapped', logical: 0});
});

itest('what was replayed before is not replayed twice', t => {
	const image = makeImage('metadata_csum, 64bit');
	const a = image.inodeOf('/a');
	const one = image.inodeOf('/a/one');
	const volume = replay(image, commits =>
		commits
			.entry('link', a, one, 'uno')
			.entry('unlink', a, one, 'gone already')
			.entry('unlink', a, newInode, 'one')
			.entry('link', 2, newInode, 'never was')
			.entry('create', newInode, one, 'in no directory')
			.inode(one, image.fieldsOf(one)),
	);
	t.is(volume.readInode(one).linkCount, 2);
	t.is(Object.keys(treeOf(volume)).length, 206);
	const {status, output} = checkWrittenHome(image.bytes, volume);
	t.is(status, 0, output);
});

itest('a file without any name is dropped', t => {
	const image = makeImage('metadata_csum, 64bit');
	const physical = image.freeBlocks(4);
	const made = image.newFields({mode: fileMode, links: 0, size: 2000});
	const volume = replay(image, commits =>
		commits.addRange(newInode, {logical: 0, length: 2, physical}).inode(newInode, made),
	);
	const {status, output} = checkWrittenHome(image.bytes, volume);
	t.is(status, 0, output);
});

itest("a directory is as late as the last change of one of its names' inodes", t => {
	const image = makeImage('metadata_csum, 64bit');
	const a = image.inodeOf('/a');
	const made = image.newFields({mode: fileMode, links: 1});
	const view = new DataView(made.buffer);
	view.setInt32(0xc, -5, true);
	view.setUint32(0x84, (500 << 2) | 1, true); // One turn of 2^32 seconds after 1969.
	const volume = replay(image, commits =>
		commits.inode(newInode, made).entry('create', a, newInode, 'late'),
	);
	const time = {seconds: 2 ** 32 - 5, nanoseconds: 500};
	t.deepEqual(volume.readInode(a).modificationTime, time);
	t.deepEqual(volume.readInode(a).changeTime, time);
});

itest('a block of attributes goes with the last inode that has it', t => {
	const image = new FastCommitImage(
		['-I', '128', '-O', '^extra_isize,^metadata_csum'],
		folder => {
			fs.mkdirSync(path.join(folder, 'a'));
			for (const name of ['one', 'two']) fs.writeFileSync(path.join(folder, 'a', name), name);
		},
		['ea_set /a/one user.a b'],
	);
	const a = image.inodeOf('/a');
	const [one, two] = [image.inodeOf('/a/one'), image.inodeOf('/a/two')];
	const block = image.shareAttributes(one, two);
	const first = replay(image, commits => commits.entry('unlink', a, one, 'one'));
	const shared = first.cache.read(block).view;
	t.is(shared.getUint32(4, true), 1);
	t.is(checkWrittenHome(image.bytes, first).status, 0);
	const both = replay(image, commits =>
		commits.entry('unlink', a, one, 'one').entry('unlink', a, two, 'two'),
	);
	const {status, output} = checkWrittenHome(image.bytes, both);
	t.is(status, 0, output);
});

itest(
	'a file whose extent tree lies is corruption, though no fast commit changes its mapping',
	t => {
		const image = new FastCommitImage(
			['-O', '^metadata_csum'],
			folder => fs.writeFileSync(path.join(folder, 'file'), 'x'.repeat(5000)),
			// A root of depth 1 that has 32,767 entries.
			['sif /file block[0] 0x7ffff30a', 'sif /file block[1] 0x00010004'],
		);
		const link = (commits: FastCommitBuilder) =>
			commits.entry('link', 2, image.inodeOf('/file'), 'other');
		const error = t.throws(() => replay(image, link), {instanceOf: CorruptError});
		t.is(error.code, 'EXT4_BAD_EXTENT_HEADER');
	},
);

const impossible: {
	readonly [title: string]: (commits: FastCommitBuilder, image: FastCommitImage) => void;
} = {
	'a reserved inode': commits => commits.inode(8, new Uint8Array(160)),
	'inode 0': commits => commits.inode(0, new Uint8Array(160)),
	'an inode beyond the last': commits => commits.inode(2 ** 32 - 1, new Uint8Array(160)),
	'an inode longer than those of the volume': (commits, image) =>
		commits.inode(image.inodeOf('/a/two'), new Uint8Array(300)),
	'a directory that is a reserved inode': (commits, image) =>
		commits.entry('link', 7, image.inodeOf('/a/two'), 'name'),
	'a name with a slash': (commits, image) =>
		commits.entry('link', 2, image.inodeOf('/a/two'), 'a/b'),
	'a name with a NUL': (commits, image) =>
		commits.entry('link', 2, image.inodeOf('/a/two'), 'a\0b'),
	'the name ..': (commits, image) => commits.entry('link', 2, image.inodeOf('/a/two'), '..'),
	'blocks beyond the volume': (commits, image) =>
		commits.addRange(image.inodeOf('/a/two'), {logical: 0, length: 2, physical: 16383}),
	'block 0': (commits, image) =>
		commits.addRange(image.inodeOf('/a/two'), {logical: 0, length: 1, physical: 0}),
	'logical blocks beyond the last': (commits, image) =>
		commits.addRange(image.inodeOf('/a/two'), {logical: 2 ** 32 - 1, length: 2, physical: 900}),
};

for (const [what, write] of Object.entries(impossible)) {
	itest(`a fast commit that speaks of ${what} is corruption`, t => {
		const image = makeImage('metadata_csum, 64bit');
		const error = t.throws(() => replay(image, commits => write(commits, image)), {
			instanceOf: CorruptError,
		});
		t.is(error.code, 'EXT4_BAD_JOURNAL');
	});
}
