/** What the server tells the kernel of its own accord: changes of the cache of mappings. */
import type {Node} from './node.ts';
import type {Requests} from './requests.ts';
import {checkUpsert, type Geometry} from './validate.ts';
import {errnos, KernelError, noAddress, readRecord, types, type WireRecord} from './wire.ts';

const codes = {invalidateInode: 2, deviceInvalidate: 99, upsert: 100, invalidate: 101} as const;
const headerBytes = 16;

export class Notifications {
	/** Those that were accepted, by code. */
	readonly accepted: {[code: number]: number} = {};
	readonly #requests: Requests;
	readonly #nodes: ReadonlyMap<number, Node>;
	readonly #geometry: () => Geometry & {readonly cachedMax: number};

	constructor(
		requests: Requests,
		nodes: ReadonlyMap<number, Node>,
		geometry: () => Geometry & {readonly cachedMax: number},
	) {
		this.#requests = requests;
		this.#nodes = nodes;
		this.#geometry = geometry;
	}

	/** Takes a message with its header; returns 0, or the errno of the write(2) that brought it. */
	take(message: Uint8Array): number {
		const header = new DataView(message.buffer, message.byteOffset, message.byteLength);
		const code = header.getInt32(4, true);
		const payload = new DataView(
			message.buffer,
			message.byteOffset + headerBytes,
			message.byteLength - headerBytes,
		);
		try {
			this.#take(code, payload);
		} catch (error) {
			if (!(error instanceof KernelError)) throw error;
			this.#requests.trace.push(`NOTIFY ${code} refused: ${error.message}`);
			return error.errno;
		}
		this.accepted[code] = (this.accepted[code] ?? 0) + 1;
		return 0;
	}

	#take(code: number, view: DataView): void {
		switch (code) {
			case codes.invalidateInode:
				return;
			case codes.deviceInvalidate:
				this.#dropOfDevice(view);
				return;
			case codes.upsert:
				this.#upsert(view);
				return;
			case codes.invalidate:
				this.#invalidate(view);
				return;
			default:
				throw new KernelError(errnos.EINVAL, `notification ${code}`);
		}
	}

	/** The device's own page cache, which nothing here goes through. */
	#dropOfDevice(view: DataView): void {
		if (view.byteLength !== 24) throw new KernelError(errnos.EINVAL, 'a wrong size');
		const device = view.getUint32(0, true);
		const {devices, deviceBytes} = this.#geometry();
		if (device === 0 || view.getUint32(4, true) !== 0) {
			throw new KernelError(errnos.EINVAL, 'no device, or bits that are not known');
		}
		if (!devices.has(device)) throw new KernelError(errnos.ENODEV, `device ${device}`);
		if (view.getBigUint64(8, true) >= BigInt(deviceBytes)) {
			throw new KernelError(errnos.EINVAL, 'beyond the end of the device');
		}
	}

	#nodeOf(view: DataView): Node {
		const node = this.#nodes.get(Number(view.getBigUint64(0, true)));
		if (node === undefined) throw new KernelError(errnos.ESTALE, 'no such node');
		if (BigInt(node.inode) !== view.getBigUint64(8, true)) {
			throw new KernelError(errnos.EINVAL, 'the inode is another');
		}
		return node;
	}

	#upsert(view: DataView): void {
		if (view.byteLength !== 80) throw new KernelError(errnos.EINVAL, 'a wrong size');
		const node = this.#nodeOf(view);
		const read = readRecord(view, 16);
		const write = readRecord(view, 48);
		for (const record of [read, write]) checkUpsert(record, this.#geometry());
		node.hasCache = true;
		node.sequence++;
		if (read.type !== types.noCache) this.#put(node, 'readCache', read);
		// That all is written in place goes without saying until something else was said.
		const isFirstOverwrite = write.type === types.pureOverwrite && !node.hasWriteRecords;
		if (write.type === types.noCache || isFirstOverwrite) return;
		node.hasWriteRecords = true;
		this.#put(node, 'writeCache', write);
	}

	#put(node: Node, direction: 'readCache' | 'writeCache', record: WireRecord): void {
		const cache = node[direction];
		if (cache.size >= this.#geometry().cachedMax) cache.clear();
		cache.upsert(record);
	}

	#invalidate(view: DataView): void {
		if (view.byteLength !== 48) throw new KernelError(errnos.EINVAL, 'a wrong size');
		const node = this.#nodeOf(view);
		const unit = BigInt(this.#geometry().blockSize);
		const ranges = [
			{at: 16, cache: node.readCache},
			{at: 32, cache: node.writeCache},
		].map(({at, cache}) => ({
			cache,
			offset: view.getBigUint64(at, true),
			length: view.getBigUint64(at + 8, true),
		}));
		for (const {offset, length} of ranges) {
			if (length === 0n) continue;
			if (offset % unit !== 0n || (length !== noAddress && length % unit !== 0n)) {
				throw new KernelError(errnos.EUCLEAN, 'a range of parts of blocks');
			}
		}
		for (const {cache, offset, length} of ranges) {
			if (length === 0n) continue;
			// Of a whole tree that is dropped nobody who uses a mapping of it hears.
			if (offset === 0n && length === noAddress) cache.clear();
			else {
				node.sequence++;
				cache.remove(offset, length === noAddress ? 1n << 64n : offset + length);
			}
		}
	}
}
