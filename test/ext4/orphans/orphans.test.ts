import {execFileSync} from 'node:child_process';
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmdirSync,
	rmSync,
	writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {ExecutionContext} from 'ava';
import fc from 'fast-check';
import {crc32cOf} from '../../../ext4/checksum.ts';
import {CorruptError, FileError} from '../../../ext4/errors.ts';
import {inodeFlags} from '../../../ext4/layout/inode.ts';
import {orphanBlockMagic} from '../../../ext4/layout/orphan.ts';
import {ext4_super_block} from '../../../ext4/layout/superblock.ts';
import {ext4_xattr_header, xattrIndex} from '../../../ext4/layout/xattr.ts';
import {mapAt} from '../../../ext4/mapping/index.ts';
import {createFile, unlink} from '../../../ext4/namespace/index.ts';
import {cleanOrphans, reapOrphans} from '../../../ext4/orphans/clean.ts';
import {addOrphan, hasOrphans, isOrphan, removeOrphan} from '../../../ext4/orphans/orphans.ts';
import {reapInode} from '../../../ext4/orphans/reap.ts';
import {Volume} from '../../../ext4/volume.ts';
import {readBlockEntries} from '../../../ext4/xattr/block-write.ts';
import {writeEntries} from '../../../ext4/xattr/entry-list.ts';
import {sharedBlocks} from '../../../ext4/xattr/shared-blocks.ts';
import {setXattr} from '../../../ext4/xattr/write.ts';
import {findImages, imagePath, imagesLeftOut, whyNoImages} from '../../reference/material.ts';
import {e2fsprogs, hasDebugfs} from '../../support/e2fsprogs.ts';
import {makeWritable} from '../../support/home-log.ts';
import {mke2fs} from '../../support/made-volume.ts';
import {MemoryDevice} from '../../support/memory-device.ts';
import {testUnless} from '../../support/skip.ts';
import {findProblems, Subject} from '../../support/subject.ts';

const why = hasDebugfs ? undefined : 'e2fsprogs is not installed';
const canMount = process.getuid?.() === 0 && existsSync('/dev/loop-control');
const whyNoKernel = why ?? (canMount ? undefined : 'only root mounts');
const file = {mode: 0o644, uid: 1000, gid: 1000, umask: 0};
const root = 2;

const kinds = [
	{name: 'the list', options: ['-O', '^orphan_file']},
	{name: 'the orphan file', options: ['-O', 'orphan_file']},
	{name: 'the list, without a journal', options: ['-O', '^has_journal,^orphan_file']},
	{name: 'the orphan file, without checksums', options: ['-O', 'orphan_file,^metadata_csum']},
];

function open(...options: string[]): Subject {
	return new Subject(mke2fs(['-t', 'ext4', '-b', '1024', ...options], '8M'));
}

function close(t: ExecutionContext, subject: Subject): void {
	subject.close();
	t.is(findProblems(subject), undefined);
}

/** What a crash leaves of what was committed; not mounted. */
function imageAfterCrash(subject: Subject): Uint8Array {
	subject.commit();
	subject.checkpoint();
	return subject.device.bytes.slice();
}

/** Has `action` change the bytes in a file. */
function inFile(bytes: Uint8Array, action: (path: string, folder: string) => void): void {
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-orphans-'));
	try {
		const path = join(folder, 'image');
		writeFileSync(path, bytes);
		action(path, folder);
		bytes.set(readFileSync(path));
	} finally {
		rmSync(folder, {recursive: true});
	}
}

/** The kernel mounts the image for writing, and unmounts it. */
function mountedByKernel(bytes: Uint8Array): void {
	inFile(bytes, (path, folder) => {
		const directory = join(folder, 'mount');
		mkdirSync(directory);
		execFileSync('mount', ['-t', 'ext4', '-o', 'loop', path, directory], {stdio: 'pipe'});
		execFileSync('umount', [directory], {stdio: 'pipe'});
		rmdirSync(directory);
	});
}

/** A file with some data that has lost its name; its number. */
function makeOrphan(subject: Subject, name: string): number {
	const number = subject.makeFile({parent: root, name}, file);
	subject.write(number, 0, Buffer.from(`contents of ${name}`));
	subject.unlink({parent: root, name});
	return number;
}

/** Numbers in the list as it lies in memory. */
function listOf({volume}: Subject): number[] {
	const found: number[] = [];
	for (let number = volume.superblock.lastOrphan; number !== 0; ) {
		found.push(number);
		number = volume.readReservedInode(number).deletionTime;
	}
	return found;
}

