import test from 'ava';
import fc from 'fast-check';
import {forgetOrder} from '../../../ext4/directory/ordered-read.ts';
import {forEachEntry, forEachEntryInPlace} from '../../../ext4/directory/read.ts';
import {addEntry, removeEntry} from '../../../ext4/directory/write.ts';
import {isExpectedError} from '../../../ext4/errors.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {mapAt} from '../../../ext4/mapping/index.ts';
import type {Volume} from '../../../ext4/volume.ts';
import {debugfs} from '../../support/e2fsprogs.ts';
import {type MadeVolume, mke2fs, openMade} from '../../support/made-volume.ts';
import {addInode} from '../../support/new-inode.ts';

const forms = {
	'hash tree': ['-t', 'ext4', '-O', '^has_journal', '-b', '1024'],
	'hash tree with legacy hashes': ['-t', 'ext4', '-O', '^has_journal', '-b', '1024'],
	'inline, then hash tree': [
		...['-t', 'ext4', '-O', '^has_journal,inline_data', '-b', '1024', '-I', '512'],
	],
	'no index': ['-t', 'ext4', '-O', '^has_journal,^dir_index', '-b', '1024'],
	'inline, then no index': [
		...['-t', 'ext4', '-O', '^has_journal,inline_data,^dir_index', '-b', '1024', '-I', '512'],
	],
	casefold: ['-t', 'ext4', '-O', '^has_journal,casefold', '-b', '1024'],
} as const;
type Form = keyof typeof forms;

const images = new Map<Form, Uint8Array>();

function open(form: Form): MadeVolume {
	const image = images.get(form) ?? mke2fs(['-N', '64', ...forms[form]], '4M');
	images.set(form, image);
	const made = openMade(image.slice());
	if (form === 'hash tree with legacy hashes') {
		made.volume.superblock.defaultHashVersion = 0;
	}
	return made;
}

type Folder = {readonly volume: Volume; readonly number: number; readonly target: number};

function makeFolder({volume}: MadeVolume, form: Form): Folder {
	return volume.transact(handle => {
		const root = volume.readInode(2);
		const made = addInode(handle, root, 'directory');
		addEntry(handle, root, Buffer.from('folder'), {inode: made.number, type: 'directory'});
		if (form === 'casefold') made.flags |= inodeFlags.casefold;
		return {volume, number: made.number, target: addInode(handle, root, 'fifo').number};
	});
}

function add({volume, number, target}: Folder, name: string): void {
	volume.transact(handle =>
		addEntry(handle, volume.readInode(number), Buffer.from(name), {inode: target, type: 'fifo'}),
	);
}

function remove({volume, number}: Folder, name: string): void {
	volume.transact(handle => removeEntry(handle, volume.readInode(number), Buffer.from(name)));
}

/** The next `count` names from `cursor` on, and the cursor behind them. */
function part({volume, number}: Folder, cursor: number, count: number) {
	const names: string[] = [];
	let behind = cursor;
	forEachEntry(volume, volume.readInode(number), cursor, (bytes, start, length, _, __, next) => {
		if (names.length === count) return false;
		names.push(Buffer.from(bytes.subarray(start, start + length)).toString());
		behind = next;
		return true;
	});
	return {names, cursor: behind};
}

const step = fc.record({
	/** How much of the listing is read before the change, in entries. */
	read: fc.nat(6),
	kind: fc.constantFrom('add', 'add', 'remove'),
	name: fc.tuple(fc.nat(500), fc.nat(60)).map(([index, length]) => `b${index}`.padEnd(length, 'b')),
});

const kept = fc.record({count: fc.nat(150), length: fc.nat(60)});

for (const form of Object.keys(forms) as Form[]) {
	test(`what stays in the directory is listed once while it changes: ${form}`, t => {
		fc.assert(
			fc.property(kept, fc.array(step, {maxLength: 300, size: 'max'}), ({count, length}, steps) => {
				const folder = makeFolder(open(form), form);
				const names = Array.from({length: count}, (_, index) => `a${index}`.padEnd(length, 'a'));
				for (const name of names) add(folder, name);
				const others = new Set<string>();
				const seen: string[] = [];
				let cursor = 0;
				for (const {read, kind, name} of steps) {
					const next = part(folder, cursor, read);
					seen.push(...next.names);
					({cursor} = next);
					if (kind === 'add' && !others.has(name)) {
						others.add(name);
						add(folder, name);
					} else if (kind === 'remove' && others.delete(name)) remove(folder, name);
				}
				seen.push(...part(folder, cursor, Number.POSITIVE_INFINITY).names);
				const wanted = ['.', '..', ...names].sort();
				t.deepEqual(seen.filter(name => !name.startsWith('b')).sort(), wanted);
				t.is(
					new Set(seen.filter(name => others.has(name))).size,
					seen.filter(name => others.has(name)).length,
				);
			}),
			{numRuns: 12},
		);
	});
}

