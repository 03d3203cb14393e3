/** The library as a program uses it that knows files by their inode numbers, as FUSE does. */
import {spawnSync} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {
	assertMayChange,
	assertMayWrite,
	closeVolume,
	createFile,
	type Handle,
	type Inode,
	link,
	lookup,
	makeNode,
	mkdir,
	type NewFile,
	openForWriting,
	type RenameOptions,
	reapInode,
	remountReadOnly,
	remountReadWrite,
	removeXattr,
	rename,
	rmdir,
	setAttributes,
	setFlags,
	setFsxattr,
	setXattr,
	shownFlags,
	symlink,
	type Timestamp,
	tmpfile,
	unlink,
	Volume,
} from '../../ext4/index.ts';
import {
	allocateModes,
	allocateRange,
	copyRange,
	Mapper,
	readRange,
	truncate,
	writeFile,
} from '../../iomap/index.ts';
import {MemoryDevice} from './memory-device.ts';

/** By inode number and name, one character a byte. */
export type SubjectPlace = {readonly parent: number; readonly name: string};

const env = {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`, LC_ALL: 'C'};
const privileged = {isPrivileged: true};

function bytesOf(name: string): Uint8Array {
	return Buffer.from(name, 'latin1');
}

export class Subject {
	device: MemoryDevice;
	volume: Volume;
	mapper: Mapper;
	now: Timestamp = {seconds: 1_750_000_000, nanoseconds: 0};
	#random = 1;

	readonly #errors: 'continue' | 'remount-ro';

	constructor(image: Uint8Array | MemoryDevice, errors: 'continue' | 'remount-ro' = 'remount-ro') {
		this.#errors = errors;
		this.device = image instanceof MemoryDevice ? image : new MemoryDevice(image);
		this.volume = this.#open();
		this.mapper = new Mapper(this.volume);
	}

	#open(): Volume {
		return openForWriting(this.device, {
			clock: () => this.now,
			randomUint32: () => {
				this.#random = (Math.imul(this.#random, 1_664_525) + 1_013_904_223) >>> 0;
				return this.#random;
			},
			errors: this.#errors,
			mmp: {sleep: () => {}, nodeName: 'test', deviceName: 'memory'},
		});
	}

	/** COLLAPSE and INSERT of fallocate(2) are offered. */
	readonly movesRanges: boolean = true;

	/** Brings to the volume what a kernel would hold back for a while; here nothing is. */
	settle(): void {}

	close(): void {
		closeVolume(this.volume);
	}

	reopen(): void {
		this.volume = this.#open();
		this.mapper = new Mapper(this.volume);
	}

	/** What was committed is what a crash leaves; then the image is mounted again. */
	crash(): void {
		this.device = new MemoryDevice(this.device.bytes);
		this.reopen();
	}

	remountReadOnlyAndBack(): void {
		remountReadOnly(this.volume);
		remountReadWrite(this.volume);
		this.mapper = new Mapper(this.volume);
	}

	commit(): void {
		this.volume.transactions?.sync();
	}

	checkpoint(): void {
		this.volume.transactions?.checkpoint();
	}

	inode(number: number): Inode {
		return this.volume.readReservedInode(number);
	}

	makeFile(place: SubjectPlace, file: NewFile): number {
		return this.#made((handle, parent, name) => createFile(handle, parent, name, file), place);
	}

	makeNode(
		place: SubjectPlace,
		file: NewFile & {readonly device?: {readonly major: number; readonly minor: number}},
	): number {
		return this.#made((handle, parent, name) => makeNode(handle, parent, name, file), place);
	}

	makeDirectory(place: SubjectPlace, file: NewFile): number {
		return this.#made((handle, parent, name) => mkdir(handle, parent, name, file), place);
	}

	symlink(
		place: SubjectPlace,
		target: string,
		owner: {readonly uid: number; readonly gid: number},
	): number {
		const file = {...owner, mode: 0, umask: 0};
		return this.#made(
			(handle, parent, name) => symlink(handle, parent, name, bytesOf(target), file),
			place,
		);
	}

	tmpfile(parent: number, file: NewFile): number {
		return this.volume.transact(
			handle => tmpfile(handle, this.volume.readInode(parent), file).number,
		);
	}

	link(number: number, place: SubjectPlace): void {
		this.volume.transact(handle => {
			link(handle, this.inode(number), this.inode(place.parent), bytesOf(place.name));
		});
	}

	unlink(place: SubjectPlace): void {
		this.#made((handle, parent, name) => unlink(handle, parent, name), place);
	}

	rmdir(place: SubjectPlace): void {
		this.reap(this.volume.transact(handle => this.rmdirIn(handle, place)));
	}

	/** The directory stays an orphan. Returns its number. */
	rmdirIn(handle: Handle, {parent, name}: SubjectPlace): number {
		return rmdir(handle, this.inode(parent), bytesOf(name)).number;
	}

	makeFileIn(handle: Handle, parent: Inode, name: string, file: NewFile): number {
		return createFile(handle, parent, bytesOf(name), file).number;
	}

	/** Frees a replaced directory; a replaced file may be open. */
	rename(from: SubjectPlace, to: SubjectPlace, options: RenameOptions): void {
		const {volume} = this;
		const {other} = volume.transact(handle =>
			rename(
				handle,
				{parent: this.inode(from.parent), name: bytesOf(from.name)},
				{parent: this.inode(to.parent), name: bytesOf(to.name)},
				options,
			),
		);
		if (other?.type === 'directory' && other.linkCount === 0) this.reap(other.number);
	}

	reap(number: number): void {
		reapInode(this.volume, number);
	}

	lookup({parent, name}: SubjectPlace): number | undefined {
		return lookup(this.volume, this.inode(parent), bytesOf(name))?.inode;
	}

	write(number: number, position: number, bytes: Uint8Array): number {
		assertMayWrite(this.inode(number), position);
		const written = writeFile(this.mapper, number, position, bytes);
		if (written > 0) this.#touch(number);
		return written;
	}

	truncate(number: number, size: number): void {
		assertMayChange(this.inode(number));
		truncate(this.mapper, number, size);
		this.#touch(number);
	}

	allocate(number: number, mode: number, position: number, length: number): void {
		const inode = this.inode(number);
		// As the kernel's VFS: only to add is a file open for appending.
		if ((mode & ~allocateModes.keepSize) === 0) assertMayWrite(inode, Number.POSITIVE_INFINITY);
		else assertMayChange(inode);
		allocateRange(this.mapper, number, position, length, mode);
		this.#touch(number);
	}

	copy(from: number, at: number, to: number, position: number, length: number): number {
		assertMayWrite(this.inode(to), position);
		const source = {number: from, position: at};
		const copied = copyRange(this.mapper, source, {number: to, position}, length);
		if (copied > 0) this.#touch(to);
		return copied;
	}

	read(number: number, position: number, length: number): Uint8Array {
		const bytes = new Uint8Array(length);
		return bytes.subarray(0, readRange(this.mapper, this.inode(number), position, bytes));
	}

	setAttributes(number: number, changes: Parameters<typeof setAttributes>[2]): void {
		this.volume.transact(handle => {
			const inode = this.inode(number);
			assertMayChange(inode);
			setAttributes(handle, inode, changes);
		});
	}

	setXattr(
		number: number,
		name: string,
		value: Uint8Array,
		mode: 'any' | 'create' | 'replace',
	): void {
		this.volume.transact(handle => setXattr(handle, this.inode(number), name, value, mode));
	}

	removeXattr(number: number, name: string): void {
		this.volume.transact(handle => removeXattr(handle, this.inode(number), name));
	}

	flags(number: number): number {
		return shownFlags(this.inode(number));
	}

	setFlags(number: number, flags: number): void {
		this.volume.transact(handle => setFlags(handle, this.inode(number), flags, privileged));
	}

	setProject(number: number, flags: number, projectId: number): void {
		this.volume.transact(handle =>
			setFsxattr(handle, this.inode(number), flags, projectId, privileged),
		);
	}

	#touch(number: number): void {
		this.volume.transact(handle => {
			const changes = {modificationTime: handle.now};
			setAttributes(handle, this.inode(number), changes);
		});
	}

	#made(
		make: (handle: Handle, parent: Inode, name: Uint8Array) => Inode,
		{parent, name}: SubjectPlace,
	): number {
		return this.volume.transact(handle => make(handle, this.inode(parent), bytesOf(name)).number);
	}
}

/** What `e2fsck -fn` finds in what lies on the subject's device; undefined where that is nothing. */
export function findProblems({device}: Subject): string | undefined {
	const folder = mkdtempSync(join(tmpdir(), 'ext4box-subject-'));
	try {
		const path = join(folder, 'image');
		writeFileSync(path, device.bytes);
		const {status, stdout, stderr} = spawnSync('e2fsck', ['-fn', path], {env, encoding: 'utf8'});
		return status === 0 ? undefined : `${status}: ${stdout}${stderr}`;
	} finally {
		rmSync(folder, {recursive: true});
	}
}

/** The image as one reads it who has just come. */
export function openFresh(bytes: Uint8Array): Volume {
	return Volume.open(new MemoryDevice(bytes, true));
}
