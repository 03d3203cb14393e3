import test, {type ExecutionContext} from 'ava';
import fc from 'fast-check';
import {foldName} from '../../../ext4/directory/casefold.ts';
import {lookup} from '../../../ext4/directory/lookup.ts';
import {forEachEntry} from '../../../ext4/directory/read.ts';
import {addEntry, removeEntry, replaceEntry} from '../../../ext4/directory/write.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import type {Volume} from '../../../ext4/volume.ts';
import {type MadeVolume, mke2fs, openMade} from '../../support/made-volume.ts';
import {addInode} from '../../support/new-inode.ts';

type FeatureSet = {
	readonly name: string;
	readonly options: readonly string[];
	readonly size?: string;
	readonly isCasefolded?: boolean;
};

const ext4 = ['-t', 'ext4', '-O', '^has_journal,^resize_inode'];
const ext2 = ['-t', 'ext2', '-O', '^resize_inode'];

const featureSets: readonly FeatureSet[] = [
	{name: 'ext4, 1 KiB', options: [...ext4, '-b', '1024']},
	{name: 'ext4, 4 KiB', options: [...ext4, '-b', '4096']},
	{name: 'ext4, 64 KiB', options: [...ext4, '-b', '65536'], size: '64M'},
	{
		name: 'ext4 without checksums',
		options: ['-t', 'ext4', '-O', '^has_journal,^metadata_csum,^64bit', '-b', '1024'],
	},
	{
		name: 'ext4 without dir_index',
		options: ['-t', 'ext4', '-O', '^has_journal,^dir_index', '-b', '1024'],
	},
	{name: 'ext2', options: [...ext2, '-b', '1024']},
	{
		name: 'ext2 without filetype',
		options: ['-t', 'ext2', '-O', '^resize_inode,^filetype', '-b', '1024'],
	},
	{name: 'large_dir', options: ['-t', 'ext4', '-O', '^has_journal,large_dir', '-b', '1024']},
	{
		name: 'clusters',
		options: ['-t', 'ext4', '-O', '^has_journal,bigalloc', '-b', '1024', '-C', '16384'],
	},
	{
		name: 'inline, small inodes',
		options: ['-t', 'ext4', '-O', '^has_journal,inline_data', '-b', '1024', '-I', '256'],
	},
	{
		name: 'inline, large inodes',
		options: ['-t', 'ext4', '-O', '^has_journal,inline_data', '-b', '1024', '-I', '1024'],
	},
	{
		name: 'inline without dir_index',
		options: ['-t', 'ext4', '-O', '^has_journal,inline_data,^dir_index', '-I', '512'],
	},
	{
		name: 'casefold',
		options: ['-t', 'ext4', '-O', '^has_journal,casefold', '-b', '1024'],
		isCasefolded: true,
	},
	{
		name: 'casefold, strict, inline',
		options: [
			...['-t', 'ext4', '-O', '^has_journal,casefold,inline_data', '-b', '1024'],
			...['-E', 'encoding_flags=strict', '-I', '512'],
		],
		isCasefolded: true,
	},
];

const images = new Map<string, Uint8Array>();

function open({name, options, size = '12M'}: FeatureSet): MadeVolume {
	const image = images.get(name) ?? mke2fs(['-N', '4096', ...options], size);
	images.set(name, image);
	return openMade(image.slice());
}

/** A directory of its own below the root; returns its inode's number. */
function makeFolder({volume}: MadeVolume, {isCasefolded}: FeatureSet): number {
	return volume.transact(handle => {
		const root = volume.readInode(2);
		const made = addInode(handle, root, 'directory');
		addEntry(handle, root, Buffer.from('folder'), {inode: made.number, type: 'directory'});
		if (isCasefolded === true) made.flags |= inodeFlags.casefold;
		return made.number;
	});
}

/** Names with their inodes, without the dots, by listing. */
function list(volume: Volume, number: number): Map<string, number> {
	const names = new Map<string, number>();
	forEachEntry(volume, volume.readInode(number), 0, (bytes, start, length, inode) => {
		const name = Buffer.from(bytes.subarray(start, start + length)).toString('latin1');
		if (names.has(name)) throw new Error(`listed twice: ${name}`);
		if (name !== '.' && name !== '..') names.set(name, inode);
		return true;
	});
	return names;
}

