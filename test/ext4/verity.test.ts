import {createHash} from 'node:crypto';
import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {inodeFlags, Volume} from '../../ext4/index.ts';
import {nodeHashes} from '../../images/hashes.ts';
import {openRaw} from '../../images/raw.ts';
import {Mapper, readRange} from '../../iomap/index.ts';
import {e2fsprogs} from '../support/e2fsprogs.ts';

const blockSize = 4096;
const alignment = 65536;

function hash(algorithm: string, salt: Uint8Array, block: Uint8Array): Uint8Array {
	return createHash(algorithm).update(salt).update(block).digest();
}

function blocksOf(bytes: Uint8Array): Uint8Array[] {
	const count = Math.ceil(bytes.length / blockSize);
	return Array.from({length: count}, (_, index) => {
		const block = new Uint8Array(blockSize);
		block.set(bytes.subarray(index * blockSize, (index + 1) * blockSize));
		return block;
	});
}

/** The Merkle tree as fs-verity lays it out, the root's level first; and the root hash. */
function merkleTree(data: Uint8Array, algorithm: string, salt: Uint8Array) {
	const levels: Uint8Array[] = [];
	let level = blocksOf(data);
	while (level.length > 1) {
		const hashes = Buffer.concat(level.map(block => hash(algorithm, salt, block)));
		level = blocksOf(hashes);
		levels.unshift(Buffer.concat(level));
	}
	const top = level[0];
	const root =
		top === undefined
			? new Uint8Array(algorithm === 'sha256' ? 32 : 64)
			: hash(algorithm, salt, top);
	return {tree: Buffer.concat(levels), root};
}

function descriptor(size: number, algorithm: string, saltBytes: Uint8Array, root: Uint8Array) {
	const bytes = new Uint8Array(256);
	const view = new DataView(bytes.buffer);
	bytes[0] = 1;
	bytes[1] = algorithm === 'sha256' ? 1 : 2;
	bytes[2] = 12;
	bytes[3] = saltBytes.length;
	view.setUint32(8, size, true);
	bytes.set(root, 0x10);
	bytes.set(saltBytes, 0x50);
	return bytes;
}

type Damage = {readonly at: number} | undefined;

/** The whole of a verity file as it lies on disk: data, tree, descriptor, its size in the last word. */
function verityFile(data: Uint8Array, algorithm: string, saltBytes: Uint8Array): Uint8Array {
	const salt = new Uint8Array(saltBytes.length === 0 ? 0 : algorithm === 'sha256' ? 64 : 128);
	salt.set(saltBytes);
	const {tree, root} = merkleTree(data, algorithm, salt);
	const treeAt = Math.ceil(data.length / alignment) * alignment;
	const descriptorAt = treeAt + tree.length;
	const whole = new Uint8Array(descriptorAt + blockSize);
	whole.set(data);
	whole.set(tree, treeAt);
	whole.set(descriptor(data.length, algorithm, saltBytes, root), descriptorAt);
	new DataView(whole.buffer).setUint32(whole.length - 4, 256, true);
	return whole;
}

/** Reads the file back from an image; `damage` changes one byte of what was stored. */
function readBack(size: number, algorithm: string, salt: Uint8Array, damage: Damage): Uint8Array {
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-verity-'));
	try {
		const data = Uint8Array.from({length: size}, (_, index) => (index * 7 + (index >> 9)) % 251);
		const stored = verityFile(data, algorithm, salt);
		if (damage !== undefined) stored[damage.at] = (stored[damage.at] ?? 0) ^ 1;
		mkdirSync(join(folder, 'tree'));
		writeFileSync(join(folder, 'tree', 'file'), stored);
		const image = join(folder, 'disk.img');
		const options = ['-q', '-F', '-t', 'ext4', '-b', `${blockSize}`, '-d', join(folder, 'tree')];
		e2fsprogs('mke2fs', [...options, image, '8M']);
		const flags = inodeFlags.extents | inodeFlags.verity;
		for (const command of [`sif file size ${size}`, `sif file flags 0x${flags.toString(16)}`]) {
			e2fsprogs('debugfs', ['-w', '-R', command, image]);
		}
		const device = openRaw(image);
		try {
			const volume = Volume.open(device, {hashes: nodeHashes});
			const into = new Uint8Array(size + 100);
			// The first ordinary file of a new image with a lost+found.
			const read = readRange(new Mapper(volume), volume.readInode(12), 0, into);
			return into.subarray(0, read);
		} finally {
			device.close();
		}
	} finally {
		rmSync(folder, {recursive: true});
	}
}

const salts = {none: new Uint8Array(0), some: Uint8Array.from({length: 20}, (_, i) => i + 1)};

for (const algorithm of ['sha256', 'sha512']) {
	for (const [name, salt] of Object.entries(salts)) {
		for (const size of [0, 1, 4096, 5000, 600_000]) {
			test.serial(
				`a verity file of ${size} bytes, ${algorithm}, salt: ${name}, reads as it was`,
				t => {
					const read = readBack(size, algorithm, salt, undefined);
					t.is(read.length, size);
					t.true(read.every((byte, index) => byte === (index * 7 + (index >> 9)) % 251));
				},
			);
		}
	}
}

const treeAt = 655_360; // Behind 600,000 bytes, at the next 64 KiB.
for (const [what, at] of [
	['a byte of the data', 300_000],
	['a hash in a leaf of the tree', treeAt + blockSize + 40],
	['a hash in the root block of the tree', treeAt + 3],
] as const) {
	test.serial(`a verity file with ${what} changed does not read`, t => {
		t.throws(() => readBack(600_000, 'sha256', salts.some, {at}), {code: 'EXT4_BAD_VERITY'});
	});
}
