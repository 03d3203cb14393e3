/** File contents against a model: what is read back, by us, by debugfs and by the kernel. */
import {execFileSync} from 'node:child_process';
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import {Volume} from '../../ext4/volume.ts';
import {readRange} from '../../iomap/actor.ts';
import {allocateModes, allocateRange} from '../../iomap/allocate.ts';
import {copyRange} from '../../iomap/copy.ts';
import {Mapper} from '../../iomap/mapper.ts';
import {truncate} from '../../iomap/truncate.ts';
import {overwriteRange, writeFile} from '../../iomap/write.ts';
import {
	type FeatureSet,
	firstFile,
	mappingFeatures,
	openWithFiles,
	soilFreeSpace,
} from '../support/file-volume.ts';
import {makeWritable} from '../support/home-log.ts';
import type {MadeVolume} from '../support/made-volume.ts';

const plainExtents: FeatureSet = {
	name: 'extents',
	options: ['-t', 'ext4', '-b', '1024', '-O', '^has_journal'],
};

/** A file as an array: what POSIX says of it. */
class ModelFile {
	bytes = new Uint8Array(0);

	resize(size: number): void {
		const next = new Uint8Array(size);
		next.set(this.bytes.subarray(0, size));
		this.bytes = next;
	}

	write(position: number, bytes: Uint8Array): void {
		if (position + bytes.length > this.bytes.length) this.resize(position + bytes.length);
		this.bytes.set(bytes, position);
	}

	zero(position: number, length: number): void {
		this.bytes.fill(0, position, position + length);
	}

	collapse(position: number, length: number): void {
		this.bytes.copyWithin(position, position + length);
		this.resize(this.bytes.length - length);
	}

	insert(position: number, length: number): void {
		const end = this.bytes.length;
		this.resize(end + length);
		this.bytes.copyWithin(position + length, position, end);
		this.zero(position, length);
	}
}

type Step = {
	readonly what:
		| 'write'
		| 'overwrite'
		| 'truncate'
		| 'allocate'
		| 'keep'
		| 'zero'
		| 'zero keep'
		| 'punch'
		| 'collapse'
		| 'insert'
		| 'copy'
		| 'reopen';
	readonly file: 0 | 1;
	readonly position: number;
	readonly length: number;
	readonly seed: number;
};

const sizes = fc.oneof(fc.nat(200), fc.nat(5000), fc.nat(60_000), fc.nat(400_000));

const step: fc.Arbitrary<Step> = fc.record({
	what: fc.constantFrom<Step['what']>(
		'write',
		'write',
		'write',
		'overwrite',
		'truncate',
		'truncate',
		'allocate',
		'keep',
		'zero',
		'zero keep',
		'punch',
		'punch',
		'collapse',
		'insert',
		'copy',
		'reopen',
	),
	file: fc.constantFrom(0, 1),
	position: sizes,
	length: fc
		.oneof(fc.integer({min: 1, max: 100}), fc.integer({min: 1, max: 9000}), sizes)
		.map(length => Math.max(1, length)),
	seed: fc.nat(255),
});

/** Bytes of which no two blocks are alike, and none is zero. */
function pattern(length: number, seed: number): Uint8Array {
	return Uint8Array.from({length}, (_, at) => 1 + ((seed * 31 + at + (at >>> 8)) % 255));
}

function assertBytes(found: Uint8Array, expected: Uint8Array, what: string): void {
	if (found.length !== expected.length) {
		throw new Error(`${what} has ${found.length} bytes instead of ${expected.length}`);
	}
	const at = found.findIndex((byte, index) => byte !== expected[index]);
	if (at !== -1) throw new Error(`${what}: byte ${at} is ${found[at]} instead of ${expected[at]}`);
}

class Subject {
	readonly made: MadeVolume;
	readonly models = [new ModelFile(), new ModelFile()] as const;
	mapper: Mapper;

	constructor(features: FeatureSet, size = '8M') {
		this.made = openWithFiles(features, size);
		soilFreeSpace(this.made);
		this.mapper = new Mapper(this.made.volume);
	}

	get volume(): Volume {
		return this.mapper.volume;
	}