for (const {name, options} of kinds) {
	testUnless(
		why,
		`what is unlinked while it is open can be read until it is reaped: ${name}`,
		t => {
			const subject = open(...options);
			const free = subject.volume.superblock.freeBlockCount;
			const freeInodes = subject.volume.superblock.freeInodeCount;
			const number = makeOrphan(subject, 'x');
			t.is(Buffer.from(subject.read(number, 0, 99)).toString(), 'contents of x');
			subject.write(number, 5000, Buffer.from('more'));
			t.true(hasOrphans(subject.volume));
			subject.reap(number);
			t.false(hasOrphans(subject.volume));
			subject.reap(number); // Nothing is left to be done.
			t.is(subject.volume.superblock.freeBlockCount, free);
			t.is(subject.volume.superblock.freeInodeCount, freeInodes);
			close(t, subject);
		},
	);

	testUnless(why, `a mount after a crash frees what had lost its name: ${name}`, t => {
		const subject = open(...options);
		const free = subject.volume.superblock.freeInodeCount;
		for (let index = 0; index < 20; index++) makeOrphan(subject, `${index}`);
		const linked = subject.tmpfile(root, file);
		subject.link(linked, {parent: root, name: 'linked'});
		subject.tmpfile(root, file);
		subject.commit();
		subject.crash();
		t.false(hasOrphans(subject.volume));
		t.is(subject.volume.superblock.freeInodeCount, free - 1);
		t.is(subject.lookup({parent: root, name: 'linked'}), linked);
		close(t, subject);
	});

	testUnless(whyNoKernel, `the kernel frees what a crash has left: ${name}`, t => {
		const subject = open(...options);
		const {freeInodeCount, freeBlockCount} = subject.volume.superblock;
		for (let index = 0; index < 20; index++) makeOrphan(subject, `${index}`);
		subject.tmpfile(root, file);
		subject.commit();
		mountedByKernel(subject.device.bytes);
		const later = new Subject(subject.device.bytes);
		// Without a journal the kernel looks at no orphans: then these are ours to free.
		t.is(later.volume.superblock.freeInodeCount, freeInodeCount);
		t.is(later.volume.superblock.freeBlockCount, freeBlockCount);
		close(t, later);
	});

	testUnless(why, `e2fsck frees what a crash has left: ${name}`, t => {
		const subject = open(...options);
		const {freeInodeCount} = subject.volume.superblock;
		for (let index = 0; index < 20; index++) makeOrphan(subject, `${index}`);
		subject.commit();
		inFile(subject.device.bytes, path => {
			// Without -f it frees what the orphan file names, but leaves the numbers in it, whoever wrote them.
			const preened = e2fsprogs('e2fsck', ['-fp', path], [0, 1]);
			t.false(/UNEXPECTED/.test(preened), preened);
			e2fsprogs('e2fsck', ['-fn', path]);
		});
		t.is(Volume.open(subject.device).superblock.freeInodeCount, freeInodeCount);
	});

	testUnless(why, `unmounting leaves no orphans, and making read-only does: ${name}`, t => {
		const subject = open(...options);
		const number = makeOrphan(subject, 'x');
		subject.remountReadOnlyAndBack();
		t.is(Buffer.from(subject.read(number, 0, 99)).toString(), 'contents of x');
		t.true(isOrphan(subject.volume, number));
		close(t, subject);
	});

	testUnless(why, `orphans come and go in any order, and back with their handle: ${name}`, t => {
		const subject = open(...options);
		const {volume} = subject;
		const numbers = Array.from({length: 12}, () => subject.tmpfile(root, file));
		for (const number of numbers) volume.transact(h => removeOrphan(h, subject.inode(number)));
		const isListed = name === 'the list' || !name.includes('file');
		fc.assert(
			fc.property(
				fc.array(fc.tuple(fc.nat(numbers.length - 1), fc.boolean(), fc.boolean()), {maxLength: 40}),
				steps => {
					const wanted: number[] = [];
					for (const [index, adds, fails] of steps) {
						const number = numbers[index] ?? 0;
						const step = () =>
							volume.transact(handle => {
								const change = adds ? addOrphan : removeOrphan;
								change(handle, subject.inode(number));
								if (fails) throw new FileError('ENOSPC', 'as asked');
							});
						if (fails) {
							t.throws(step, {instanceOf: FileError});
						} else {
							step();
							const at = wanted.indexOf(number);
							if (adds && at === -1) wanted.unshift(number);
							if (!adds && at !== -1) wanted.splice(at, 1);
						}
						t.deepEqual(listOf(subject), isListed ? wanted : []);
						for (const each of numbers) t.is(isOrphan(volume, each), wanted.includes(each));
					}
					for (const number of wanted) {
						volume.transact(handle => removeOrphan(handle, subject.inode(number)));
					}
					t.is(volume.superblock.lastOrphan, 0);
				},
			),
			{numRuns: 40},
		);
		for (const number of numbers) {
			volume.transact(handle => addOrphan(handle, subject.inode(number)));
			subject.reap(number);
		}
		close(t, subject);
	});
}

