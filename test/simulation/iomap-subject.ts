/**
 * The server behind a kernel with FUSE iomap, as programs on that kernel use it: names and attributes by
 * requests, data through the kernel's page cache. What the VFS refuses by itself is refused here.
 */
import {
	assertMayChange,
	assertMayWrite,
	FileError,
	getXattr,
	type Inode,
	inodeFlags,
	type NewFile,
	type RenameOptions,
} from '../../ext4/index.ts';
import {allocateModes} from '../../iomap/index.ts';
import {errnoName} from '../../src/errno.ts';
import {FakeKernel} from '../support/fake-kernel.ts';
import {IomapKernel, type Node} from '../support/iomap-kernel/kernel.ts';
import {deviceNumber, iomapTable, makeServer, type Server} from '../support/iomap-kernel/server.ts';
import {KernelError} from '../support/iomap-kernel/wire.ts';
import {Subject, type SubjectPlace} from '../support/subject.ts';
import {featureSets} from './features.ts';
import type {SubjectMaker} from './world.ts';

const others = ['ext2', 'ext3', 'inline', 'casefold', 'no-extent', 'no-filetype', '64k'];

/** Those of which the kernel moves all data. */
export const iomapFeatureSets = featureSets.filter(
	({name}) => !others.some(other => name.includes(other)),
);

export const makeIomapSubject: SubjectMaker = image => new IomapSubject(image);

const renameFlags = {replace: 0, noreplace: 1, exchange: 2} as const;
const leavesWhiteout = 4;
const xattrFlags = {any: 0, create: 1, replace: 2} as const;
const root = {uid: 0, gid: 0};

type Mounted = {readonly kernel: IomapKernel; readonly server: Server};

class IomapSubject extends Subject {
	override readonly movesRanges = false;
	#mounted: Mounted;
	/** Files that somebody has open for writing: only of those the kernel holds data back. */
	readonly #open = new Set<Node>();

	constructor(image: Uint8Array) {
		super(image);
		this.#mounted = this.#mount();
	}

