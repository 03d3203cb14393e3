/**
 * What no tool writes into an image without a kernel: encrypted directories, verity data, fast
 * commits. Written byte by byte, and sealed.
 */
import {createHash} from 'node:crypto';
import {crc32cOf} from '../../ext4/checksum.ts';
import {forEachEntry, lookup, Volume} from '../../ext4/index.ts';
import {journalFileOf} from '../../ext4/journal/recover.ts';
import {readJournalSuperblock} from '../../ext4/journal/superblock.ts';
import {
	ext4_fc_add_range,
	ext4_fc_del_range,
	ext4_fc_dentry_info,
	ext4_fc_head,
	fastCommitTag,
} from '../../ext4/layout/fast-commit.ts';
import {inodeFlags} from '../../ext4/layout/inode.ts';
import {journal_superblock, journalIncompatFeatures} from '../../ext4/layout/journal.ts';
import {ext4_super_block} from '../../ext4/layout/superblock.ts';
import {JournalBuilder, type TagFormat} from '../support/journal-builder.ts';
import {MemoryDevice} from '../support/memory-device.ts';
import {poke} from '../support/poke.ts';
import {Subject} from '../support/subject.ts';
import {type Atlas, mapImage, type Site} from './atlas.ts';
import {Patch} from './patch.ts';
import {Sealer} from './seal.ts';

const encoder = new TextEncoder();
/** The journal holds what has to be replayed; incompat. */
const needsRecovery = 0x4;

/** The inode that `path` leads to. */
function inodeAt(volume: Volume, path: string): number {
	let number = 2;
	for (const name of path.split('/')) {
		const found = lookup(volume, volume.readInode(number), encoder.encode(name));
		if (found === undefined) throw new Error(`${path}: there is no ${name}`);
		number = found.inode;
	}
	return number;
}

function openAsItLies(image: Uint8Array): Volume {
	return Volume.open(new MemoryDevice(image.slice()), {journal: 'ignore'});
}

function sitesOf(atlas: Atlas, role: Site['role'], owner: number): Site[] {
	const sites = atlas.sitesOf.get(role) ?? [];
	return sites.filter(site => site.owner === owner && site.tag === undefined);
}

function inodeSite(atlas: Atlas, number: number): Site {
	const site = sitesOf(atlas, 'inode', number)[0];
	if (site === undefined) throw new Error(`inode ${number} is not in use`);
	return site;
}

/**
 * Sets the encryption flag of `secret` and `secret-folded` and of the link in `secret`; gives the
 * link a target of cipher text, and the names of the folded directory hashes behind them.
 */
export function encrypt(image: Uint8Array): void {
	const atlas = mapImage(image);
	const patch = new Patch(image);
	const volume = openAsItLies(image);
	const changed: Site[] = [];
	const setFlags = (path: string, flags: number) => {
		const site = inodeSite(atlas, inodeAt(volume, path));
		patch.set32(site.at + 0x20, patch.view.getUint32(site.at + 0x20, true) | flags);
		changed.push(site);
		return site.owner;
	};
	const link = setFlags('secret/link-of-cipher-text', inodeFlags.encrypted);
	for (const block of sitesOf(atlas, 'symlink', link)) patch.set16(block.at, 62);
	setFlags('secret', inodeFlags.encrypted);
	const folded = setFlags('secret-folded', inodeFlags.encrypted | inodeFlags.casefold);
	for (const block of sitesOf(atlas, 'directory', folded)) {
		shortenNames(patch, block);
		changed.push(block);
	}
	new Sealer(patch, atlas).seal(changed);
}

/** The last eight bytes of each name become its hashes. */
function shortenNames(patch: Patch, block: Site): void {
	let at = block.at;
	while (at < block.at + block.length - 12) {
		const nameLength = patch.bytes[at + 6] ?? 0;
		if (nameLength > 24) patch.bytes[at + 6] = nameLength - 8;
		at += patch.view.getUint16(at + 4, true);
	}
}

/** Where a Merkle tree begins: the first 64 KiB behind the end of the file. */
const treeAt = 65_536;
const verityBlockSize = 4096;