testUnless(why, 'where the orphan file is full, the list takes the rest', t => {
	const subject = open('-O', 'orphan_file', '-N', '9000');
	const {volume} = subject;
	const {orphanFileInode} = volume.superblock;
	const slots = (volume.readReservedInode(orphanFileInode).sizeBytes / 1024) * 254;
	const parent = subject.tmpfile(root, file);
	t.true(slots > 1000);
	volume.transact(
		handle => {
			// Numbers alone: such inodes need not be for that.
			for (let index = 1; index < slots; index++) {
				addOrphan(handle, {...volume.readReservedInode(parent), number: 100_000 + index});
			}
		},
		{credits: 512},
	);
	t.is(volume.superblock.lastOrphan, 0);
	const listed = subject.tmpfile(root, file);
	t.is(volume.superblock.lastOrphan, listed);
	subject.reap(parent);
	const slotted = subject.tmpfile(root, file);
	t.is(volume.superblock.lastOrphan, listed);
	subject.reap(slotted);
	subject.reap(listed);
	t.is(volume.superblock.lastOrphan, 0);
});

testUnless(why, 'a file that was being cut off is cut off by the mount, its tail cleared', t => {
	const subject = open('-O', '^orphan_file');
	const number = subject.makeFile({parent: root, name: 'x'}, file);
	subject.write(number, 0, new Uint8Array(20_000).fill(7));
	const {volume} = subject;
	volume.transact(handle => {
		const inode = handle.edit(subject.inode(number));
		inode.sizeBytes = 1500;
		addOrphan(handle, inode);
	});
	subject.commit();
	subject.crash();
	const inode = subject.inode(number);
	t.is(inode.sectors, 4);
	t.is(inode.deletionTime, 0);
	subject.truncate(number, 3000);
	const contents = subject.read(number, 0, 3000);
	t.true(contents.subarray(0, 1500).every(byte => byte === 7));
	t.true(contents.subarray(1500).every(byte => byte === 0));
	close(t, subject);
});

testUnless(why, 'what is too large for one handle is freed in several, with crashes between', t => {
	for (const options of [
		['-O', '^orphan_file'],
		['-O', '^extent,^64bit,orphan_file'],
	]) {
		const subject = new Subject(mke2fs(['-t', 'ext4', '-b', '1024', ...options], '64M'));
		const {volume} = subject;
		const free = volume.superblock.freeBlockCount;
		const number = subject.makeFile({parent: root, name: 'x'}, file);
		// Every other block only: the map is large.
		for (let block = 0; block < 30_000; block += 2) {
			subject.write(number, block * 1024, new Uint8Array(1));
		}
		t.true(volume.superblock.freeBlockCount < free - 15_000);
		subject.unlink({parent: root, name: 'x'});
		const {transactions} = volume;
		const images: Uint8Array[] = [];
		if (transactions !== undefined) {
			const run = transactions.run.bind(transactions);
			transactions.run = (operation, runOptions) => {
				transactions.commit();
				if (images.length < 4) images.push(subject.device.bytes.slice());
				return run(operation, runOptions);
			};
		}
		subject.reap(number);
		t.is(volume.superblock.freeBlockCount, free);
		t.true(images.length > 2);
		for (const image of images) {
			const crashed = new Subject(image);
			t.is(crashed.volume.superblock.freeBlockCount, free);
			close(t, crashed);
		}
		close(t, subject);
	}
});

/** Sets s_last_orphan in a file system without checksums. */
function setLastOrphan(bytes: Uint8Array, number: number): void {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	ext4_super_block.edit(view, 1024).s_last_orphan = number;
}

/** Opens the image without its orphans being looked at yet. */
function openUncleaned(bytes: Uint8Array): Subject {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const raw = ext4_super_block.edit(view, 1024);
	const last = raw.s_last_orphan;
	raw.s_last_orphan = 0;
	const subject = new Subject(bytes);
	subject.volume.superblock.lastOrphan = last;
	return subject;
}

