import fc from 'fast-check';
import {getXattr, listXattrs} from '../../../ext4/xattr/read.ts';
import {freeXattrs, removeXattr, setXattr} from '../../../ext4/xattr/write.ts';
import {missing, testUnless} from '../../support/skip.ts';
import {type ImageOptions, WrittenImage} from './written-image.ts';

const why = missing('mke2fs') ?? missing('e2fsck');

const layouts: {readonly [name: string]: ImageOptions} = {
	'1k blocks': {make: ['-t', 'ext4', '-b', '1024', '-I', '256']},
	'4k blocks': {make: ['-t', 'ext4', '-b', '4096', '-I', '256']},
	'inodes of 128 bytes': {make: ['-t', 'ext4', '-b', '1024', '-I', '128']},
	'inodes of 1024 bytes, no checksums': {
		make: ['-t', 'ext4', '-b', '1024', '-I', '1024', '-O', '^metadata_csum'],
	},
	ext2: {make: ['-t', 'ext2', '-b', '2048']},
	ext3: {make: ['-t', 'ext3', '-b', '1024', '-I', '128']},
	bigalloc: {make: ['-t', 'ext4', '-b', '1024', '-O', 'bigalloc', '-C', '16384'], size: '32M'},
	inline_data: {make: ['-t', 'ext4', '-b', '1024', '-O', 'inline_data', '-I', '256']},
	ea_inode: {make: ['-t', 'ext4', '-b', '1024', '-O', 'ea_inode']},
	'ea_inode, quotas': {
		make: [
			'-t',
			'ext4',
			'-b',
			'1024',
			'-O',
			'ea_inode,quota,project',
			'-E',
			'quotatype=usrquota:grpquota:prjquota',
		],
	},
	'ea_inode, bigalloc, quotas': {
		make: ['-t', 'ext4', '-b', '1024', '-C', '8192', '-O', 'ea_inode,bigalloc,quota'],
		size: '32M',
	},
	'ea_inode, block maps': {
		make: ['-t', 'ext4', '-b', '1024', '-I', '128', '-O', 'ea_inode,^extent,^64bit,quota'],
	},
	'64k blocks': {make: ['-t', 'ext4', '-b', '65536'], size: '64M'},
};

const files = Array.from({length: 4}, (_, index) => `f${index}`);
const targets = ['file', 'folder', ...files];

type Step =
	| {
			readonly kind: 'set';
			readonly file: string;
			readonly name: string;
			readonly length: number;
			readonly fill: number;
	  }
	| {readonly kind: 'remove'; readonly file: string; readonly name: string}
	| {readonly kind: 'clear'; readonly file: string}
	| {readonly kind: 'reopen'};

const names = [
	'user.a',
	'user.b',
	'user.cc',
	'trusted.a',
	'security.\u00e4',
	`user.${'n'.repeat(200)}`,
];
const aFile = fc.constantFrom(...targets);
const aName = fc.constantFrom(...names);

function steps(valueMax: number): fc.Arbitrary<Step[]> {
	const set = fc.record({
		kind: fc.constant('set' as const),
		file: aFile,
		name: aName,
		// Few different values, so that blocks are shared.
		length: fc.oneof(fc.constantFrom(0, 1, 40, 400), fc.nat(valueMax)),
		fill: fc.constantFrom(1, 2),
	});
	const remove = fc.record({kind: fc.constant('remove' as const), file: aFile, name: aName});
	const clear = fc.record({kind: fc.constant('clear' as const), file: aFile});
	const reopen = fc.record({kind: fc.constant('reopen' as const)});
	const step = fc.oneof(
		{arbitrary: set, weight: 12},
		{arbitrary: remove, weight: 5},
		{arbitrary: clear, weight: 1},
		{arbitrary: reopen, weight: 1},
	);
	return fc.array(step, {minLength: 5, maxLength: 60});
}

type Model = Map<string, Map<string, Uint8Array>>;

function expectedCode(action: () => void): string | undefined {
	try {
		action();
		return undefined;
	} catch (error) {
		return String((error as {code?: unknown}).code);
	}
}

function take(image: WrittenImage, model: Model, step: Step): void {
	if (step.kind === 'reopen') {
		image.reopen();
		return;
	}
	const held = model.get(step.file) ?? new Map<string, Uint8Array>();
	model.set(step.file, held);
	if (step.kind === 'clear') {
		for (const name of held.keys()) image.change(step.file, (h, i) => removeXattr(h, i, name));
		held.clear();
	} else if (step.kind === 'remove') {
		const code = expectedCode(() =>
			image.change(step.file, (h, i) => removeXattr(h, i, step.name)),
		);
		if (code !== (held.has(step.name) ? undefined : 'ENODATA')) throw new Error(`remove: ${code}`);
		held.delete(step.name);
	} else {
		const value = new Uint8Array(step.length).fill(step.fill);
		const code = expectedCode(() =>
			image.change(step.file, (h, i) => setXattr(h, i, step.name, value, 'any')),
		);
		if (code === undefined) held.set(step.name, value);
		else if (code !== 'ENOSPC') throw new Error(`set: ${code}`);
	}
}

function observe(image: WrittenImage): Model {
	return new Map(
		targets.map(file => {
			const inode = image.inode(file);
			const all = listXattrs(image.volume, inode).map(({name}) => {
				const value = getXattr(image.volume, inode, name);
				if (value === undefined) throw new Error(`${name} is listed but not there`);
				return [name, new Uint8Array(value)] as const;
			});
			return [file, new Map(all)];
		}),
	);
}

function sorted(model: Model) {
	return targets.map(file => [
		file,
		[...(model.get(file) ?? [])]
			.map(([name, value]) => `${name}=${Buffer.from(value).toString('hex')}`)
			.sort(),
	]);
}

for (const [layout, options] of Object.entries(layouts)) {
	testUnless(why, `${layout}: attributes are as a map has them, and e2fsck finds nothing`, t => {
		const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
		t.log(`seed ${seed}`);
		const longest = layout.startsWith('ea_inode') ? 20_000 : 3000;
		const property = fc.property(steps(longest), sequence => {
			const image = new WrittenImage({...options, files});
			const model: Model = new Map();
			for (const step of sequence) take(image, model, step);
			t.deepEqual(sorted(observe(image)), sorted(model));
			image.reopen();
			t.deepEqual(sorted(observe(image)), sorted(model));
			const found = image.check();
			if (found !== undefined) throw new Error(found);
		});
		fc.assert(property, {seed, numRuns: Number(process.env['RUNS'] ?? 6)});
		t.pass();
	});
}

testUnless(why, 'an inode at its end leaves nothing of its attributes behind', t => {
	const image = new WrittenImage({make: ['-t', 'ext4', '-b', '1024'], files});
	const before = {...image.volume.superblock};
	for (const file of files) {
		image.change(file, (handle, inode) => {
			setXattr(handle, inode, 'user.long', new Uint8Array(500), 'any');
		});
	}
	t.is(image.volume.superblock.freeBlockCount, before.freeBlockCount - 1);
	for (const file of files) {
		const block = image.inode(file).xattrBlock;
		t.not(block, 0);
		t.is(block, image.inode('f0').xattrBlock || block);
		image.change(file, (handle, inode) => freeXattrs(handle, inode));
		t.is(image.inode(file).xattrBlock, 0);
	}
	t.is(image.volume.superblock.freeBlockCount, before.freeBlockCount);
	t.is(image.check(), undefined);
});
