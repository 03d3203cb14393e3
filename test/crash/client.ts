/** A volume as a program uses it: by paths, one call an operation. The library, without FUSE. */

import type {BlockDevice} from '../../ext4/device.ts';
import {
	closeVolume,
	createFile,
	type Inode,
	link,
	lookup,
	mkdir,
	openForWriting,
	reapInode,
	removeXattr,
	rename,
	rmdir,
	setXattr,
	symlink,
	unlink,
	type Volume,
} from '../../ext4/index.ts';
import {allocateRange, Mapper, truncate, writeRange} from '../../iomap/index.ts';

export type Step = (what: string) => void;

/** Called around every operation: `after` is told of `sync` where all before it is durable. */
export type Hooks = {readonly before: Step; readonly after: Step};

/** What workloads are written for: the library, or a server behind a kernel. */
export type WorkClient = Pick<
	Client,
	| 'volume'
	| 'mkdir'
	| 'create'
	| 'write'
	| 'truncate'
	| 'allocate'
	| 'link'
	| 'symlink'
	| 'unlink'
	| 'release'
	| 'rmdir'
	| 'rename'
	| 'setXattr'
	| 'removeXattr'
	| 'sync'
	| 'checkpoint'
	| 'close'
>;

const owner = {uid: 1000, gid: 1000, umask: 0o022};

export class Client {
	readonly volume: Volume;
	readonly #mapper: Mapper;
	readonly #before: Step;
	readonly #after: Step;
	readonly #held = new Set<number>();
	#seconds = 1_700_000_000;

	constructor(device: BlockDevice, hooks: Hooks) {
		let random = 1;
		this.volume = openForWriting(device, {
			clock: () => ({seconds: this.#seconds++, nanoseconds: 0}),
			randomUint32: () => random++,
			errors: 'remount-ro',
		});
		this.#mapper = new Mapper(this.volume);
		this.#before = hooks.before;
		this.#after = hooks.after;
	}

	mkdir(path: string): void {
		this.#change(`mkdir ${path}`, () => {
			this.volume.transact(handle => {
				const {parent, name} = this.#place(path);
				mkdir(handle, parent, name, {mode: 0o040755, ...owner});
			});
		});
	}

	create(path: string): void {
		this.#change(`create ${path}`, () => {
			this.volume.transact(handle => {
				const {parent, name} = this.#place(path);
				createFile(handle, parent, name, {mode: 0o100644, ...owner});
			});
		});
	}

	/** In one transaction: few enough bytes for that. */
	write(path: string, position: number, bytes: Uint8Array): void {
		this.#change(`write ${path} ${position} ${bytes.length}`, () => {
			this.volume.transact(handle => {
				const inode = this.#find(path);
				const written = writeRange(this.#mapper, handle, inode, position, bytes);
				if (written !== bytes.length)
					throw new Error(`${written} of ${bytes.length} bytes written`);
			});
		});
	}

	truncate(path: string, size: number): void {
		this.#change(`truncate ${path} ${size}`, () =>
			truncate(this.#mapper, this.#find(path).number, size),
		);
	}

	allocate(path: string, mode: number, position: number, length: number): void {
		this.#change(`fallocate ${path} ${mode} ${position} ${length}`, () =>
			allocateRange(this.#mapper, this.#find(path).number, position, length, mode),
		);
	}

	link(from: string, to: string): void {
		this.#change(`link ${from} ${to}`, () => {
			this.volume.transact(handle => {
				const {parent, name} = this.#place(to);
				link(handle, this.#find(from), parent, name);
			});
		});
	}

	symlink(target: string, path: string): void {
		this.#change(`symlink ${path}`, () => {
			this.volume.transact(handle => {
				const {parent, name} = this.#place(path);
				symlink(handle, parent, name, Buffer.from(target), {mode: 0o120777, ...owner});
			});
		});
	}

	/** `isHeld`: somebody has it open, so that it lives on without a name. */
	unlink(path: string, isHeld = false): void {
		let gone: number | undefined;
		this.#change(`unlink ${path}`, () => {
			const inode = this.volume.transact(handle => {
				const {parent, name} = this.#place(path);
				return unlink(handle, parent, name);
			});
			if (inode.linkCount === 0) gone = inode.number;
		});
		if (gone === undefined) return;
		if (isHeld) this.#held.add(gone);
		else this.#reap(gone);
	}

	/** All that is held without a name is let go. */
	release(): void {
		for (const number of this.#held) this.#reap(number);
		this.#held.clear();
	}

	rmdir(path: string): void {
		let gone = 0;
		this.#change(`rmdir ${path}`, () => {
			gone = this.volume.transact(handle => {
				const {parent, name} = this.#place(path);
				return rmdir(handle, parent, name).number;
			});
		});
		this.#reap(gone);
	}

	rename(from: string, to: string, kind: 'replace' | 'exchange' = 'replace'): void {
		let gone: number | undefined;
		this.#change(`rename ${from} ${to} ${kind}`, () => {
			const replaced = this.volume.transact(handle => {
				return rename(handle, this.#place(from), this.#place(to), {kind}).other;
			});
			if (replaced?.linkCount === 0) gone = replaced.number;
		});
		if (gone !== undefined) this.#reap(gone);
	}

	setXattr(path: string, name: string, value: Uint8Array): void {
		this.#change(`setxattr ${path} ${name} ${value.length}`, () => {
			this.volume.transact(handle => setXattr(handle, this.#find(path), name, value, 'any'));
		});
	}

	removeXattr(path: string, name: string): void {
		this.#change(`removexattr ${path} ${name}`, () => {
			this.volume.transact(handle => removeXattr(handle, this.#find(path), name));
		});
	}

	/** As fsync does: everything so far. */
	sync(): void {
		this.#before('sync');
		this.volume.transactions?.sync();
		this.#after('sync');
	}

	checkpoint(): void {
		this.#before('checkpoint');
		this.volume.transactions?.checkpoint();
		this.#after('sync');
	}

	close(): void {
		this.release();
		this.#before('close');
		closeVolume(this.volume);
		this.#after('sync');
	}

	#reap(number: number): void {
		this.#change(`reap ${number}`, () => reapInode(this.volume, number));
	}

	#change(what: string, action: () => void): void {
		this.#before(what);
		action();
		this.#after(what);
	}

	#find(path: string): Inode {
		let inode = this.volume.readInode(2);
		for (const part of path.split('/').filter(name => name !== '')) {
			const found = lookup(this.volume, inode, Buffer.from(part));
			if (found === undefined) throw new Error(`${path} is not there`);
			inode = this.volume.readInode(found.inode);
		}
		return inode;
	}

	#place(path: string): {parent: Inode; name: Uint8Array} {
		const slash = path.lastIndexOf('/');
		const parent = this.#find(path.slice(0, slash));
		return {parent, name: Buffer.from(path.slice(slash + 1))};
	}
}