const plain = ['-O', '^metadata_csum,^uninit_bg,^orphan_file,^has_journal'];

testUnless(why, 'damage in the list ends the cleaning, is noted, and the mount goes on', t => {
	for (const [problem, damage] of [
		['a number beyond all inodes', () => 1_000_000],
		['a reserved inode', () => 8],
		['the root', () => 2],
		['an inode that is not in use', () => 500],
		[
			'a fifo with a name',
			(subject: Subject) =>
				subject.makeNode({parent: root, name: 'fifo'}, {...file, mode: 0o010644}),
		],
	] as const) {
		const subject = open(...plain);
		makeOrphan(subject, 'x');
		const number = damage(subject);
		const bytes = imageAfterCrash(subject);
		setLastOrphan(bytes, number);
		const damaged = openUncleaned(bytes);
		const {problem: found} = cleanOrphans(damaged.volume);
		t.true(found instanceof CorruptError, problem);
		t.true(damaged.volume.superblock.hasErrors, problem);
		t.is(damaged.volume.readInode(root).type, 'directory');
	}
});

testUnless(why, 'a list that leads back to itself is met once', t => {
	const subject = open(...plain);
	const numbers = ['a', 'b', 'c'].map(name => {
		const number = subject.makeFile({parent: root, name}, file);
		subject.volume.transact(handle => addOrphan(handle, subject.inode(number)));
		return number;
	});
	subject.volume.transact(handle => {
		handle.edit(subject.inode(numbers[0] ?? 0)).deletionTime = numbers[2] ?? 0;
	});
	const damaged = openUncleaned(imageAfterCrash(subject));
	const {truncated, problem} = cleanOrphans(damaged.volume);
	t.is(truncated, 3);
	t.is(problem?.code, 'EXT4_BAD_ORPHANS');
});

testUnless(why, 'on a file system with errors the list is let be, as the kernel does', t => {
	const subject = open(...plain);
	const number = makeOrphan(subject, 'x');
	const damaged = openUncleaned(imageAfterCrash(subject));
	damaged.volume.superblock.hasErrors = true;
	t.deepEqual(cleanOrphans(damaged.volume), {freed: 0, truncated: 0, problem: undefined});
	t.is(damaged.volume.superblock.lastOrphan, 0);
	t.is(damaged.inode(number).linkCount, 0);
});

testUnless(why, 'a damaged orphan file is noted, and the mount goes on', t => {
	for (const damage of ['magic', 'checksum', 'unused inode'] as const) {
		const subject = open('-O', 'orphan_file');
		const {volume} = subject;
		const inode = volume.readReservedInode(volume.superblock.orphanFileInode);
		const run = mapAt(volume, inode, 0);
		const at = run.kind === 'mapped' ? run.physical * 1024 : 0;
		subject.close();
		const {bytes} = subject.device;
		const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		t.is(view.getUint32(at + 1016, true), orphanBlockMagic);
		if (damage === 'magic') view.setUint32(at + 1016, 0, true);
		else view.setUint32(at + 4, 500, true);
		if (damage === 'unused inode') {
			const place = new Uint8Array(8);
			new DataView(place.buffer).setUint32(0, at / 1024, true);
			const seed = crc32cOf(volume.inodeChecksumSeed(inode.number, inode.generation), place);
			view.setUint32(at + 1020, crc32cOf(seed, bytes.subarray(at, at + 1016)), true);
		}
		const damaged = new Subject(bytes);
		t.regex(damaged.volume.transactions?.failure?.message ?? '', messages[damage]);
		t.true(damaged.volume.superblock.hasErrors);
		t.false(damaged.volume.transactions?.isWritable);
	}
});

const messages = {
	magic: /ob_magic is 0x0/,
	checksum: /checksum of a block of orphans/,
	'unused inode': /an orphan that is not in use/,
};

const leftByOthers = ['ext4-orphans', 'ext4-orphans-file', 'ext3-orphans'];
const whyNotLeft = why ?? whyNoImages();
const imagesLeft = whyNotLeft === undefined ? findImages(leftByOthers) : [];

for (const name of leftByOthers) {
	const whyNotThis = whyNotLeft ?? imagesLeftOut().get(name);
	testUnless(whyNotThis, `what others have left is cleaned up: ${name}`, t => {
		const image = imagesLeft.find(candidate => candidate.name === name);
		if (image === undefined) return t.fail(`make-images.sh makes no ${name}`);
		const subject = new Subject(new Uint8Array(readFileSync(imagePath(image))));
		t.is(subject.volume.transactions?.failure, undefined);
		t.is(subject.volume.superblock.lastOrphan, 0);
		close(t, subject);
		return undefined;
	});
}

