/**
 * Does to an image all that a reader can do: opens it, walks every directory, looks every name up
 * again, reads every file, link and attribute, maps and searches; then asks for some of it as the
 * kernel would. What goes wrong with one file does not end the walk; the codes of all errors are
 * counted.
 *
 * Hostile sizes are legal (a sparse file of 2^48 bytes), so what is read has a budget.
 */

import type {BlockDevice} from '../../ext4/device.ts';
import {
	forEachEntry,
	getXattr,
	type Inode,
	inodeFlags,
	isExpectedError,
	listXattrs,
	lookup,
	mapAt,
	readSymlink,
	statisticsOf,
	Volume,
} from '../../ext4/index.ts';
import {nodeHashes} from '../../images/hashes.ts';
import {Mapper, readRange, seek} from '../../iomap/index.ts';
import {serveVolume} from './serve.ts';

export type WalkResult = {
	/** The superblock was believed. */
	readonly passedSuperblock: boolean;
	readonly opened: boolean;
	readonly errors: ReadonlyMap<string, number>;
	readonly inodesRead: number;
	readonly entriesSeen: number;
	/** Names that were listed but are not found: right in a damaged index, wrong in one that is well. */
	readonly namesLost: number;
	readonly bytesRead: number;
};

/** How much of an image is read; what an image says of itself may have no end. */
export type WalkLimits = {
	readonly entries: number;
	/** Of all directories, spread over the names of each. */
	readonly lookups: number;
	readonly fileBytes: number;
	readonly allBytes: number;
	/** Runs listed, and thirty times the searches for data and holes, of one file. */
	readonly steps: number;
	/** Inodes that the server is asked about. */
	readonly served: number;
};

const wholeImage: WalkLimits = {
	entries: 20_000,
	lookups: 4_000,
	fileBytes: 64 << 20,
	allBytes: 96 << 20,
	steps: 300,
	served: 40,
};
/** All of a small image, and some of what it only claims to have. */
export const smallImage: WalkLimits = {
	entries: 2_000,
	lookups: 24,
	fileBytes: 1 << 18,
	allBytes: 1 << 20,
	steps: 60,
	served: 0,
};

/** Errors that mean that not even the superblock was believed. */
const superblockCodes = new Set([
	'EXT4_NOT_EXT',
	'EXT4_TRUNCATED',
	'EXT4_BAD_SUPERBLOCK',
	'EXT4_BAD_SUPERBLOCK_CHECKSUM',
	'EXT4_UNSUPPORTED_FEATURE',
	'EXT4_UNSUPPORTED_JOURNAL_DEVICE',
	'EXT4_UNSUPPORTED_EXTERNAL_JOURNAL',
	'EXT4_UNSUPPORTED_ENCODING',
]);

const buffer = new Uint8Array(1 << 18);

class Walk {
	readonly errors = new Map<string, number>();
	volume: Volume | undefined;
	passedSuperblock = true;
	inodesRead = 0;
	entriesSeen = 0;
	namesLost = 0;
	lookupsDone = 0;
	bytesRead = 0;

	readonly #limits: WalkLimits;

	constructor(limits: WalkLimits) {
		this.#limits = limits;
	}

	/** Runs `action`; an expected error is counted, any other is thrown on. */
	try<T>(action: () => T): T | undefined {
		try {
			return action();
		} catch (error) {
			if (!isExpectedError(error)) throw error;
			this.errors.set(error.code, (this.errors.get(error.code) ?? 0) + 1);
			return undefined;
		}
	}

	open(device: BlockDevice, cacheBytes: number): void {
		const open = (journal: 'replay' | 'ignore') =>
			this.try(() => Volume.open(device, {hashes: nodeHashes, cacheBytes, journal}));
		this.volume = open('replay');
		if (this.volume !== undefined) return;
		// A journal that is damaged is no reason to look no further.
		this.volume = open('ignore');
		if (this.volume !== undefined) return;
		this.passedSuperblock = [...this.errors.keys()].every(code => !superblockCodes.has(code));
	}