/** A file's contents with all that verity puts behind them; `dataSize` is its size. */
export function verityContents(dataSize: number): Uint8Array {
	const salt = new Uint8Array(64).fill(0x5a, 0, 5);
	const hashOf = (block: Uint8Array) => createHash('sha256').update(salt).update(block).digest();
	const contents = new Uint8Array(treeAt + 2 * verityBlockSize);
	for (let at = 0; at < dataSize; at++) contents[at] = 65 + (at % 23);
	const tree = contents.subarray(treeAt, treeAt + verityBlockSize);
	for (let at = 0; at < dataSize; at += verityBlockSize) {
		const block = contents.subarray(at, at + verityBlockSize);
		tree.set(hashOf(block), (at / verityBlockSize) * 32);
	}
	const descriptor = contents.subarray(treeAt + verityBlockSize);
	descriptor.set([1, 1, 12, 5]); // Version, SHA-256, blocks of 2^12 bytes, length of the salt.
	new DataView(descriptor.buffer, descriptor.byteOffset).setUint32(8, dataSize, true);
	descriptor.set(hashOf(tree), 0x10);
	descriptor.fill(0x5a, 0x50, 0x55);
	new DataView(descriptor.buffer, descriptor.byteOffset).setUint32(
		descriptor.length - 4,
		256,
		true,
	);
	return contents;
}

/** Makes the file `path`, which has `verityContents`, a verity file of `dataSize` bytes. */
export function setVerity(image: Uint8Array, path: string, dataSize: number): void {
	const atlas = mapImage(image);
	const patch = new Patch(image);
	const site = inodeSite(atlas, inodeAt(openAsItLies(image), path));
	patch.set32(site.at + 0x20, patch.view.getUint32(site.at + 0x20, true) | inodeFlags.verity);
	patch.set32(site.at + 4, dataSize);
	patch.set32(1024 + 0x64, patch.view.getUint32(1024 + 0x64, true) | 0x8000);
	new Sealer(patch, atlas).seal([site]);
}

const fastCommitBlocks = 256;

class RecordWriter {
	readonly #bytes: number[] = [];

	record(tag: number, value: Uint8Array): this {
		this.#bytes.push(tag & 0xff, tag >> 8, value.length & 0xff, value.length >> 8, ...value);
		return this;
	}

	entry(tag: number, parent: number, inode: number, name: string): this {
		const info = new Uint8Array(8);
		poke(ext4_fc_dentry_info, info, 0, {fc_parent_ino: parent, fc_ino: inode});
		return this.record(tag, Uint8Array.from([...info, ...encoder.encode(name)]));
	}

	inode(number: number, bytes: Uint8Array): this {
		const value = new Uint8Array(4 + bytes.length);
		new DataView(value.buffer).setUint32(0, number, true);
		value.set(bytes, 4);
		return this.record(fastCommitTag.inode, value);
	}