	/** What is committed, seen with nothing cached. */
	reopen(): void {
		this.volume.transactions?.sync();
		const volume = Volume.open(this.made.device);
		makeWritable(volume);
		this.mapper = new Mapper(volume);
	}

	apply({what, file, position, length, seed}: Step): void {
		const {mapper} = this;
		const number = firstFile + file;
		const model = this.models[file];
		const cluster = this.volume.geometry.clusterSize;
		const isTree = this.volume.features.has('extent');
		const from = position - (position % cluster);
		const count = Math.ceil(length / cluster) * cluster;
		switch (what) {
			case 'write': {
				const bytes = pattern(length, seed);
				if (writeFile(mapper, number, position, bytes) !== length) throw new Error('short');
				model.write(position, bytes);
				break;
			}
			case 'overwrite': {
				const at = model.bytes.length === 0 ? 0 : position % model.bytes.length;
				const inode = this.volume.readInode(number);
				const bytes = pattern(length, seed);
				const done = overwriteRange(mapper, inode, at, bytes);
				model.write(at, bytes.subarray(0, done));
				break;
			}
			case 'truncate':
				truncate(mapper, number, position);
				model.resize(position);
				break;
			case 'allocate':
				if (!isTree) break;
				allocateRange(mapper, number, position, length, 0);
				if (position + length > model.bytes.length) model.resize(position + length);
				break;
			case 'keep':
				if (isTree) allocateRange(mapper, number, position, length, allocateModes.keepSize);
				break;
			case 'zero':
			case 'zero keep': {
				if (!isTree) break;
				const keep = what === 'zero' ? 0 : allocateModes.keepSize;
				allocateRange(mapper, number, position, length, allocateModes.zeroRange | keep);
				if (keep === 0 && position + length > model.bytes.length) model.resize(position + length);
				model.zero(position, length);
				break;
			}
			case 'punch': {
				const mode = allocateModes.punchHole | allocateModes.keepSize;
				allocateRange(mapper, number, position, length, mode);
				model.zero(position, length);
				break;
			}
			case 'collapse':
				if (!isTree || from + count >= model.bytes.length) break;
				allocateRange(mapper, number, from, count, allocateModes.collapseRange);
				model.collapse(from, count);
				break;
			case 'insert':
				if (!isTree || from >= model.bytes.length || model.bytes.length > 1_000_000) break;
				allocateRange(mapper, number, from, count, allocateModes.insertRange);
				model.insert(from, count);
				break;
			case 'copy': {
				const other = this.models[file === 0 ? 1 : 0];
				const source = {number: firstFile + (1 - file), position: seed};
				const wanted = Math.max(0, Math.min(length, other.bytes.length - seed));
				const done = copyRange(mapper, source, {number, position}, length);
				if (done !== wanted) throw new Error(`${done} bytes copied instead of ${wanted}`);
				if (done > 0) model.write(position, other.bytes.slice(seed, seed + done));
				break;
			}
			case 'reopen':
				this.reopen();
		}
	}

	/** Plain errors, not assertions of the test: fast-check then finds the shortest sequence. */
	assertSame(): void {
		this.models.forEach((model, file) => {
			const inode = this.volume.readInode(firstFile + file);
			const into = new Uint8Array(inode.sizeBytes);
			readRange(this.mapper, inode, 0, into);
			assertBytes(into, model.bytes, `file ${file}`);
		});
	}
}