	/** Returns the inodes that directories name, readable or not. */
	walk(volume: Volume): number[] {
		const mapper = new Mapper(volume);
		this.try(() => this.#assertStatistics(volume));
		const todo = [2];
		const seen = new Set<number>(todo);
		const add = (number: number) => {
			if (seen.has(number)) return;
			seen.add(number);
			todo.push(number);
		};
		for (let number = todo.pop(); number !== undefined; number = todo.pop()) {
			const wanted = number;
			const inode = this.try(() => volume.readInode(wanted));
			if (inode === undefined) continue;
			this.inodesRead++;
			this.#readXattrs(volume, inode);
			switch (inode.type) {
				case 'directory':
					this.#readDirectory(volume, inode, add);
					break;
				case 'symlink':
					this.try(() => readSymlink(volume, inode));
					break;
				case 'file':
					this.#readFile(mapper, inode);
					break;
				default:
					break;
			}
			if (inode.type === 'file' || inode.type === 'directory') this.#map(mapper, inode);
		}
		return [...seen];
	}

	#assertStatistics(volume: Volume): void {
		for (const [name, value] of Object.entries(statisticsOf(volume))) {
			if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name} is ${value}`);
		}
	}

	#readDirectory(volume: Volume, directory: Inode, add: (number: number) => void): void {
		const names: Uint8Array[] = [];
		let last = 0;
		this.try(() =>
			forEachEntry(volume, directory, 0, (bytes, start, length, number, _type, next) => {
				if (next <= last) throw new RangeError(`a cursor of ${next} after ${last}`);
				last = next;
				const name = bytes.slice(start, start + length);
				if (length === 0 || length > 255 || name.length !== length || number === 0) {
					throw new RangeError(`an entry of ${length} bytes for inode ${number}`);
				}
				if (name.includes(0) || name.includes(0x2f)) throw new RangeError('a name with a slash');
				names.push(name);
				add(number);
				return ++this.entriesSeen < this.#limits.entries;
			}),
		);
		// Listing again from some place in the middle must end as well.
		this.try(() =>
			forEachEntry(volume, directory, last >>> 1, () => ++this.entriesSeen < this.#limits.entries),
		);
		this.#lookForOthers(volume, directory);
		const every = Math.max(1, Math.floor((names.length * 4) / this.#limits.lookups));
		for (let index = 0; index < names.length; index += every) {
			const name = names[index] ?? new Uint8Array(0);
			if (++this.lookupsDone > this.#limits.lookups) return;
			const found = this.try(() => lookup(volume, directory, name));
			if (found !== undefined) add(found.inode);
			else this.namesLost++;
		}
	}

	/** Names that are not there, of all lengths. */
	#lookForOthers(volume: Volume, directory: Inode): void {
		for (const length of [0, 2, 255]) {
			this.try(() => lookup(volume, directory, new Uint8Array(length).fill(0x7a)));
		}
	}

	#readXattrs(volume: Volume, inode: Inode): void {
		const listed = this.try(() => listXattrs(volume, inode)) ?? [];
		for (const {name} of listed) {
			const value = this.try(() => getXattr(volume, inode, name));
			this.bytesRead += value?.length ?? 0;
			if (this.bytesRead > this.#limits.allBytes) return;
		}
		this.try(() => getXattr(volume, inode, 'user.not-there'));
	}

	#readFile(mapper: Mapper, inode: Inode): void {
		const end = Math.min(inode.sizeBytes, this.#limits.fileBytes);
		const read = (position: number) => this.try(() => readRange(mapper, inode, position, buffer));
		for (let position = 0; position < end && this.bytesRead < this.#limits.allBytes; ) {
			// What can't be read is skipped, as by a reader that goes on after an error.
			const count = read(position);
			if (count === 0) throw new RangeError(`nothing is read at ${position} of ${end}`);
			position += count ?? buffer.length;
			this.bytesRead += count ?? 0;
		}
		if (inode.sizeBytes > end) read(inode.sizeBytes - 100);
		read(Math.floor(inode.sizeBytes / 2));
	}

	#map(mapper: Mapper, inode: Inode): void {
		const isInline = (inode.flags & inodeFlags.inlineData) !== 0;
		const blocks = isInline ? 0 : Math.ceil(inode.sizeBytes / mapper.volume.geometry.blockSize);
		let logical = 0;
		for (let step = 0; step < this.#limits.steps && logical < blocks; step++) {
			const at = logical;
			const run = this.try(() => mapAt(mapper.volume, inode, at));
			if (run === undefined) break;
			if (run.length <= 0 || run.logical > at || run.logical + run.length <= at) {
				throw new RangeError(`a run of ${run.length} blocks from ${run.logical} for ${at}`);
			}
			logical = run.logical + run.length;
		}
		let position: number | undefined = 0;
		for (let step = 0; step < this.#limits.steps / 30 && position !== undefined; step++) {
			const from: number = position;
			const wanted = step % 2 === 0 ? 'data' : 'hole';
			const found = this.try(() => seek(mapper, inode, from, wanted));
			if (found !== undefined && (found < from || found > inode.sizeBytes)) {
				throw new RangeError(`the next ${wanted} from ${from} is at ${found}`);
			}
			position = found;
		}
	}
}

/**
 * Throws only what no image may provoke. A small cache forgets what it has checked, and has to check
 * it again.
 */
export function walkImage(
	device: BlockDevice,
	cacheBytes = 1 << 16,
	limits: WalkLimits = wholeImage,
): WalkResult {
	const walk = new Walk(limits);
	walk.open(device, cacheBytes);
	if (walk.volume !== undefined) {
		const inodes = walk.walk(walk.volume);
		if (limits.served > 0) serveVolume(walk.volume, inodes.slice(0, limits.served));
	}
	const {passedSuperblock, errors, inodesRead, entriesSeen, namesLost, bytesRead} = walk;
	return {
		passedSuperblock,
		opened: walk.volume !== undefined,
		errors,
		inodesRead,
		entriesSeen,
		namesLost,
		bytesRead,
	};
}