	/** Fills the block up with the tail, whose checksum is for the sealer. */
	end(blockSize: number, sequence: number): Uint8Array {
		const value = new Uint8Array(blockSize - (this.#bytes.length % blockSize) - 4);
		new DataView(value.buffer).setUint32(0, sequence, true);
		this.record(fastCommitTag.tail, value);
		return Uint8Array.from(this.#bytes);
	}
}

/** Two fast commits behind a log that is to be replayed: files made, linked, taken away, grown. */
export function writeFastCommits(image: Uint8Array): void {
	const atlas = mapImage(image);
	const {blockSize} = atlas;
	const volume = openAsItLies(image);
	const file = journalFileOf(volume);
	const placeOf = (logical: number) => (file.journalBlocks(logical) ?? 0) * blockSize;
	// mke2fs leaves room for fast commits; the kernel tells the journal of it when it mounts.
	const patch = new Patch(image);
	poke(journal_superblock, image, placeOf(0), {
		s_feature_incompat:
			journal_superblock.at(patch.view, placeOf(0)).s_feature_incompat |
			journalIncompatFeatures.fast_commit,
		s_num_fc_blks: fastCommitBlocks,
	});
	new Sealer(patch, atlas).seal(atlas.sitesOf.get('journalSuperblock') ?? []);
	const first = image.subarray(placeOf(0), placeOf(0) + blockSize);
	const journal = readJournalSuperblock(first, blockSize, file.lengthBlocks);
	const start = journal.fastCommitFirstBlock;
	const sequence = Volume.open(new MemoryDevice(image.slice())).recovery?.nextSequence;
	if (start === undefined || sequence === undefined) throw new Error('nothing to add to');
	const bytesOf = (number: number) => {
		const {at} = inodeSite(atlas, number);
		return image.slice(at, at + volume.geometry.inodeSize);
	};
	const small = inodeAt(volume, 'small');
	const medium = inodeAt(volume, 'dir/medium');
	const directory = inodeAt(volume, 'dir');
	const other = inodeAt(volume, 'empty-dir');
	const newInode = volume.geometry.inodeCount - 3;
	const head = new Uint8Array(8);
	poke(ext4_fc_head, head, 0, {fc_tid: sequence});
	const range = new Uint8Array(16);
	const free = volume.geometry.blockCount - 20;
	poke(ext4_fc_add_range, range, 0, {fc_ino: medium, ee_block: 9, ee_len: 3, ee_start_lo: free});
	const gone = new Uint8Array(12);
	poke(ext4_fc_del_range, gone, 0, {fc_ino: medium, fc_lblk: 2, fc_len: 2});
	const one = new RecordWriter()
		.record(fastCommitTag.head, head)
		.inode(newInode, bytesOf(small))
		.entry(fastCommitTag.create, directory, newInode, 'made-by-a-fast-commit')
		.entry(fastCommitTag.link, other, small, 'linked-by-a-fast-commit')
		.end(blockSize, sequence);
	const two = new RecordWriter()
		.record(fastCommitTag.addRange, range)
		.record(fastCommitTag.deleteRange, gone)
		.inode(medium, bytesOf(medium))
		.entry(fastCommitTag.unlink, directory, small, 'link')
		.entry(fastCommitTag.link, 2, medium, 'a-second-name')
		.end(blockSize, sequence);
	const three = new RecordWriter();
	changeMore(three, volume, small);
	const records = Buffer.concat([one, two, three.end(blockSize, sequence)]);
	for (let at = 0; at < records.length; at += blockSize) {
		image.set(records.subarray(at, at + blockSize), placeOf(start + at / blockSize));
	}
	const withRecords = mapImage(image);
	const sites = withRecords.sitesOf.get('fastCommit') ?? [];
	new Sealer(new Patch(image), withRecords).seal(sites);
	assertApplied(image);
}

/** What only some bases have: attributes in a block, a tree of extents, an inline directory. */
function changeMore(records: RecordWriter, volume: Volume, small: number): void {
	const names = namesIn(volume, 2);
	if (names.includes('xattr')) {
		const parent = inodeAt(volume, 'xattr');
		records.entry(fastCommitTag.unlink, parent, inodeAt(volume, 'xattr/mid'), 'mid');
	}
	if (names.includes('sparse')) {
		const fc_ino = inodeAt(volume, 'sparse');
		const grown = new Uint8Array(16);
		const free = volume.geometry.blockCount - 30;
		poke(ext4_fc_add_range, grown, 0, {fc_ino, ee_block: 1301, ee_len: 2, ee_start_lo: free});
		const cut = new Uint8Array(12);
		poke(ext4_fc_del_range, cut, 0, {fc_ino, fc_lblk: 7, fc_len: 600});
		records.record(fastCommitTag.addRange, grown).record(fastCommitTag.deleteRange, cut);
	}
	if (names.includes('inline')) {
		const parent = inodeAt(volume, 'inline/dir');
		const gone = inodeAt(volume, 'inline/dir/entry-3');
		records.entry(fastCommitTag.unlink, parent, gone, 'entry-3');
		records.entry(fastCommitTag.link, parent, small, 'entry-9');
	}
}

function namesIn(volume: Volume, directory: number): string[] {
	const names: string[] = [];
	forEachEntry(volume, volume.readInode(directory), 0, (bytes, start, length) => {
		names.push(new TextDecoder().decode(bytes.subarray(start, start + length)));
		return true;
	});
	return names;
}

/** A base whose fast commits were not taken would test nothing. */
function assertApplied(image: Uint8Array): void {
	const volume = Volume.open(new MemoryDevice(image.slice()));
	const names = namesIn(volume, 2);
	if (!names.includes('a-second-name')) throw new Error(`not replayed: ${names.join(' ')}`);
}

/** Overwrites the journal's file with a log of three transactions, one of which revokes. */
export function writeLog(image: Uint8Array, format: TagFormat, lengthBlocks: number): void {
	const patch = new Patch(image);
	poke(ext4_super_block, image, 1024, {
		s_feature_incompat: ext4_super_block.at(patch.view, 1024).s_feature_incompat | needsRecovery,
	});
	const builder = new JournalBuilder({format, lengthBlocks, sequence: 5});
	sealSuperblock(image);
	const volume = openAsItLies(image);
	const file = journalFileOf(volume);
	const {blockSize} = volume.geometry;
	const put = () => {
		for (let logical = 0; logical < lengthBlocks; logical++) {
			image.set(builder.logBlock(logical), (file.journalBlocks(logical) ?? 0) * blockSize);
		}
	};
	put();
	// Replaying copies of blocks that are well changes nothing.
	const atlas = mapImage(image);
	const roles = ['inode', 'directory', 'index', 'extents', 'indirect', 'xattrs'];
	const blocks = new Set<number>();
	for (const {role, homeBlock} of atlas.sites) if (roles.includes(role)) blocks.add(homeBlock);
	const changes = [...blocks].slice(0, 30).map(block => ({
		block,
		bytes: image.slice(block * blockSize, (block + 1) * blockSize),
	}));
	const half = changes.length >>> 1;
	builder.transaction(5, changes.slice(0, half), [atlas.superblock.geometry.blockCount - 2]);
	builder.transaction(6, changes.slice(half), [atlas.superblock.geometry.blockCount - 3]);
	builder.transaction(7, changes.slice(half - 2, half + 2));
	put();
	const {recovery} = Volume.open(new MemoryDevice(image.slice()));
	if (recovery?.nextSequence !== 8) throw new Error('the log is not replayed');
}

/** Makes the checksum right of a superblock that is about to be opened for the first time. */
function sealSuperblock(image: Uint8Array): void {
	const {view} = new Patch(image);
	if ((view.getUint32(1024 + 0x64, true) & 0x400) === 0) return;
	view.setUint32(1024 + 0x3fc, crc32cOf(0xffffffff, image.subarray(1024, 1024 + 0x3fc)), true);
}

const newFile = {mode: 0o644, uid: 1000, gid: 1000, umask: 0o022};

/** Works on the image as a mount would and stops, as if killed, with all of it in the journal. */
export function work(image: Uint8Array): void {
	const subject = new Subject(image);
	const root = 2;
	const directory = subject.makeDirectory({parent: root, name: 'worked'}, newFile);
	const numbers = ['a', 'b', 'c', 'd'].map(name =>
		subject.makeFile({parent: directory, name}, newFile),
	);
	for (const number of numbers) {
		subject.write(number, 0, new Uint8Array(2500).fill(number));
		subject.setXattr(number, 'user.work', new Uint8Array(300).fill(number), 'any');
	}
	subject.commit();
	const [a = 0, b = 0] = numbers;
	subject.write(a, 20_000, new Uint8Array(1500).fill(65));
	subject.truncate(b, 100);
	subject.symlink({parent: directory, name: 'link'}, 'long/'.repeat(30), newFile);
	subject.rename({parent: directory, name: 'c'}, {parent: root, name: 'moved'}, {});
	subject.commit();
	subject.tmpfile(root, newFile);
	subject.unlink({parent: directory, name: 'd'});
	subject.commit();
	const {recovery} = Volume.open(new MemoryDevice(image.slice()));
	if (recovery === undefined) throw new Error('nothing is left to replay');
}
