/**
 * A volume as a program on a kernel with FUSE iomap uses it: the kernel in memory moves the data, the
 * server changes the metadata. Each request is a step of its own, since between any two of them the
 * power may fail.
 */
import {closeVolume, type Volume} from '../../ext4/index.ts';
import type {IomapKernel, Node} from '../support/iomap-kernel/kernel.ts';
import {type IomapMount, mountIomap} from '../support/iomap-kernel/mounted.ts';
import type {Hooks, WorkClient} from './client.ts';
import type {ClientMaker} from './matrix.ts';

/** Those whose files lie in extents. */
export const iomapFormats = ['ext4', 'ext4-4k', 'no-csum', 'bigalloc', 'quota', 'orphan_file'];

/** Requests that change nothing. */
const quiet: ReadonlySet<string> = new Set(['LOOKUP', 'GETXATTR', 'INIT', 'IOMAP_CONFIG']);

export const makeIomapClient: ClientMaker = (device, hooks) =>
	new IomapClient(mountIomap(device.base, {device}), hooks);

class IomapClient implements WorkClient {
	readonly #mount: IomapMount;
	readonly #hooks: Hooks;
	readonly #open = new Set<Node>();
	/** Files that lost their last name while somebody has them open. */
	readonly #held = new Set<Node>();

	constructor(mount: IomapMount, hooks: Hooks) {
		this.#mount = mount;
		this.#hooks = hooks;
		if (!mount.kernel.mount()) throw new Error('the server does not take part');
		mount.kernel.observe({
			before: name => {
				if (!quiet.has(name)) hooks.before(name);
			},
			after: name => {
				if (quiet.has(name)) return;
				hooks.after(name);
				// Data that the kernel writes next shows in what is seen after the next request.
				hooks.before('data');
			},
		});
	}

	get volume(): Volume {
		return this.#mount.volume;
	}

	get #kernel(): IomapKernel {
		return this.#mount.kernel;
	}

	mkdir(path: string): void {
		const {parent, name} = this.#place(path);
		this.#kernel.mkdir(parent, name);
	}

	create(path: string): void {
		const {parent, name} = this.#place(path);
		this.#open.add(this.#kernel.create(parent, name));
	}

	write(path: string, position: number, bytes: Uint8Array): void {
		this.#kernel.write(this.#opened(path), position, bytes);
	}

	truncate(path: string, size: number): void {
		this.#kernel.truncate(this.#opened(path), size);
	}

	allocate(path: string, mode: number, position: number, length: number): void {
		this.#kernel.fallocate(this.#opened(path), mode, position, length);
	}

	link(from: string, to: string): void {
		const {parent, name} = this.#place(to);
		this.#kernel.link(this.#find(from), parent, name);
	}

	symlink(target: string, path: string): void {
		const {parent, name} = this.#place(path);
		this.#kernel.symlink(parent, name, target);
	}

	unlink(path: string, isHeld = false): void {
		const node = isHeld ? this.#opened(path) : this.#find(path);
		const {parent, name} = this.#place(path);
		this.#kernel.unlink(parent, name);
		if (node.links > 0) return;
		if (isHeld) this.#held.add(node);
		else this.#letGo(node);
	}

	release(): void {
		for (const node of this.#held) this.#letGo(node);
		this.#held.clear();
	}

	rmdir(path: string): void {
		const node = this.#find(path);
		const {parent, name} = this.#place(path);
		this.#kernel.rmdir(parent, name);
		this.#kernel.evict(node);
	}

	rename(from: string, to: string, kind: 'replace' | 'exchange' = 'replace'): void {
		const replaced = this.#lookUp(to);
		this.#kernel.rename(this.#place(from), this.#place(to), kind === 'exchange' ? 2 : 0);
		if (replaced !== undefined && kind === 'replace' && replaced.links === 0) this.#letGo(replaced);
	}

	setXattr(path: string, name: string, value: Uint8Array): void {
		this.#kernel.setXattr(this.#find(path), name, value);
	}

	removeXattr(path: string, name: string): void {
		this.#kernel.removeXattr(this.#find(path), name);
	}

	/** sync(2); by then every other file is closed, too. */
	sync(): void {
		this.#closeSome();
		this.#hooks.before('sync');
		this.#kernel.sync();
		this.#hooks.after('sync');
	}

	checkpoint(): void {
		this.#kernel.sync();
		this.#hooks.before('checkpoint');
		this.volume.transactions?.checkpoint();
		this.#hooks.after('sync');
	}

	close(): void {
		this.release();
		this.#closeSome();
		this.#hooks.before('close');
		this.#kernel.unmount();
		closeVolume(this.volume);
		this.#hooks.after('sync');
	}

	#closeSome(): void {
		let isNext = false;
		for (const node of this.#open) {
			isNext = !isNext;
			if (!isNext || this.#held.has(node)) continue;
			this.#kernel.close(node);
			this.#open.delete(node);
		}
	}

	#letGo(node: Node): void {
		if (this.#open.delete(node)) this.#kernel.close(node);
		this.#kernel.evict(node);
	}

	#opened(path: string): Node {
		const node = this.#find(path);
		if (!this.#open.has(node)) {
			this.#kernel.open(node);
			this.#open.add(node);
		}
		return node;
	}

	#find(path: string): Node {
		const node = this.#lookUp(path);
		if (node === undefined) throw new Error(`${path} is not there`);
		return node;
	}

	#lookUp(path: string): Node | undefined {
		let node: Node | undefined = this.#kernel.root();
		for (const part of path.split('/').filter(name => name !== '')) {
			if (node !== undefined) node = this.#kernel.lookup(node, part);
		}
		return node;
	}

	#place(path: string): {parent: Node; name: string} {
		const slash = path.lastIndexOf('/');
		return {parent: this.#find(path.slice(0, slash)), name: path.slice(slash + 1)};
	}
}