	#mount(): Mounted {
		const {device, volume} = this;
		const wire = new FakeKernel(iomapTable);
		const kernel = new IomapKernel({wire, device, deviceNumber});
		const {clock} = kernel;
		clock.isHeld = true;
		const server = makeServer({transport: wire, device, clock, volume});
		wire.connection = server.connection;
		if (!kernel.mount()) throw new Error('the server does not take part');
		// The model does not know who reads.
		kernel.keepAccessTimes();
		return {kernel, server};
	}

	/** The kernel, at the time that it is for the subject, and for whom. */
	#as(caller: {readonly uid: number; readonly gid: number} = root): IomapKernel {
		const {kernel} = this.#mounted;
		kernel.clock.now = this.now;
		kernel.as({uid: caller.uid, gid: caller.gid});
		return kernel;
	}

	/** Also of an inode that the kernel has no name of: as who opens a file by its handle. */
	#node(number: number): Node {
		const kernel = this.#as();
		if (number === kernel.root().inode) return kernel.root();
		for (const node of kernel.nodes.values()) if (node.inode === number) return node;
		const node = kernel.lookup({...kernel.root(), id: number}, '.');
		if (node === undefined) throw new Error(`inode ${number} is gone`);
		return node;
	}

	/** The file, open for writing. */
	#opened(number: number): Node {
		const node = this.#node(number);
		if (this.#open.has(node)) return node;
		const {flags} = this.volume.readReservedInode(number);
		const appends = (flags & inodeFlags.appendOnly) !== 0;
		this.#call(() => this.#as().open(node, {appends}));
		this.#open.add(node);
		return node;
	}

	#closeAll(): void {
		const kernel = this.#as();
		for (const node of this.#open) this.#call(() => kernel.close(node));
		this.#open.clear();
	}

	#call<T>(action: () => T): T {
		try {
			return action();
		} catch (error) {
			if (!(error instanceof KernelError)) throw error;
			// The names of both are those of errno.
			throw new FileError(errnoName(error.errno) as FileError['code'], error.message);
		} finally {
			const [problem] = this.#mounted.server.problems;
			// biome-ignore lint/correctness/noUnsafeFinally: what the server finds wrong comes first.
			if (problem !== undefined) throw new Error(problem);
		}
	}

	override settle(): void {
		const kernel = this.#as();
		for (const node of kernel.nodes.values()) this.#settleNode(kernel, node);
	}

	#settleNode(kernel: IomapKernel, node: Node): void {
		if (!node.isIomap) return;
		kernel.writeBack(node);
		kernel.syncTimes(node);
	}

	override close(): void {
		const {kernel, server} = this.#mounted;
		this.#closeAll();
		this.#call(() => kernel.unmount());
		server.fileSystem.reapAll();
		super.close();
	}

	override reopen(): void {
		this.#open.clear();
		super.reopen();
		this.#mounted = this.#mount();
	}

	override commit(): void {
		this.#closeAll();
		this.#call(() => this.#as().sync());
	}

	override checkpoint(): void {
		this.#call(() => this.#as().sync());
		super.checkpoint();
	}

	override remountReadOnlyAndBack(): void {
		this.#call(() => this.#as().sync());
		super.remountReadOnlyAndBack();
	}

	/** As it is when the kernel holds nothing back. */
	override inode(number: number): Inode {
		const {kernel} = this.#mounted;
		for (const node of kernel.nodes.values()) {
			if (node.inode === number) this.#call(() => this.#settleNode(kernel, node));
		}
		return super.inode(number);
	}

	/** Where it matters how long a program sees it: of files that may only be appended to. */
	#asSeen(number: number): Inode {
		const inode = super.inode(number);
		return (inode.flags & inodeFlags.appendOnly) === 0 ? inode : this.inode(number);
	}

	override makeFile({parent, name}: SubjectPlace, file: NewFile): number {
		const directory = this.#node(parent);
		return this.#call(() => {
			const kernel = this.#as(file);
			const node = kernel.create(directory, name, {...file, mode: file.mode | 0o100000});
			this.#open.add(node);
			return node.inode;
		});
	}

	override makeNode(
		{parent, name}: SubjectPlace,
		file: NewFile & {readonly device?: {readonly major: number; readonly minor: number}},
	): number {
		const directory = this.#node(parent);
		const {major = 0, minor = 0} = file.device ?? {};
		// As the kernel's new_encode_dev.
		const device = (minor & 0xff) + major * 0x100 + (minor >>> 8) * 0x10_0000;
		return this.#call(() => this.#as(file).mknod(directory, name, file, device).inode);
	}

	override makeDirectory({parent, name}: SubjectPlace, file: NewFile): number {
		const directory = this.#node(parent);
		return this.#call(() => this.#as(file).mkdir(directory, name, file).inode);
	}

	override symlink(
		{parent, name}: SubjectPlace,
		target: string,
		owner: {readonly uid: number; readonly gid: number},
	): number {
		const directory = this.#node(parent);
		return this.#call(() => this.#as(owner).symlink(directory, name, target).inode);
	}

	override tmpfile(parent: number, file: NewFile): number {
		const directory = this.#node(parent);
		return this.#call(() => {
			const kernel = this.#as(file);
			const node = kernel.tmpfile(directory, {...file, mode: file.mode | 0o100000});
			this.#open.add(node);
			return node.inode;
		});
	}

	override link(number: number, {parent, name}: SubjectPlace): void {
		const [node, directory] = [this.#node(number), this.#node(parent)];
		this.#call(() => this.#as().link(node, directory, name));
	}

	override unlink({parent, name}: SubjectPlace): void {
		const directory = this.#node(parent);
		this.#call(() => {
			const kernel = this.#as();
			kernel.lookup(directory, name);
			kernel.unlink(directory, name);
		});
	}

	override rmdir({parent, name}: SubjectPlace): void {
		const directory = this.#node(parent);
		this.#call(() => {
			const kernel = this.#as();
			const node = kernel.lookup(directory, name);
			kernel.rmdir(directory, name);
			if (node !== undefined) kernel.evict(node);
		});
	}

	override rename(from: SubjectPlace, to: SubjectPlace, options: RenameOptions): void {
		const [oldParent, newParent] = [this.#node(from.parent), this.#node(to.parent)];
		const kind = options.kind ?? 'replace';
		const flags = renameFlags[kind] | (options.whiteout === undefined ? 0 : leavesWhiteout);
		this.#call(() => {
			const kernel = this.#as(options.whiteout);
			const moved = kernel.lookup(oldParent, from.name);
			const replaced = kernel.lookup(newParent, to.name);
			const places = [
				{parent: oldParent, name: from.name},
				{parent: newParent, name: to.name},
			] as const;
			kernel.rename(...places, flags);
			const isGone = kind === 'replace' && replaced !== moved && replaced?.isDirectory === true;
			if (isGone) kernel.evict(replaced);
		});
	}

	override reap(number: number): void {
		const node = this.#node(number);
		this.#call(() => {
			if (this.#open.delete(node)) this.#as().close(node);
			this.#as().evict(node);
		});
	}

	override lookup({parent, name}: SubjectPlace): number | undefined {
		const directory = this.#node(parent);
		return this.#call(() => this.#as().lookup(directory, name)?.inode);
	}

	override write(number: number, position: number, bytes: Uint8Array): number {
		assertMayWrite(this.#asSeen(number), position);
		const node = this.#opened(number);
		return this.#call(() => this.#as().write(node, position, bytes));
	}

	override truncate(number: number, size: number): void {
		assertMayChange(super.inode(number));
		const node = this.#opened(number);
		this.#call(() => this.#as().truncate(node, size));
	}

	override allocate(number: number, mode: number, position: number, length: number): void {
		const inode = super.inode(number);
		if ((mode & ~allocateModes.keepSize) === 0) assertMayWrite(inode, Number.POSITIVE_INFINITY);
		else assertMayChange(inode);
		const node = this.#opened(number);
		this.#call(() => this.#as().fallocate(node, mode, position, length));
	}

	override copy(from: number, at: number, to: number, position: number, length: number): number {
		assertMayWrite(this.#asSeen(to), position);
		const [source, target] = [this.#node(from), this.#opened(to)];
		const count = Math.min(length, Math.max(0, source.size - at));
		if (source === target && Math.abs(at - position) < count) {
			throw new FileError('EINVAL', 'the source and the target overlap');
		}
		return this.#call(() => this.#as().copy(source, at, target, position, length));
	}

	override read(number: number, position: number, length: number): Uint8Array {
		const node = this.#node(number);
		return this.#call(() => this.#as().read(node, position, length));
	}

	override setAttributes(number: number, changes: Parameters<Subject['setAttributes']>[1]): void {
		assertMayChange(super.inode(number));
		const node = this.#node(number);
		const {mode, uid, gid, accessTime, modificationTime} = changes;
		this.#call(() => {
			const kernel = this.#as();
			if (mode !== undefined) kernel.chmod(node, mode);
			if (uid !== undefined && gid !== undefined) kernel.chown(node, uid, gid);
			if (accessTime !== undefined && modificationTime !== undefined) {
				kernel.setTimes(node, accessTime, modificationTime);
			}
		});
	}

	override setXattr(
		number: number,
		name: string,
		value: Uint8Array,
		mode: 'any' | 'create' | 'replace',
	): void {
		const node = this.#node(number);
		this.#call(() => this.#as().setXattr(node, name, value, xattrFlags[mode]));
	}

	override removeXattr(number: number, name: string): void {
		const node = this.#node(number);
		// FUSE notes a change even where there was no ACL to remove, other than ext4 and the model.
		const inode = super.inode(number);
		const mayBeAbsent = name.startsWith('system.posix_acl_') && inode.type !== 'symlink';
		if (mayBeAbsent && getXattr(this.volume, inode, name) === undefined) {
			assertMayChange(inode);
			return;
		}
		this.#call(() => this.#as().removeXattr(node, name));
	}

	override setFlags(number: number, flags: number): void {
		this.inode(number);
		super.setFlags(number, flags);
		this.#noteFlags(number, flags);
	}

	override setProject(number: number, flags: number, projectId: number): void {
		this.inode(number);
		super.setProject(number, flags, projectId);
		this.#noteFlags(number, flags);
	}

	/** An ioctl that succeeds changes what the kernel goes by. */
	#noteFlags(number: number, flags: number): void {
		const node = this.#node(number);
		node.isSynchronous = (flags & inodeFlags.synchronous) !== 0;
		node.isImmutable = (flags & inodeFlags.immutable) !== 0;
		node.isAppendOnly = (flags & inodeFlags.appendOnly) !== 0;
		node.changeTime = this.now;
	}
}
