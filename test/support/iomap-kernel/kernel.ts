/**
 * A kernel with FUSE iomap, in memory: it asks the server where data lies, checks every answer as
 * the real one does, and moves the data itself, through a page cache or past it. One file system,
 * one process; what a real kernel does in the background happens here at once or when it must.
 *
 *   kernel.ts ──► names.ts: lookups, creation, names        negotiation.ts: INIT, CONFIG
 *       └───────► files.ts: system calls on contents
 *                     └──► page-cache.ts ──► mappings.ts: BEGIN, END, IOEND, caches ──► requests.ts
 *                                                notifications.ts: what the server says by itself
 *
 * It is written from the description of what a running kernel was seen to do, not from `iomap/`.
 */
import type {BlockDevice} from '../../../ext4/index.ts';
import type {FakeKernel} from '../fake-kernel.ts';
import {Files, type WriteOptions} from './files.ts';
import {type Flags, type Found, Mappings} from './mappings.ts';
import {type Caller, type Mode, Names, type Place} from './names.ts';
import {type Agreement, configure, initialise} from './negotiation.ts';
import {Clock, emptyNode, heardAgain, type Node, type Time} from './node.ts';
import {Notifications} from './notifications.ts';
import {PageCache} from './page-cache.ts';
import {type RequestObserver, Requests} from './requests.ts';
import {errnos, KernelError, type WireRecord} from './wire.ts';

export type {Node} from './node.ts';

const rootNode = 1;
const rootInode = 2;
const openFlags = {directIo: 0x1, keepCache: 0x2} as const;

export type KernelOptions = {
	readonly wire: FakeKernel;
	/** The file system's device, which kernel and server write to. */
	readonly device: BlockDevice;
	/** The number that the server's device gets. */
	readonly deviceNumber?: number;
	readonly clock?: Clock;
};

type Mounted = {
	readonly agreement: Agreement;
	readonly mappings: Mappings;
	readonly pages: PageCache;
	readonly files: Files;
};

export class IomapKernel {
	readonly requests: Requests;
	readonly nodes = new Map<number, Node>();
	readonly deviceNumber: number;
	readonly clock: Clock;
	readonly #notifications: Notifications;
	readonly #names: Names;
	readonly #device: BlockDevice;
	#mounted: Mounted | undefined;

