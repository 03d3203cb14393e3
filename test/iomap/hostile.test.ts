/**
 * Damaged maps, written to: each change ends, and fails with an error of the image or of the
 * caller at worst.
 */
import test from 'ava';
import fc from 'fast-check';
import {isExpectedError} from '../../ext4/errors.ts';
import {extentMagic} from '../../ext4/layout/extent.ts';
import {hasExtents} from '../../ext4/mapping/index.ts';
import {Volume} from '../../ext4/volume.ts';
import {allocateModes, allocateRange} from '../../iomap/allocate.ts';
import {Mapper} from '../../iomap/mapper.ts';
import {truncate} from '../../iomap/truncate.ts';
import {writeFile} from '../../iomap/write.ts';
import {firstFile, mappingFeatures, openWithFiles} from '../support/file-volume.ts';
import {HomeLog, makeWritable} from '../support/home-log.ts';
import {MemoryDevice} from '../support/memory-device.ts';

const fileBlocks = 900;

/** An image with a file of some 300 extents, or as many map entries, made once for each kind. */
function prepare(features: (typeof mappingFeatures)[number]): {
	bytes: Uint8Array;
	targets: number[];
} {
	const made = openWithFiles(features);
	const mapper = new Mapper(made.volume);
	for (let block = 0; block < fileBlocks; block += 3) {
		writeFile(mapper, firstFile, block * 1024, new Uint8Array(1500).fill(1));
	}
	allocateIfPossible(mapper);
	made.volume.transactions?.sync();
	const {volume, device} = made;
	const {block, at} = volume.locateInode(firstFile);
	const view = new DataView(device.bytes.buffer);
	const map = block.number * 1024 + at + 40; // The 60 bytes of i_block.
	const targets = [map];
	if (hasExtents(volume.readInode(firstFile))) {
		for (let node = 0; node < device.bytes.length; node += 1024) {
			if (view.getUint16(node, true) === extentMagic) targets.push(node);
		}
	} else {
		const double = view.getUint32(map + 13 * 4, true) * 1024;
		targets.push(view.getUint32(map + 12 * 4, true) * 1024, double);
		for (const entry of [0, 1, 2]) targets.push(view.getUint32(double + entry * 4, true) * 1024);
	}
	return {bytes: device.bytes, targets};
}

function allocateIfPossible(mapper: Mapper): void {
	try {
		allocateRange(mapper, firstFile, 2 ** 20, 100_000, allocateModes.keepSize);
	} catch (error) {
		if (!isExpectedError(error)) throw error;
	}
}

const change = fc.record({
	target: fc.nat(),
	offset: fc.oneof(fc.nat(56), fc.nat(1020)),
	value: fc.oneof(fc.nat(8), fc.nat(2000), fc.nat(2 ** 31 - 1), fc.constant(0xffff_ffff)),
	width: fc.constantFrom(1, 2, 4),
});

type Step = {readonly what: string; readonly block: number; readonly length: number};

const step: fc.Arbitrary<Step> = fc.record({
	what: fc.constantFrom('write', 'truncate', 'allocate', 'punch', 'zero', 'collapse', 'insert'),
	block: fc.nat(fileBlocks + 100),
	length: fc.integer({min: 1, max: 200_000}),
});

function perform(mapper: Mapper, {what, block, length}: Step): void {
	const {punchHole, keepSize, zeroRange, collapseRange, insertRange} = allocateModes;
	const position = block * 1024;
	const whole = Math.ceil(length / 16_384) * 16_384;
	const start = position - (position % 16_384);
	switch (what) {
		case 'write':
			writeFile(mapper, firstFile, position + 7, new Uint8Array(length));
			break;
		case 'truncate':
			truncate(mapper, firstFile, position);
			break;
		case 'allocate':
			allocateRange(mapper, firstFile, position, length, 0);
			break;
		case 'punch':
			allocateRange(mapper, firstFile, position, length, punchHole | keepSize);
			break;
		case 'zero':
			allocateRange(mapper, firstFile, position, length, zeroRange);
			break;
		case 'collapse':
			allocateRange(mapper, firstFile, start, whole, collapseRange);
			break;
		case 'insert':
			allocateRange(mapper, firstFile, start, whole, insertRange);
	}
}

const unchecked = mappingFeatures
	.filter(({name}) => ['extents without checksums', 'clusters of 16', 'block maps'].includes(name))
	.map(({name, options}) => ({
		name,
		// Checksums would find out most of the damage before it is met.
		options: options.map(option => option.replace('bigalloc', 'bigalloc,^metadata_csum')),
	}));

for (const features of unchecked) {
	test(`a damaged map is an error at worst: ${features.name}`, t => {
		const {bytes, targets} = prepare(features);
		const property = fc.property(
			fc.array(change, {minLength: 1, maxLength: 6}),
			fc.array(step, {minLength: 1, maxLength: 8}),
			(changes, steps) => {
				const copy = bytes.slice();
				const view = new DataView(copy.buffer);
				for (const {target, offset, value, width} of changes) {
					const place = target % targets.length;
					// Behind the map in the inode lies what is not this test's matter.
					const at = (targets[place] ?? 0) + (place === 0 ? offset % 57 : offset);
					if (width === 1) view.setUint8(at, value & 0xff);
					else if (width === 2) view.setUint16(at, value & 0xffff, true);
					else view.setUint32(at, value, true);
				}
				attempt(copy, steps);
			},
		);
		fc.assert(property, {numRuns: 300});
		t.pass();
	});
}

function attempt(bytes: Uint8Array, steps: readonly Step[]): void {
	try {
		const volume = Volume.open(new MemoryDevice(bytes));
		makeWritable(volume, new HomeLog(volume), 'continue');
		const mapper = new Mapper(volume);
		for (const one of steps) {
			try {
				perform(mapper, one);
			} catch (error) {
				if (!isExpectedError(error)) throw error;
			}
		}
		volume.transactions?.sync();
	} catch (error) {
		if (!isExpectedError(error)) throw error;
	}
}
