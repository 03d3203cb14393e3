/** A file whose metadata lies in the file system's own blocks: it may be read, never written. */
import type {ExecutionContext} from 'ava';
import {CorruptError} from '../../ext4/errors.ts';
import {hasDebugfs} from '../support/e2fsprogs.ts';
import {mke2fs} from '../support/made-volume.ts';
import {testUnless} from '../support/skip.ts';
import {Subject} from '../support/subject.ts';

const why = hasDebugfs ? undefined : 'e2fsprogs is not installed';
const root = 2;
const file = {mode: 0o644, uid: 0, gid: 0, umask: 0};
const blockSize = 1024;

type Kind = {
	readonly name: string;
	readonly options: readonly string[];
	/** Makes the inode. */
	readonly make: (subject: Subject) => number;
	/** In the inode: where the number of the block of its metadata lies. */
	readonly pointerAt: number;
	readonly change: (subject: Subject, number: number) => void;
};

/** Every second block: too many extents for the inode. */
function writeHoles(subject: Subject): number {
	const number = subject.makeFile({parent: root, name: 'victim'}, file);
	for (let block = 0; block < 40; block += 2) {
		subject.write(number, block * blockSize, new Uint8Array(blockSize).fill(block + 1));
	}
	return number;
}

const map = 0x28;
const kinds: readonly Kind[] = [
	{
		name: 'extent node',
		options: ['-t', 'ext4', '-O', '^metadata_csum'],
		make: writeHoles,
		pointerAt: map + 12 + 4,
		change: (subject, number) => subject.write(number, 41 * blockSize, Uint8Array.of(1)),
	},
	{
		name: 'indirect block',
		options: ['-t', 'ext3'],
		make: writeHoles,
		pointerAt: map + 12 * 4,
		change: (subject, number) => subject.write(number, 41 * blockSize, Uint8Array.of(1)),
	},
	{
		name: 'attribute block',
		options: ['-t', 'ext3'],
		make(subject) {
			const number = subject.makeFile({parent: root, name: 'victim'}, file);
			subject.setXattr(number, 'user.a', new Uint8Array(300).fill(7), 'any');
			return number;
		},
		pointerAt: 0x68,
		change: (subject, number) => subject.setXattr(number, 'user.b', Uint8Array.of(1), 'any'),
	},
	{
		name: 'directory block',
		options: ['-t', 'ext3'],
		make: subject => subject.makeDirectory({parent: root, name: 'victim'}, {...file, mode: 0o755}),
		pointerAt: map,
		change(subject, number) {
			subject.makeFile({parent: number, name: 'x'}, file);
		},
	},
];

/** Blocks of the file system's own in which nothing lies that would look broken. */
const places = {
	'the inode table': ({volume}: Subject) =>
		volume.group(0).inodeTable + volume.geometry.inodeTableBlocks - 1,
	'the room for group descriptors': ({volume}: Subject) =>
		volume.geometry.firstDataBlock + 1 + volume.superblock.reservedDescriptorBlocks,
};

/** Moves the block of metadata that the pointer names to `place`; returns the image. */
function plant(kind: Kind, place: (subject: Subject) => number): [Uint8Array, number, number] {
	const subject = new Subject(
		mke2fs([...kind.options, '-b', '1024', '-I', '128', '-J', 'size=1'], '8M'),
	);
	const number = kind.make(subject);
	const target = place(subject);
	const located = subject.volume.locateInode(number);
	const pointerAt = located.block.number * blockSize + located.at + kind.pointerAt;
	subject.close();
	const {bytes} = subject.device;
	const view = new DataView(bytes.buffer, bytes.byteOffset);
	const from = view.getUint32(pointerAt, true) * blockSize;
	bytes.copyWithin(target * blockSize, from, from + blockSize);
	view.setUint32(pointerAt, target, true);
	return [bytes, number, target];
}

function blockOf(bytes: Uint8Array, block: number): Uint8Array {
	return bytes.slice(block * blockSize, (block + 1) * blockSize);
}

for (const kind of kinds) {
	for (const [where, place] of Object.entries(places)) {
		testUnless(why, `no ${kind.name} is written in ${where}`, (t: ExecutionContext) => {
			const [bytes, number, target] = plant(kind, place);
			const before = blockOf(bytes, target);
			const subject = new Subject(bytes, 'continue');
			const error = t.throws(() => kind.change(subject, number), {instanceOf: CorruptError});
			t.is(error?.code, 'EXT4_BLOCK_IN_USE');
			t.true(subject.volume.superblock.hasErrors);
			subject.close();
			t.deepEqual(blockOf(subject.device.bytes, target), before);
		});
	}
}