	constructor({wire, device, deviceNumber = 1, clock = new Clock()}: KernelOptions) {
		this.#device = device;
		this.deviceNumber = deviceNumber;
		this.clock = clock;
		this.requests = new Requests(wire);
		this.#names = new Names(this.requests, this.nodes);
		this.#notifications = new Notifications(this.requests, this.nodes, () => {
			const {geometry, cachedMax} = this.#theMount().agreement;
			return {...geometry, cachedMax};
		});
		wire.onNotification = message => this.#notifications.take(message);
	}

	get wire(): FakeKernel {
		return this.requests.wire;
	}

	get trace(): string[] {
		return this.requests.trace;
	}

	get counts(): {readonly [operation: string]: number} {
		return this.requests.counts;
	}

	/** The requests that `action` causes, but for those about capabilities. */
	requestsOf(action: () => void): string[] {
		const before = this.trace.length;
		action();
		return this.trace.slice(before).filter(each => !each.startsWith('GETXATTR'));
	}

	/** Notifications that were accepted, by code. */
	get notifications(): {readonly [code: number]: number} {
		return this.#notifications.accepted;
	}

	get blockSize(): number {
		return this.#theMount().agreement.geometry.blockSize;
	}

	get agreement(): Agreement {
		return this.#theMount().agreement;
	}

	/** Told of every request. */
	observe(observer: RequestObserver): void {
		this.requests.observer = observer;
	}

	/** Reading leaves the times of files as they are. */
	keepAccessTimes(): void {
		this.#theMount().files.keepsAccessTimes = false;
	}

	/** Called before each page that a write fills. */
	beforePage(action: () => void): void {
		this.#theMount().pages.beforePage = action;
	}

	/** Whose system calls the next ones are. */
	as(caller: Caller): void {
		this.#names.caller = caller;
		this.#theMount().files.callerIsRoot = caller.uid === 0;
	}

	/** INIT and CONFIG. Returns whether the server takes part. */
	mount(): boolean {
		const agreed = initialise(this.requests);
		if (agreed === undefined) return false;
		const device = {number: this.deviceNumber, sizeBytes: this.#device.sizeBytes};
		const agreement = {...agreed, ...configure(this.requests, device)};
		const mappings = new Mappings(this.requests, agreement.geometry);
		const common = {requests: this.requests, mappings, device: this.#device};
		const pages = new PageCache({...common, deviceNumber: this.deviceNumber});
		const {maxBytes} = agreement.geometry;
		const files = new Files({...agreement, ...common, pages, clock: this.clock, maxBytes});
		this.#mounted = {agreement, mappings, pages, files};
		this.nodes.set(rootNode, emptyNode(rootNode, rootInode));
		return true;
	}

	/** DESTROY, as at an unmount: everything is written out and forgotten before. */
	unmount(): void {
		for (const node of this.nodes.values()) this.#theMount().pages.writeBack(node);
		for (const node of [...this.nodes.values()]) if (node.id !== rootNode) this.evict(node);
		this.requests.ask('DESTROY');
	}

	// Names.

	root(): Node {
		const root = this.nodes.get(rootNode);
		if (root === undefined) throw new Error('not mounted');
		return root;
	}

	lookup(parent: Node, name: string): Node | undefined {
		this.clock.tick();
		return this.#names.lookup(parent, name);
	}

	/** open(2) with O_CREAT | O_EXCL. */
	create(parent: Node, name: string, mode: Mode = {mode: 0o100644}): Node {
		this.clock.tick();
		return this.#names.create(parent, name, mode);
	}

	mknod(parent: Node, name: string, mode: Mode, device = 0): Node {
		this.clock.tick();
		return this.#names.mknod(parent, name, mode, device);
	}

	mkdir(parent: Node, name: string, mode: Mode = {mode: 0o755}): Node {
		this.clock.tick();
		return this.#names.mkdir(parent, name, mode);
	}

	symlink(parent: Node, name: string, target: string): Node {
		this.clock.tick();
		return this.#names.symlink(parent, name, target);
	}

	tmpfile(parent: Node, mode: Mode): Node {
		this.clock.tick();
		return this.#names.tmpfile(parent, mode);
	}

	link(node: Node, parent: Node, name: string): void {
		this.clock.tick();
		this.#names.link(node, parent, name);
		this.#theMount().files.noteChange(node);
	}

	unlink(parent: Node, name: string): void {
		this.clock.tick();
		const node = this.#names.unlink(parent, name);
		if (node !== undefined) this.#theMount().files.noteChange(node);
	}

	rmdir(parent: Node, name: string): void {
		this.clock.tick();
		this.#names.rmdir(parent, name);
	}

	/** renameat2(2). */
	rename(from: Place, to: Place, flags = 0): void {
		this.clock.tick();
		const changed = this.#names.rename(from, to, flags);
		for (const node of changed) this.#theMount().files.noteChange(node);
	}

	/** setxattr(2); `flags` 1 to create, 2 to replace. */
	setXattr(node: Node, name: string, value: Uint8Array, flags = 0): void {
		this.clock.tick();
		this.#names.setXattr(node, name, value, flags);
		this.#theMount().files.noteChange(node);
	}

	removeXattr(node: Node, name: string): void {
		this.clock.tick();
		this.#names.removeXattr(node, name);
		this.#theMount().files.noteChange(node);
	}

	/** The inode leaves the kernel's memory. */
	evict(node: Node): void {
		const {pages, files} = this.#theMount();
		// Of a file that nobody can reach any more nothing is worth keeping.
		if (node.links > 0 || node.isDirectory) {
			pages.writeBack(node);
			files.syncTimes(node);
		}
		pages.wait(node);
		this.#names.forget(node);
	}

	/** stat(2), after a write: how many blocks the file has the kernel does not know. Returns the size. */
	stat(node: Node): number {
		this.requests.ask('GETATTR', {nodeId: node.id});
		heardAgain(node);
		return node.size;
	}

	// Open files.

	/** open(2) with O_RDONLY. */
	openToRead(node: Node): void {
		this.clock.tick();
		this.requests.ask('OPEN', {nodeId: node.id, fields: {}});
	}

	/** open(2) with O_RDWR, and O_TRUNC or O_APPEND. */
	open(node: Node, {truncates = false, appends = false} = {}): void {
		this.clock.tick();
		if (node.isImmutable) throw new KernelError(errnos.EPERM, 'the file is immutable');
		if (node.isAppendOnly && (truncates || !appends)) {
			throw new KernelError(errnos.EPERM, 'the file may only be appended to');
		}
		const flags = 2 | (truncates ? 0o1000 : 0) | (appends ? 0o2000 : 0);
		const view = this.requests.ask('OPEN', {nodeId: node.id, fields: {flags}});
		const given = view.getUint32(8, true);
		const allowed = openFlags.directIo | openFlags.keepCache;
		if ((given & ~allowed) !== 0) throw new KernelError(errnos.EINVAL, `open flags ${given}`);
		if ((given & openFlags.keepCache) === 0) {
			this.#theMount().pages.writeBack(node);
			this.#theMount().pages.drop(node, 0);
		}
		if (truncates) this.#theMount().files.truncate(node, 0);
	}

	close(node: Node): void {
		this.clock.tick();
		const {pages, files} = this.#theMount();
		pages.writeBack(node);
		files.syncTimes(node);
		this.requests.askUnlessRefused('FLUSH', {nodeId: node.id});
		this.requests.ask('RELEASE', {nodeId: node.id, fields: {flags: 2}});
	}

	// Contents.

	/** write(2) through the page cache; returns the bytes written. */
	write(node: Node, position: number, bytes: Uint8Array, options: WriteOptions = {}): number {
		return this.#files().write(node, position, bytes, options);
	}

	/** read(2) through the page cache. */
	read(node: Node, position: number, length: number): Uint8Array {
		return this.#files().read(node, position, length);
	}

	/** Stores through a mapping of the file; inside its size. */
	store(node: Node, position: number, bytes: Uint8Array): void {
		this.#files().store(node, position, bytes);
	}

	/** write(2) with O_DIRECT: whole sectors. */
	writeDirect(node: Node, position: number, bytes: Uint8Array, options: WriteOptions = {}): void {
		this.#files().writeDirect(node, position, bytes, options);
	}

	/** read(2) with O_DIRECT: whole sectors. */
	readDirect(node: Node, position: number, length: number): Uint8Array {
		return this.#files().readDirect(node, position, length);
	}

	/** copy_file_range(2). Returns the bytes copied. */
	copy(from: Node, at: number, to: Node, position: number, length: number): number {
		return this.#files().copy(from, at, to, position, length);
	}

	/** FIEMAP: the mappings of a range as they are reported. */
	report(node: Node, position: number, length: number): WireRecord[] {
		return this.#files().report(node, position, length);
	}

	/** lseek(2) with SEEK_DATA; undefined where no data follows. */
	seekData(node: Node, position: number): number | undefined {
		return this.#files().seekData(node, position);
	}

	fsync(node: Node, isDataOnly = false): void {
		this.#files().fsync(node, isDataOnly);
	}

	truncate(node: Node, size: number): void {
		this.#files().truncate(node, size);
	}

	fallocate(node: Node, mode: number, position: number, length: number): void {
		this.#files().fallocate(node, mode, position, length);
	}

	chmod(node: Node, mode: number): void {
		this.#files().chmod(node, mode);
	}

	chown(node: Node, uid: number, gid: number): void {
		this.#files().chown(node, uid, gid);
	}

	/** utimensat(2). */
	setTimes(node: Node, accessTime: Time, modificationTime: Time): void {
		this.#files().setTimes(node, accessTime, modificationTime);
	}

	swapOn(node: Node): WireRecord[] {
		return this.#files().swapOn(node);
	}

	swapOff(node: Node): void {
		this.#files().swapOff(node);
	}

	/** Writes out dirty pages, as memory pressure does. */
	writeBack(node: Node): void {
		this.#theMount().pages.writeBack(node);
	}

	/** The same, without waiting for it. */
	startWriteBack(node: Node): void {
		this.#theMount().pages.startWriteBack(node);
	}

	/** Until nothing of a file is being written any more. */
	waitForWriteBack(node: Node): void {
		this.#theMount().pages.wait(node);
	}

	/** Writes out what is dirty and lets go of it, as memory pressure does. */
	dropPages(node: Node): void {
		const {pages} = this.#theMount();
		pages.writeBack(node);
		pages.drop(node, 0);
	}

	/** Sends the times of a file that the kernel has kept for itself. */
	syncTimes(node: Node): void {
		this.#theMount().files.syncTimes(node);
	}

	// The file system as a whole.

	/** sync(2). */
	sync(): void {
		const {pages, files} = this.#theMount();
		for (const node of this.nodes.values()) {
			pages.writeBack(node);
			files.syncTimes(node);
		}
		this.requests.askUnlessRefused('SYNCFS', {nodeId: rootNode});
	}

	freeze(): void {
		this.sync();
		const unlinked = [...this.nodes.values()].filter(({links}) => links <= 0).length;
		this.requests.ask('FREEZE_FS', {nodeId: rootNode, fields: {unlinked}});
	}

	thaw(): void {
		this.requests.ask('UNFREEZE_FS', {nodeId: rootNode});
	}

	// Single messages, for cases of their own.

	/** IOMAP_BEGIN, past the cache. Returns the mapping that the kernel would use. */
	begin(node: Node, position: number, length: number, flags: Flags): WireRecord {
		return this.beginBoth(node, position, length, flags).target;
	}

	/** The same, with where the old contents are. */
	beginBoth(node: Node, position: number, length: number, flags: Flags): Found {
		return this.#theMount().mappings.begin(node, position, length, flags);
	}

	/** IOMAP_IOEND. Returns the size that the server says. */
	ioend(node: Node, position: number, written: number, flags: Flags, error = 0): number {
		return this.#theMount().mappings.ioend(node, position, written, flags, {error});
	}

	/** The server of a system call that takes its time. */
	#files(): Files {
		this.clock.tick();
		return this.#theMount().files;
	}

	#theMount(): Mounted {
		if (this.#mounted === undefined) throw new Error('not mounted');
		return this.#mounted;
	}
}