/** What debugfs reads out of the image. */
function dumped(image: string, number: number): Uint8Array {
	const target = `${image}.dump`;
	const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`};
	execFileSync('debugfs', ['-R', `dump <${number}> ${target}`, image], {env, stdio: 'pipe'});
	return fs.readFileSync(target);
}

const isRoot = process.getuid?.() === 0;

/** What the kernel reads, by its ext4; undefined where we may not mount. */
function readByKernel(image: string): Uint8Array[] | undefined {
	if (!isRoot) return undefined;
	const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-kernel-'));
	try {
		execFileSync('mount', ['-o', 'loop,ro', image, directory], {stdio: 'pipe'});
		try {
			return ['0', '1'].map(name => fs.readFileSync(path.join(directory, name)));
		} finally {
			execFileSync('umount', [directory], {stdio: 'pipe'});
		}
	} finally {
		fs.rmdirSync(directory);
	}
}

function judge(subject: Subject): void {
	subject.assertSame();
	subject.volume.transactions?.sync();
	const problems = subject.made.findProblems();
	if (problems !== undefined) throw new Error(problems);
	const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ext4box-written-'));
	try {
		const image = path.join(folder, 'image');
		fs.writeFileSync(image, subject.made.device.bytes);
		const byKernel = readByKernel(image);
		subject.models.forEach((model, file) => {
			// Of data in the inode debugfs shows all the room there is.
			const shown = dumped(image, firstFile + file).subarray(0, model.bytes.length);
			assertBytes(shown, model.bytes, `file ${file} by debugfs`);
			const read = byKernel?.[file];
			if (read !== undefined) assertBytes(read, model.bytes, `file ${file} by the kernel`);
		});
	} finally {
		fs.rmSync(folder, {recursive: true});
	}
}

const inodeSizes = fc.oneof(fc.nat(140), fc.nat(1100));

/** The same about the sizes that decide whether data lies in the inode. */
const smallStep: fc.Arbitrary<Step> = fc.record({
	what: fc.constantFrom<Step['what']>(
		'write',
		'overwrite',
		'truncate',
		'allocate',
		'zero',
		'punch',
		'copy',
		'reopen',
	),
	file: fc.constantFrom(0, 1),
	position: inodeSizes,
	length: inodeSizes.map(length => Math.max(1, length)),
	seed: fc.nat(100),
});

for (const features of mappingFeatures.filter(({name}) => name.startsWith('data in'))) {
	test(`small files move between inode and blocks as a model says: ${features.name}`, t => {
		let judged = 0;
		const property = fc.property(fc.array(smallStep, {minLength: 1, maxLength: 12}), steps => {
			const subject = new Subject(features);
			for (const one of steps) {
				subject.apply(one);
				subject.assertSame();
			}
			if (judged++ < 20) judge(subject);
		});
		fc.assert(property, {numRuns: 200});
		t.pass();
	});
}

test('what lies behind the end in the last block is zeros after a truncation', t => {
	const {made, mapper} = new Subject(plainExtents);
	const {volume, device} = made;
	writeFile(mapper, firstFile, 0, pattern(3000, 1));
	truncate(mapper, firstFile, 1500);
	const mapping = mapper.begin(volume.readInode(firstFile), 1024, 'read');
	if (mapping.kind !== 'mapped') return t.fail();
	const at = mapping.address + 1500 - mapping.offset;
	t.true(device.bytes.subarray(at, at + 548).every(byte => byte === 0));
});

const extensions: readonly (readonly [string, (mapper: Mapper) => void])[] = [
	['a write', mapper => writeFile(mapper, firstFile, 1900, Uint8Array.of(1))],
	['a write far away', mapper => writeFile(mapper, firstFile, 9000, Uint8Array.of(1))],
	['a truncation', mapper => truncate(mapper, firstFile, 5000)],
	['an allocation', mapper => allocateRange(mapper, firstFile, 1800, 3000, 0)],
	['zeros', mapper => allocateRange(mapper, firstFile, 1800, 3000, allocateModes.zeroRange)],
];

for (const [what, extend] of extensions) {
	test(`what somebody left behind the end does not show after ${what}`, t => {
		const {made, mapper} = new Subject(plainExtents);
		const {volume, device} = made;
		writeFile(mapper, firstFile, 0, pattern(1500, 1));
		const mapping = mapper.begin(volume.readInode(firstFile), 1024, 'read');
		if (mapping.kind !== 'mapped') return t.fail();
		const at = mapping.address + 1500 - mapping.offset;
		device.bytes.fill(0xee, at, at + 548);
		extend(mapper);
		const into = new Uint8Array(400);
		readRange(mapper, volume.readInode(firstFile), 1500, into);
		t.true(into.every(byte => byte === 0));
	});
}

for (const features of mappingFeatures) {
	test(`any sequence of changes reads back: ${features.name}`, t => {
		const property = fc.property(fc.array(step, {minLength: 1, maxLength: 40}), steps => {
			const subject = new Subject(features);
			for (const one of steps) {
				subject.apply(one);
				if (steps.length < 12) subject.assertSame();
			}
			judge(subject);
		});
		fc.assert(property, {numRuns: 10});
		t.pass();
	});
}