type Step = {readonly kind: 'add' | 'remove' | 'replace'; readonly name: string};

/** Names of all lengths, in latin1; some share a folded form. */
function nameOf(index: number, padding: number, isCasefolded: boolean): string {
	const stem = isCasefolded && index % 3 === 0 ? `Ä${index >> 1}` : `n${index}`;
	const bytes = Buffer.concat([Buffer.from(stem), Buffer.alloc(padding, 0x78)]);
	return bytes.subarray(0, 255).toString('latin1');
}

function stepsOf(isCasefolded: boolean, steps: number) {
	const name = fc
		.tuple(fc.nat(steps), fc.oneof(fc.constant(0), fc.nat(20), fc.constant(250)))
		.map(([index, padding]) => nameOf(index, padding, isCasefolded));
	const kind = fc.constantFrom<Step['kind']>('add', 'add', 'add', 'remove', 'replace');
	return fc.array(fc.record({kind, name}), {minLength: steps / 2, maxLength: steps});
}

function keyOf(name: string, isCasefolded: boolean): string {
	const bytes = Buffer.from(name, 'latin1');
	return Buffer.from((isCasefolded ? foldName(bytes) : undefined) ?? bytes).toString('latin1');
}

/** The names that there are, by the key under which they are found. */
type Model = Map<string, {name: string; inode: number}>;

function take(made: MadeVolume, folder: number, model: Model, step: Step, isFolded: boolean): void {
	const {volume} = made;
	const key = keyOf(step.name, isFolded);
	const name = Buffer.from(step.name, 'latin1');
	volume.transact(handle => {
		const directory = volume.readInode(folder);
		const known = model.get(key);
		if (step.kind === 'add') {
			if (known !== undefined) return;
			const {number} = addInode(handle, directory, 'fifo');
			addEntry(handle, directory, name, {inode: number, type: 'fifo'});
			model.set(key, {name: step.name, inode: number});
		} else if (known !== undefined && step.kind === 'remove') {
			removeEntry(handle, directory, name);
			const lost = volume.readInode(2);
			const elsewhere = Buffer.from(`kept ${known.inode}`);
			addEntry(handle, lost, elsewhere, {inode: known.inode, type: 'fifo'});
			model.delete(key);
		} else if (known !== undefined && step.kind === 'replace') {
			const {number} = addInode(handle, directory, 'fifo');
			replaceEntry(handle, directory, name, {inode: number, type: 'fifo'});
			const elsewhere = Buffer.from(`kept ${known.inode}`);
			addEntry(handle, volume.readInode(2), elsewhere, {inode: known.inode, type: 'fifo'});
			model.set(key, {name: known.name, inode: number});
		}
	});
}

function assertSame(t: ExecutionContext, volume: Volume, folder: number, model: Model): void {
	const wanted = new Map([...model.values()].map(({name, inode}) => [name, inode]));
	const listed = list(volume, folder);
	t.deepEqual([...listed].sort(), [...wanted].sort());
	const directory = volume.readInode(folder);
	for (const {name, inode} of model.values()) {
		t.is(lookup(volume, directory, Buffer.from(name, 'latin1'))?.inode, inode);
	}
}

for (const features of featureSets) {
	const isFolded = features.isCasefolded === true;
	test(`entries come and go as in a map: ${features.name}`, t => {
		fc.assert(
			fc.property(stepsOf(isFolded, 600), steps => {
				const made = open(features);
				const folder = makeFolder(made, features);
				const model: Model = new Map();
				for (const step of steps) take(made, folder, model, step, isFolded);
				assertSame(t, made.volume, folder, model);
				t.is(made.findProblems(), undefined);
				// And again as it lies on the disk.
				const again = openMade(made.device.bytes);
				assertSame(t, again.volume, folder, model);
			}),
			{numRuns: 3},
		);
	});
}