test('a listing in parts of any length is the whole listing', t => {
	for (const form of Object.keys(forms) as Form[]) {
		const folder = makeFolder(open(form), form);
		for (let index = 0; index < 200; index++) add(folder, `name ${index}`);
		const whole = part(folder, 0, Number.POSITIVE_INFINITY).names;
		t.is(whole.length, 202);
		for (const count of [1, 2, 7, 100]) {
			const seen: string[] = [];
			for (let cursor = 0; ; ) {
				const next = part(folder, cursor, count);
				if (next.names.length === 0) break;
				seen.push(...next.names);
				({cursor} = next);
			}
			t.deepEqual(seen, whole);
		}
	}
});

test('cursors are whole numbers that ascend, and any other number is good as well', t => {
	const folder = makeFolder(open('hash tree'), 'hash tree');
	for (let index = 0; index < 300; index++) add(folder, `name ${index}`);
	const {volume, number} = folder;
	const cursors: number[] = [];
	forEachEntry(volume, volume.readInode(number), 0, (_, __, ___, ____, _____, next) => {
		cursors.push(next);
		return true;
	});
	t.true(cursors.every(Number.isSafeInteger));
	t.deepEqual(
		cursors,
		cursors.toSorted((a, b) => a - b),
	);
	t.is(new Set(cursors).size, cursors.length);
	t.deepEqual(part(folder, Number.MAX_SAFE_INTEGER, 10).names, []);
	t.is(part(folder, 3, 1000).names.length, 300);
});

test('the order is that of the tree: the hashes that debugfs computes ascend', t => {
	const folder = makeFolder(open('hash tree'), 'hash tree');
	for (let index = 0; index < 100; index++) add(folder, `name${index}`);
	const {volume} = folder;
	const seed = Buffer.alloc(16);
	volume.superblock.hashSeed.forEach((word, index) => {
		seed.writeUInt32LE(word, index * 4);
	});
	const uuid = seed.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
	const {names} = part(folder, 0, Number.POSITIVE_INFINITY);
	const asked = names.slice(2).map(name => Buffer.from(`dx_hash -h half_md4 -s ${uuid} ${name}`));
	const printed = debugfs(asked).matchAll(/is 0x([0-9a-f]+) \(minor 0x([0-9a-f]+)\)/g);
	const hashes = [...printed].map(([, major, minor]) =>
		BigInt(`0x${major}${minor?.padStart(8, '0')}`),
	);
	t.is(hashes.length, 100);
	t.true(hashes.every((hash, index) => index === 0 || hash >= (hashes[index - 1] ?? 0n)));
});

test('entries in place come in the order in which they lie, whatever the volume is open for', t => {
	const folder = makeFolder(open('no index'), 'no index');
	for (const name of ['one', 'two', 'three']) add(folder, name);
	const names: string[] = [];
	forEachEntryInPlace(
		folder.volume,
		folder.volume.readInode(folder.number),
		0,
		(bytes, start, length) => {
			names.push(Buffer.from(bytes.subarray(start, start + length)).toString());
			return true;
		},
	);
	t.deepEqual(names, ['.', '..', 'one', 'two', 'three']);
});

test('a listing of whatever bytes there are ends, and its cursors ascend', t => {
	const folder = makeFolder(open('hash tree'), 'hash tree');
	const {volume, number} = folder;
	for (let index = 0; index < 200; index++) add(folder, `name ${index}`);
	const {sizeBytes} = volume.readInode(number);
	const blocks = Array.from({length: sizeBytes / 1024}, (_, logical) => {
		const run = mapAt(volume, volume.readInode(number), logical);
		return run.kind === 'mapped' ? run.physical + logical - run.logical : 0;
	});
	const intact = blocks.map(block => volume.cache.read(block).bytes.slice());
	// The seals of a transaction under way keep checksums from being verified.
	t.true(blocks.every(block => volume.cache.read(block).seal !== undefined));
	const index = fc.record({
		block: fc.constant(0),
		at: fc.integer({min: 32, max: 300}),
		value: fc.nat(255),
	});
	const any = fc.record({block: fc.nat(blocks.length - 1), at: fc.nat(1023), value: fc.nat(255)});
	fc.assert(
		fc.property(fc.array(fc.oneof(index, any), {minLength: 1}), pokes => {
			blocks.forEach((number, logical) => {
				const block = volume.cache.read(number);
				block.bytes.set(intact[logical] ?? []);
				block.checkedAs = undefined;
				forgetOrder(block);
			});
			for (const {block, at, value} of pokes) {
				volume.cache.read(blocks[block] ?? 0).bytes[at] = value;
			}
			let cursor = 0;
			try {
				for (let parts = 0; ; parts++) {
					const next = part(folder, cursor, 3);
					if (next.names.length === 0) break;
					t.true(next.cursor > cursor && parts < 2000);
					({cursor} = next);
				}
			} catch (error) {
				if (!isExpectedError(error)) throw error;
			}
		}),
		{numRuns: 500},
	);
});