for (const {name, options} of kinds.slice(0, 2)) {
	testUnless(why, `orphans that there is no room to free wait for the next mount: ${name}`, t => {
		const subject = open(...options);
		const place = (index: number) => ({parent: root, name: `file${index}`});
		for (let index = 0; index < 3; index++) {
			const number = subject.makeFile(place(index), file);
			subject.write(number, 0, new Uint8Array(3000).fill(7));
			subject.unlink(place(index));
		}
		const volume = Volume.openAsItLies(new MemoryDevice(imageAfterCrash(subject)), {});
		makeWritable(volume);
		volume.transact = (operation, given) => {
			if (given?.mayUseReserved === true) throw new FileError('ENOSPC', 'full');
			return Volume.prototype.transact.call(volume, operation, given) as never;
		};
		const full = cleanOrphans(volume);
		t.deepEqual([full.freed, full.problem?.code], [0, 'ENOSPC']);
		t.false(volume.superblock.hasErrors);
		t.notThrows(() => reapOrphans(volume));
		volume.transactions?.commit();
		const after = new Subject((volume.device as MemoryDevice).bytes);
		t.is(after.volume.orphanProblem, undefined);
		t.is(after.volume.superblock.lastOrphan, 0);
		close(t, after);
	});
}

/** A file named `many` with 30 attributes, the values of all in inodes of their own; its number. */
function makeHeld({volume}: Subject): number {
	const number = volume.transact(handle => {
		const made = createFile(handle, volume.readInode(root), Buffer.from('many'), file);
		return made.number;
	});
	for (let index = 0; index < 30; index++) {
		volume.transact(handle => {
			const inode = volume.readInode(number);
			setXattr(handle, inode, `user.n${index}`, new Uint8Array(1500).fill(index), 'create');
		});
	}
	return number;
}

testUnless(why, 'an inode whose attributes lie in many others is freed in several steps', t => {
	const subject = open('-O', 'ea_inode', '-I', '256', '-J', 'size=1');
	const {volume} = subject;
	const free = volume.superblock.freeInodeCount;
	const number = makeHeld(subject);
	t.is(volume.superblock.freeInodeCount, free - 31);
	volume.transact(handle => unlink(handle, volume.readInode(root), Buffer.from('many')));
	const rollbacks = volume.transactions?.counts.rollbacks;
	reapInode(volume, number);
	t.is(volume.transactions?.counts.rollbacks, rollbacks);
	t.is(volume.superblock.freeInodeCount, free);
	close(t, subject);
});

testUnless(why, 'so is one that nobody could take an attribute from', t => {
	const subject = open('-O', 'ea_inode', '-I', '256', '-J', 'size=1');
	const {volume} = subject;
	const free = volume.superblock.freeInodeCount;
	const number = makeHeld(subject);
	volume.transact(handle => unlink(handle, volume.readInode(root), Buffer.from('many')));
	// As root's chattr +i does to a file that is open and has no name.
	volume.transact(handle => {
		handle.edit(volume.readReservedInode(number)).flags |= inodeFlags.immutable;
	});
	reapInode(volume, number);
	t.is(volume.superblock.freeInodeCount, free);
	close(t, subject);
});

testUnless(why, 'and one whose attributes are all lists of rights that no file has', t => {
	const subject = open('-O', 'ea_inode', '-I', '256', '-J', 'size=1');
	const {volume} = subject;
	const free = volume.superblock.freeInodeCount;
	const number = makeHeld(subject);
	volume.transact(handle => {
		const inode = volume.readInode(number);
		const name = new Uint8Array(0);
		const index = xattrIndex.posixAclDefault;
		const bad = readBlockEntries(volume, inode).map(each => ({...each, index, name}));
		const block = volume.cache.read(inode.xattrBlock);
		handle.touch(block, sharedBlocks(volume).seal);
		const {bytes, view} = block;
		const entriesAt = ext4_xattr_header.sizeBytes;
		writeEntries({bytes, view, entriesAt, valuesFrom: 0, end: bytes.length}, bad);
	});
	volume.transact(handle => unlink(handle, volume.readInode(root), Buffer.from('many')));
	reapInode(volume, number);
	t.is(volume.superblock.freeInodeCount, free);
	close(t, subject);
});
